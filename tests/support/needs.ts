/**
 * The table of guards: what a kernel test may need of the machine. Each row says how to find out, why a test is skipped
 * without it, and, where known, since which Linux version a full kernel has it: there a missing feature is a failure, not
 * a skip. Every answer is found once per process.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import process from "node:process";
import { breakpointsWork } from "./breakpoints.ts";
import { canAttachFentry, canIterateMaps, canLoadSocketFilter } from "./raw_bpf.ts";

interface Guard {
  /** Whether the machine has it. */
  readonly probe: () => boolean;
  /** Why a test is skipped when it has not. */
  readonly reason: string;
  /** The Linux version from which on the project's reference kernels (scripts/vm) must have it. */
  readonly since?: string;
}

const GUARDS = {
  root: {
    probe: () => process.getuid?.() === 0,
    reason: "needs root",
    since: "0",
  },
  bpf: {
    probe: () => process.platform === "linux" && canLoadSocketFilter(),
    reason: "needs a kernel and privileges that let bpf(2) load programs",
    since: "4.4",
  },
  btf: {
    probe: () => existsSync("/sys/kernel/btf/vmlinux"),
    reason: "needs a kernel with BTF (/sys/kernel/btf/vmlinux)",
    since: "5.4",
  },
  modulebtf: {
    probe: () =>
      kernelAtLeast("5.11") && existsSync("/sys/kernel/btf/vmlinux") &&
      moduleBtf(),
    reason: "needs a loaded module with BTF below /sys/kernel/btf",
  },
  kprobes: {
    probe: () => existsSync("/sys/bus/event_source/devices/kprobe/type"),
    reason: "needs a kernel with CONFIG_KPROBE_EVENTS",
    since: "4.17",
  },
  uprobes: {
    probe: () => existsSync("/sys/bus/event_source/devices/uprobe/type"),
    reason: "needs a kernel with CONFIG_UPROBE_EVENTS",
    since: "4.17",
  },
  kprobemulti: {
    probe: () =>
      kernelAtLeast("5.18") &&
      existsSync("/sys/bus/event_source/devices/kprobe/type") && fprobe(),
    reason: "needs a kernel with CONFIG_FPROBE (kprobe.multi)",
    since: "6.12",
  },
  fentry: {
    probe: trampolines,
    reason: "needs a kernel where BPF trampolines attach (BTF and CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS)",
    since: "5.5",
  },
  mapiter: {
    probe: canIterateMaps,
    reason: "needs a kernel that takes iterators over the elements of a map (some hosts forbid them)",
    since: "5.9",
  },
  lsm: {
    probe: () => readText("/sys/kernel/security/lsm").trim().split(",").includes("bpf") && trampolines(),
    reason: 'needs "bpf" among the active security modules, and BPF trampolines',
    since: "5.7",
  },
  tracefs: {
    probe: () => /\btracefs$/m.test(readText("/proc/filesystems")),
    reason: "needs a kernel with tracefs",
    since: "4.1",
  },
  bpffs: {
    probe: () => /^\S+ \S+ bpf rw/m.test(readText("/proc/mounts")),
    reason: "needs a bpf file system mounted for writing",
    since: "4.4",
  },
  cgroup2: {
    probe: () => /^\S+ \S+ cgroup2 rw/m.test(readText("/proc/mounts")),
    reason: "needs cgroup v2 mounted for writing",
    since: "4.5",
  },
  netns: {
    probe: () => existsSync("/proc/self/ns/net") && capability(21) && tool("ip"),
    reason: "needs network namespaces, CAP_SYS_ADMIN and the ip command",
    since: "3.8",
  },
  veth: {
    // Guests load no modules by themselves: the kernel looks for modprobe in the file system that they booted from.
    probe: () => {
      spawnSync("modprobe", ["veth"]);
      return spawnSync("unshare", ["-n", "ip", "link", "add", "type", "veth"]).status === 0;
    },
    reason: "needs pairs of virtual Ethernet devices (CONFIG_VETH), the ip command and the right to make them",
    since: "4.10",
  },
  nat: {
    probe: () => {
      spawnSync("modprobe", ["nf_nat"]);
      return existsSync("/sys/kernel/btf/nf_nat") && existsSync("/sys/kernel/btf/nf_conntrack");
    },
    reason: "needs connection tracking and address translation as modules with BTF (nf_conntrack, nf_nat)",
    since: "6.1",
  },
  perf: {
    probe: () => existsSync("/proc/sys/kernel/perf_event_paranoid"),
    reason: "needs a kernel with perf events",
    since: "2.6.32",
  },
  breakpoints: {
    probe: breakpointsWork,
    reason: "needs a processor whose breakpoints perf events see, and python3",
    since: "2.6.33",
  },
} as const satisfies Readonly<Record<string, Guard>>;

/**
 * What a kernel test may ask for: a row of the table, `tool:NAME` for a command, `kernel:X.Y` for a version,
 * `config:NAME` for a kernel option that is y or m, `symbol:NAME` for a function in /proc/kallsyms.
 */
