import { assertEquals, assertThrows } from "@std/assert";
import { EEXIST } from "../../src/abi/errno.gen.ts";
import { tcmsg } from "../../src/abi/netlink.ts";
import { FormatError, SyscallError } from "../../src/errors.ts";
import { Netlink, netlinkAttributes, NetlinkMessage, netlinkString } from "../../src/syscall/netlink.ts";
import { FakeRuntime } from "../../src/syscall/runtime/fake.ts";
import { withRuntime } from "../../src/syscall/runtime/mod.ts";
import { test } from "../support/harness.ts";

test("NetlinkMessage pads attributes and counts nested ones", () => {
  const bytes = NetlinkMessage.of(tcmsg, { tcm_ifindex: 2 })
    .string(1, "bpf")
    .nest(2, (m) => m.u32(6, 9).u8(1, 5))
    .toBytes();
  const attributes = netlinkAttributes(bytes, 20);
  assertEquals(netlinkString(attributes.get(1)!), "bpf");
  const inner = netlinkAttributes(attributes.get(2)!);
  assertEquals([[...inner.get(6)!], [...inner.get(1)!]], [[9, 0, 0, 0], [5]]);
  assertEquals(bytes.length % 4, 0);
});

test("netlinkAttributes() refuses lengths that leave the message", () => {
  assertThrows(() => netlinkAttributes(Uint8Array.of(9, 0, 1, 0, 0, 0, 0, 0)), FormatError, "length 9");
  assertThrows(() => netlinkAttributes(Uint8Array.of(0, 0, 1, 0)), FormatError, "length 0");
});

/** A socket that answers every request with the given error and text. */
function socket(errno: number, text?: string): FakeRuntime {
  const fake = new FakeRuntime();
  let sequence = 0;
  fake.on("socket", (_, memory) => memory.fd()).on("setsockopt", () => 0);
  fake.on("sendto", ({ args }, memory) => {
    sequence = memory.memory(args[1]! + 8, 1)[0]!;
    return args[2]!;
  });
  fake.on("recvfrom", ({ args }, memory) => {
    const note = text === undefined ? new Uint8Array(0) : new NetlinkMessage().string(1, text).toBytes();
    const reply = new DataView(new ArrayBuffer(36 + note.length));
    reply.setUint32(0, 36 + note.length, true);
    reply.setUint16(4, 2, true); // NLMSG_ERROR
    reply.setUint16(6, 0x300, true); // NLM_F_CAPPED | NLM_F_ACK_TLVS
    reply.setUint32(8, sequence, true);
    reply.setInt32(16, -errno, true);
    const bytes = new Uint8Array(reply.buffer);
    bytes.set(note, 36);
    memory.memory(args[1]!, bytes.length).set(bytes);
    return bytes.length;
  });
  return fake;
}

test("Netlink.request() throws with the kernel's text", () => {
  withRuntime(socket(EEXIST, "Exclusivity flag on"), () => {
    using netlink = new Netlink();
    const error = assertThrows(
      () => netlink.request(44, 0, new NetlinkMessage(), "add the filter"),
      SyscallError,
      "Cannot add the filter: netlink: EEXIST",
    );
    assertEquals(error.hint, "the kernel says: Exclusivity flag on");
  });
});

test("Netlink.request() returns at the acknowledgement and closes its socket", () => {
  const fake = socket(0);
  withRuntime(fake, () => {
    using netlink = new Netlink();
    assertEquals(netlink.request(44, 0, new NetlinkMessage(), "add the filter"), []);
  });
  assertEquals(fake.openFds.size, 0);
});
