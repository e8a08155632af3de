/**
 * The kernel's doors: one function per bpf(2) command, owned file descriptors and memory, perf events, epoll, netlink
 * and files, all through libc by FFI. Needs `--allow-ffi`; importing does nothing.
 *
 * @module
 */
export * from "./bpf.ts";
export * from "./bpffs.ts";
export * from "./command_line.ts";
export { Fd, openFdCount } from "./fd.ts";
export { arena, Mapping } from "./memory.ts";
export { withToken } from "./token.ts";