export type Need =
  | keyof typeof GUARDS
  | `tool:${string}`
  | `kernel:${string}`
  | `config:${string}`
  | `symbol:${string}`;

/** Why a need is not met, and whether this machine ought to meet it. */
export interface Unmet {
  readonly need: Need;
  readonly reason: string;
  /** True where a full kernel of this version has it, so that a skip would hide a defect. */
  readonly unexpected: boolean;
}

/** The names of the table's rows. */
export const GUARD_NAMES: readonly (keyof typeof GUARDS)[] = Object.keys(GUARDS) as (keyof typeof GUARDS)[];

const answers = new Map<Need, Unmet | undefined>();

/** The first unmet need, or undefined if the test can run. */
export function firstUnmet(needs: readonly Need[]): Unmet | undefined {
  for (const need of needs) {
    const answer = unmet(need);
    if (answer !== undefined) return answer;
  }
  return undefined;
}

/** Why the machine does not meet one need, or undefined if it does. */
export function unmet(need: Need): Unmet | undefined {
  if (!answers.has(need)) answers.set(need, findOut(need));
  return answers.get(need);
}

/** Whether the running kernel's version is at least `version` ("6.6"). */
export function kernelAtLeast(version: string): boolean {
  return versionAtLeast(release(), version);
}

/** Compares the numbers at the start of two versions: "6.12.117+deb12-cloud-amd64" is at least "6.6". */
export function versionAtLeast(have: string, want: string): boolean {
  const a = (/^[\d.]+/.exec(have)?.[0] ?? "0").split(".").map(Number);
  const b = want.split(".").map(Number);
  for (let i = 0; i < b.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

function findOut(need: Need): Unmet | undefined {
  const [kind, argument = ""] = splitNeed(need);
  switch (kind) {
    case "tool":
      return tool(argument) ? undefined : {
        need,
        reason: `needs the command "${argument}"`,
        unexpected: false,
      };
    case "kernel":
      return kernelAtLeast(argument) ? undefined : {
        need,
        reason: `needs Linux ${argument} (this is ${release()})`,
        unexpected: false,
      };
    case "config":
      return config(argument) ? undefined : {
        need,
        reason: `needs a kernel with CONFIG_${argument}`,
        unexpected: false,
      };
    case "symbol":
      return symbol(argument) ? undefined : {
        need,
        reason: `needs the kernel symbol ${argument}`,
        unexpected: false,
      };
  }
  if (!Object.hasOwn(GUARDS, need)) {
    throw new TypeError(
      `Unknown need "${need}": it has no row in tests/support/needs.ts`,
    );
  }
  const guard: Guard = GUARDS[need as keyof typeof GUARDS];
  if (guard.probe()) return undefined;
  return {
    need,
    reason: guard.reason,
    unexpected: onReferenceKernel() && mustHave(guard),
  };
}

function splitNeed(need: string): [string, string?] {
  const colon = need.indexOf(":");
  return colon < 0 ? [need] : [need.slice(0, colon), need.slice(colon + 1)];
}

function mustHave(guard: Guard): boolean {
  return guard.since !== undefined && kernelAtLeast(guard.since);
}

/** Set by scripts/vm/run in its guests: Debian's kernels, whose configuration has every feature of the table. */
function onReferenceKernel(): boolean {
  return process.env["WAGGLE_REFERENCE_KERNEL"] === "1";
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function tool(name: string): boolean {
  for (const dir of (process.env["PATH"] ?? "").split(":")) {
    try {
      accessSync(`${dir}/${name}`, constants.X_OK);
      return true;
    } catch { /* not in this folder */ }
  }
  return false;
}

function capability(bit: number): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)/m.exec(
    readText("/proc/self/status"),
  )?.[1];
  return effective !== undefined &&
    ((BigInt(`0x${effective}`) >> BigInt(bit)) & 1n) === 1n;
}

function config(name: string): boolean {
  const places = [
    `/boot/config-${release()}`,
    `/usr/lib/modules/${release()}/config`,
    `/lib/modules/${release()}/config`,
  ];
  return places.some((path) => new RegExp(`^CONFIG_${name}=[ym]$`, "m").test(readText(path)));
}

let trampolinesWork: boolean | undefined;

function trampolines(): boolean {
  return trampolinesWork ??= existsSync("/sys/kernel/btf/vmlinux") && canLoadSocketFilter() && canAttachFentry();
}

let kallsyms: string | undefined;

function symbol(name: string): boolean {
  kallsyms ??= readText("/proc/kallsyms");
  return new RegExp(` ${name}(\\s|$)`, "m").test(kallsyms);
}

function fprobe(): boolean {
  return symbol("register_fprobe_ips");
}

function moduleBtf(): boolean {
  return readText("/proc/modules").split("\n").some((line) =>
    existsSync(`/sys/kernel/btf/${line.split(" ")[0]}`) && line !== ""
  );
}
