/**
 * The error classes of waggle. They are few, carry data, and most carry a hint: what a person can do about it.
 *
 * Messages follow one form: "Cannot <action>: <state>", without a full stop, with names in double quotes.
 * Wrong use of an argument (shape, range) throws the built-in `TypeError` or `RangeError` before any system call.
 */

/** What every waggle error may carry besides its message. */
export interface ErrorDetails {
  /** The error that led to this one. */
  cause?: unknown;
  /** What a person can do: which capability, which kernel version, which line of the script. */
  hint?: string | undefined;
}

/** The common base: an `Error` with a `hint`, which is also the last line of the printed message. */
export class WaggleError extends Error {
  /** The class's name: written out, since minifiers rename classes. */
  override readonly name: string = "WaggleError";
  /** What a person can do about it, if waggle knows. */
  readonly hint: string | undefined;

  constructor(message: string, details: ErrorDetails = {}) {
    super(details.hint === undefined ? message : `${message}\n  hint: ${details.hint}`, { cause: details.cause });
    this.hint = details.hint;
  }
}

/** A system call failed. */
export class SyscallError extends WaggleError {
  override readonly name: string = "SyscallError";
  /** The call as its man page names it, for example `bpf(BPF_MAP_CREATE)`. */
  readonly call: string;
  /** The positive errno. */
  readonly errno: number;
  /** Its symbolic name, for example `EPERM`. */
  readonly errnoName: string;

  constructor(
    message: string,
    details: ErrorDetails & { call: string; errno: number; errnoName: string },
  ) {
    super(`${message}: ${details.call}: ${details.errnoName}`, details);
    this.call = details.call;
    this.errno = details.errno;
    this.errnoName = details.errnoName;
  }
}

/** The kernel's verifier refused a program. The message shows the last meaningful lines, `log` has all. */
export class VerifierError extends WaggleError {
  override readonly name: string = "VerifierError";
  /** The program's name. */
  readonly program: string;
  /** The whole log of the verifier. */
  readonly log: string;
  /** The lines of the log that say why. */
  readonly summary: string;
  /** The errno of BPF_PROG_LOAD. */
  readonly errno: number;
  /** The instructions as they were handed to the kernel, for tools that show or compare them. */
  readonly insns: Uint8Array | undefined;

  constructor(
    message: string,
    details: ErrorDetails & {
      program: string;
      log: string;
      summary: string;
      errno: number;
      insns?: Uint8Array | undefined;
    },
  ) {
    super(message, details);
    this.program = details.program;
    this.log = details.log;
    this.summary = details.summary;
    this.errno = details.errno;
    this.insns = details.insns;
  }
}

/** Bytes that are not what they should be: truncated, hostile or foreign ELF, BTF, archives. */
export class FormatError extends WaggleError {
  override readonly name: string = "FormatError";
  /** Where: `foo.o: .BTF: type 12 STRUCT "task_struct": member 3`. */
  readonly path: string;
  /** Byte offset in the innermost part of `path` that has bytes, if known. */
  readonly offset: number | undefined;

  constructor(path: string, problem: string, details: ErrorDetails & { offset?: number | undefined } = {}) {
    super(path === "" ? problem : `${path}: ${problem}`, details);
    this.path = path;
    this.offset = details.offset;
  }
}

/** This kernel, machine or runtime lacks something. */
export class NotSupportedError extends WaggleError {
  override readonly name: string = "NotSupportedError";
  /** What is missing, for example `ring buffer maps`. */
  readonly feature: string;
  /** The first kernel version that has it, for example `5.8`, if it is a matter of version. */
  readonly since: string | undefined;

  constructor(feature: string, details: ErrorDetails & { since?: string | undefined; message?: string } = {}) {
    const since = details.since === undefined ? "" : ` (needs Linux ${details.since})`;
    super(details.message ?? `${feature} is not supported here${since}`, details);
    this.feature = feature;
    this.since = details.since;
  }
}

/** A name that is not there: a program, map, global, symbol, field. Says the nearest ones. */
export class NotFoundError extends WaggleError {
  override readonly name: string = "NotFoundError";
  /** What was looked for, for example `map`. */
  readonly what: string;
  /** The name that was asked for. */
  readonly requested: string;
  /** Names that do exist, nearest first. */
  readonly nearest: readonly string[];

