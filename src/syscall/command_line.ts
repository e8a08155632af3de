/**
 * The machine as a command sees it: arguments, files of any system, other programs, output, exit status. On Linux files
 * go through libc like everything else, so that Deno's `--allow-ffi` is enough; elsewhere through the runtime.
 */
import { mapFile, readFile, writeFile } from "./files.ts";
import { type CommandResult, type Host, runtime } from "./runtime/mod.ts";

/** The script's arguments. */
export function scriptArgs(): readonly string[] {
  return runtime().args;
}

/** What the runtime offers besides the kernel. */
export function host(): Host {
  return runtime().host;
}

/** The bytes of a file. Throws `WaggleError` with the path. */
export function readInput(path: string): Uint8Array {
  return host().platform === "linux" ? readFile(path) : host().readFile(path);
}

/**
 * The bytes of a file, read only, mapped where that is possible: of a large file only what is looked at is read. They
 * stay until the process ends. Throws `WaggleError` with the path.
 */
export function mapInput(path: string): Uint8Array {
  return host().platform === "linux" ? mapFile(path).bytes : host().readFile(path);
}

/** Writes a file, in place of one that is there. Throws `WaggleError` with the path. */
export function writeOutput(path: string, bytes: Uint8Array): void {
  if (host().platform === "linux") writeFile(path, bytes);
  else host().writeFile(path, bytes);
}

export type { CommandResult, Host };
