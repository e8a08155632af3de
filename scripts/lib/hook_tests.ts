/**
 * Which tests prove which hook: section names by pattern, and the names of the tests of tests/kernel that cause the
 * hook's event and see its effect. The results of kernels are in tests/kernel/results.json (scripts/record_kernels.ts).
 */
import type { SectionDef } from "../../src/object/sections.ts";

/** Each row of the section table is proven by the tests of the first pattern that its name fits. */
const TESTS: readonly (readonly [section: RegExp, tests: RegExp])[] = [
  [/^kprobe\+|^kretprobe\+/, /^a (kprobe|kretprobe) program runs while/],
  [/^kprobe\.session/, /^a kprobe\.session program/],
  [/^k(ret)?probe\.multi/, /^(a kprobe\.multi program|kprobe\.multi works without)/],
  [/^k(ret)?syscall/, /^a k(ret)?syscall\/openat program/],
  [/^uprobe\.session/, /^a uprobe\.session program/],
  [/^u(ret)?probe\.multi/, /^a uprobe\.multi program/],
  [/^u(ret)?probe/, /^a u(ret)?probe program runs when/],
  [/^usdt/, /^a static probe has its arguments/],
  [/^(tracepoint|tp)(\.s)?\+/, /^a tracepoint program runs/],
  [/^raw_(tracepoint|tp)/, /^a raw tracepoint program runs/],
  [/^tp_btf/, /^a tp_btf program runs/],
  [/^fsession\.|^fentry\.multi|^fexit\.multi/, /^fentry\.multi and kin/],
  [/^fentry/, /^a fentry.*program runs/],
  [/^fexit/, /^a fexit.*program runs/],
  [/^fmod_ret/, /^a fmod_ret.*program runs/],
  [/^fsession/, /^a fsession.*program runs/],
  [/^freplace/, /^a freplace program replaces/],
  [/^lsm_cgroup/, /^a lsm_cgroup program/],
  [/^lsm/, /^an lsm program runs/],
  [/^iter/, /^an iterator's link is read/],
  [/^perf_event/, /^a perf_event program samples/],
  [/^xdp(\.frags)?$/, /^an xdp program drops/],
  [/^(tc|tcx)\//, /^a (tc|tcx) .*program (drops|attaches)/],
  [/^(tc|classifier)$/, /^a tc .*program drops/],
  [/^netkit/, /^a netkit program drops/],
  [/^cgroup\/skb/, /^a cgroup_skb\/egress program runs/],
  [/^sk_lookup/, /^an sk_lookup program runs/],
  [/^flow_dissector/, /^a flow_dissector attaches/],
  [/^sk_skb(\/stream_|$)/, /^a sk_skb\/stream_verdict program sees/],
  [/^sk_skb/, /^a sk_skb\/verdict program sees/],
  [/^sk_msg/, /^a sk_msg program sees/],
  [/^sk_reuseport/, /^a program of a reuseport group/],
  [/^socket/, /^a socket filter drops/],
  [/^netfilter/, /^a netfilter program drops/],
  [/^lwt_in/, /^a lwt_in program/],
  [/^lwt_out/, /^a lwt_out program/],
  [/^lwt_xmit/, /^a lwt_xmit program/],
  [/^lwt_seg6local/, /^a lwt_seg6local program/],
  [/^lirc/, /^a lirc_mode2 program runs/],
  [/^struct_ops/, /^(struct_ops register while they are attached|a sched_ext scheduler)/],
  [/^syscall/, /^testRun\(\) runs programs of syscall/],
];

/** Passed tests by series of the kernel. */
export type KernelResults = Readonly<Record<string, readonly string[]>>;

/** The tests that prove a row; undefined if only its loading is tested. */
export function testsOf(def: SectionDef): RegExp | undefined {
  return TESTS.find(([section]) => section.test(def.sec))?.[1] ??
    (def.attach === "cgroup" ? new RegExp(`^a ${def.sec} program runs for`) : undefined);
}

/** Whether a test name is one that proves something here. */
export function isHookTest(name: string): boolean {
  return TESTS.some(([, tests]) => tests.test(name)) || /^a (cgroup\w*\/\w+|sockops) program runs for/.test(name);
}
