/** Hooks that waggle knows but cannot attach: trying says so by name. */
import { NotSupportedError } from "../errors.ts";
import type { Attacher, NoOptions } from "./types.ts";

function unwritten(feature: string, hint: string): Attacher<NoOptions> {
  return {
    options: [],
    attach(prog) {
      throw new NotSupportedError(feature, {
        message: `Cannot attach program "${prog.name}": waggle does not attach ${feature} yet`,
        hint,
      });
    },
  };
}

export const traceMulti: Attacher<NoOptions> = unwritten("fentry.multi and kin", "attach fentry programs one by one");
export const lwt: Attacher<NoOptions> = unwritten(
  "programs of routes",
  "pin the program and use `ip route … encap bpf`",
);
export const structOps: Attacher<NoOptions> = unwritten(
  "struct_ops programs on their own",
  "they attach with the map that holds their struct",
);
