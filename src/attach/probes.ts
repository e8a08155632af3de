/**
 * What can be attached to, without attaching: `probes("tracepoint:*open*")` lists names in the form of program keys,
 * with arguments and types. Tracepoints come from tracefs, everything typed from the kernel's BTF, functions of files
 * from their symbol tables.
 */
import { BTF_KIND } from "../btf/kinds.ts";
import type { Btf } from "../btf/btf.ts";
import { declareC } from "../btf/print_c.ts";
import { NotFoundError, SyscallError } from "../errors.ts";
import { findBinary } from "../kernel/binary_path.ts";
import { tryKernelBtf } from "../kernel/btf.ts";
import { matchFunctions, withElf } from "../kernel/elf_symbols.ts";
import { readPmu } from "../kernel/pmu.ts";
import { openTracefs } from "../kernel/tracefs.ts";
import { parseUsdtArguments } from "../kernel/usdt_args.ts";
import { usdtNotes } from "../kernel/usdt_notes.ts";
import { arch } from "../syscall/libc.ts";
import { COMMON_BYTES, parseTracepointFormat } from "../kernel/tracepoint_format.ts";
import { globToRegExp } from "./glob.ts";

/** An argument of a probe. */
export interface ProbeArgument {
  readonly name: string;
  /** Its C type. */
  readonly type: string;
}

/** Something a program can be attached to. */
export interface Probe {
  /** As a program's key: `tracepoint:syscalls:sys_enter_openat`. */
  readonly name: string;
  /** Fields or parameters; empty where nothing is known of them. Read when asked for. */
  readonly arguments: readonly ProbeArgument[];
  /** The C type a function returns, if known. */
  readonly returns: string | undefined;
}

/** Takes the part after the kind, as a pattern and as it was written. */
type Lister = (pattern: RegExp, kind: string, glob: string) => Probe[];

const LISTERS: Readonly<Record<string, Lister>> = {
  tracepoint: listTracepoints,
  raw_tp: listRawTracepoints,
  tp_btf: listRawTracepoints,
  kprobe: listKernelFunctions,
  kretprobe: listKernelFunctions,
  fentry: listKernelFunctions,
  fexit: listKernelFunctions,
  lsm: listLsmHooks,
  iter: listIterators,
};

/** Kinds that are listed by file and not by what the kernel has. */
const FILE_KINDS = ["uprobe", "uretprobe", "usdt"];

/**
 * Lists what a pattern stands for. The part before the first colon is a kind (or a pattern of kinds), the rest a name
 * in which `*` and `?` are wildcards: `tracepoint:syscalls:sys_enter_*`, `*:*exec*`, `uprobe:/bin/bash:read*`.
 * Kinds: tracepoint, raw_tp, tp_btf, kprobe, kretprobe, fentry, fexit, lsm, iter, uprobe, uretprobe, usdt.
 *
 * An empty list means that nothing fits, or that the kernel was built without that kind.
 *
 * @throws {NotFoundError} for a kind or a file that does not exist
 *
 * @example
 * ```ts
 * import { probes } from "@waggle/waggle";
 *
 * for (const probe of probes("tracepoint:syscalls:sys_enter_open*")) {
 *   console.log(probe.name, probe.arguments.map((a) => `${a.type} ${a.name}`));
 * }
 * ```
 */
export function probes(pattern: string): Probe[] {
  const colon = pattern.indexOf(":");
  const kind = colon < 0 ? "*" : pattern.slice(0, colon);
  const name = colon < 0 ? `*${pattern}*` : pattern.slice(colon + 1);
  if (kind === "usdt") return listStaticProbes(name);
  if (FILE_KINDS.includes(kind)) return listFileFunctions(kind, name);
  const kinds = Object.keys(LISTERS).filter((k) => globToRegExp(kind).test(k));
  if (kinds.length === 0) throw new NotFoundError("probe kind", kind, [...Object.keys(LISTERS), ...FILE_KINDS]);
  const names = globToRegExp(name);
  return kinds.flatMap((k) => LISTERS[k]!(names, k, name));
}

