/** Test runs: the kernel runs a program on given data, without attaching it. Types without them are refused by name. */
import { bpf_prog_type } from "../abi/bpf.gen.ts";
import { ENOTSUPP } from "../abi/errno.gen.ts";
import { NotSupportedError, SyscallError } from "../errors.ts";
import { progTestRun, type TestRunInput, type TestRunResult } from "../syscall/bpf_prog.ts";

/** BPF_PROG_TEST_RUN. Throws `NotSupportedError` for types that the kernel does not run so, and `SyscallError`. */
export function runProgram(
  program: { readonly name: string; readonly fd: number; readonly type: number },
  input: TestRunInput = {},
): TestRunResult {
  try {
    return progTestRun(program.fd, input);
  } catch (error) {
    if (!(error instanceof SyscallError) || error.errno !== ENOTSUPP) throw error;
    const type = bpf_prog_type[program.type]?.replace("BPF_PROG_TYPE_", "") ?? program.type;
    throw new NotSupportedError(`test runs of programs of type ${type}`, {
      message: `Cannot run program "${program.name}": this kernel has no test runs of type ${type}`,
      hint: "attach it and cause the event",
      cause: error,
    });
  }
}
