/** Sockets by their descriptors, made by system calls: the runtimes do not show those of theirs. */
import { Fd } from "../../../src/syscall/fd.ts";
import { call, check } from "../../../src/syscall/libc.ts";
import { arena } from "../../../src/syscall/memory.ts";

const AF_INET = 2;
const AF_XDP = 44;
const SOCK_STREAM = 1;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0x80000;
const SOL_SOCKET = 1;
const SO_REUSEPORT = 15;
const SOL_XDP = 283;
const XDP_RX_RING = 2;

function socket(family: number, type: number): Fd {
  return new Fd(check(call("socket", family, type | SOCK_CLOEXEC, 0), "socket", "Cannot make a socket"));
}

/** A TCP socket that listens on a free port of 127.0.0.1, which others with SO_REUSEPORT may share. */
export function listener(port = 0): { fd: Fd; port: number } {
  const fd = socket(AF_INET, SOCK_STREAM);
  using scope = arena().scope();
  const one = scope.alloc(4);
  one.view.setUint32(0, 1, true);
  check(call("setsockopt", fd.number, SOL_SOCKET, SO_REUSEPORT, one.address, 4), "setsockopt", "Cannot share the port");
  const address = scope.alloc(16);
  writeAddress(address.view, port);
  check(call("bind", fd.number, address.address, 16), "bind", "Cannot bind");
  check(call("listen", fd.number, 4), "listen", "Cannot listen");
  const length = scope.alloc(4);
  length.view.setUint32(0, 16, true);
  check(call("getsockname", fd.number, address.address, length.address), "getsockname", "Cannot find the port");
  return { fd, port: address.view.getUint16(2) };
}

/** A TCP socket connected to a listener of this machine. */
export function connected(port: number): Fd {
  const fd = socket(AF_INET, SOCK_STREAM);
  using scope = arena().scope();
  const address = scope.alloc(16);
  writeAddress(address.view, port);
  check(call("connect", fd.number, address.address, 16), "connect", "Cannot connect");
  return fd;
}

/** An AF_XDP socket with a ring to receive, not bound to a device. */
export function xdpSocket(): Fd {
  const fd = socket(AF_XDP, SOCK_RAW);
  using scope = arena().scope();
  const entries = scope.alloc(4);
  entries.view.setUint32(0, 64, true);
  check(call("setsockopt", fd.number, SOL_XDP, XDP_RX_RING, entries.address, 4), "setsockopt", "Cannot make the ring");
  return fd;
}

/** struct sockaddr_in of 127.0.0.1. */
function writeAddress(view: DataView, port: number): void {
  view.setUint16(0, AF_INET, true);
  view.setUint16(2, port);
  view.setUint32(4, 0x7f000001);
}
