/**
 * Netlink: requests with acknowledgement, dumps, and attributes. Route netlink is how XDP and tc programs were attached
 * before links, and how network devices are found. See include/uapi/linux/netlink.h
 */
import {
  AF_NETLINK,
  NETLINK_EXT_ACK,
  NETLINK_ROUTE,
  NLA_F_NESTED,
  NLM_F_ACK,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_MULTI,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  SOCK_CLOEXEC,
  SOCK_RAW,
  SOL_NETLINK,
} from "../abi/defines.ts";
import { ENOBUFS } from "../abi/errno.gen.ts";
import { ifinfomsg, NLMSGERR_ATTR_MSG, sockaddr_nl } from "../abi/netlink.ts";
import { IFLA_IFNAME, RTM_GETLINK } from "../abi/netlink.gen.ts";
import { type Fields, readStruct, type StructInput, structSize, writeStruct } from "../abi/struct.ts";
import { Writer } from "../bytes/writer.ts";
import { FormatError } from "../errors.ts";
import { Fd } from "./fd.ts";
import { call, check, syscallError } from "./libc.ts";
import { arena } from "./memory.ts";

const HEADER = 16;
const ATTR_HEADER = 4;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Builds the payload of a message: a fixed struct, then attributes, which may nest. */
export class NetlinkMessage {
  readonly #writer = new Writer();
  readonly #open: number[] = [];

  constructor(header?: Uint8Array) {
    if (header !== undefined) this.#writer.raw(header).align(4);
  }

  /** A message that starts with a struct of src/abi/netlink.ts. */
  static of<F extends Fields>(fields: F, values: StructInput<F>): NetlinkMessage {
    const bytes = new Uint8Array(structSize(fields, 4));
    writeStruct(new DataView(bytes.buffer), 0, fields, values);
    return new NetlinkMessage(bytes);
  }

  /** An attribute of bytes. */
  bytes(type: number, value: Uint8Array): this {
    if (value.length > 0xffff - ATTR_HEADER) throw new RangeError(`Cannot add netlink attribute ${type}: too long`);
    this.#writer.u16(ATTR_HEADER + value.length).u16(type).raw(value).align(4);
    return this;
  }

  /** An attribute of text with its terminating zero byte. */
  string(type: number, value: string): this {
    return this.bytes(type, encoder.encode(`${value}\0`));
  }

  u8(type: number, value: number): this {
    return this.bytes(type, Uint8Array.of(value));
  }

  u16(type: number, value: number): this {
    return this.bytes(type, new Writer().u16(value).toBytes());
  }

  u32(type: number, value: number): this {
    return this.bytes(type, new Writer().u32(value).toBytes());
  }

  /** An attribute without value. */
  flag(type: number): this {
    return this.bytes(type, new Uint8Array(0));
  }

  /** Attributes inside an attribute. */
  nest(type: number, fill: (message: this) => void, flags: number = NLA_F_NESTED): this {
    const start = this.#writer.length;
    this.#open.push(start);
    this.#writer.u32(0);
    fill(this);
    this.#open.pop();
    this.#writer.patchU32(start, (this.#writer.length - start) | ((type | flags) << 16));
    return this;
  }

  toBytes(): Uint8Array {
    return this.#writer.toBytes();
  }
}

/** One answer: its type and what follows the header. */
export interface NetlinkReply {
  readonly type: number;
  readonly payload: Uint8Array;
}

/** Attributes of a payload from `offset` on, by type without flags; of a repeated type the last. */
export function netlinkAttributes(payload: Uint8Array, offset = 0): Map<number, Uint8Array> {
  const attributes = new Map<number, Uint8Array>();
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  for (let at = offset; at + ATTR_HEADER <= payload.length;) {
    const length = view.getUint16(at, true);
    if (length < ATTR_HEADER || at + length > payload.length) {
      throw new FormatError("netlink message", `attribute at ${at} has length ${length}`, { offset: at });
    }
    attributes.set(view.getUint16(at + 2, true) & 0x3fff, payload.subarray(at + ATTR_HEADER, at + length));
    at += (length + 3) & ~3;
  }
  return attributes;
}

/** Text of an attribute, without its zero byte. */
export function netlinkString(value: Uint8Array): string {
  const end = value.indexOf(0);
  return decoder.decode(end < 0 ? value : value.subarray(0, end));
}

/** A netlink socket. One request at a time. */
export class Netlink implements Disposable {
  readonly #fd: Fd;
  #sequence = 0;

