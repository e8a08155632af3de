/** Programs, maps, BTF, dumps and statistics of the system, compared with bpftool. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { readFileSync } from "node:fs";
import { BPF_PROG_TYPE_SOCKET_FILTER } from "../../../src/abi/bpf.gen.ts";
import { Builder, r0 } from "../../../src/asm/build.ts";
import { attachFromSection } from "../../../src/attach/registry.ts";
import { BtfBuilder } from "../../../src/btf/write.ts";
import { NotFoundError, SyscallError, WaggleError } from "../../../src/errors.ts";
import { btfDetails, listBtfs, openBtf } from "../../../src/kernel/btf_objects.ts";
import { listMaps, type MapDetails, mapDetails } from "../../../src/kernel/map_details.ts";
import { listPrograms, programDetails } from "../../../src/kernel/program_details.ts";
import { dumpProgram } from "../../../src/kernel/program_dump.ts";
import { jitedText, translatedText } from "../../../src/kernel/program_dump_text.ts";
import { RunStats } from "../../../src/kernel/run_stats.ts";
import { symbolsAt } from "../../../src/kernel/symbols_at.ts";
import { kernelSymbols } from "../../../src/kernel/kallsyms.ts";
import { BpfMap } from "../../../src/maps/map.ts";
import { openMap } from "../../../src/maps/open.ts";
import { mapFreeze } from "../../../src/syscall/bpf_map.ts";
import { btfLoad, progLoad } from "../../../src/syscall/bpf_prog.ts";
import { addInt } from "../../../src/kernel/probe_parts.ts";
import { createMap } from "../../../src/maps/create.ts";
import { kernelTest, type Need } from "../../support/harness.ts";
import { CountingProgram } from "../attach/programs.ts";
import { bpftoolJson, bpftoolOutput, loadTestObject } from "./objects.ts";

interface ToolProgram {
  id: number;
  type: string;
  name?: string;
  tag: string;
  gpl_compatible: boolean;
  loaded_at: number;
  uid: number;
  bytes_xlated: number;
  bytes_jited?: number;
  bytes_memlock: number;
  map_ids?: number[];
  btf_id?: number;
}

kernelTest("`listPrograms()` and `programDetails()` say what bpftool says", { needs: ["tool:bpftool", "btf"] }, () => {
  using object = loadTestObject("subprograms");
  using events = loadTestObject("maps_basic");
  const program = object.programs.values().next().value!;
  const ours = listPrograms();
  const theirs = bpftoolJson("prog", "list") as ToolProgram[];
  const mine = [...object.programs.values(), ...events.programs.values()];
  for (const { id, name } of mine) {
    const a = ours.find((p) => p.id === id)!;
    const b = theirs.find((p) => p.id === id)!;
    assertEquals(
      [a.name, a.type, a.tag, a.gplCompatible, a.uid, a.translatedSize, a.jitedSize, a.memlock, [...a.mapIds], a.btfId],
      [
        name,
        b.type,
        b.tag,
        b.gpl_compatible,
        b.uid,
        b.bytes_xlated,
        b.bytes_jited ?? 0,
        b.bytes_memlock,
        b.map_ids ?? [],
        b.btf_id,
      ],
    );
    assert(Math.abs(a.loadedAt.getTime() / 1000 - b.loaded_at) <= 1.5, `${a.loadedAt} and ${b.loaded_at}`);
  }
  const one = programDetails({ fd: program.fd });
  const again = programDetails({ id: program.id });
  // The start of the machine is two clocks apart, which drift between two looks.
  assertEquals({ ...again, loadedAt: one.loadedAt }, one);
  assertEquals([one.functionCount, one.jitedFunctionCount], [3, 3]);
  assert(one.lineCount >= 6);
  assertThrows(() => programDetails({ name: "waggle_none" }), NotFoundError, 'Cannot find program "waggle_none"');
  assertThrows(() => programDetails({ id: 0x7fffffff }), SyscallError, "open prog 2147483647");
});

kernelTest("a program name longer than the kernel keeps comes from its BTF", { needs: ["btf"] }, () => {
  const name = "a_function_with_a_long_name";
  const types = new BtfBuilder();
  const proto = types.add({ kind: "FUNC_PROTO", name: "", type: addInt(types), params: [] });
  const fn = types.add({ kind: "FUNC", name, type: proto, linkage: "global" });
  using btf = btfLoad(types.toBytes());
  const funcInfo = new Uint8Array(Uint32Array.of(0, fn).buffer);
  using program = progLoad({
    prog_type: BPF_PROG_TYPE_SOCKET_FILTER,
    prog_name: name.slice(0, 15),
    license: "GPL",
    insns: new Builder().mov(r0, 0).exit().bytes(),
    prog_btf_fd: btf.number,
    func_info: funcInfo,
  });
  assertEquals(programDetails({ fd: program.number }).name, name);
});

interface ToolMap {
  id: number;
  type: string;
  name?: string;
  flags: number;
  bytes_key: number;
  bytes_value: number;
  max_entries: number;
  bytes_memlock: number;
  frozen: number;
  btf_id?: number;
  owner_prog_type?: string;
  owner_jited?: number;
}

function comparable(map: MapDetails): unknown[] {
  const { id, type, name, flags, keySize, valueSize, maxEntries, memlock, frozen, btfId, ownerProgramType } = map;
  return [id, type, name, flags, keySize, valueSize, maxEntries, memlock, frozen ? 1 : 0, btfId, ownerProgramType];
}

kernelTest("`listMaps()` says what bpftool says", { needs: ["tool:bpftool"] }, () => {
  using basic = loadTestObject("maps_basic");
  using globals = loadTestObject("globals");
  using calls = loadTestObject("tail_calls");
  const ours = new Map(listMaps().map((map) => [map.id, map]));
  const theirs = new Map((bpftoolJson("map", "list") as ToolMap[]).map((map) => [map.id, map]));
  for (const object of [basic, globals, calls]) {
    for (const map of object.maps.values()) {
      const a = mapDetails({ fd: map.fd.number });
      assertEquals(ours.get(a.id), a);
      const b = theirs.get(a.id)!;
      assertEquals(comparable(a), [
        b.id,
        b.type,
        b.name ?? "",
        b.flags,
        b.bytes_key,
        b.bytes_value,
        b.max_entries,
        b.bytes_memlock,
        b.frozen,
        // bpftool 7.1 repeats the id of the map before it for maps without types.
        a.btfId === undefined ? undefined : b.btf_id,
        b.owner_prog_type,
      ]);
    }
  }
  assertEquals(mapDetails({ fd: globals.maps.get(".rodata")!.fd.number }).frozen, true);
  const slots = calls.maps.values().next().value!;
  assertEquals(mapDetails({ fd: slots.fd.number }).ownerProgramType, "socket_filter");
});

kernelTest("`mapDetails()` hashes the contents of a frozen array", { needs: ["kernel:6.18"] }, async () => {
  using map = createMap({ type: "array", key: 4, value: 8, maxEntries: 2, name: "hashed" });
  assertEquals(mapDetails({ fd: map.fd }).sha256, undefined);
  mapFreeze(map.fd);
  const expected = new Uint8Array(await crypto.subtle.digest("SHA-256", new Uint8Array(16)));
  assertEquals(
    mapDetails({ fd: map.fd }).sha256,
    Array.from(expected, (b) => b.toString(16).padStart(2, "0")).join(""),
  );
});

kernelTest("`listBtfs()` and `openBtf()` give the types of the kernel and of programs", {
  needs: ["btf", "tool:bpftool", "kernel:5.11"],
}, () => {
  using object = loadTestObject("events");
  const { btfId } = programDetails({ fd: object.programs.values().next().value!.fd });
  const theirs = bpftoolJson("btf", "list") as { id: number; size: number; kernel?: boolean; name?: string }[];
  const ours = new Map(listBtfs().map((btf) => [btf.id, btf]));
  for (const b of theirs) {
    const a = ours.get(b.id);
    if (a !== undefined) {
      assertEquals([a.size, a.kernel, a.name], [b.size, b.kernel ?? false, b.name === "<anon>" ? "" : b.name ?? ""]);
    }
  }
  assertEquals(btfDetails({ name: "vmlinux" }).kernel, true);
  const btf = openBtf(btfId!);
  assert(btf.find("event", "STRUCT") !== undefined, "the object's types are not there");
  assertEquals(openBtf(btfDetails({ name: "vmlinux" }).id).find("task_struct", "STRUCT") !== undefined, true);
});

/** Without addresses of helpers and with numbers in one notation: bpftool 7.1 prints some operands in hexadecimal. */
function normalize(text: string): string[] {
  return text.split("\n").map((line) => line.trim()).filter((line) => /^\d+: \(/.test(line)).map((line) =>
    line.replace(/\b0x([0-9a-f]+)\b/g, (_, digits) => String(BigInt(`0x${digits}`)))
      .replace(/map\[id:(\d+)[^\]]*\]/, "map[$1]").replace(/#bpf_prog_[0-9a-f]{16}_/, "#")
      .replace(/(?<=^\d+: \(18\) r\d+ = )(subprog\[\+\d+\]|[a-z_]+)$/, "fn")
  );
}

for (const name of ["subprograms", "maps_basic", "globals", "callbacks", "tail_calls", "attach_iter", "kfuncs"]) {
  const needs: Need[] = ["tool:bpftool", "btf", name === "kfuncs" ? "kernel:6.2" : "kernel:5.18"];
  if (name === "attach_iter") needs.push("mapiter");
  kernelTest(`\`dumpProgram()\` shows the code of ${name} as bpftool does`, { needs }, () => {
    using object = loadTestObject(name);
    for (const program of object.programs.values()) {
      const dump = dumpProgram({ id: program.id });
      const text = translatedText(dump);
      const theirs = new TextDecoder().decode(bpftoolOutput("prog", "dump", "xlated", "id", String(program.id)));
      assertEquals(normalize(text), normalize(theirs));
      assert(dump.translated.some((insn) => insn.source?.file.endsWith(`${name}.bpf.c`)), "no source lines");
      const lines = (s: string) =>
        s.split("\n").filter((line) => line.startsWith(";")).map((line) => line.replace(/ \[[^\]]*:\d+:\d+\]$/, ""));
      assertEquals(lines(text), lines(theirs));
      const { jitedSize } = dump.program;
      assertEquals(dump.jited.reduce((sum, fn) => sum + fn.code.length, 0), jitedSize);
      assert(dump.jited.every((fn) => fn.code.length > 8 && fn.code.some((byte) => byte !== 0)), "no code");
    }
  });
}

