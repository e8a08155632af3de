/** Differences from libbpf that are meant, each with its reason. */

interface Exception {
  /** Matches the file's name. */
  file: RegExp;
  /** Matches the difference. */
  difference: RegExp;
  reason: string;
}

const EXCEPTIONS: readonly Exception[] = [
  {
    file: /\/(struct_ops|sched_ext\.bpf)\.o$/,
    difference: /^map \d: \{"name":"(waggle_(link|map)|scheduler)"/,
    reason: "libbpf before 1.2 (Debian 12 has 1.1) skips sections called .struct_ops.link",
  },
  {
    file: /bpf_syscall_macro|test_attach_probe/,
    difference: /verified instructions/,
    reason:
      "LINUX_HAS_SYSCALL_WRAPPER: libbpf tries to open a kprobe, which a kernel without kprobes refuses, and says " +
      "there are no wrappers; waggle looks for the symbol, which is there",
  },
];

/** Whether a difference is listed. */
export function isException(file: string, difference: string): boolean {
  return EXCEPTIONS.some((e) => e.file.test(file) && e.difference.test(difference));
}
