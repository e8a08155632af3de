/** A network namespace of our own with a loopback device, and packets through it, by bare system calls. */
import {
  AF_INET,
  AF_PACKET,
  CLONE_NEWNET,
  NLM_F_CREATE,
  NLM_F_EXCL,
  SO_REUSEPORT,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
} from "../../../src/abi/defines.ts";
import { IFLA_IFNAME, IFLA_INFO_KIND, IFLA_LINKINFO, RTM_NEWLINK } from "../../../src/abi/netlink.gen.ts";
import { ifinfomsg } from "../../../src/abi/netlink.ts";
import { Fd } from "../../../src/syscall/fd.ts";
import { openFile } from "../../../src/syscall/files.ts";
import { call, check } from "../../../src/syscall/libc.ts";
import { arena } from "../../../src/syscall/memory.ts";
import { netDevices, Netlink, NetlinkMessage } from "../../../src/syscall/netlink.ts";

const IFF_UP = 1;

/** Runs `fn` on this thread in a new network namespace whose loopback device is up. */
export function inNamespace(fn: () => void): void {
  using outer = openFile("/proc/thread-self/ns/net");
  check(call("unshare", CLONE_NEWNET), "unshare", "Cannot make a network namespace");
  try {
    using netlink = new Netlink();
    const up = NetlinkMessage.of(ifinfomsg, { ifi_index: 1, ifi_flags: IFF_UP, ifi_change: IFF_UP });
    netlink.request(RTM_NEWLINK, 0, up, "bring up lo");
    fn();
  } finally {
    check(call("setns", outer.number, CLONE_NEWNET), "setns", "Cannot leave the network namespace");
  }
}

function sockaddr(port: number, host = "127.0.0.1"): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set([AF_INET, 0, port >> 8, port & 255, ...host.split(".").map(Number)]);
  return bytes;
}

/** A UDP socket, bound to a port of 127.0.0.1 if one is given. */
export function udpSocket(port?: number, options: { reuseport?: boolean } = {}): Fd {
  const fd = new Fd(check(call("socket", AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket", "Cannot open a socket"));
  if (port === undefined) return fd;
  using scope = arena().scope();
  if (options.reuseport) {
    check(call("setsockopt", fd.number, SOL_SOCKET, SO_REUSEPORT, scope.u32s([1]), 4), "setsockopt", "");
  }
  check(call("bind", fd.number, scope.bytes(sockaddr(port)), 16), "bind", "Cannot bind");
  return fd;
}

/** Sends one datagram to a port of 127.0.0.1, or of another address; returns 0 or `-errno`. */
export function sendUdp(port: number, host?: string): number {
  using fd = udpSocket();
  using scope = arena().scope();
  const data = scope.bytes(new Uint8Array([1, 2, 3, 4]));
  return Math.min(0, call("sendto", fd.number, data, 4, 0, scope.bytes(sockaddr(port, host)), 16));
}

/** Whether a datagram waits in the socket; takes it. */
export function received(socket: Fd): boolean {
  const MSG_DONTWAIT = 0x40;
  using scope = arena().scope();
  return call("recvfrom", socket.number, scope.alloc(64).address, 64, MSG_DONTWAIT, 0, 0) > 0;
}

/** Makes a pair of netkit devices; the primary one has this name and is up. */
export function makeNetkit(name: string): void {
  using netlink = new Netlink();
  const message = NetlinkMessage.of(ifinfomsg, {}).string(IFLA_IFNAME, name)
    .nest(IFLA_LINKINFO, (info) => info.string(IFLA_INFO_KIND, "netkit"));
  netlink.request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, message, "make a netkit pair");
  for (const device of netDevices().filter((d) => d.name !== "lo")) {
    const up = NetlinkMessage.of(ifinfomsg, { ifi_index: device.index, ifi_flags: IFF_UP, ifi_change: IFF_UP });
    netlink.request(RTM_NEWLINK, 0, up, `bring up ${device.name}`);
  }
}

/** Sends a bare IPv4 packet through a device. */
export function sendThrough(name: string): void {
  const ETH_P_IP = 0x0800;
  const index = netDevices().find((d) => d.name === name)!.index;
  const raw = call("socket", AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  using fd = new Fd(check(raw, "socket", "Cannot open a packet socket"));
  using scope = arena().scope();
  // struct sockaddr_ll: u16 family, be16 protocol, s32 ifindex, …
  const address = scope.alloc(20);
  address.view.setUint16(0, AF_PACKET, true);
  address.view.setUint16(2, ETH_P_IP, false);
  address.view.setInt32(4, index, true);
  const packet = new Uint8Array(28);
  packet.set([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
  call("sendto", fd.number, scope.bytes(packet), packet.length, 0, address.address, 20);
}

/** Two connected TCP sockets on 127.0.0.1. */
export class TcpPair implements Disposable {
  readonly client: Fd;
  readonly server: Fd;

  constructor() {
    using listener = tcpSocket();
    using scope = arena().scope();
    check(call("bind", listener.number, scope.bytes(sockaddr(0)), 16), "bind", "Cannot bind");
    check(call("listen", listener.number, 1), "listen", "Cannot listen");
    const address = scope.alloc(16);
    check(call("getsockname", listener.number, address.address, scope.u32s([16])), "getsockname", "Cannot look");
    this.client = tcpSocket();
    check(call("connect", this.client.number, address.address, 16), "connect", "Cannot connect");
    this.server = new Fd(check(call("accept4", listener.number, 0, 0, SOCK_CLOEXEC), "accept4", "Cannot accept"));
  }

  /** Sends from the client. */
  send(data: Uint8Array): void {
    using scope = arena().scope();
    check(call("sendto", this.client.number, scope.bytes(data), data.length, 0, 0, 0), "sendto", "Cannot send");
  }

  [Symbol.dispose](): void {
    this.client.close();
    this.server.close();
  }
}

function tcpSocket(): Fd {
  return new Fd(check(call("socket", AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket", "Cannot open a socket"));
}
