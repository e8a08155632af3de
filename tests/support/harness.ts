/**
 * Tests that run unchanged under `deno test` and `bun test`, over `node:test`.
 *
 * `test(name, fn)` is a plain test. `kernelTest(name, {needs}, fn)` is one that needs root and a real kernel: it is
 * skipped, with the reason printed, where a need is not met, and it fails if it leaves BPF file descriptors open.
 * `WAGGLE_KERNEL_TESTS=1` turns every skip into a failure, so that a machine meant to run them cannot quietly not do so.
 */
import { readdirSync, readlinkSync } from "node:fs";
import { test as nodeTest } from "node:test";
import process from "node:process";
import { AssertionError } from "node:assert";
import { firstUnmet } from "./needs.ts";
import type { Need } from "./needs.ts";

export type { Need } from "./needs.ts";

/** What a test does; a returned promise is awaited. */
export type TestBody = () => void | Promise<void>;

/** Milliseconds a test may take; kernels under emulation are 20 to 50 times slower than the host. */
const TIMEOUT = Number(process.env["WAGGLE_TEST_TIMEOUT"] ?? 60_000);

/** Registers a test that needs nothing of the machine. */
export function test(name: string, fn: TestBody): void {
  nodeTest(name, { timeout: TIMEOUT }, async () => {
    await fn();
  });
}

/** Registers a test that is not run, and prints why; `WAGGLE_KERNEL_TESTS=1` makes it fail. */
export function skippedTest(name: string, reason: string): void {
  if (process.env["WAGGLE_KERNEL_TESTS"] === "1") {
    return test(name, () => {
      throw new AssertionError({
        message: `Skipped although WAGGLE_KERNEL_TESTS=1: ${reason}`,
        operator: "skip",
      });
    });
  }
  console.log(`skip: ${name}: ${reason}`);
  nodeTest(name, { skip: true }, () => {});
}

/** Registers a test that needs root, bpf(2) and the given guards (tests/support/needs.ts). */
export function kernelTest(
  name: string,
  options: { readonly needs?: readonly Need[] },
  fn: TestBody,
): void {
  const missing = firstUnmet(["root", "bpf", ...options.needs ?? []]);
  if (missing === undefined) return test(name, () => withoutLeaks(fn));
  if (!missing.unexpected) return skippedTest(name, missing.reason);
  test(name, () => {
    throw new AssertionError({
      message: `This kernel must have "${missing.need}", but the probe denies it: ${missing.reason}`,
      operator: "skip",
    });
  });
}

/** Runs `fn` and fails if it leaves file descriptors of BPF objects, perf events or kernel files behind. */
export async function withoutLeaks(fn: TestBody): Promise<void> {
  const before = kernelFds();
  await fn();
  const leaked = [...kernelFds()].filter(([fd, target]) => before.get(fd) !== target);
  if (leaked.length > 0) {
    const list = leaked.map(([fd, target]) => `${fd} (${target})`).join(", ");
    throw new AssertionError({
      message: `The test left file descriptors open: ${list}`,
      operator: "leak",
    });
  }
}

/** The targets that only code under test opens; a runtime's own epolls, pipes and sockets come and go as they like. */
const KERNEL_TARGET =
  /^anon_inode:(bpf|btf|\[perf_event\]|\[fscontext\]|\[fanotify\])|^\/(sys|proc)\/(?!self\/fd|\d+\/fd)/;

/** The open descriptors of this process that refer to kernel objects, with what they refer to. */
export function kernelFds(): Map<string, string> {
  const fds = new Map<string, string>();
  for (const fd of readdirSync("/proc/self/fd")) {
    let target: string;
    try {
      target = readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      continue; // the descriptor of the folder itself
    }
    if (KERNEL_TARGET.test(target)) fds.set(fd, target);
  }
  return fds;
}
