/**
 * socket and sk_reuseport: a program on a socket of this process, by setsockopt(2) (Linux 3.19, 4.5). It ends with the
 * socket; the link takes it back earlier.
 */
import { SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_EBPF, SO_DETACH_BPF, SOL_SOCKET } from "../abi/defines.ts";
import { readlink } from "../syscall/files.ts";
import { call, check } from "../syscall/libc.ts";
import { arena } from "../syscall/memory.ts";
import { attachAction, missing } from "./attempt.ts";
import { Link } from "./link.ts";
import type { AttachableProgram, Attacher, SocketFilterOptions, SocketOptions } from "./types.ts";

/** include/uapi/asm-generic/socket.h; Linux 5.3. */
const SO_DETACH_REUSEPORT_BPF = 68;

export const socketFilter: Attacher<SocketFilterOptions> = {
  options: ["socketFd", "reuseport"],
  attach: (prog, _target, options) => attachSocket(prog, options.socketFd, options.reuseport ?? false),
};

export const skReuseport: Attacher<SocketOptions> = {
  options: ["socketFd"],
  attach: (prog, _target, options) => attachSocket(prog, options.socketFd, true),
};

function attachSocket(prog: AttachableProgram, given: number | undefined, reuseport: boolean): Link {
  const socketFd = given ?? missing(prog, "socketFd", "an open socket's");
  const what = `socket ${socketFd}`;
  using scope = arena().scope();
  const option = reuseport ? SO_ATTACH_REUSEPORT_EBPF : SO_ATTACH_BPF;
  const result = call("setsockopt", socketFd, SOL_SOCKET, option, scope.u32s([prog.fd]), 4);
  check(result, "setsockopt", `Cannot ${attachAction(prog, what)}`);
  // A copy of the descriptor would keep the connection open; the number may be another file's by then.
  const identity = readlink(`/proc/self/fd/${socketFd}`);
  return new Link({ what, undo: () => detachSocket(socketFd, identity, reuseport) });
}

function detachSocket(socketFd: number, identity: string, reuseport: boolean): void {
  try {
    if (readlink(`/proc/self/fd/${socketFd}`) !== identity) return;
  } catch {
    return; // the socket is closed, and the program gone with it
  }
  using scope = arena().scope();
  const option = reuseport ? SO_DETACH_REUSEPORT_BPF : SO_DETACH_BPF;
  call("setsockopt", socketFd, SOL_SOCKET, option, scope.u32s([0]), 4);
}
