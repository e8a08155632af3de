/**
 * Runs a script as a user would: `deno run --allow-ffi --no-prompt` or `bun run`, whichever runs the test. Tests wait
 * for lines of its output, provoke events, send signals and look at how it ended.
 */
import { spawn } from "node:child_process";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import process from "node:process";

/** The root of the repository, with a trailing slash. */
export const ROOT: string = fileURLToPath(new URL("../../", import.meta.url));

/** The command line that runs a script under the runtime of this test, with no permission but FFI. */
export function scriptCommand(path: string, args: readonly string[] = []): string[] {
  const bun = "Bun" in globalThis;
  const run = bun ? ["run"] : ["run", "--allow-ffi", "--no-prompt", "--no-check", "--quiet"];
  return [process.execPath, ...run, path, ...args];
}

/** Seconds to wait for output: half of what a test may take, a minute where nobody says otherwise. */
const PATIENCE = Number(process.env["WAGGLE_TEST_TIMEOUT"] ?? 120_000) / 2000;

/** How a script ended. */
export interface ScriptResult {
  /** Exit status; null if a signal ended it. */
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

/** A script that runs. Dispose ends it. */
export class Script implements Disposable {
  stdout = "";
  stderr = "";
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #end: Promise<ScriptResult>;
  #onOutput: () => void = () => {};

  constructor(path: string, args: readonly string[] = [], options: { cwd?: string } = {}) {
    const [command, ...rest] = scriptCommand(path, args);
    this.#child = spawn(command!, rest, { cwd: options.cwd ?? ROOT, env: { ...process.env, NO_COLOR: "1" } });
    this.#child.stdout.on("data", (chunk) => this.#append("stdout", String(chunk)));
    this.#child.stderr.on("data", (chunk) => this.#append("stderr", String(chunk)));
    this.#end = new Promise((resolve, reject) => {
      this.#child.on("error", reject);
      this.#child.on("close", (code, signal) => resolve({ code, signal, stdout: this.stdout, stderr: this.stderr }));
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Waits until stdout (or stderr) matches. Throws with all output if the script ends first or time runs out. */
  async until(pattern: RegExp, from: "stdout" | "stderr" = "stdout", seconds = PATIENCE): Promise<RegExpMatchArray> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const given = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(this.#complain(`no ${pattern} in ${from} after ${seconds} s`)), seconds * 1000);
      this.#end.then(
        () => this[from].match(pattern) ?? reject(this.#complain(`ended without ${pattern} in ${from}`)),
        reject,
      );
    });
    const found = new Promise<RegExpMatchArray>((resolve) => {
      const look = () => {
        const match = this[from].match(pattern);
        if (match !== null) resolve(match);
      };
      this.#onOutput = look;
      look();
    });
    try {
      return await Promise.race([found, given]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Sends a signal. Not by the child's own `kill`, which on Deno sends nothing the second time. */
  kill(signal: "SIGINT" | "SIGTERM" | "SIGKILL"): void {
    process.kill(this.pid, signal);
  }

  /** Waits for the end. */
  end(): Promise<ScriptResult> {
    return this.#end;
  }

  [Symbol.dispose](): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill("SIGKILL");
  }

  #append(stream: "stdout" | "stderr", text: string): void {
    this[stream] += text;
    this.#onOutput();
  }

  #complain(problem: string): Error {
    return new Error(`${problem}\n--- stdout\n${this.stdout}\n--- stderr\n${this.stderr}`);
  }
}

/** Writes `text` to a file of its own and runs it to the end. Imports name the repository by `${ROOT}mod.ts`. */
export async function runText(text: string, args: readonly string[] = []): Promise<ScriptResult> {
  const folder = mkdtempSync("/tmp/waggle-test-");
  try {
    writeFileSync(`${folder}/script.ts`, text);
    using script = new Script(`${folder}/script.ts`, args);
    return await script.end();
  } finally {
    rmSync(folder, { recursive: true });
  }
}
