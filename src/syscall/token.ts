/**
 * BPF tokens (Linux 6.9): rights to load programs and create maps that a privileged process has delegated to a user
 * namespace, by mounting a bpf file system there with `delegate_cmds`, `delegate_maps`, `delegate_progs` and
 * `delegate_attachs`. A token counts for the calls that name it; `withToken` lets all of a function's calls name one.
 */
import { BPF_F_TOKEN_FD } from "../abi/bpf.gen.ts";
import type { BpfCommand } from "../abi/attr.ts";

let current: number | undefined;

/** Runs `fn` with a token's descriptor in every BPF_MAP_CREATE, BPF_PROG_LOAD and BPF_BTF_LOAD; `fn` must not be async. */
export function withToken<T>(fd: number | undefined, fn: () => T): T {
  const before = current;
  current = fd;
  try {
    return fn();
  } finally {
    current = before;
  }
}

/** Commands that take a token, with the fields of its descriptor and of the flag that says so. */
const FIELDS: Readonly<Partial<Record<BpfCommand, readonly [fd: string, flags: string]>>> = {
  BPF_MAP_CREATE: ["map_token_fd", "map_flags"],
  BPF_PROG_LOAD: ["prog_token_fd", "prog_flags"],
  BPF_BTF_LOAD: ["btf_token_fd", "btf_flags"],
};

/** The attribute of a command with the current token in it. */
export function withTokenFields<A extends object>(command: BpfCommand, attr: A): A {
  const fields = current === undefined ? undefined : FIELDS[command];
  if (fields === undefined) return attr;
  const [fd, flags] = fields;
  const given = (attr as Readonly<Record<string, unknown>>)[flags];
  return { ...attr, [fd]: current, [flags]: (typeof given === "number" ? given : 0) | BPF_F_TOKEN_FD };
}