function listTracepoints(pattern: RegExp, kind: string, glob: string): Probe[] {
  const found: Probe[] = [];
  const categories = globToRegExp(glob.includes(":") ? glob.slice(0, glob.indexOf(":")) : "*");
  using tracefs = openTracefs();
  for (const category of tracefs.categories()) {
    // Reading the 150 folders of all categories takes 5 ms; `ftrace` has formats but nothing to attach to.
    if (!categories.test(category) || category === "ftrace") continue;
    for (const event of tracefs.events(category)) {
      if (!pattern.test(`${category}:${event}`)) continue;
      found.push(new LazyProbe(`${kind}:${category}:${event}`, () => tracepointArguments(category, event)));
    }
  }
  return found.sort(byName);
}

function tracepointArguments(category: string, event: string): Signature {
  using tracefs = openTracefs();
  const { fields } = parseTracepointFormat(tracefs.format(category, event), category);
  // Newer kernels (7.3 at the latest) add copies of strings to system calls (`__filename_val`), but only to what ftrace
  // records: a program's context is `struct syscall_tp_t` and ends with the arguments.
  const isCall = category === "syscalls";
  const own = fields.filter((field) =>
    field.offset >= COMMON_BYTES && field.name !== "__syscall_nr" && !(isCall && field.dynamic !== "none")
  );
  return { arguments: own.map(({ name, type }) => ({ name, type })), returns: undefined };
}

/**
 * Every raw tracepoint has a typedef `btf_trace_NAME` of its handler, whose first parameter is private. The names of
 * the others are lost in it, but not in `__bpf_trace_NAME`, the function that calls programs.
 */
function listRawTracepoints(pattern: RegExp, kind: string): Probe[] {
  const prefix = "btf_trace_";
  return fromBtf(BTF_KIND.TYPEDEF, (btf, id, name) => {
    if (!name.startsWith(prefix) || !pattern.test(name.slice(prefix.length))) return undefined;
    return new LazyProbe(`${kind}:${name.slice(prefix.length)}`, () => {
      const caller = btf.find(`__bpf_trace_${name.slice(prefix.length)}`, "FUNC");
      const pointer = btf.type(typeOf(btf, id));
      const proto = caller !== undefined ? typeOf(btf, caller) : pointer.kind === "PTR" ? pointer.type : 0;
      return { arguments: signature(btf, proto).arguments.slice(1), returns: undefined };
    });
  });
}

function listKernelFunctions(pattern: RegExp, kind: string): Probe[] {
  if (kind.startsWith("k") && readPmu("kprobe") === undefined) return [];
  const names = new Set(traceableFunctions().filter((name) => pattern.test(name)));
  const btf = tryKernelBtf();
  return [...names].sort().map((name) =>
    new LazyProbe(`${kind}:${name}`, () => {
      const id = btf?.find(name, "FUNC");
      return btf === undefined || id === undefined ? NOTHING_KNOWN : signature(btf, typeOf(btf, id));
    })
  );
}

/** Names of the functions that can be hooked. */
function traceableFunctions(): string[] {
  using tracefs = openTracefs();
  try {
    return tracefs.functions();
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    // Kernels without dynamic ftrace have no such file, and nothing to hook.
    if (error.errnoName === "ENOENT") return [];
    // Lockdown closes tracefs (EPERM) even to root; BTF has the functions, though some of them cannot be hooked.
    if (error.errnoName !== "EPERM") throw error;
    const btf = tryKernelBtf();
    return Array.from(btf?.ids(BTF_KIND.FUNC) ?? [], (id) => btf!.nameOf(id));
  }
}

/** Each LSM hook has an empty function `bpf_lsm_NAME` to attach to. */
function listLsmHooks(pattern: RegExp, kind: string): Probe[] {
  const prefix = "bpf_lsm_";
  return fromBtf(BTF_KIND.FUNC, (btf, id, name) => {
    if (!name.startsWith(prefix) || !pattern.test(name.slice(prefix.length))) return undefined;
    return new LazyProbe(`${kind}:${name.slice(prefix.length)}`, () => signature(btf, typeOf(btf, id)));
  });
}

