import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { BPF_ATTR } from "../../src/abi/attr.ts";
import { BPF_MAP_TYPE_HASH } from "../../src/abi/bpf.gen.ts";
import { E2BIG, EAGAIN, EINVAL, ENOENT, ENOSPC, EPERM } from "../../src/abi/errno.gen.ts";
import { SyscallError } from "../../src/errors.ts";
import * as bpf from "../../src/syscall/bpf.ts";
import { FakeRuntime } from "../../src/syscall/runtime/fake.ts";
import { withRuntime } from "../../src/syscall/runtime/mod.ts";
import { test } from "../support/harness.ts";

test("BPF_COMMANDS has a number for every attribute layout", () => {
  for (const command of Object.keys(BPF_ATTR)) assert(bpf.BPF_COMMANDS[command] !== undefined, command);
});

test("mapCreate() passes the attribute without trailing zeros", () => {
  const fake = new FakeRuntime();
  fake.bpf("BPF_MAP_CREATE", (_, memory) => memory.fd());
  withRuntime(fake, () => {
    using _fd = bpf.mapCreate({
      map_type: BPF_MAP_TYPE_HASH,
      key_size: 4,
      value_size: 8,
      max_entries: 16,
      map_name: "events",
      btf_fd: 0,
      map_extra: 0n,
    });
    const call = fake.bpfCalls("BPF_MAP_CREATE")[0]!;
    assertEquals(call.args[2], 28 + 16); // up to the end of map_name: a kernel of 4.15 takes it
    assertEquals([call.attr!["map_type"], call.attr!["map_name"]], [BPF_MAP_TYPE_HASH, "events"]);
  });
  assertEquals(fake.openFds.size, 0);
});

test("mapCreate() names the map, the command and the errno", () => {
  const fake = new FakeRuntime();
  fake.bpf("BPF_MAP_CREATE", () => -EINVAL);
  withRuntime(fake, () => {
    const error = assertThrows(() => bpf.mapCreate({ map_type: 1, map_name: "events" }), SyscallError);
    assertStringIncludes(error.message, 'Cannot create map "events": bpf(BPF_MAP_CREATE): EINVAL');
    assertEquals(error.call, "bpf(BPF_MAP_CREATE)");
  });
});

test("mapCreate() refuses a name that is too long before any call", () => {
  const fake = new FakeRuntime();
  withRuntime(fake, () => {
    assertThrows(() => bpf.mapCreate({ map_type: 1, map_name: "sixteen_letters_" }), RangeError, "map_name");
    assertEquals(fake.calls.length, 0);
  });
});

test("mapLookup() tells absent from present and copies the value", () => {
  const fake = new FakeRuntime();
  fake.bpf("BPF_MAP_LOOKUP_ELEM", ({ attr }, memory) => {
    const [key, value] = [attr!["key"] as bigint, attr!["value"] as bigint];
    if (memory.memory(key, 1)[0] !== 7) return -ENOENT;
    memory.memory(value, 2).set([1, 2]);
    return 0;
  });
  withRuntime(fake, () => {
    const value = new Uint8Array(2);
    assertEquals(bpf.mapLookup(5, Uint8Array.of(7), value), true);
    assertEquals([...value], [1, 2]);
    assertEquals(bpf.mapLookup(5, Uint8Array.of(8), value), false);
  });
});

test("mapUpdate() says that the map is full", () => {
  const fake = new FakeRuntime();
  fake.bpf("BPF_MAP_UPDATE_ELEM", () => -E2BIG);
  withRuntime(fake, () => {
    const error = assertThrows(() => bpf.mapUpdate(5, Uint8Array.of(7), Uint8Array.of(1)), SyscallError);
    assertStringIncludes(error.message, "map is full");
  });
});

test("progLoad() tries five times when the verifier is busy", () => {
  for (const [busy, succeeds] of [[4, true], [5, false]] as const) {
    const fake = new FakeRuntime();
    let left: number = busy;
    fake.bpf("BPF_PROG_LOAD", (_, memory) => left-- > 0 ? -EAGAIN : memory.fd());
    withRuntime(fake, () => {
      const load = () => bpf.progLoad({ prog_type: 1, insns: new Uint8Array(16), license: "GPL" })[Symbol.dispose]();
      if (succeeds) load();
      else assertThrows(load, SyscallError, "EAGAIN");
      assertEquals(fake.bpfCalls("BPF_PROG_LOAD").length, 5);
    });
  }
});

