/** struct_ops: the kernel takes the whole struct, never one of its functions, so a program alone is not attached. */
import { NotSupportedError } from "../errors.ts";
import type { Attacher, NoOptions } from "./types.ts";

export const structOps: Attacher<NoOptions> = {
  options: [],
  attach(prog) {
    throw new NotSupportedError("attaching one function of a struct_ops", {
      message: `Cannot attach program "${prog.name}": the kernel takes a struct_ops as a whole`,
      hint: "it attaches with the map that holds its struct: attach() of the object",
    });
  },
};