  /** Opens a socket in the current network namespace; route netlink by default. */
  constructor(protocol: number = NETLINK_ROUTE) {
    const number = call("socket", AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    this.#fd = new Fd(check(number, "socket(AF_NETLINK)", "Cannot open a netlink socket"));
    using scope = arena().scope();
    const one = scope.u32s([1]);
    // Errors then come with a text; kernels before 4.12 refuse the option, which loses only that.
    call("setsockopt", this.#fd.number, SOL_NETLINK, NETLINK_EXT_ACK, one, 4);
  }

  /**
   * Sends a request and waits for its acknowledgement. Throws `SyscallError` with the kernel's text.
   *
   * @param what the action for the error's message, without "Cannot"
   */
  request(type: number, flags: number, message: NetlinkMessage, what: string): NetlinkReply[] {
    return this.#exchange(type, flags | NLM_F_REQUEST | NLM_F_ACK, message, what);
  }

  /** Asks for a list. A list that changed while it was read is read again. */
  dump(type: number, message: NetlinkMessage, what: string): NetlinkReply[] {
    for (let tries = 0; tries < 10; tries++) {
      const replies = this.#exchange(type, NLM_F_REQUEST | NLM_F_DUMP, message, what);
      if (!this.#interrupted) return replies;
    }
    throw syscallError(ENOBUFS, "netlink", `Cannot ${what}: the list changes all the time`);
  }

  close(): void {
    this.#fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #interrupted = false;

  #exchange(type: number, flags: number, message: NetlinkMessage, what: string): NetlinkReply[] {
    const sequence = ++this.#sequence;
    this.#send(type, flags, sequence, message.toBytes(), what);
    const replies: NetlinkReply[] = [];
    this.#interrupted = false;
    for (;;) {
      for (const reply of this.#receive(sequence, what)) {
        if (reply.flags & NLM_F_DUMP_INTR) this.#interrupted = true;
        if (reply.type === NLMSG_ERROR) {
          checkAck(reply.payload, reply.flags, what);
          return replies;
        }
        if (reply.type === NLMSG_DONE) {
          checkDone(reply.payload, what);
          return replies;
        }
        replies.push({ type: reply.type, payload: reply.payload });
        if (!(reply.flags & NLM_F_MULTI) && !(flags & NLM_F_ACK)) return replies;
      }
    }
  }

  #send(type: number, flags: number, sequence: number, payload: Uint8Array, what: string): void {
    using scope = arena().scope();
    const { address, view, bytes, length } = scope.alloc(HEADER + payload.length);
    view.setUint32(0, length, true);
    view.setUint16(4, type, true);
    view.setUint16(6, flags, true);
    view.setUint32(8, sequence, true);
    bytes.set(payload, HEADER);
    const kernel = scope.alloc(structSize(sockaddr_nl));
    writeStruct(kernel.view, 0, sockaddr_nl, { nl_family: AF_NETLINK });
    const sent = call("sendto", this.#fd.number, address, length, 0, kernel.address, kernel.length);
    check(sent, "netlink", () => `Cannot ${what}`);
  }

  /** The messages of one datagram that belong to the request. */
  #receive(sequence: number, what: string): (NetlinkReply & { flags: number })[] {
    using scope = arena().scope();
    // The kernel makes dump datagrams at most 32 KiB, or what the reader offers, but a single message may be larger.
    const room = scope.alloc(1 << 17);
    const count = check(
      call("recvfrom", this.#fd.number, room.address, room.length, 0, 0, 0),
      "netlink",
      () => `Cannot ${what}`,
    );
    const replies: (NetlinkReply & { flags: number })[] = [];
    for (let at = 0; at + HEADER <= count;) {
      const length = room.view.getUint32(at, true);
      if (length < HEADER || at + length > count) {
        throw new FormatError("netlink message", `message at ${at} has length ${length} of ${count}`, { offset: at });
      }
      if (room.view.getUint32(at + 8, true) === sequence) {
        replies.push({
          type: room.view.getUint16(at + 4, true),
          flags: room.view.getUint16(at + 6, true),
          payload: room.bytes.slice(at + HEADER, at + length),
        });
      }
      at += (length + 3) & ~3;
    }
    return replies;
  }
}

/** Throws for a negative error number. NLM_F_CAPPED: the refused message is not repeated after its header. */
function checkAck(payload: Uint8Array, flags: number, what: string): void {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const error = view.getInt32(0, true);
  if (error === 0) return;
  let text: string | undefined;
  if (flags & NLM_F_ACK_TLVS) {
    const echoed = flags & NLM_F_CAPPED ? HEADER : view.getUint32(4, true);
    const message = netlinkAttributes(payload, 4 + ((echoed + 3) & ~3)).get(NLMSGERR_ATTR_MSG);
    if (message !== undefined) text = netlinkString(message);
  }
  throw syscallError(error, "netlink", `Cannot ${what}`, text === undefined ? undefined : `the kernel says: ${text}`);
}

function checkDone(payload: Uint8Array, what: string): void {
  if (payload.length < 4) return;
  const error = new DataView(payload.buffer, payload.byteOffset, 4).getInt32(0, true);
  if (error < 0) throw syscallError(error, "netlink", `Cannot ${what}`);
}

/** A network device. */
export interface NetDevice {
  readonly index: number;
  readonly name: string;
  /** IFF_UP and kin. */
  readonly flags: number;
  readonly attributes: ReadonlyMap<number, Uint8Array>;
}

/** The network devices of the current namespace. */
export function netDevices(): NetDevice[] {
  using netlink = new Netlink();
  const message = NetlinkMessage.of(ifinfomsg, {});
  return netlink.dump(RTM_GETLINK, message, "list network devices").map(({ payload }) => {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    if (payload.length < structSize(ifinfomsg)) throw new FormatError("netlink message", "link message is too short");
    const header = readStruct(view, 0, ifinfomsg);
    const attributes = netlinkAttributes(payload, structSize(ifinfomsg));
    const name = attributes.get(IFLA_IFNAME);
    return {
      index: header.ifi_index,
      flags: header.ifi_flags,
      name: name === undefined ? "" : netlinkString(name),
      attributes,
    };
  });
}
