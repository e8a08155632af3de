/** Kinds whose elements are tied to other things of the kernel: sockets, devices, cgroups, instructions, memory. */
import { assert, assertEquals, assertGreater, assertNotEquals, assertThrows } from "@std/assert";
import { execFileSync } from "node:child_process";
import { mkdirSync, rmdirSync, statSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import * as abi from "../../../src/abi/bpf.gen.ts";
import { Builder, r0, r1, r10, r2 } from "../../../src/asm/build.ts";
import { u32, u64 } from "../../../src/bytes/scalars.ts";
import { SyscallError } from "../../../src/errors.ts";
import { tryKernelBtf } from "../../../src/kernel/btf.ts";
import type { ArrayMap } from "../../../src/maps/array.ts";
import type { BpfMap } from "../../../src/maps/map.ts";
import { createMap } from "../../../src/maps/create.ts";
import { openMap } from "../../../src/maps/open.ts";
import { load } from "../../../src/script/open.ts";
import { progAttach, progDetach, progLoad } from "../../../src/syscall/bpf.ts";
import { openFile } from "../../../src/syscall/files.ts";
import { kernelTest } from "../../support/harness.ts";
import { loadTc, run } from "./producers.ts";
import { connected, listener, xdpSocket } from "./sockets.ts";

kernelTest("sockmap, sockhash: sockets go in by descriptor, cookies come out", { needs: ["kernel:4.18"] }, () => {
  const { fd: server, port } = listener();
  using _server = server;
  using client = connected(port);
  using map = createMap({ type: "sockmap", value: 8, maxEntries: 4 });
  map.set(2, client);
  const cookie = map.get(2)!;
  assertGreater(cookie, 0);
  assertEquals([map.get(1), map.delete(2), map.get(2)], [undefined, true, undefined]);
  using keyed = createMap({ type: "sockhash", key: { port: u32 }, value: 8, maxEntries: 4 });
  keyed.set({ port }, client);
  assertEquals([keyed.get({ port }), keyed.get({ port: 0 }), keyed.size], [cookie, undefined, 1]);
  assertThrows(() => keyed.set({ port: 1 }, 0x7fff), SyscallError, "EBADF");
  using file = openFile("/dev/null");
  assertThrows(() => keyed.set({ port: 1 }, file), SyscallError, "ENOTSOCK");
});

kernelTest("reuseport_sockarray: sockets that share a port", { needs: ["kernel:4.19"] }, () => {
  const one = listener();
  using _one = one.fd;
  const two = listener(one.port);
  using _two = two.fd;
  using map = createMap({ type: "reuseport_sockarray", value: 8, maxEntries: 2 });
  map.set(0, one.fd).set(1, two.fd);
  const cookies = [map.get(0)!, map.get(1)!];
  assert(cookies.every((cookie) => cookie > 0) && cookies[0] !== cookies[1], String(cookies));
  assertEquals([map.delete(0), map.get(0), map.get(1)], [true, undefined, cookies[1]]);
});

kernelTest("xskmap: takes AF_XDP sockets only", { needs: ["kernel:4.18", "config:XDP_SOCKETS"] }, () => {
  using map = createMap({ type: "xskmap", maxEntries: 4 });
  using socket = xdpSocket();
  map.set(1, socket);
  assertEquals([map.delete(1), map.delete(2)], [true, true]); // an empty slot is no error
  const { fd: tcp } = listener();
  using _tcp = tcp;
  assertThrows(() => map.set(1, tcp), SyscallError, "EOPNOTSUPP");
  assertThrows(() => map.get(1), TypeError, "does not give sockets back");
});

kernelTest(
  "sk_storage, cgrp_storage: values of a socket and of a cgroup",
  { needs: ["kernel:6.2", "btf", "cgroup2"] },
  () => {
    const { fd: socket } = listener();
    using sockets = createMap({ type: "sk_storage", value: { seen: u64 } });
    sockets.set(socket, { seen: 3n });
    assertEquals([sockets.get(socket), sockets.info().btf_value_type_id > 0], [{ seen: 3n }, true]);
    socket.close(); // and the value with it
    using cgroups = createMap({ type: "cgrp_storage", value: u64 });
    const path = cgroupRoot();
    cgroups.set({ path }, 4n);
    using directory = openFile(path);
    assertEquals([cgroups.get(directory), cgroups.delete({ path }), cgroups.get({ path })], [4n, true, undefined]);
  },
);

kernelTest("cgroup_storage, percpu_cgroup_storage: values of a cgroup while a program is attached", {
  needs: ["kernel:5.9", "cgroup2"],
}, () => {
  const path = `${cgroupRoot()}/waggle-test-${process.pid}`;
  mkdirSync(path);
  try {
    for (const type of ["cgroup_storage", "percpu_cgroup_storage"] as const) {
      using map = createMap({ type, key: u64, value: u64 });
      const insns = new Builder().mapFd(r1, map.fd).mov(r2, 0).call("get_local_storage").mov(r1, 1)
        .atomic("add", 64, r0, 0, r1).mov(r0, 1).exit().bytes();
      using prog = progLoad({ prog_type: abi.BPF_PROG_TYPE_CGROUP_SKB, insns, license: "GPL" });
      using cgroup = openFile(path);
      const target = { target_fd: cgroup.number, attach_type: abi.BPF_CGROUP_INET_EGRESS };
      progAttach({ ...target, attach_bpf_fd: prog.number });
      const id = statSync(path, { bigint: true }).ino;
      assertEquals([...map.keys()], [id], type);
      if (type === "cgroup_storage") {
        const storage = map as unknown as BpfMap<bigint, bigint>;
        storage.update(id, 7n, { flag: "exist" });
        assertEquals(storage.get(id), 7n);
        assertEquals(storage.get(id + 1n), undefined);
      } else {
        assert((map as unknown as BpfMap<bigint, bigint[]>).get(id)!.every((value) => value === 0n));
      }
      progDetach({ ...target, attach_bpf_fd: prog.number });
    }
  } finally {
    rmdirSync(path);
  }
});

kernelTest("arena: programs and the script write the same memory", { needs: ["kernel:6.9"] }, () => {
  using map = createMap({ type: "arena", maxEntries: 4, name: "arena" });
  const words = new Uint32Array(map.buffer, 0, 16);
  words[4] = 41; // also makes the page, so that the program finds it
  const cast = { code: 0xbf, dst: 2, src: 2, off: 1, imm: 1 }; // r2 = addr_space_cast(r2, 0, 1)
  using prog = loadTc(
    new Builder().mapFd(r1, map.fd).imm64(r2, BigInt(map.address)).add(cast).load(32, r0, r2, 16)
      .alu("add", r0, 1).store(32, r2, 20, r0).exit(),
  );
  assertEquals([run(prog), words[5]], [42, 42]);
  words[4] = 99;
  assertEquals([run(prog), words[5]], [100, 100]);
  assertEquals(map.offsetOf(map.address + 20), 20);
});

kernelTest("array_of_maps, hash_of_maps: a program sees inner maps that are put in while it runs", {
  needs: ["kernel:4.12"],
}, () => {
  const inner = { type: "array", value: u64, maxEntries: 1 } as const;
  using outer = createMap({ type: "array_of_maps", maxEntries: 2, inner });
  using prog = loadTc(
    new Builder().store(32, r10, -4, 1).mapFd(r1, outer.fd).mov(r2, r10).alu("add", r2, -4).call("map_lookup_elem")
      .jmp("jeq", r0, 0, "none").store(32, r10, -4, 0).mov(r1, r0).mov(r2, r10).alu("add", r2, -4)
      .call("map_lookup_elem").jmp("jeq", r0, 0, "none").load(32, r0, r0, 0).exit().label("none").mov(r0, 7).exit(),
  );
  assertEquals(run(prog), 7);
  for (const value of [10n, 20n]) {
    using map = createMap(inner);
    map.set(0, value);
    outer.set(1, map);
    assertEquals(run(prog), Number(value));
  }
  outer.delete(1);
  assertEquals(run(prog), 7);
});

kernelTest("struct_ops: the value says its state and shows the members", { needs: ["kernel:6.4", "btf"] }, () => {
  if (tryKernelBtf()?.find("bpf_struct_ops_tcp_congestion_ops", "STRUCT") === undefined) return;
  const path = fileURLToPath(new URL("../../data/object/struct_ops.o", import.meta.url));
  using object = load(path);
  using map = openMap({ name: "waggle_map" }) as BpfMap<number, { common: { state: string }; data: { name: string } }>;
  const before = map.get(0);
  object.attach();
  const attached = map.get(0)!;
  assertEquals([attached.common.state, attached.data.name], ["BPF_STRUCT_OPS_STATE_INUSE", "waggle_map"]);
  assertNotEquals(before?.common.state, "BPF_STRUCT_OPS_STATE_INUSE");
  object.detach();
});

kernelTest("insn_array: tells where instructions of a program went", { needs: ["kernel:6.19"] }, () => {
  const value = { orig_off: u32, xlated_off: u32, jitted_off: u32, zero: u32 };
  using map = createMap({ type: "insn_array", value, maxEntries: 2 }) as unknown as ArrayMap<Record<string, number>>;
  map.set(0, { orig_off: 0, xlated_off: 0, jitted_off: 0, zero: 0 });
  map.set(1, { orig_off: 2, xlated_off: 0, jitted_off: 0, zero: 0 });
  map.freeze();
  const insns = new Builder().mov(r0, 0).mov(r1, 1).mov(r0, 2).exit().bytes();
  const attr = { prog_type: abi.BPF_PROG_TYPE_SCHED_CLS, insns, license: "GPL" };
  using _prog = progLoad({ ...attr, fd_array: [map.fd], fd_array_cnt: 1 });
  const [first, second] = [...map.values()];
  assertEquals([first!["orig_off"], second!["orig_off"], second!["xlated_off"]], [0, 2, 2]);
  assertGreater(second!["jitted_off"]!, first!["jitted_off"]!);
});

kernelTest("hash, array: maps of others are read by id, with their own types", { needs: ["kernel:5.2", "btf"] }, () => {
  const path = fileURLToPath(new URL("../../data/globals.bpf.o", import.meta.url));
  using object = load(path);
  const data = Object.values(object.maps).find((map) => map.name.endsWith(".data"))!;
  using foreign = openMap({ id: data.id }) as ArrayMap<Record<string, unknown>>;
  const variables = foreign.get(0);
  for (const [name, value] of Object.entries(variables)) {
    if (name in object.globals) assertEquals(value, object.globals[name], name);
  }
  assertGreater(Object.keys(variables).length, 0);
  const facts = foreign.info();
  assertEquals([facts.id, facts.type, facts.frozen], [data.id, abi.BPF_MAP_TYPE_ARRAY, false]);
  assertGreater(facts.memlock, 0);
});

function cgroupRoot(): string {
  return /^\S+ (\S+) cgroup2 rw/m.exec(execFileSync("cat", ["/proc/mounts"], { encoding: "utf8" }))![1]!;
}