kernelTest("`dumpProgram()` names functions, addresses and lines of machine code", { needs: ["btf"] }, () => {
  using object = loadTestObject("subprograms", ["one"]);
  const dump = dumpProgram({ fd: object.programs.get("one")!.fd });
  assertEquals(dump.jited.map((fn) => fn.name), ["one", "plus_one", "twice"]);
  assertEquals(dump.translated.filter((insn) => insn.function !== undefined).map((insn) => insn.function), [
    "one",
    "plus_one",
    "twice",
  ]);
  const symbols = symbolsAt(dump.jited.map((fn) => fn.address));
  for (const fn of dump.jited) {
    const { name, module, offset } = symbols.get(fn.address)!;
    assertEquals([name.replace(/[0-9a-f]{16}/, "TAG"), module, offset], [`bpf_prog_TAG_${fn.name}`, "bpf", 0]);
  }
  const twice = dump.jited[2]!;
  assertEquals(twice.lines.map((line) => line.source.text), [
    "static __noinline __u64 twice(__u64 x)",
    "return x + x;",
    "return x + x;",
  ]);
  const text = jitedText(dump);
  assert(text.includes(`twice (${twice.code.length} bytes, tag ${twice.tag}):\n; static __noinline`), text);
  assert(translatedText(dump).includes("call pc+6#plus_one"));
});