/** Iterators have a function `bpf_iter_TARGET` too, but so have kfuncs; theirs never takes the iterator's `meta`. */
function listIterators(pattern: RegExp, kind: string): Probe[] {
  const prefix = "bpf_iter_";
  return fromBtf(BTF_KIND.FUNC, (btf, id, name) => {
    if (!name.startsWith(prefix) || !pattern.test(name.slice(prefix.length))) return undefined;
    const known = signature(btf, typeOf(btf, id));
    if (known.arguments[0]?.type !== "struct bpf_iter_meta *") return undefined;
    return new LazyProbe(`${kind}:${name.slice(prefix.length)}`, () => known);
  });
}

function listFileFunctions(kind: string, target: string): Probe[] {
  const colon = target.lastIndexOf(":");
  const file = colon < 0 ? target : target.slice(0, colon);
  const pattern = globToRegExp(colon < 0 ? "*" : target.slice(colon + 1));
  const names = withElf(findBinary(file), (elf) => matchFunctions(elf, pattern).map((f) => f.name));
  return [...new Set(names)].sort().map((name) => new LazyProbe(`${kind}:${file}:${name}`, () => NOTHING_KNOWN));
}

/** `PATH:PROVIDER:NAME`, or `PATH:*` for all of a file; a path may not have a colon. */
function listStaticProbes(target: string): Probe[] {
  const [file = "", provider = "*", name = "*"] = target.split(":");
  const pattern = globToRegExp(`${provider}:${name}`);
  const places = new Map(
    withElf(findBinary(file), usdtNotes).map((note) => [`${note.provider}:${note.name}`, note.args]),
  );
  return [...places].filter(([probe]) => pattern.test(probe)).sort(([a], [b]) => (a < b ? -1 : 1)).map((
    [probe, args],
  ) => new LazyProbe(`usdt:${file}:${probe}`, () => ({ arguments: staticArguments(args), returns: undefined })));
}

/** Notes have sizes and signs, but neither names nor types. */
function staticArguments(args: string): ProbeArgument[] {
  return parseUsdtArguments(args, arch()).map(({ size, signed }, i) => ({
    name: `arg${i}`,
    type: `__${signed ? "s" : "u"}${size * 8}`,
  }));
}

function fromBtf(kind: number, make: (btf: Btf, id: number, name: string) => Probe | undefined): Probe[] {
  const btf = tryKernelBtf();
  const found = new Map<string, Probe>();
  for (const id of btf?.ids(kind) ?? []) {
    const probe = make(btf!, id, btf!.nameOf(id));
    if (probe !== undefined) found.set(probe.name, probe);
  }
  return [...found.values()].sort(byName);
}

interface Signature {
  readonly arguments: readonly ProbeArgument[];
  readonly returns: string | undefined;
}

const NOTHING_KNOWN: Signature = { arguments: [], returns: undefined };

/** A probe whose format or prototype is read when somebody looks. */
class LazyProbe implements Probe {
  readonly name: string;
  readonly #read: () => Signature;
  #known: Signature | undefined;

  constructor(name: string, read: () => Signature) {
    this.name = name;
    this.#read = read;
  }

  get arguments(): readonly ProbeArgument[] {
    return (this.#known ??= this.#read()).arguments;
  }

  get returns(): string | undefined {
    return (this.#known ??= this.#read()).returns;
  }
}

function signature(btf: Btf, protoId: number): Signature {
  const proto = btf.type(protoId);
  if (proto.kind !== "FUNC_PROTO") return NOTHING_KNOWN;
  return {
    arguments: proto.params.map(({ name, type }, i) => ({ name: name || `arg${i}`, type: declareC(btf, type) })),
    returns: declareC(btf, proto.type),
  };
}

/** The type that a FUNC or TYPEDEF refers to. */
function typeOf(btf: Btf, id: number): number {
  const type = btf.type(id);
  return type.kind === "FUNC" || type.kind === "TYPEDEF" ? type.type : 0;
}

function byName(a: Probe, b: Probe): number {
  return a.name < b.name ? -1 : 1;
}
