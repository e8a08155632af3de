/** Helper functions of BPF by name. The table is src/abi/helpers.gen.ts, from the kernel's header. */
import { HELPER_PROTOTYPES } from "../abi/helpers.gen.ts";
import { NotFoundError } from "../errors.ts";

/** One helper function. */
export interface HelperDef {
  /** `BPF_FUNC_*`: the immediate of its call. */
  readonly id: number;
  /** Its C prototype. */
  readonly proto: string;
}

const known = new Map<string, HelperDef | undefined>();

/** The helper with this name, without `bpf_`; undefined if there is none. */
export function helperDef(name: string): HelperDef | undefined {
  if (!known.has(name)) known.set(name, search(name));
  return known.get(name);
}

/** Searching the text takes microseconds; making all rows of it takes as long as compiling a small program. */
function search(name: string): HelperDef | undefined {
  const declared = `bpf_${name}(`;
  let at = HELPER_PROTOTYPES.indexOf(declared);
  while (at >= 0 && !" *".includes(HELPER_PROTOTYPES[at - 1]!)) at = HELPER_PROTOTYPES.indexOf(declared, at + 1);
  if (at < 0) return undefined;
  const line = HELPER_PROTOTYPES.slice(
    HELPER_PROTOTYPES.lastIndexOf("\n", at) + 1,
    HELPER_PROTOTYPES.indexOf("\n", at),
  );
  const space = line.indexOf(" ");
  return { id: Number(line.slice(0, space)), proto: line.slice(space + 1) };
}

/** Names of all helpers, without `bpf_`, by their id. */
export function helperNames(): (string | undefined)[] {
  const names: (string | undefined)[] = [];
  for (const [, id, name] of HELPER_PROTOTYPES.matchAll(/^(\d+) [^(]*?bpf_(\w+)\(/gm)) names[Number(id)] = name;
  return names;
}

/** The id of a helper by its name, with or without `bpf_`. Throws `NotFoundError`. */
export function helperId(name: string): number {
  const helper = helperDef(name.replace(/^bpf_/, ""));
  if (helper === undefined) throw new NotFoundError("helper", name, helperNames().filter((n) => n !== undefined));
  return helper.id;
}