kernelTest("`symbolsAt()` finds functions by an address inside them", {}, () => {
  const [known] = [...kernelSymbols(["bpf_prog_put"]).values()];
  const found = symbolsAt([known! + 3n, known!]);
  assertEquals(found.get(known! + 3n), { name: "bpf_prog_put", module: undefined, offset: 3 });
  assertEquals(found.get(known!)?.offset, 0);
  assertEquals(symbolsAt([1n, 0n]).size, 0);
});

kernelTest("`RunStats` counts runs and time, and stops when it is disposed", {}, () => {
  using program = new CountingProgram("raw_tp/sys_enter", { name: "stats_test" });
  const id = listPrograms().find((p) => p.name === "stats_test")!.id;
  using _link = attachFromSection(program)!;
  const work = () => {
    for (let i = 0; i < 50; i++) readFileSync("/proc/self/stat");
  };
  work();
  {
    using stats = new RunStats();
    assertEquals(stats.read().find((p) => p.id === id)?.runs !== undefined, true);
    const before = program.count;
    work();
    const ran = BigInt(program.count - before);
    const seen = stats.read().find((p) => p.id === id)!;
    // The look itself makes system calls too.
    assert(seen.runs >= ran && ran >= 100n, `${seen.runs} runs of ${ran}`);
    assert(seen.timeNs > 0n && seen.timeNs < 1_000_000_000n, `${seen.timeNs} ns`);
    stats.close();
    stats.close();
  }
  const { runCount, runTimeNs } = programDetails({ id });
  work();
  const after = programDetails({ id });
  assertEquals([after.runCount, after.runTimeNs], [runCount, runTimeNs]);
});

kernelTest("`openMap()` decodes a foreign map by the BTF it has in the kernel", { needs: ["btf"] }, () => {
  using object = loadTestObject("globals");
  const data = object.maps.get(".data")!;
  using found = openMap({ id: mapDetails({ fd: data.fd.number }).id }) as BpfMap;
  const value = found.get(0) as Record<string, unknown>;
  assertEquals(typeof value, "object");
  assert(!(value instanceof Uint8Array), "still bytes");
  using raw = openMap({ id: found.id }, { types: false }) as BpfMap;
  assert(raw.get(0) instanceof Uint8Array);
  // One variable of the object, by its own symbol: what C put there.
  const btf = object.spec.btf!;
  const names = Object.keys(value);
  assert(names.length > 1 && names.every((name) => btf.findAll(name, "VAR").length === 1), names.join());
});

kernelTest("names that several maps have are refused with their ids", {}, () => {
  using a = createMap({ type: "array", key: 4, value: 4, maxEntries: 1, name: "waggle_twins" });
  using b = createMap({ type: "array", key: 4, value: 4, maxEntries: 1, name: "waggle_twins" });
  const error = assertThrows(() => openMap({ name: "waggle_twins" }), WaggleError, "2 have this name");
  assert(error.message.includes(`${a.id}, ${b.id}`));
});
