/**
 * Where `bpf(` was called: the file, line and column of the user's own source, from the stack of an Error, and the
 * file's text read through libc. Both runtimes print positions in the original TypeScript. In a compiled binary there
 * is no such file; then there is no call site and the functions' own text has to do.
 */
import type { CallSite } from "../compiler/definitions.ts";
import { tryReadText } from "../syscall/files.ts";

/** Sources larger than this are bundles or data, and reading positions from them helps nobody. */
const LARGEST_SOURCE = 4 << 20;

/**
 * The site of the call of the function that made `stack` (by `new Error().stack`, in its own body: JavaScriptCore
 * leaves out frames of tail calls, and Bun makes tail calls of `const x = f(); return x`). Undefined where the stack
 * has no file position or the file cannot be read.
 */
export function callSite(stack: string | undefined): CallSite | undefined {
  const at = framePosition(stack ?? "", 1);
  if (at === undefined) return undefined;
  const fileText = tryReadText(at.file);
  return fileText === undefined || fileText.length > LARGEST_SOURCE ? undefined : { ...at, fileText };
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
