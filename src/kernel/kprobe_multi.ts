/**
 * Whether this kernel has links of many kprobes (Linux 5.18 with CONFIG_FPROBE). Programs that were loaded for them cannot
 * be attached in any other way, so the loader asks before.
 */
import { BPF_PROG_TYPE_KPROBE, BPF_TRACE_KPROBE_MULTI } from "../abi/bpf.gen.ts";
import { EOPNOTSUPP } from "../abi/errno.gen.ts";
import { Builder, r0 } from "../asm/build.ts";
import { SyscallError } from "../errors.ts";
import { bpfTry } from "../syscall/bpf_call.ts";
import { progLoad } from "../syscall/bpf_prog.ts";
import { type Runtime, runtime } from "../syscall/runtime/mod.ts";
import { kernelVersion } from "./version.ts";

const answers: WeakMap<Runtime, boolean> = new WeakMap();

/** Asks the kernel once. True if it cannot be asked, for lack of rights: loading then says which. */
export function hasKprobeMulti(): boolean {
  const rt = runtime();
  let answer = answers.get(rt);
  if (answer === undefined) answers.set(rt, answer = probe());
  return answer;
}

function probe(): boolean {
  try {
    using prog = progLoad({
      prog_type: BPF_PROG_TYPE_KPROBE,
      expected_attach_type: BPF_TRACE_KPROBE_MULTI,
      insns: new Builder().mov(r0, 0).exit().bytes(),
      license: "GPL",
      kern_version: kernelVersion().code,
    });
    // A link of no functions is refused (EINVAL) by kernels that have them, and before 5.18, where an attach type that
    // the kernel does not know is of no consequence for other ways to attach.
    const attr = { prog_fd: prog.number, attach_type: BPF_TRACE_KPROBE_MULTI };
    return bpfTry("BPF_LINK_CREATE", attr) !== -EOPNOTSUPP;
  } catch (error) {
    if (error instanceof SyscallError) return true;
    throw error;
  }
}
