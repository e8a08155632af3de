/** Which BPF token a load uses: that of a bpf file system, one given, or none. */
import { SyscallError } from "../errors.ts";
import { tokenCreate } from "../syscall/bpf_object.ts";
import { BPFFS } from "../syscall/bpffs.ts";
import { inUserNamespace } from "../syscall/capabilities.ts";
import { dupFd, type Fd } from "../syscall/fd.ts";
import { openFile } from "../syscall/files.ts";
import { type FdLike, fdNumber } from "./options.ts";

/**
 * The token to load with; undefined for none. Without an option, only processes in a user namespace look for one, at
 * /sys/fs/bpf, and do without it if there is none.
 *
 * @throws {SyscallError} if a path is given that delegates nothing
 */
export function openToken(option: string | FdLike | false | undefined): Fd | undefined {
  if (option === false) return undefined;
  if (option === undefined) return inUserNamespace() ? tryToken(BPFFS) : undefined;
  if (typeof option !== "string") return dupFd(fdNumber(option));
  using folder = openFile(option);
  return tokenCreate(folder.number);
}

function tryToken(path: string): Fd | undefined {
  try {
    using folder = openFile(path);
    return tokenCreate(folder.number);
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}
