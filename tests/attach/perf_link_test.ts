import { assertEquals, assertThrows } from "@std/assert";
import { EBADF, EINVAL, EPERM } from "../../src/abi/errno.gen.ts";
import { PERF_EVENT_IOC_ENABLE, PERF_EVENT_IOC_SET_BPF } from "../../src/abi/perf.ts";
import { attachProgram } from "../../src/attach/registry.ts";
import type { AttachableProgram } from "../../src/attach/types.ts";
import { NotSupportedError, SyscallError } from "../../src/errors.ts";
import { matchSection } from "../../src/object/section_name.ts";
import { FakeRuntime } from "../../src/syscall/runtime/fake.ts";
import { withRuntime } from "../../src/syscall/runtime/mod.ts";
import { test } from "../support/harness.ts";

const prog: AttachableProgram = {
  name: "sample",
  fd: 50,
  type: 7,
  expectedAttachType: 0,
  sectionName: "perf_event",
  def: matchSection("perf_event")!.def,
  target: "",
  attachBtfId: 0,
};
const SAMPLING = { event: "cpu-clock", frequency: 99, cpus: [0, 1, 2] };
const PROBE_FD = 0x7fffffff;

/** A kernel that opens events; `link` answers BPF_LINK_CREATE by the event's number (0, 1, 2). */
function kernel(link: (event: number, fake: FakeRuntime) => number): FakeRuntime {
  const fake = new FakeRuntime();
  const events: number[] = [];
  fake.on("perf_event_open", (_, memory) => {
    const fd = memory.fd();
    events.push(fd);
    return fd;
  });
  fake.on("ioctl", () => 0);
  fake.bpf("BPF_LINK_CREATE", ({ attr }, memory) => {
    const target = attr!["target_fd"] as number;
    return link(target === PROBE_FD ? PROBE_FD : events.indexOf(target), memory);
  });
  return fake;
}

const newKernel = (link: (event: number, fake: FakeRuntime) => number) =>
  kernel((event, fake) => event === PROBE_FD ? -EBADF : link(event, fake));

test("attachPerfEvents() makes a link for each event, and keeps nothing else open", () => {
  const fake = newKernel((_, memory) => memory.fd());
  withRuntime(fake, () => {
    const link = attachProgram(prog, { ...SAMPLING, cookie: 9n });
    assertEquals(fake.openFds.size, 3);
    const created = fake.bpfCalls("BPF_LINK_CREATE").slice(1);
    assertEquals(created.map((c) => c.attr!["perf_event.bpf_cookie"]), [9n, 9n, 9n]);
    assertEquals(fake.calls.filter((c) => c.name === "ioctl" && c.args[1] === PERF_EVENT_IOC_ENABLE).length, 3);
    assertThrows(() => link.pin("/sys/fs/bpf/x"), NotSupportedError, "it has 3 links");
    link.close();
  });
  assertEquals(fake.openFds.size, 0);
});

test("attachPerfEvents() leaves nothing open when one link fails", () => {
  const fake = newKernel((event, memory) => event === 2 ? -EPERM : memory.fd());
  withRuntime(fake, () => {
    assertThrows(
      () => attachProgram(prog, SAMPLING),
      SyscallError,
      'attach program "sample" to perf event "cpu-clock"',
    );
  });
  assertEquals(fake.openFds.size, 0);
});

test("attachPerfEvents() uses ioctls on kernels without perf links, and leaves nothing open when one fails", () => {
  const fake = kernel(() => -EINVAL);
  withRuntime(fake, () => {
    const link = attachProgram(prog, SAMPLING);
    assertEquals(link.fd, undefined);
    assertEquals(fake.openFds.size, 3);
    assertEquals(fake.calls.filter((c) => c.args[1] === PERF_EVENT_IOC_SET_BPF).map((c) => c.args[2]), [50, 50, 50]);
    assertThrows(() => link.info, NotSupportedError, "it is no BPF link");
    link.close();
    assertEquals(fake.openFds.size, 0);
    assertThrows(() => attachProgram(prog, { ...SAMPLING, cookie: 1 }), NotSupportedError, "needs Linux 5.15");
    assertEquals(fake.openFds.size, 0);
    let calls = 0;
    fake.on("ioctl", () => ++calls === 4 ? -EINVAL : 0);
    assertThrows(() => attachProgram(prog, SAMPLING), SyscallError);
    assertEquals(fake.openFds.size, 0);
  });
});

test("attachProgram() opens nothing when an event fails to open", () => {
  const fake = newKernel((_, memory) => memory.fd());
  let opened = 0;
  fake.on("perf_event_open", (_, memory) => ++opened === 3 ? -EPERM : memory.fd());
  withRuntime(fake, () => {
    const error = assertThrows(() => attachProgram(prog, SAMPLING), SyscallError) as SyscallError;
    assertEquals([error.call, error.errnoName], ["perf_event_open", "EPERM"]);
  });
  assertEquals(fake.openFds.size, 0);
});
