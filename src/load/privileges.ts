/**
 * Why the kernel refuses a program to this process: which capability its type needs, by the kernel's own lists
 * (is_net_admin_prog_type and is_perfmon_prog_type of kernel/bpf/syscall.c), and what the verifier keeps back without
 * CAP_PERFMON.
 */
import * as abi from "../abi/bpf.gen.ts";
import { EACCES, EPERM } from "../abi/errno.gen.ts";
import { progTypeName } from "../kernel/enum_names.ts";
import { type CapabilityName, hasCapability, inUserNamespace } from "../syscall/capabilities.ts";
import { tryReadText } from "../syscall/files.ts";

const NET_ADMIN_TYPES: ReadonlySet<number> = new Set([
  abi.BPF_PROG_TYPE_SCHED_CLS,
  abi.BPF_PROG_TYPE_SCHED_ACT,
  abi.BPF_PROG_TYPE_XDP,
  abi.BPF_PROG_TYPE_LWT_IN,
  abi.BPF_PROG_TYPE_LWT_OUT,
  abi.BPF_PROG_TYPE_LWT_XMIT,
  abi.BPF_PROG_TYPE_LWT_SEG6LOCAL,
  abi.BPF_PROG_TYPE_SK_SKB,
  abi.BPF_PROG_TYPE_SK_MSG,
  abi.BPF_PROG_TYPE_FLOW_DISSECTOR,
  abi.BPF_PROG_TYPE_CGROUP_DEVICE,
  abi.BPF_PROG_TYPE_CGROUP_SOCK,
  abi.BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
  abi.BPF_PROG_TYPE_CGROUP_SOCKOPT,
  abi.BPF_PROG_TYPE_CGROUP_SYSCTL,
  abi.BPF_PROG_TYPE_SOCK_OPS,
  abi.BPF_PROG_TYPE_NETFILTER,
  abi.BPF_PROG_TYPE_EXT,
]);

const PERFMON_TYPES: ReadonlySet<number> = new Set([
  abi.BPF_PROG_TYPE_KPROBE,
  abi.BPF_PROG_TYPE_TRACEPOINT,
  abi.BPF_PROG_TYPE_PERF_EVENT,
  abi.BPF_PROG_TYPE_RAW_TRACEPOINT,
  abi.BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE,
  abi.BPF_PROG_TYPE_TRACING,
  abi.BPF_PROG_TYPE_LSM,
  abi.BPF_PROG_TYPE_STRUCT_OPS,
  abi.BPF_PROG_TYPE_EXT,
]);

/** What the verifier says where it is stricter because pointers must not leak to the process. */
const WITHOUT_PERFMON =
  /leaks addr|pointer comparison prohibited|pointer arithmetic.*prohibited|prohibited for !root|partial copy of pointer|tries to add from different/;
/** A helper that the process may not use looks to it like one that does not exist. */
const HIDDEN_HELPER =
  /(unknown func|cannot use helper) bpf_(probe_read|trace_|get_current_task|snprintf|perf_event_read)/;

/** The capabilities that loading a program of a type takes. */
export function capabilitiesFor(type: number): CapabilityName[] {
  const needed: CapabilityName[] = ["CAP_BPF"];
  if (PERFMON_TYPES.has(type)) needed.push("CAP_PERFMON");
  if (NET_ADMIN_TYPES.has(type)) needed.push("CAP_NET_ADMIN");
  return needed;
}

/** The hint for a refused load; undefined where privileges are not the reason. */
export function privilegeHint(errno: number, log: string, type: number): string | undefined {
  if (WITHOUT_PERFMON.test(log) || HIDDEN_HELPER.test(log)) {
    return hasCapability("CAP_PERFMON") && !inUserNamespace()
      ? undefined
      : "the process lacks CAP_PERFMON: without it the verifier lets no pointer leak, and hides helpers that read the kernel";
  }
  // EPERM without a log never comes from the verifier.
  if ((errno !== EPERM && errno !== EACCES) || log.trim() !== "") return undefined;
  const kind = `programs of type ${progTypeName(type)}`;
  const needed = capabilitiesFor(type);
  const missing = needed.filter((name) => !hasCapability(name));
  if (missing.length > 0) {
    return `${kind} need ${needed.join(" and ")}, and the process lacks ${
      missing.join(" and ")
    }: run as root, or with sudo`;
  }
  if (inUserNamespace()) {
    return `the process is in a user namespace, where ${kind} need a token: mount a bpf file system that delegates them (Linux 6.9), and pass its path as \`token\``;
  }
  return refusedAnyway();
}

function refusedAnyway(): string {
  const lockdown = /\[(\w+)\]/.exec(tryReadText("/sys/kernel/security/lockdown") ?? "")?.[1];
  if (lockdown !== undefined && lockdown !== "none") {
    return `the process has all capabilities; kernel lockdown is "${lockdown}", which can refuse programs that need a trampoline (fentry, fexit, lsm) or write memory`;
  }
  return "the process has all capabilities: a security module or seccomp refuses it, or before Linux 5.11 the locked memory limit is too low (ulimit -l)";
}
