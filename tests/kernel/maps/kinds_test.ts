/** Every kind by an observable effect; bpftool sees what was written, and writes what is seen. */
import { assert, assertEquals, assertGreater, assertThrows } from "@std/assert";
import { execFileSync } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import process from "node:process";
import { Builder, r0, r1, r10, r2, r3, r4, r5, r6 } from "../../../src/asm/build.ts";
import * as abi from "../../../src/abi/bpf.gen.ts";
import { BtfBuilder } from "../../../src/btf/write.ts";
import { array, str, struct } from "../../../src/bytes/composites.ts";
import { spinLock } from "../../../src/bytes/kernel_owned.ts";
import { enumeration, i32, i64, u16, u32, u64, u8 } from "../../../src/bytes/scalars.ts";
import { NotFoundError, SyscallError } from "../../../src/errors.ts";
import { possibleCpus } from "../../../src/kernel/cpus.ts";
import { createMap } from "../../../src/maps/create.ts";
import { MAP_KINDS } from "../../../src/maps/kinds.ts";
import { openMap } from "../../../src/maps/open.ts";
import type { BuildIdFrame } from "../../../src/maps/stack_trace.ts";
import { HashMap } from "../../../src/maps/hash.ts";
import { ArrayMap } from "../../../src/maps/array.ts";
import type { MapOfMaps } from "../../../src/maps/in_maps.ts";
import { btfLoad, progInfo, progLoad, progTestRun } from "../../../src/syscall/bpf.ts";
import { openFdCount } from "../../../src/syscall/fd.ts";
import { netDevices } from "../../../src/syscall/netlink.ts";
import { kernelTest } from "../../support/harness.ts";
import { loadTc, run } from "./producers.ts";

const TOOL = ["tool:bpftool"] as const;

