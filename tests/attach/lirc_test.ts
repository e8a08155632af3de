/**
 * No kernel of Debian has programs of infrared receivers (CONFIG_BPF_LIRC_MODE2 needs RC_CORE=y, theirs is a module), so
 * the calls are judged here by what drivers/media/rc/bpf-lirc.c of the kernel reads.
 */
import { assertEquals, assertThrows } from "@std/assert";
import { BPF_LIRC_MODE2, BPF_PROG_TYPE_LIRC_MODE2 } from "../../src/abi/bpf.gen.ts";
import { EBUSY, EINVAL, ENOENT } from "../../src/abi/errno.gen.ts";
import { attachProgram } from "../../src/attach/registry.ts";
import type { AttachableProgram } from "../../src/attach/types.ts";
import { NotSupportedError, SyscallError } from "../../src/errors.ts";
import { matchSection } from "../../src/object/section_name.ts";
import { FakeRuntime } from "../../src/syscall/runtime/fake.ts";
import { withRuntime } from "../../src/syscall/runtime/mod.ts";
import { test } from "../support/harness.ts";

const prog: AttachableProgram = {
  name: "decode",
  fd: 50,
  type: BPF_PROG_TYPE_LIRC_MODE2,
  expectedAttachType: BPF_LIRC_MODE2,
  sectionName: "lirc_mode2",
  def: matchSection("lirc_mode2")!.def,
  target: "",
  attachBtfId: 0,
};

/** A kernel with a receiver whose programs are those of the set. */
function kernel(attached: Set<number>): FakeRuntime {
  const fake = new FakeRuntime();
  fake.on("openat", (_, memory) => memory.fd());
  fake.on("fcntl", (_, memory) => memory.fd());
  fake.bpf("BPF_PROG_ATTACH", ({ attr }) => {
    if (attr!["attach_flags"] !== 0 || attr!["attach_type"] !== BPF_LIRC_MODE2) return -EINVAL;
    attached.add(attr!["target_fd"] as number);
    return 0;
  });
  // The kernel finds the program by its descriptor, which need not be the number that it was attached with.
  fake.bpf("BPF_PROG_DETACH", ({ attr }) => {
    if (attr!["attach_flags"] !== 0 || attr!["attach_bpf_fd"] === 0) return -EINVAL;
    return attached.delete(attr!["target_fd"] as number) ? 0 : -ENOENT;
  });
  return fake;
}

test("a lirc_mode2 program is attached to the receiver, and detached once, with its own copy of the descriptor", () => {
  const attached = new Set<number>();
  const fake = kernel(attached);
  withRuntime(fake, () => {
    const link = attachProgram(prog, { device: "/dev/lirc0" });
    assertEquals(attached.size, 1);
    assertEquals([...attached].every((fd) => fake.openFds.has(fd)), true);
    assertEquals(fake.bpfCalls("BPF_PROG_ATTACH")[0]!.attr!["attach_bpf_fd"], 50);
    assertEquals(link.fd, undefined);
    assertThrows(() => link.pin("/sys/fs/bpf/x"), NotSupportedError, "no BPF link");
    link.close();
    link.close();
    assertEquals(attached.size, 0);
    const [detach, ...more] = fake.bpfCalls("BPF_PROG_DETACH");
    assertEquals([detach!.attr!["attach_bpf_fd"] !== 50, more.length], [true, 0]);
  });
  assertEquals(fake.openFds.size, 0);
});

test("a lirc_mode2 program that somebody else has detached is closed without error", () => {
  const attached = new Set<number>();
  const fake = kernel(attached);
  withRuntime(fake, () => {
    const link = attachProgram(prog, { device: "/dev/lirc0" });
    attached.clear();
    link.close();
  });
  assertEquals(fake.openFds.size, 0);
});

for (const errno of [EINVAL, EBUSY]) {
  test(`attaching a lirc_mode2 program that fails with errno ${errno} leaves nothing open`, () => {
    const fake = kernel(new Set());
    fake.bpf("BPF_PROG_ATTACH", () => -errno);
    withRuntime(fake, () => {
      const attach = () => void attachProgram(prog, { device: "/dev/lirc0" });
      if (errno === EINVAL) assertThrows(attach, NotSupportedError, "no such programs");
      else assertThrows(attach, SyscallError, "EBUSY");
    });
    assertEquals(fake.openFds.size, 0);
  });
}