test("progLoad() derives counts and copies what pointers name", () => {
  const fake = new FakeRuntime();
  let license = "";
  let insns: number[] = [];
  fake.bpf("BPF_PROG_LOAD", ({ attr }, memory) => {
    license = memory.string(attr!["license"] as bigint);
    insns = [...memory.memory(attr!["insns"] as bigint, 16)];
    return memory.fd();
  });
  withRuntime(fake, () => {
    const bytes = Uint8Array.from({ length: 16 }, (_, i) => i);
    using _fd = bpf.progLoad({
      prog_type: 1,
      insns: bytes,
      license: "Dual MIT/GPL",
      func_info: new Uint8Array(16),
      line_info: new Uint8Array(48),
      fd_array: [3, 4],
    });
  });
  const { attr } = fake.bpfCalls("BPF_PROG_LOAD")[0]!;
  assertEquals([license, insns.length, insns[15]], ["Dual MIT/GPL", 16, 15]);
  assertEquals(
    ["insn_cnt", "func_info_cnt", "func_info_rec_size", "line_info_cnt", "line_info_rec_size"].map((f) => attr![f]),
    [2, 2, 8, 3, 16],
  );
});

test("progLoadWithLog() returns the errno and the log, and says if it was cut", () => {
  const fake = new FakeRuntime();
  const TEXT = new TextEncoder().encode("R0 !read_ok\n");
  fake.bpf("BPF_PROG_LOAD", ({ attr, args }, memory) => {
    const size = attr!["log_size"] as number;
    memory.memory(attr!["log_buf"] as bigint, size).set(TEXT.subarray(0, size - 1));
    memory.memory(args[1]! + 140, 4)[0] = TEXT.length + 1;
    return size < TEXT.length + 1 ? -ENOSPC : -EPERM;
  });
  withRuntime(fake, () => {
    const attr = { prog_type: 1, insns: new Uint8Array(8), license: "GPL" };
    const whole = bpf.progLoadWithLog(attr, { level: 1, size: 64 });
    assertEquals([whole.errno, whole.log, whole.truncated, whole.fd], [EPERM, "R0 !read_ok\n", false, undefined]);
    const cut = bpf.progLoadWithLog(attr, { level: 1, size: 4 });
    assertEquals([cut.errno, cut.log, cut.truncated, cut.logSize], [ENOSPC, "R0 ", true, 13]);
  });
});

test("objectIds() walks until ENOENT", () => {
  const fake = new FakeRuntime();
  const ids = [3, 9, 12];
  fake.bpf("BPF_LINK_GET_NEXT_ID", ({ attr, args }, memory) => {
    const next = ids.find((id) => id > (attr!["start_id"] as number));
    if (next === undefined) return -ENOENT;
    memory.memory(args[1]! + 4, 1)[0] = next;
    return 0;
  });
  withRuntime(fake, () => assertEquals([...bpf.objectIds("link")], ids));
});

test("mapUpdateBatch() reports how far it came", () => {
  const fake = new FakeRuntime();
  fake.bpf("BPF_MAP_UPDATE_BATCH", ({ args }, memory) => {
    memory.memory(args[1]! + 32, 4)[0] = 2;
    return -E2BIG;
  });
  withRuntime(fake, () => {
    assertThrows(
      () => bpf.mapUpdateBatch(5, new Uint8Array(12), new Uint8Array(12), 3),
      SyscallError,
      "2 of 3 written",
    );
  });
});

test("prepareAttr() refuses unknown fields and values that do not fit", () => {
  withRuntime(new FakeRuntime(), () => {
    assertThrows(() => bpf.bpfTry("BPF_MAP_FREEZE", { map_fd: 2 ** 32 }), RangeError, "map_fd");
    const bad = { nonsense: 1 } as unknown as { map_fd: number };
    assertThrows(() => bpf.bpfTry("BPF_MAP_FREEZE", bad), TypeError, "nonsense");
  });
});

test("progQuery() asks again with more room", () => {
  const fake = new FakeRuntime();
  fake.bpf("BPF_PROG_QUERY", ({ attr, args }, memory) => {
    const view = new DataView(memory.memory(args[1]!, 64).buffer, memory.memory(args[1]!, 64).byteOffset);
    view.setUint32(24, 100, true);
    if ((attr!["count"] as number) < 100) return -ENOSPC;
    const ids = memory.memory(attr!["prog_ids"] as bigint, 400);
    for (let i = 0; i < 100; i++) ids[i * 4] = i;
    return 0;
  });
  withRuntime(fake, () => {
    const { progIds } = bpf.progQuery({ target_fd: 3, attach_type: 1 });
    assertEquals([progIds.length, progIds[99]], [100, 99]);
  });
});

test("mapCreate() raises the limit on locked memory when refused, once", () => {
  const fake = new FakeRuntime();
  let [limited, limits] = [true, 0];
  fake.bpf("BPF_MAP_CREATE", (_, memory) => limited ? -EPERM : memory.fd());
  fake.on("prlimit64", () => (limits++, limited = false, 0));
  withRuntime(fake, () => {
    using _fd = bpf.mapCreate({ map_type: 1 });
    limited = true;
    assertThrows(() => bpf.mapCreate({ map_type: 1 }), SyscallError, "EPERM");
    assertEquals(limits, 1);
  });
});
