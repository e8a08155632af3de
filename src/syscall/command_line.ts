/**
 * The machine as a command sees it: arguments, files of any system, other programs, output, exit status. Everything else
 * of this folder is loaded only where files have to go through libc: a command that links needs a fifth of it.
 */
import { type CommandResult, type Host, runtime } from "./runtime/mod.ts";

/** The script's arguments. */
export function scriptArgs(): readonly string[] {
  return runtime().args;
}

/** What the runtime offers besides the kernel. */
export function host(): Host {
  return runtime().host;
}

/** How a command gets at files. Each throws `WaggleError` with the path. */
export interface CommandFiles {
  read(path: string): Uint8Array;
  /**
   * The bytes of a file, read only, mapped where that is possible: of a large file only what is looked at is read. They
   * stay until the process ends.
   */
  map(path: string): Uint8Array;
  /** Writes a file, in place of one that is there. */
  write(path: string, bytes: Uint8Array): void;
}

/** Files through libc on Deno for Linux, so that `--allow-ffi` is enough as for everything else; elsewhere the runtime's own. */
export async function commandFiles(): Promise<CommandFiles> {
  const { name, host } = runtime();
  if (name !== "deno" || host.platform !== "linux") {
    return { read: host.readFile, map: host.mapFile, write: host.writeFile };
  }
  const { mapFile, readFile, writeFile } = await import("./files.ts");
  return { read: readFile, map: (path) => mapFile(path).bytes, write: writeFile };
}

export type { CommandResult, Host };
