/**
 * How often programs run, and how long: the kernel counts while somebody asks it to, by BPF_ENABLE_STATS (Linux 5.8) or
 * by the sysctl that kernels from 5.1 on have. Counting costs some 20 ns a run.
 */
import { EINVAL } from "../abi/errno.gen.ts";
import { NotSupportedError, SyscallError } from "../errors.ts";
import { enableStats, progInfo } from "../syscall/bpf_object.ts";
import type { Fd } from "../syscall/fd.ts";
import { tryReadText, writeFile } from "../syscall/files.ts";
import { eachObject } from "./object_ref.ts";

/** What a program did between two looks. */
export interface ProgramRuns {
  readonly id: number;
  readonly name: string;
  readonly runs: bigint;
  /** Nanoseconds in it, on all processors together. */
  readonly timeNs: bigint;
  /** Runs left out because it was running already (5.12). */
  readonly recursionMisses: bigint;
}

const SYSCTL = "/proc/sys/kernel/bpf_stats_enabled";

/**
 * Counts runs of all programs until it is disposed. Needs CAP_SYS_ADMIN.
 *
 * @example
 * ```ts ignore
 * // ignored: measures whatever the machine runs
 * using stats = new RunStats();
 * await pause(1000);
 * for (const { name, runs, timeNs } of stats.read()) console.log(name, runs, timeNs);
 * ```
 */
export class RunStats implements Disposable {
  #fd: Fd | undefined;
  #restore: (() => void) | undefined;
  #before: Map<number, ProgramRuns>;

  /** Begins to count. Throws `SyscallError`, or `NotSupportedError` before Linux 5.1. */
  constructor() {
    try {
      this.#fd = enableStats();
    } catch (error) {
      // Kernels before 5.8 do not know the command.
      if (!(error instanceof SyscallError) || error.errno !== EINVAL) throw error;
      this.#restore = enableBySysctl(error);
    }
    this.#before = counts();
  }

  /** What every program did since the last `read`, or since the start; those that did not run are left out. */
  read(): ProgramRuns[] {
    const now = counts();
    const runs = [...now.values()].map((program) => difference(program, this.#before.get(program.id)));
    this.#before = now;
    return runs.filter((program) => program.runs > 0n || program.recursionMisses > 0n)
      .sort((a, b) => (a.timeNs < b.timeNs ? 1 : a.timeNs > b.timeNs ? -1 : a.id - b.id));
  }

  /** Ends counting, unless somebody else counts as well. A second call does nothing. */
  close(): void {
    this.#fd?.close();
    this.#fd = undefined;
    this.#restore?.();
    this.#restore = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function enableBySysctl(cause: SyscallError): (() => void) | undefined {
  const before = tryReadText(SYSCTL)?.trim();
  if (before === undefined) throw new NotSupportedError("run statistics of BPF programs", { since: "5.1", cause });
  if (before !== "0") return undefined;
  writeFile(SYSCTL, "1");
  return () => writeFile(SYSCTL, "0");
}

function counts(): Map<number, ProgramRuns> {
  return new Map(eachObject("prog", (fd, id) => {
    const info = progInfo(fd.number);
    const { name, run_cnt: runs, run_time_ns: timeNs, recursion_misses: recursionMisses } = info;
    return [id, { id, name, runs, timeNs, recursionMisses }] as const;
  }));
}

function difference(now: ProgramRuns, before: ProgramRuns | undefined): ProgramRuns {
  if (before === undefined) return now;
  return {
    ...now,
    runs: now.runs - before.runs,
    timeNs: now.timeNs - before.timeNs,
    recursionMisses: now.recursionMisses - before.recursionMisses,
  };
}
