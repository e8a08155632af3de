/**
 * Section names: which row of the table one matches, and what its tail means. The rules are libbpf's
 * (`sec_def_matches` and the `attach_*` functions of its src/libbpf.c); the tail is parsed here, once, for everybody.
 */
import { WaggleError } from "../errors.ts";
import { type SectionDef, SECTIONS } from "./sections.ts";

/** What a section name says. */
export interface SectionMatch {
  def: SectionDef;
  /** What follows the first `/` of a pattern with `+`: `syscalls/sys_enter_openat`; empty if nothing. */
  target: string;
  /** False if the name starts with `?`. */
  autoload: boolean;
}

/** The tail of a section name, taken apart by attach kind. */
export type SectionTarget =
  /** No tail: the target is an option of the attach call. */
  | { kind: "none" }
  | { kind: "kprobe"; symbol: string; offset: number }
  | { kind: "kprobe_multi"; pattern: string }
  | { kind: "ksyscall"; syscall: string }
  | { kind: "uprobe"; path: string; symbol: string; offset: number }
  | { kind: "uprobe_multi"; path: string; pattern: string }
  | { kind: "usdt"; path: string; provider: string; name: string }
  | { kind: "tracepoint"; category: string; name: string }
  | { kind: "raw_tracepoint"; name: string }
  /** fentry and kin, tp_btf, lsm, iter, freplace: `module` only where the name has one. */
  | { kind: "btf"; module: string | undefined; name: string }
  | { kind: "trace_multi"; module: string | undefined; pattern: string };

interface Index {
  exact: Map<string, SectionDef>;
  /** Patterns with `+`, by what precedes it; none of them has a `/`, so one look-up finds the row. */
  prefix: Map<string, SectionDef>;
}

let index: Index | undefined;

/**
 * Finds the row of a section name. A pattern that ends in `+` matches its base alone or followed by `/`; all others
 * match exactly, so `xdp/foo` matches nothing. A leading `?` turns autoload off. Undefined if no row matches.
 */
export function matchSection(name: string): SectionMatch | undefined {
  const autoload = !name.startsWith("?");
  const bare = autoload ? name : name.slice(1);
  index ??= buildIndex();
  const exact = index.exact.get(bare);
  if (exact !== undefined) return { def: exact, target: "", autoload };
  const slash = bare.indexOf("/");
  const def = index.prefix.get(slash < 0 ? bare : bare.slice(0, slash));
  if (def === undefined) return undefined;
  return { def, target: slash < 0 ? "" : bare.slice(slash + 1), autoload };
}

function buildIndex(): Index {
  const made: Index = { exact: new Map(), prefix: new Map() };
  for (const def of SECTIONS) {
    if (def.sec.endsWith("+")) made.prefix.set(def.sec.slice(0, -1), def);
    else made.exact.set(def.sec, def);
  }
  return made;
}

/** Whether the row's programs run at the return of what they are attached to. */
export function isReturnSection(def: SectionDef): boolean {
  return /^(k|u)ret/.test(def.sec);
}

/** Whether the row's programs run at entry and return, as one session. */
export function isSessionSection(def: SectionDef): boolean {
  return /^[ku]probe\.session/.test(def.sec);
}

/** The pattern's base: `kprobe` of `kprobe+`. */
export function sectionBase(def: SectionDef): string {
  return def.sec.replace(/\+$/, "");
}

/**
 * Takes apart what follows the base of a section name. An empty tail is `{ kind: "none" }` for every row: such a
 * program is attached with options. Throws `WaggleError` that quotes the grammar if the tail does not follow it.
 */
