/**
 * Where `bpf(` was called: the file, line and column of the user's own source, from the stack of an Error, and the
 * file's text read through libc. Both runtimes print positions in the original TypeScript. In a compiled binary there
 * is no such file; then there is no call site and the functions' own text has to do.
 */
import type { CallSite } from "../compiler/definitions.ts";
import { tryReadText, tryStat } from "../syscall/files.ts";

/**
 * Sources larger than this are bundles with waggle in them: positions there help nobody, and reading them would take a
 * twentieth of a script's start.
 */
const LARGEST_SOURCE = 1 << 19;

/** Frames looked at; engines print ten. */
const DEEPEST = 10;

/**
 * The site of the call of the function that made `stack` (by `new Error().stack`, in its own body): the innermost frame
 * above it whose file has all of `keys` in its text. The frame right above is not always the caller's: JavaScriptCore
 * leaves out frames of tail calls, `() => bpf({...})` is one, and Bun makes more of them (`const x = f(); return x`).
 * Undefined where no frame has such a file that can be read.
 */
export function callSite(stack: string | undefined, keys: readonly string[]): CallSite | undefined {
  const looked = new Set<string>();
  for (let depth = 1; depth < DEEPEST; depth++) {
    const at = framePosition(stack ?? "", depth);
    if (at === undefined || looked.has(at.file)) continue;
    looked.add(at.file);
    const stat = tryStat(at.file);
    if (typeof stat === "number" || stat.size > LARGEST_SOURCE) continue;
    const fileText = tryReadText(at.file);
    if (fileText !== undefined && keys.every((key) => fileText.includes(key))) return { ...at, fileText };
  }
  return undefined;
}

/** File, line and column of the frame `depth` in a printed stack (0 is the innermost). Both are 1-based. */
export function framePosition(
  stack: string,
  depth: number,
): { file: string; line: number; column: number } | undefined {
  const frames = stack.split("\n").filter((line) => /^\s*at /.test(line));
  const parts = /(?:\(|at (?:async )?)((?:file:\/\/)?\/[^()]*):(\d+):(\d+)\)?$/.exec(frames[depth] ?? "");
  if (parts === null) return undefined;
  const [, where, line, column] = parts;
  const file = where!.startsWith("file://") ? decodeURIComponent(new URL(where!).pathname) : where!;
  return { file, line: Number(line), column: Number(column) };
}