function bpftool(...args: string[]): string {
  return execFileSync("bpftool", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** `bpftool map dump`: keys and values as arrays of bytes; per-CPU values as one array for each CPU. */
function dump(id: number): { key: number[]; value: number[] | undefined; values: number[][] | undefined }[] {
  const bytes = (list: string[]) => list.map(Number);
  const items = JSON.parse(bpftool("-j", "map", "dump", "id", String(id))) as {
    key: string[];
    value?: string[];
    values?: { cpu: number; value: string[] }[];
  }[];
  return items.map(({ key, value, values }) => ({
    key: bytes(key),
    value: Array.isArray(value) ? bytes(value) : undefined,
    values: values?.map((slot) => bytes(slot.value)),
  }));
}

function update(id: number, key: number[], value: number[]): void {
  bpftool("map", "update", "id", String(id), "key", ...key.map(String), "value", ...value.map(String));
}

kernelTest("hash, lru_hash: bpftool reads what was set and writes what is got", { needs: TOOL }, () => {
  for (const type of ["hash", "lru_hash"] as const) {
    using map = createMap({ type, key: u16, value: { a: u32, b: i32 }, maxEntries: 16, name: type });
    map.set(258, { a: 7, b: -1 });
    assertEquals(dump(map.id), [{ key: [2, 1], value: [7, 0, 0, 0, 255, 255, 255, 255], values: undefined }]);
    update(map.id, [5, 0], [1, 0, 0, 0, 2, 0, 0, 0]);
    assertEquals(map.get(5), { a: 1, b: 2 });
    assertEquals(new Map(map), new Map([[258, { a: 7, b: -1 }], [5, { a: 1, b: 2 }]]));
    assertEquals([map.delete(5), map.delete(5), map.size], [true, false, 1]);
  }
});

kernelTest("createMap() gives the kernel the names of keys and values", { needs: [...TOOL, "kernel:5.3"] }, () => {
  const formatted = (id: number) =>
    (JSON.parse(bpftool("-j", "map", "dump", "id", String(id))) as { formatted?: unknown }[]).map((item) =>
      item.formatted
    );
  const key = struct({ pid: u32, comm: str(8) }, "task");
  const value = {
    count: u64,
    last: i32,
    in: { flag: u8 },
    list: array(u16, 2),
    why: enumeration("why", { CALLED: 1 }),
  };
  using map = createMap({ type: "hash", key, value, maxEntries: 4 });
  const entry = { count: 1n, last: -2, in: { flag: 3 }, list: [4, 5], why: "CALLED" } as const;
  map.set({ pid: 1, comm: "x" }, { ...entry, list: [4, 5] });
  assertEquals(formatted(map.id), [{ key: { pid: 1, comm: "x" }, value: { ...entry, count: 1 } }]);
  using slots = createMap({ type: "array", value: { hits: u32 }, maxEntries: 1 });
  assertEquals(formatted(slots.id), [{ key: 0, value: { hits: 0 } }]);
  using routes = createMap({ type: "lpm_trie", key: { length: u32, data: u32 }, value: { hop: u32 }, maxEntries: 1 });
  const { btf_id, btf_key_type_id, btf_value_type_id } = routes.info();
  assert(btf_id > 0 && btf_key_type_id > 0 && btf_value_type_id > 0);
  // Whoever finds the map by its id reads names too.
  using foreign = openMap({ id: map.id }) as HashMap;
  assertEquals([...foreign], [[{ pid: 1, comm: "x" }, entry]]);
});

kernelTest("array: bpftool reads what was set, programs see mmap'ed writes", { needs: [...TOOL, "kernel:5.5"] }, () => {
  using map = createMap({ type: "array", value: u32, maxEntries: 4, flags: abi.BPF_F_MMAPABLE, name: "array" });
  map.set(2, 77);
  assertEquals(dump(map.id)[2]?.value, [77, 0, 0, 0]);
  update(map.id, [1, 0, 0, 0], [9, 0, 0, 0]);
  assertEquals([...map.values()], [0, 9, 77, 0]);
  using prog = loadTc(
    new Builder().store(32, r10, -4, 3).mapFd(r1, map.fd).mov(r2, r10).alu("add", r2, -4).call("map_lookup_elem")
      .jmp("jeq", r0, 0, "out").load(32, r0, r0, 0).label("out").exit(),
  );
  using memory = map.mmap();
  new Uint32Array(memory.buffer)[3 * map.stride / 4] = 41;
  assertEquals([run(prog), map.get(3)], [41, 41]);
  assertEquals([map.length, map.size, map.has(3), map.has(4)], [4, 4, true, false]);
  map.clear();
  assertEquals([...map.values()], [0, 0, 0, 0]);
});

kernelTest("rhash: a hash map that grows", { needs: ["kernel:7.1"] }, () => {
  using map = createMap({ type: "rhash", key: u32, value: u64, maxEntries: 5000, name: "rhash" });
  map.setAll(Array.from({ length: 3000 }, (_, i) => [i, BigInt(i)] as const));
  assertEquals([map.size, map.get(2999), map.get(3000)], [3000, 2999n, undefined]);
  assertEquals([map.take(7), map.has(7), map.delete(8), map.delete(8)], [7n, false, true, false]);
  assertEquals(new Set(map.keys()).size, 2998);
});

kernelTest(
  "percpu_hash, lru_percpu_hash, percpu_array: a value for each possible CPU, and sums",
  { needs: TOOL },
  () => {
    const cpus = possibleCpus();
    const values = Array.from({ length: cpus }, (_, cpu) => BigInt(cpu + 1));
    const total = values.reduce((a, b) => a + b);
    for (const type of ["percpu_hash", "lru_percpu_hash"] as const) {
      using map = createMap({ type, key: u32, value: u64, maxEntries: 8, name: type });
      map.set(3, values);
      assertEquals(dump(map.id)[0]?.values?.map((slot) => slot[0]), values.map(Number));
      assertEquals([map.get(3), map.sum(3), map.sum(4), map.getCpu(3, cpus - 1)], [
        values,
        total,
        undefined,
        BigInt(cpus),
      ]);
      map.setEvery(4, 5n);
      assertEquals(new Map(map.sums()), new Map([[3, total], [4, 5n * BigInt(cpus)]]));
      assertEquals(map.reduce(3, (max, value) => value > max ? value : max, 0n), BigInt(cpus));
      assertThrows(() => map.set(1, [1n, ...values]), RangeError, "one per CPU");
    }
    using array = createMap({ type: "percpu_array", value: { hits: u32, bytes: u64 }, maxEntries: 2 });
    array.setEvery(1, { hits: 2, bytes: 3n });
    assertEquals(array.sum(1), { hits: 2 * cpus, bytes: 3n * BigInt(cpus) });
    assertEquals([...array.sums()][0], [0, { hits: 0, bytes: 0n }]);
    // 64-bit integers are added by halves: a carry, a sum that wraps, and one below zero.
    const each = 2n ** 63n + 2n ** 32n - 1n;
    using unsigned = createMap({ type: "percpu_array", value: u64, maxEntries: 1 });
    unsigned.setEvery(0, each);
    assertEquals(unsigned.sum(0), BigInt.asUintN(64, each * BigInt(cpus)));
    using signed = createMap({ type: "percpu_array", value: i64, maxEntries: 1 });
    signed.setEvery(0, -3n);
    assertEquals([signed.sum(0), [...signed.sums()][0]], [-3n * BigInt(cpus), [0, -3n * BigInt(cpus)]]);
  },
);

kernelTest("lpm_trie: the longest prefix wins", { needs: [...TOOL, "kernel:4.16"] }, () => {
  using map = createMap({ type: "lpm_trie", key: 8, value: u32, maxEntries: 8, name: "routes" });
  map.set("10.0.0.0/8", 1).set("10.1.0.0/16", 2).set({ prefixLength: 0, data: new Uint8Array(4) }, 9);
  assertEquals(["10.1.2.3", "10.9.0.1", "8.8.8.8"].map((ip) => map.get(ip)), [2, 1, 9]);
  assertEquals(new Map(map), new Map([["10.1.0.0/16", 2], ["10.0.0.0/8", 1], ["0.0.0.0/0", 9]]));
  assertEquals(dump(map.id).length, 3);
  assertEquals([map.delete("10.1.0.0/16"), map.get("10.1.2.3")], [true, 1]);
  map.clear();
  assertEquals(map.size, 0);
  using v6 = createMap({ type: "lpm_trie", key: 20, value: u32, maxEntries: 8 });
  v6.set("2001:db8::/32", 6);
  assertEquals([v6.get("2001:db8::1"), [...v6.keys()]], [6, ["2001:db8::/32"]]);
});

kernelTest("queue, stack: push, peek, pop; bpftool agrees", { needs: [...TOOL, "kernel:4.20"] }, () => {
  using queue = createMap({ type: "queue", value: u32, maxEntries: 2, name: "queue" });
  assertEquals([queue.push(1), queue.push(2), queue.push(3), queue.peek()], [true, true, false, 1]);
  bpftool("map", "dequeue", "id", String(queue.id));
  assertEquals([queue.push(3), queue.push(4, { replace: true }), queue.pop(), queue.pop(), queue.pop()], [
    true,
    true,
    3,
    4,
    undefined,
  ]);
  using stack = createMap({ type: "stack", value: u32, maxEntries: 4, name: "stack" });
  bpftool("map", "push", "id", String(stack.id), "value", "7", "0", "0", "0");
  stack.push(8);
  assertEquals([...stack.drain()].map(([, value]) => value), [8, 7]);
  assertThrows(() => queue.get(undefined), TypeError, "push(), pop() and peek()");
  assertThrows(() => [...stack], TypeError, "pop()");
});

kernelTest("bloom_filter: perhaps or no", { needs: ["kernel:5.16"] }, () => {
  using map = createMap({ type: "bloom_filter", value: u32, maxEntries: 1000, mapExtra: 3 });
  for (let i = 0; i < 100; i++) map.add(i);
  assert(Array.from({ length: 100 }, (_, i) => i).every((i) => map.mayHave(i)));
  const wrong = Array.from({ length: 1000 }, (_, i) => i + 1000).filter((i) => map.mayHave(i)).length;
  assert(wrong < 100, `${wrong} of 1000`);
});

kernelTest(
  "array_of_maps, hash_of_maps: inner maps are put in and opened while they live",
  { needs: ["kernel:4.12"] },
  () => {
    const inner = { type: "hash", key: u32, value: u64, maxEntries: 4 } as const;
    for (const type of ["array_of_maps", "hash_of_maps"] as const) {
      const outer = type === "hash_of_maps"
        ? createMap({ type, key: u32, maxEntries: 4, inner })
        : createMap({ type, maxEntries: 4, inner });
      const before = openFdCount();
      let id: number;
      {
        using map = createMap(inner);
        map.set(9, 99n);
        id = map.id;
        outer.set(1, map);
      }
      assertEquals(outer.get(1), id);
      {
        using back = outer.open(1) as HashMap<number, bigint>;
        assertEquals([back.get(9), back.id], [99n, id]);
      }
      assertEquals([outer.open(2), [...outer]], [undefined, [[1, id]]]);
      assertEquals(outer.delete(1), true);
      assertEquals([outer.get(1), openFdCount()], [undefined, before]);
      outer.close();
    }
    using wrong = createMap({ type: "array", value: u32, maxEntries: 1 });
    using outer = createMap({ type: "array_of_maps", maxEntries: 1, inner: wrong }) as MapOfMaps<number>;
    using other = createMap(inner);
    assertThrows(() => outer.set(0, other), SyscallError, "EINVAL");
    assertThrows(() => createMap({ type: "array_of_maps", maxEntries: 1 }), TypeError, "inner");
  },
);

kernelTest("prog_array: tail calls go where it says", {}, () => {
  using map = createMap({ type: "prog_array", maxEntries: 2, name: "jumps" });
  using target = loadTc(new Builder().mov(r0, 42).exit());
  using entry = loadTc(new Builder().mapFd(r2, map.fd).mov(r3, 1).call("tail_call").mov(r0, 7).exit());
  assertEquals(run(entry), 7);
  map.set(1, target);
  assertEquals([run(entry), map.get(1), map.get(0), [...map]], [
    42,
    progInfo(target.number).id,
    undefined,
    [[1, progInfo(target.number).id]],
  ]);
  map.clear();
  assertEquals([run(entry), [...map]], [7, []]);
});

kernelTest("cgroup_array: takes a cgroup by its path", { needs: ["cgroup2"] }, () => {
  using map = createMap({ type: "cgroup_array", maxEntries: 1 });
  const path = /^\S+ (\S+) cgroup2 /m.exec(execFileSync("cat", ["/proc/mounts"], { encoding: "utf8" }))![1]!;
  map.set(0, path);
  assertEquals(map.delete(0), true);
  assertThrows(() => map.get(0), TypeError, "does not give cgroups back");
  assertThrows(() => map.set(0, "/proc"), SyscallError, "EBADF");
});

kernelTest("devmap, devmap_hash, cpumap: targets with an index or a queue", { needs: ["kernel:5.4"] }, () => {
  const lo = netDevices().find((device) => device.name === "lo")!.index;
  for (const type of ["devmap", "devmap_hash"] as const) {
    using map = createMap({ type, value: 8, maxEntries: 4 });
    map.set(1, lo);
    assertEquals([map.get(1), [...map.keys()]], [{ ifindex: lo, prog: 0 }, [1]]);
    using prog = xdp(abi.BPF_XDP_DEVMAP);
    map.set(2, { ifindex: lo, prog });
    assertEquals(map.get(2), { ifindex: lo, prog: progInfo(prog.number).id });
    assertEquals(map.delete(1), true);
  }
  using small = createMap({ type: "devmap", value: 4, maxEntries: 4 });
  assertThrows(() => small.set(0, { ifindex: lo, prog: 5 }), TypeError, "no room for a program");
  using cpus = createMap({ type: "cpumap", value: 8, maxEntries: possibleCpus() });
  cpus.set(0, 192);
  assertEquals(cpus.get(0), { queueSize: 192, prog: 0 });
  cpus.clear();
});

kernelTest(
  "task_storage, inode_storage: values belong to a task, file or cgroup",
  { needs: ["kernel:6.2", "btf"] },
  () => {
    using tasks = createMap({ type: "task_storage", value: u64 });
    assertEquals(tasks.get({ pid: process.pid }), undefined);
    tasks.set({ pid: process.pid }, 5n);
    assertEquals([tasks.get({ pid: process.pid }), tasks.has({ pid: process.pid })], [5n, true]);
    assertEquals(tasks.update({ pid: process.pid }, 6n, { flag: "noexist" }), false);
    assertEquals([tasks.delete({ pid: process.pid }), tasks.delete({ pid: process.pid })], [true, false]);
    assertThrows(() => [...tasks], TypeError, "iterator program");
    using files = createMap({ type: "inode_storage", value: u64 });
    files.set({ path: "/dev/null" }, 7n);
    const file = openSync("/dev/null", "r");
    assertEquals(files.get(file), 7n);
    closeSync(file);
    assertThrows(() => files.get({ pid: 1 }), TypeError, "no processes");
  },
);

kernelTest("stack_trace: stacks come back innermost first", {}, () => {
  using map = createMap({ type: "stack_trace", value: 127 * 8, maxEntries: 16 });
  // bpf_get_stackid is not for tc; a raw tracepoint runs under test_run.
  const insns = new Builder().mapFd(r2, map.fd).mov(r3, 0).call("get_stackid").exit();
  using prog = progLoad({ prog_type: abi.BPF_PROG_TYPE_RAW_TRACEPOINT, insns: insns.bytes(), license: "GPL" });
  const id = runRaw(prog.number);
  const stack = map.get(id)!;
  assertGreater(stack.length, 2);
  assert(stack.every((ip) => ip > 0xffff_0000_0000_0000n), "kernel addresses");
  assertEquals([[...map.keys()], map.maxDepth, map.delete(id), map.get(id)], [[id], 127, true, undefined]);
  assertThrows(() => map.set(1, []), TypeError, "only programs");
});

kernelTest("stack_trace: with BPF_F_STACK_BUILD_ID frames are places in files", {
  needs: ["tool:readelf", "kernel:4.17"],
}, () => {
  const flags = abi.BPF_F_STACK_BUILD_ID;
  using map = createMap({ type: "stack_trace", value: 127 * 32, maxEntries: 16, flags });
  const insns = new Builder().mapFd(r2, map.fd).mov(r3, abi.BPF_F_USER_STACK).call("get_stackid").exit();
  using prog = progLoad({ prog_type: abi.BPF_PROG_TYPE_RAW_TRACEPOINT, insns: insns.bytes(), license: "GPL" });
  const frames = map.get(runRaw(prog.number)) as unknown as BuildIdFrame[];
  // The innermost frame is syscall() of the C library; the file says its own build id.
  const maps = readFileSync("/proc/self/maps", "utf8");
  const libc = /^\S+ r-xp \S+ \S+ \S+ +(\S*libc\.so\.6|\S*ld-musl\S*)$/m.exec(maps)![1]!;
  const notes = execFileSync("readelf", ["-n", libc], { encoding: "utf8" });
  assertEquals(frames[0]!.buildId, /Build ID: ([0-9a-f]{40})/.exec(notes)![1]);
  assertGreater(frames[0]!.offset, 0n);
});

kernelTest("hash: a value's spin lock is held on request, and is no field here", { needs: ["kernel:5.1"] }, () => {
  const value = struct({ guard: spinLock, packets: u64 });
  using map = createMap({ type: "hash", key: u32, value, maxEntries: 600, name: "locked" });
  map.setAll(Array.from({ length: 600 }, (_, key) => [key, { packets: 5n }]));
  assertEquals(map.update(3, { packets: 7n }, { lock: true, flag: "exist" }), true);
  assertEquals([map.get(3, { lock: true }), map.get(4)], [{ packets: 7n }, { packets: 5n }]);
  // After 500 values generated code reads them, which sees the same fields.
  for (let round = 0; round < 2; round++) {
    assertEquals(new Map(map), new Map(Array.from({ length: 600 }, (_, i) => [i, { packets: i === 3 ? 7n : 5n }])));
  }
  using plain = createMap({ type: "hash", key: u32, value: u64, maxEntries: 1 });
  assertThrows(() => plain.update(1, 1n, { lock: true }), SyscallError, "EINVAL");
});

kernelTest("user_ringbuf: programs drain what was sent", { needs: ["kernel:6.1"] }, async () => {
  using ring = createMap({
    type: "user_ringbuf",
    value: { n: u32, text: str(12) },
    maxEntries: 4096,
    name: "commands",
  });
  using prog = drainer(ring.fd);
  for (let i = 1; i <= 3; i++) assertEquals(ring.send({ n: i, text: "x" }), true);
  assertEquals(run(prog), 6); // the sum of n
  assertEquals(run(prog), 0);
  const dropped = ring.reserve(16)!;
  dropped.discard();
  let sent = 0;
  while (ring.send({ n: 1, text: "" })) sent++;
  assertEquals(sent, Math.floor((4096 - 24) / 24));
  assertEquals(run(prog), sent);
  while (ring.send({ n: 1, text: "" }));
  setTimeout(() => run(prog), 20);
  assertEquals(await ring.sendWait({ n: 9, text: "late" }, 2000), true);
  assertEquals(run(prog), 9);
  assertThrows(() => ring.reserve(5000), RangeError, "5000");
  assertThrows(() => ring.send({ n: 1, text: "much too long for it" }), RangeError, "text");
  assertEquals(run(prog), 0); // what could not be encoded is discarded
});

kernelTest("arena: its memory in the script", { needs: ["kernel:6.9"] }, () => {
  using arena = createMap({ type: "arena", maxEntries: 16, name: "arena" });
  arena.bytes[5000] = 7;
  assertEquals([arena.byteLength, arena.bytes[5000], arena.offsetOf(arena.address + 5000)], [16 * 4096, 7, 5000]);
  assertThrows(() => arena.offsetOf(4096), RangeError, "outside");
});

kernelTest("createMap() makes a map of every kind the kernel has without more", { needs: ["kernel:6.9"] }, () => {
  const special = /_of_maps|storage|struct_ops|insn_array|rhash|^arena$|ringbuf|stack_trace|queue|^stack$|bloom|lpm/;
  for (const { name, keySize, valueSize } of Object.values(MAP_KINDS)) {
    if (special.test(name)) continue;
    using map = createMap({ type: name, key: keySize ?? 4, value: valueSize ?? 8, maxEntries: 4, name });
    assertEquals(JSON.parse(bpftool("-j", "map", "show", "id", String(map.id))).type, name);
  }
});

kernelTest("openMap() by id, name, path and fd; unknown names are helped", { needs: ["bpffs"] }, () => {
  const path = `/sys/fs/bpf/waggle-test-${process.pid}/deep/map`;
  using map = createMap({ type: "hash", key: u32, value: u32, maxEntries: 4, name: "findme_first" });
  map.set(1, 2);
  map.pin(path);
  try {
    for (const ref of [{ id: map.id }, { name: "findme_first" }, { path }, { fd: map.fd }]) {
      using again = openMap(ref, { key: u32, value: u32 });
      assert(again instanceof HashMap);
      assertEquals([again.id, again.get(1), again.name, again.maxEntries], [map.id, 2, "findme_first", 4]);
    }
    assertThrows(() => map.pin(path), SyscallError, "EEXIST");
    assertThrows(() => openMap({ name: "findme_furst" }), NotFoundError, "findme_first");
    using twin = createMap({ type: "hash", key: u32, value: u32, maxEntries: 4, name: "findme_first" });
    assertThrows(() => openMap({ name: "findme_first" }), Error, String(twin.id));
  } finally {
    assertEquals([map.unpin(), map.unpin(), map.pinPath], [true, false, undefined]);
    execFileSync("rm", ["-r", `/sys/fs/bpf/waggle-test-${process.pid}`]);
  }
  assertThrows(() => openMap({ path }), SyscallError, "ENOENT");
  assertThrows(() => map.pin("/tmp/not-bpffs"), Error, "not in a bpf file system");
});

kernelTest("watch() yields what is new, changed and gone", {}, async () => {
  using map = createMap({ type: "hash", key: u32, value: u64, maxEntries: 8 });
  map.set(1, 1n).set(2, 2n);
  const controller = new AbortController();
  const batches: string[][] = [];
  for await (const changes of map.watch({ everyMs: 2, signal: controller.signal })) {
    batches.push(changes.map(({ kind, key, value, previous }) => `${kind} ${key} ${previous}->${value}`).sort());
    if (batches.length === 1) map.set(2, 3n).set(4, 4n).delete(1);
    else controller.abort();
  }
  assertEquals(batches, [
    ["set 1 undefined->1", "set 2 undefined->2"],
    ["delete 1 1->undefined", "set 2 2->3", "set 4 undefined->4"],
  ]);
});

kernelTest("info(), freeze() and handles for reading only", { needs: ["kernel:5.2"] }, () => {
  using map = createMap({ type: "array", value: u32, maxEntries: 4, name: "facts" });
  using reader = openMap({ id: map.id }, { value: u32, flags: abi.BPF_F_RDONLY }) as ArrayMap<number>;
  map.set(0, 5);
  assertEquals(reader.get(0), 5);
  assertThrows(() => reader.set(0, 6), SyscallError, "reading or writing only");
  const before = map.info();
  assertEquals([before.name, before.max_entries, before.frozen], ["facts", 4, false]);
  assertGreater(before.memlock, 0);
  map.freeze();
  assertEquals(map.info().frozen, true);
  assertThrows(() => map.set(0, 6), SyscallError, "frozen");
  assertEquals(map.get(0), 5);
});

function xdp(attach: number) {
  const insns = new Builder().mov(r0, 2).exit().bytes();
  return progLoad({ prog_type: abi.BPF_PROG_TYPE_XDP, expected_attach_type: attach, insns, license: "GPL" });
}

/** A program that drains a user ring buffer and returns the sum of the records' first words. */
function drainer(ringFd: number) {
  const b = new Builder().store(64, r10, -8, 0).mapFd(r1, ringFd).func(r2, "each").mov(r3, r10).alu("add", r3, -8);
  b.mov(r4, 0).call("user_ringbuf_drain").load(64, r0, r10, -8).exit().label("each");
  const each = b.slots;
  b.mov(r6, r2).mov(r3, r1).mov(r1, r10).alu("add", r1, -8).mov(r2, 4).mov(r4, 0).mov(r5, 0).store(64, r10, -8, 0);
  b.call("dynptr_read").load(64, r1, r6, 0).load(32, r2, r10, -8).alu("add", r1, r2).store(64, r6, 0, r1);
  b.mov(r0, 0).exit();
  const btf = new BtfBuilder();
  const int = btf.add({
    kind: "INT",
    name: "int",
    size: 4,
    bits: 32,
    bitOffset: 0,
    signed: true,
    char: false,
    bool: false,
  });
  const proto = btf.add({ kind: "FUNC_PROTO", name: "", type: int, params: [] });
  const main = btf.add({ kind: "FUNC", name: "main", type: proto, linkage: "global" });
  const callback = btf.add({ kind: "FUNC", name: "each", type: proto, linkage: "static" });
  using btfFd = btfLoad(btf.toBytes());
  return progLoad({
    prog_type: abi.BPF_PROG_TYPE_SCHED_CLS,
    insns: b.bytes(),
    license: "GPL",
    prog_btf_fd: btfFd.number,
    func_info: new Uint8Array(Uint32Array.of(0, main, each, callback).buffer),
  });
}

function runRaw(prog: number): number {
  return progTestRun(prog, { ctx: new Uint8Array(8) }).retval;
}