export function parseTarget(def: SectionDef, target: string): SectionTarget {
  if (target === "") return { kind: "none" };
  switch (def.attach) {
    case "kprobe":
      return parseKprobe(def, target);
    case "kprobe_multi":
      if (!/^[\w.*?]+$/.test(target)) fail(def, target, "a pattern has letters, digits, `_`, `.`, `*` and `?`");
      return { kind: "kprobe_multi", pattern: target };
    case "ksyscall":
      if (!/^\w+$/.test(target)) fail(def, target, "a system call's name has letters, digits and `_`");
      return { kind: "ksyscall", syscall: target };
    case "uprobe":
      return parseUprobe(def, target);
    case "uprobe_multi": {
      const [path, pattern] = splitPath(def, target);
      return { kind: "uprobe_multi", path, pattern };
    }
    case "usdt":
      return parseUsdt(def, target);
    case "tracepoint":
      return parseTracepoint(def, target);
    case "raw_tracepoint":
      return { kind: "raw_tracepoint", name: target };
    case "trace_multi": {
      const { module, name } = splitModule(def, target);
      return { kind: "trace_multi", module, pattern: name };
    }
    case "trace":
    case "iter":
    case "freplace":
    case "cgroup":
      return { kind: "btf", ...splitModule(def, target) };
    default:
      return { kind: "none" };
  }
}

function parseKprobe(def: SectionDef, target: string): SectionTarget {
  const match = /^([\w.*?]+)(?:\+(.+))?$/.exec(target);
  if (match === null) fail(def, target, "no function name");
  const offset = match[2] === undefined ? 0 : parseOffset(def, target, match[2]);
  if (offset > 0 && isReturnSection(def)) fail(def, target, "a return probe takes no offset");
  return { kind: "kprobe", symbol: match[1]!, offset };
}

function parseUprobe(def: SectionDef, target: string): SectionTarget {
  const [path, rest] = splitPath(def, target);
  // C++ and Rust names may have a plus sign; only a number up to the end makes it an offset.
  const match = /^(.*)\+(0[xX][0-9a-fA-F]+|\d+)$/.exec(rest);
  if (match === null || match[1] === "") return { kind: "uprobe", path, symbol: rest, offset: 0 };
  const offset = parseOffset(def, target, match[2]!);
  if (offset > 0 && isReturnSection(def)) fail(def, target, "a return probe takes no offset");
  return { kind: "uprobe", path, symbol: match[1]!, offset };
}

function parseUsdt(def: SectionDef, target: string): SectionTarget {
  const match = /^(.+?):([^:]+):([^:]+)$/.exec(target);
  if (match === null) fail(def, target, "it needs a file, a provider and a name");
  return { kind: "usdt", path: match[1]!, provider: match[2]!, name: match[3]! };
}

function parseTracepoint(def: SectionDef, target: string): SectionTarget {
  const slash = target.indexOf("/");
  if (slash <= 0 || slash === target.length - 1) fail(def, target, "it needs a category and a name");
  return { kind: "tracepoint", category: target.slice(0, slash), name: target.slice(slash + 1) };
}

function splitPath(def: SectionDef, target: string): [path: string, rest: string] {
  const colon = target.indexOf(":");
  if (colon <= 0 || colon === target.length - 1) fail(def, target, "it needs a file and a function");
  return [target.slice(0, colon), target.slice(colon + 1)];
}

function splitModule(def: SectionDef, target: string): { module: string | undefined; name: string } {
  const colon = target.indexOf(":");
  if (colon < 0) return { module: undefined, name: target };
  if (colon === 0 || colon === target.length - 1) fail(def, target, "the module or the name is empty");
  return { module: target.slice(0, colon), name: target.slice(colon + 1) };
}

/** Decimal, hexadecimal with 0x, octal with a leading 0: what C's `%li` reads. */
function parseOffset(def: SectionDef, target: string, text: string): number {
  const octal = /^0[0-7]+$/.test(text);
  if (!octal && !/^(0[xX][0-9a-fA-F]+|[1-9]\d*|0)$/.test(text)) fail(def, target, `"${text}" is no offset`);
  const offset = octal ? parseInt(text, 8) : Number(text);
  if (!Number.isSafeInteger(offset)) fail(def, target, `the offset ${text} is out of range`);
  return offset;
}

/** "Cannot attach" and the grammar: what a person must write instead. */
function fail(def: SectionDef, target: string, problem: string): never {
  const base = sectionBase(def);
  throw new WaggleError(`Cannot parse section "${base}/${target}": ${problem}`, {
    hint: `expected ${base}/${def.extras ?? ""}`,
  });
}
