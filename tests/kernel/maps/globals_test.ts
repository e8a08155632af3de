import { assertEquals, assertThrows } from "@std/assert";
import { Builder, r0, r1, r2, r3 } from "../../../src/asm/build.ts";
import { BPF_F_MMAPABLE, BPF_F_RDONLY_PROG } from "../../../src/abi/bpf.gen.ts";
import { BtfBuilder } from "../../../src/btf/write.ts";
import { Btf } from "../../../src/btf/btf.ts";
import { str } from "../../../src/bytes/composites.ts";
import { i32, u64 } from "../../../src/bytes/scalars.ts";
import { NotFoundError } from "../../../src/errors.ts";
import { createMap } from "../../../src/maps/create.ts";
import { Globals, globalVars } from "../../../src/maps/globals.ts";
import type { Codec } from "../../../src/bytes/codec.ts";
import { kernelTest, test } from "../../support/harness.ts";
import { loadTc, run } from "./producers.ts";

const VARS = [
  { name: "count", offset: 0, codec: u64 as Codec<unknown> },
  { name: "limit", offset: 8, codec: i32 as Codec<unknown> },
  { name: "label", offset: 12, codec: str(12) as Codec<unknown> },
];

function section(flags: number, options: { readOnly?: boolean } = {}) {
  const map = createMap({ type: "array", value: 24, maxEntries: 1, flags, name: "test.data" });
  return { map, name: ".data", size: 24, flags, readOnly: options.readOnly ?? false, vars: VARS };
}

/** Adds one to `count` and returns `limit`. */
function program(fd: number) {
  return loadTc(
    new Builder().mapValue(r1, fd, 0).load(64, r2, r1, 0).alu("add", r2, 1).store(64, r1, 0, r2)
      .mapValue(r3, fd, 8).load(32, r0, r3, 0).exit(),
  );
}

for (const [how, flags] of [["mmap", BPF_F_MMAPABLE], ["map updates", 0]] as const) {
  kernelTest(`Globals by ${how}: both sides see each other's writes`, { needs: ["kernel:5.5"] }, () => {
    const data = section(flags);
    using map = data.map;
    using globals = new Globals([data]);
    using prog = program(map.fd);
    globals.set("limit", 41);
    assertEquals([run(prog), globals.get("count")], [41, 1n]);
    run(prog, 4);
    globals.values["label"] = "abc";
    assertEquals(globals.snapshot(), { count: 5n, limit: 41, label: "abc" });
    assertEquals({ ...globals.values }, globals.snapshot());
    assertThrows(() => globals.set("limit", 2 ** 40), RangeError, "limit");
    assertThrows(() => globals.set("label", "longer than twelve"), RangeError, "label");
    assertEquals(globals.get("label"), "abc");
  });
}

kernelTest("Globals: constants can be read, not written", { needs: ["kernel:5.5"] }, () => {
  for (const flags of [BPF_F_MMAPABLE | BPF_F_RDONLY_PROG, BPF_F_RDONLY_PROG]) {
    const rodata = section(flags, { readOnly: true });
    using map = rodata.map;
    map.set(0, Uint8Array.from({ length: 24 }, (_, i) => i === 8 ? 7 : 0));
    map.freeze();
    using globals = new Globals([rodata]);
    assertEquals(globals.get("limit"), 7);
    assertThrows(() => globals.set("limit", 8), TypeError, "when the object is loaded");
  }
  // Frozen by someone else: found out when it is mapped.
  const frozen = section(BPF_F_MMAPABLE);
  using map = frozen.map;
  map.freeze();
  using globals = new Globals([frozen]);
  assertThrows(() => globals.set("limit", 8), TypeError, "constant");
  assertEquals(globals.get("limit"), 0);
});

kernelTest("Globals: unknown names are helped, closed ones say so", {}, () => {
  const data = section(BPF_F_MMAPABLE);
  using map = data.map;
  const globals = new Globals([data]);
  assertEquals([globals.names(), globals.has("limit"), globals.has("x")], [["count", "limit", "label"], true, false]);
  assertThrows(() => globals.get("limmit"), NotFoundError, 'did you mean "limit"');
  assertThrows(() => (globals.values["nothing"] = 1), TypeError);
  globals.get("limit");
  globals.close();
  globals.close();
  assertThrows(() => globals.get("limit"), TypeError, "closed");
  map.close();
  assertThrows(() => new Globals([data]).get("limit"), TypeError, "closed");
});

test("`globalVars()` reads names, offsets and types from a DATASEC", () => {
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
  const one = btf.add({ kind: "VAR", name: "one", type: int, linkage: "global" });
  const two = btf.add({ kind: "VAR", name: "two", type: int, linkage: "static" });
  const vars = [{ type: one, offset: 0, size: 4 }, { type: two, offset: 8, size: 4 }];
  const id = btf.add({ kind: "DATASEC", name: ".data", size: 12, vars });
  const found = globalVars(Btf.parse(btf.toBytes()), id);
  assertEquals(found.map(({ name, offset, codec }) => [name, offset, codec.size]), [["one", 0, 4], ["two", 8, 4]]);
});
