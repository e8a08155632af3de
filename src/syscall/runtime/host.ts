/**
 * What the `waggle` command needs of the machine besides the kernel, on any operating system: files, other programs, its
 * own end. Through the `node:` modules that both runtimes have built in; on Deno each needs its permission.
 */
import { WaggleError } from "../../errors.ts";
import type { CommandResult, Host } from "./types.ts";

interface NodeProcess {
  readonly platform: string;
  exitCode: number | undefined;
  getBuiltinModule(name: string): unknown;
}

interface NodeFs {
  readFileSync(path: string): Uint8Array;
  writeFileSync(path: string, data: Uint8Array): void;
  mkdirSync(path: string, options: { recursive: true }): void;
  mkdtempSync(prefix: string): string;
  rmSync(path: string, options: { recursive: true; force: true }): void;
}

interface NodeChildProcess {
  spawnSync(command: string, args: readonly string[], options: { maxBuffer: number }): {
    readonly status: number | null;
    readonly signal: string | null;
    readonly stdout: Uint8Array | null;
    readonly stderr: Uint8Array | null;
    readonly error?: Error & { readonly code?: string };
  };
}

const MAX_OUTPUT = 1 << 28;

const node = (): NodeProcess => (globalThis as unknown as { process: NodeProcess }).process;
const fs = (): NodeFs => node().getBuiltinModule("node:fs") as NodeFs;

/** Says what could not be done; the cause has the system's or the runtime's own words. */
function attempt<T>(action: string, fn: () => T): T {
  try {
    return fn();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new WaggleError(`Cannot ${action}: ${reason}`, { cause });
  }
}

/** The machine through `node:fs` and, unless the runtime has a better way to run programs, `node:child_process`. */
export function nodeHost(own: Partial<Pick<Host, "run" | "mapFile">> = {}): Host {
  const run = own.run ?? runByNode;
  const readFile = (path: string): Uint8Array =>
    attempt(`read "${path}"`, () => new Uint8Array(fs().readFileSync(path)));
  return {
    get platform() {
      return node().platform;
    },
    readFile,
    mapFile: own.mapFile ?? readFile,
    writeFile: (path, bytes) => attempt(`write "${path}"`, () => fs().writeFileSync(path, bytes)),
    makeFolder: (path) => attempt(`make folder "${path}"`, () => fs().mkdirSync(path, { recursive: true })),
    tempFolder: () =>
      attempt("make a folder for temporary files", () => {
        // Asking for the system's own folder takes a permission to read the environment on Deno.
        const windows = node().platform === "win32";
        const parent = windows ? (node().getBuiltinModule("node:os") as { tmpdir(): string }).tmpdir() : "/tmp";
        return fs().mkdtempSync(`${parent}/waggle-`);
      }),
    removeFolder: (path) => attempt(`remove "${path}"`, () => fs().rmSync(path, { recursive: true, force: true })),
    run: (command, args) => attempt(`run "${command}"`, () => run(command, args)),
    setExitStatus(status) {
      node().exitCode = status;
    },
  };
}

function runByNode(command: string, args: readonly string[]): CommandResult | undefined {
  const processes = node().getBuiltinModule("node:child_process") as NodeChildProcess;
  const result = processes.spawnSync(command, args, { maxBuffer: MAX_OUTPUT });
  if (result.error !== undefined && result.error.code !== "ENOENT") throw result.error;
  if (result.error !== undefined) return undefined;
  return {
    // As shells tell it: a signal is no status.
    status: result.status ?? 128,
    stdout: new Uint8Array(result.stdout ?? []),
    stderr: new TextDecoder().decode(new Uint8Array(result.stderr ?? [])),
  };
}
