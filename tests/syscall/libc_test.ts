import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { EBADF, EINTR, ENOENT, EPERM } from "../../src/abi/errno.gen.ts";
import { SyscallError } from "../../src/errors.ts";
import { Fd, openFdCount } from "../../src/syscall/fd.ts";
import { hintFor } from "../../src/syscall/hints.ts";
import { call, check, errnoName } from "../../src/syscall/libc.ts";
import { FakeRuntime } from "../../src/syscall/runtime/fake.ts";
import { runtime, setRuntime, withRuntime } from "../../src/syscall/runtime/mod.ts";
import { test } from "../support/harness.ts";

test("call() retries EINTR, but never close", () => {
  const fake = new FakeRuntime();
  let left = 3;
  fake.on("read", () => left-- > 0 ? -EINTR : 5).on("close", () => -EINTR);
  withRuntime(fake, () => {
    assertEquals(call("read", 3, 0, 0), 5);
    assertEquals(call("close", 3), -EINTR);
  });
  assertEquals(fake.calls.map((c) => c.name), ["read", "read", "read", "read", "close"]);
});

test("call() uses the machine's numbers", () => {
  const arm = new FakeRuntime("aarch64");
  arm.on("getpid", () => 4321);
  assertEquals(withRuntime(arm, () => call("getpid")), 4321);
});

test("check() throws SyscallError with call, errno and name", () => {
  const error = assertThrows(() => check(-ENOENT, "openat", () => 'Cannot open "/x"'), SyscallError);
  assertEquals([error.call, error.errno, error.errnoName], ["openat", ENOENT, "ENOENT"]);
  assertEquals(error.message, 'Cannot open "/x": openat: ENOENT');
  assertEquals(check(7, "openat", "Cannot open"), 7);
});

test("check() adds the hint of the table", () => {
  const error = assertThrows(() => check(-EBADF, "bpf(BPF_MAP_FREEZE)", "Cannot freeze"), SyscallError);
  assertStringIncludes(error.hint ?? "", "closed");
});

test("errnoName() names known numbers of either sign", () => {
  assertEquals([errnoName(-EPERM), errnoName(EPERM), errnoName(999)], ["EPERM", "EPERM", "errno 999"]);
});

test("hintFor() names the missing capability", () => {
  const fake = new FakeRuntime();
  fake.on("capget", ({ args }, memory) => {
    const CAP_NET_ADMIN = 12;
    new DataView(memory.memory(args[1]!, 24).buffer, memory.memory(args[1]!, 24).byteOffset).setUint32(
      0,
      1 << CAP_NET_ADMIN,
      true,
    );
    return 0;
  });
  withRuntime(fake, () => {
    assertStringIncludes(hintFor("bpf(BPF_PROG_LOAD)", EPERM) ?? "", "CAP_BPF");
    assertStringIncludes(hintFor("perf_event_open", EPERM) ?? "", "CAP_PERFMON");
    assertEquals(hintFor("netlink", EPERM), undefined); // it has that one
  });
});

test("hintFor() says what else refuses when no capability is missing", () => {
  const fake = new FakeRuntime();
  fake.on("capget", ({ args }, memory) => {
    memory.memory(args[1]!, 24).fill(0xff);
    return 0;
  });
  withRuntime(fake, () => assertStringIncludes(hintFor("bpf(BPF_PROG_LOAD)", EPERM) ?? "", "lockdown"));
});

test("Fd counts, closes once and refuses use after close", () => {
  const fake = new FakeRuntime();
  withRuntime(fake, () => {
    const before = openFdCount();
    const fd = new Fd(fake.fd());
    assertEquals(openFdCount(), before + 1);
    fd.close();
    fd.close();
    assertEquals(openFdCount(), before);
    assertThrows(() => fd.number, TypeError, "closed");
    assertEquals(fake.calls.filter((c) => c.name === "close").length, 1);
  });
});

test("Fd moves standard descriptors away with CLOEXEC", () => {
  const fake = new FakeRuntime();
  const F_DUPFD_CLOEXEC = 1030;
  fake.on("fcntl", ({ args }) => args[1] === F_DUPFD_CLOEXEC ? 42 : -22);
  withRuntime(fake, () => {
    using fd = new Fd(1);
    assertEquals(fd.number, 42);
    assertEquals(fake.calls.map((c) => [c.name, c.args[0]]), [["fcntl", 1], ["close", 1]]);
  });
});

test("Fd.take() gives up ownership", () => {
  const fake = new FakeRuntime();
  withRuntime(fake, () => {
    const number = fake.fd();
    {
      using fd = new Fd(number);
      assertEquals(fd.take(), number);
    }
    assertEquals(fake.openFds.has(number), true);
  });
});

test("withRuntime() restores the runtime after a throw and after a promise", async () => {
  const fake = new FakeRuntime();
  fake.on("getpid", () => 1);
  const before = setRuntime(new FakeRuntime());
  const mine = runtime();
  assertThrows(() =>
    withRuntime(fake, () => {
      throw new RangeError("x");
    }), RangeError);
  assertEquals(await withRuntime(fake, async () => (await Promise.resolve(), call("getpid"))), 1);
  assertEquals(setRuntime(before) === mine, true);
});
