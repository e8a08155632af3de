/** What a caller may decide when an object is loaded. All names are those of the object; unknown ones are errors. */
import type { Btf } from "../btf/btf.ts";
import { NotFoundError } from "../errors.ts";
import type { ObjectSpec } from "../object/spec.ts";

/** An open descriptor: its number, or anything that has one (a map, a program, an `Fd`). The caller keeps it. */
export type FdLike = number | { readonly fd: number } | { readonly number: number };

/** Options of `loadObject`. */
export interface LoadOptions {
  /**
   * Values of global variables by name, set before the programs are verified: constants (`const volatile`) can be set
   * here and never again.
   */
  globals?: Readonly<Record<string, unknown>> | undefined;
  maps?: Readonly<Record<string, MapOptions>> | undefined;
  programs?: Readonly<Record<string, ProgramOptions>> | undefined;
  /** Where maps with `pinning` by name are pinned and found again; `/sys/fs/bpf` if left out. */
  pinDirectory?: string | undefined;
  /**
   * What the verifier writes about programs that load: 1 what it does, 2 with registers, 4 statistics; sums are
   * allowed. 0, the default, writes a log only for programs that fail.
   */
  logLevel?: number | undefined;
  /** Types to relocate against instead of the running kernel's: a file (raw BTF or ELF), its bytes, or parsed BTF. */
  targetBtf?: string | Uint8Array | Btf | undefined;
  /**
   * The BPF token to load with (Linux 6.9), for processes in a user namespace: the path of a bpf file system that
   * delegates rights to it, or an open token. Left out, such processes try /sys/fs/bpf; false: no token.
   */
  token?: string | FdLike | false | undefined;
  /** Configuration values that win over the kernel's own: `{ CONFIG_HZ: 250, CONFIG_X: "y" }`. */
  kconfig?: Readonly<Record<string, string | number | boolean | bigint>> | undefined;
}

/** Options for one map. */
export interface MapOptions {
  maxEntries?: number | undefined;
  /** Only for maps without BTF type of their value. */
  valueSize?: number | undefined;
  keySize?: number | undefined;
  /** BPF_F_*; replaces those of the object. */
  flags?: number | undefined;
  numaNode?: number | undefined;
  /** Use an existing map: the path of its pin, or an open descriptor. It must agree with the object's. */
  reuse?: string | FdLike | undefined;
  /** False: the map is not created; programs that would use it are refused by the verifier. */
  create?: boolean | undefined;
  /** Pin here after creation, or use what is pinned here: a path; `true`: by name in `pinDirectory`; `false`: never. */
  pin?: string | boolean | undefined;
  /** struct_ops: members by name: a value, the name of a program, or null for "not implemented". */
  members?: Readonly<Record<string, number | bigint | string | null>> | undefined;
  /** Size of the maps inside a map of maps. */
  innerMaxEntries?: number | undefined;
}

/** Options for one program. */
export interface ProgramOptions {
  /** Whether to load it; the object says so by a `?` in the section's name. */
  autoload?: boolean | undefined;
  /** Another section name: decides type and target, as `SEC()` would. For sections that say nothing. */
  section?: string | undefined;
  /** Programs that attach to another program (freplace; fentry and fexit of a program): which one. */
  attachProgram?: FdLike | undefined;
  /** The function to attach to, instead of the one in the section's name. */
  attachFunction?: string | undefined;
  /** BPF_F_*, added to those that follow from the section. */
  flags?: number | undefined;
  /** Network device for offloaded and device-bound programs, by index. */
  ifindex?: number | undefined;
  /** As `LoadOptions.logLevel`, for this program. */
  logLevel?: number | undefined;
}

/** The number of a descriptor. */
export function fdNumber(fd: FdLike): number {
  if (typeof fd === "number") return fd;
  return "fd" in fd ? fd.fd : fd.number;
}

/** Throws `NotFoundError` for options about what the object does not have. */
export function checkOptionNames(spec: ObjectSpec, options: LoadOptions): void {
  const check = (what: string, given: object | undefined, known: readonly string[]): void => {
    for (const name of Object.keys(given ?? {})) {
      if (!known.includes(name)) throw new NotFoundError(what, name, known, { where: describeObject(spec) });
    }
  };
  check("map", options.maps, spec.maps.map((m) => m.name));
  check("program", options.programs, spec.programs.map((p) => p.name));
}

/** The object as errors print it. */
export function describeObject(spec: ObjectSpec): string {
  return spec.name === "" ? "the object" : `object "${spec.name}"`;
}
