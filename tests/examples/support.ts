/** Runs an example, provokes what it traces, and ends it as a user would: with Ctrl-C. */
import { execFile, spawn } from "node:child_process";
import { promisify } from "node:util";
import { assertEquals, assertMatch } from "@std/assert";
import { ROOT, Script, type ScriptResult } from "../support/script.ts";

/** Starts an example and waits until it says that it is attached. */
export async function startExample(name: string, ready: RegExp, args: readonly string[] = []): Promise<Script> {
  const script = new Script(`${ROOT}examples/${name}.ts`, args);
  try {
    await script.until(ready);
    return script;
  } catch (error) {
    script[Symbol.dispose]();
    throw error;
  }
}

/** Ctrl-C; the example must end by itself, in good order, with nothing but `stderr` on its standard error. */
export async function interruptExample(script: Script, stderr: RegExp = /^$/): Promise<ScriptResult> {
  script.kill("SIGINT");
  const result = await script.end();
  assertEquals(result.code, 0, result.stderr);
  assertMatch(result.stderr, stderr);
  return result;
}

/** The last line of examples that count what found no room. */
export const LOST = /^(no events lost|\d+ events lost: the ring buffer was full)\n$/;

/** Only the system's own commands: wrappers that users put before them start many processes more. */
const PATH = "/usr/sbin:/usr/bin:/sbin:/bin";

/** Runs a shell command; resolves to what it printed, also when it fails. */
export async function shell(command: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)("bash", ["-c", command], { timeout: 100_000, env: { PATH } });
    return stdout;
  } catch (error) {
    return String((error as { stdout?: string }).stdout ?? "");
  }
}

/** A process that waits for a line on its standard input before it runs `command`: its id is known before. */
export class Waiting implements Disposable {
  readonly #child;
  readonly #ended: Promise<void>;

  constructor(command: string) {
    this.#child = spawn("bash", ["-c", `read; ${command}`], { stdio: ["pipe", "ignore", "ignore"], env: { PATH } });
    this.#ended = new Promise((resolve) => this.#child.on("exit", () => resolve()));
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Lets it run. Its standard input stays open. */
  go(): void {
    this.#child.stdin.write("\n");
  }

  /** Waits until it has ended. */
  end(): Promise<void> {
    return this.#ended;
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
  }
}