  constructor(
    what: string,
    requested: string,
    known: Iterable<string>,
    details: ErrorDetails & { where?: string } = {},
  ) {
    const nearest = nearestNames(requested, known);
    const hint = details.hint ??
      (nearest.length > 0 ? `did you mean ${nearest.map((n) => `"${n}"`).join(" or ")}?` : undefined);
    super(`Cannot find ${what} "${requested}"${details.where === undefined ? "" : ` in ${details.where}`}`, {
      ...details,
      hint,
    });
    this.what = what;
    this.requested = requested;
    this.nearest = nearest;
  }
}

/** A place in source text: file, 1-based line and column, and the line itself. */
export interface SourceLocation {
  file: string;
  line: number;
  column: number;
  lineText: string;
  /** Length of the underlined part in characters. */
  length: number;
}

/** One message of the compiler. */
export interface Diagnostic {
  /** A stable code, for example `free-identifier`. */
  code: string;
  text: string;
  loc: SourceLocation | undefined;
  notes: readonly string[];
}

/** A TypeScript function that cannot become a BPF program. Carries every diagnostic of the run. */
export class CompileError extends WaggleError {
  override readonly name: string = "CompileError";
  readonly diagnostics: readonly Diagnostic[];

  constructor(message: string, details: ErrorDetails & { diagnostics: readonly Diagnostic[] }) {
    super(message, details);
    this.diagnostics = details.diagnostics;
  }
}

/** The names nearest to `wanted` (at most three), by edit distance, then those it begins with; empty if none is near. */
export function nearestNames(wanted: string, known: Iterable<string>): string[] {
  const limit = Math.max(1, Math.floor(wanted.length / 3));
  const distanceTo = editDistance(wanted, limit);
  const lower = wanted.toLowerCase();
  const ranked: { name: string; distance: number }[] = [];
  for (const name of known) {
    const distance = name.length === lower.length && name.toLowerCase() === lower ? 0 : distanceTo(name);
    if (distance <= limit) ranked.push({ name, distance });
    else if (isStart(name, wanted) || isStart(wanted, name)) ranked.push({ name, distance: limit + 1 });
  }
  ranked.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1));
  return ranked.slice(0, 3).map((r) => r.name);
}

/** `ret` for `retval`: the start, if it is at least half. */
function isStart(start: string, whole: string): boolean {
  return start.length >= 3 && start.length * 2 >= whole.length && whole.startsWith(start);
}

/**
 * Levenshtein distance from `a`, cut off above `limit`. There are 100 000 symbols to look through: only what can stay
 * below the limit is computed, in two rows that are made once.
 */
function editDistance(a: string, limit: number): (b: string) => number {
  let [previous, row] = [new Uint16Array(a.length + 1), new Uint16Array(a.length + 1)];
  const letters = new Int16Array(128);
  for (let i = 0; i < a.length; i++) letters[a.charCodeAt(i) & 127]!++;
  /** Letters of `b` that `a` has not, or not so often: each of them costs a step, so most names need no rows. */
  const foreign = (b: string): number => {
    let count = 0;
    for (let i = 0; i < b.length; i++) if (--letters[b.charCodeAt(i) & 127]! < 0) count++;
    for (let i = 0; i < b.length; i++) letters[b.charCodeAt(i) & 127]!++;
    return count;
  };
  return (b) => {
    if (Math.abs(b.length - a.length) > limit || foreign(b) > limit) return limit + 1;
    for (let j = 0; j <= a.length; j++) previous[j] = j;
    for (let i = 1; i <= b.length; i++) {
      const code = b.charCodeAt(i - 1);
      // Cells further from the diagonal than the limit are above it.
      const [from, to] = [Math.max(1, i - limit), Math.min(a.length, i + limit)];
      row[from - 1] = from === 1 ? i : limit + 1;
      let least = row[from - 1]!;
      for (let j = from; j <= to; j++) {
        const substitute = previous[j - 1]! + (a.charCodeAt(j - 1) === code ? 0 : 1);
        const above = j === i + limit ? limit + 1 : previous[j]! + 1;
        const cell = Math.min(substitute, above, row[j - 1]! + 1);
        row[j] = cell;
        if (cell < least) least = cell;
      }
      if (least > limit) return limit + 1;
      [previous, row] = [row, previous];
    }
    return previous[a.length]!;
  };
}
