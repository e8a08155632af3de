import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { FormatError } from "../../src/errors.ts";
import { Btf } from "../../src/btf/btf.ts";
import { BTF_KIND, BTF_KINDS } from "../../src/btf/kinds.ts";
import { BtfBuilder, rewriteBtf } from "../../src/btf/write.ts";
import type { BtfEnum, BtfType } from "../../src/btf/types.ts";
import { test } from "../support/harness.ts";
import { ALL_KINDS, allTypes, compileBtf, run, toolTest, VMLINUX, vmlinuxBtf } from "./support.ts";

const INT: BtfType = {
  kind: "INT",
  name: "int",
  size: 4,
  bits: 32,
  bitOffset: 0,
  signed: true,
  char: false,
  bool: false,
};

/** One type of each kind, referring to each other. */
function everyKind(): BtfType[] {
  return [
    INT,
    { kind: "PTR", name: "", type: 4 },
    { kind: "ARRAY", name: "", type: 1, indexType: 1, nelems: 7 },
    {
      kind: "STRUCT",
      name: "s",
      size: 16,
      kflag: true,
      members: [{ name: "a", type: 1, bitOffset: 0, bitSize: 3 }, { name: "p", type: 2, bitOffset: 64, bitSize: 0 }],
    },
    { kind: "UNION", name: "u", size: 4, kflag: false, members: [{ name: "x", type: 1, bitOffset: 0, bitSize: 0 }] },
    { kind: "ENUM", name: "e", size: 4, signed: true, values: [{ name: "M1", value: -1n }, { name: "P1", value: 1n }] },
    { kind: "FWD", name: "f", union: true },
    { kind: "TYPEDEF", name: "t", type: 1 },
    { kind: "VOLATILE", name: "", type: 1 },
    { kind: "CONST", name: "", type: 0 },
    { kind: "RESTRICT", name: "", type: 2 },
    { kind: "FUNC", name: "fn", type: 13, linkage: "extern" },
    { kind: "FUNC_PROTO", name: "", type: 1, params: [{ name: "arg", type: 2 }, { name: "", type: 0 }] },
    { kind: "VAR", name: "v", type: 1, linkage: "global" },
    { kind: "DATASEC", name: ".data", size: 4, vars: [{ type: 14, offset: 0, size: 4 }] },
    { kind: "FLOAT", name: "double", size: 8 },
    { kind: "DECL_TAG", name: "tag", type: 4, component: -1, kflag: false },
    { kind: "TYPE_TAG", name: "user", type: 1, kflag: true },
    { kind: "ENUM64", name: "e64", size: 8, signed: false, values: [{ name: "TOP", value: 0xffff_ffff_0000_0001n }] },
  ];
}

function build(types: readonly BtfType[], endian: "little" | "big" = "little"): Btf {
  const builder = new BtfBuilder({ endian });
  for (const type of types) builder.add(type);
  return builder.build("test");
}

for (const endian of ["little", "big"] as const) {
  test(`\`Btf\` reads what \`BtfBuilder\` writes, every kind, ${endian}-endian`, () => {
    const types = everyKind();
    assertEquals(types.map((t) => t.kind), BTF_KINDS.slice(1).map((k) => k.name));
    const btf = build(types, endian);
    assertEquals(btf.endian, endian);
    assertEquals(btf.typeCount, types.length + 1);
    assertEquals(allTypes(btf.validate()), types);
    assertEquals(btf.type(0), { kind: "UNKN", name: "" });
    assertEquals(btf.kindOf(4), BTF_KIND.STRUCT);
    assertEquals(btf.nameOf(4), "s");
    assertEquals(btf.vlenOf(4), 2);
  });
}

test("`Btf.parse()` reads from an unaligned place in a buffer", () => {
  const bytes = build(everyKind()).bytes;
  const moved = new Uint8Array(bytes.length + 3);
  moved.set(bytes, 3);
  assertEquals(allTypes(Btf.parse(moved.subarray(3))), everyKind());
});

test("`Btf.type()` decodes a type once", () => {
  const btf = build(everyKind());
  assertStrictEquals(btf.type(4), btf.type(4));
});

test("`Btf.find()` finds by name and kind, first id first", () => {
  const btf = build([INT, { kind: "FWD", name: "x", union: false }, {
    kind: "FUNC",
    name: "x",
    type: 0,
    linkage: "static",
  }, {
    kind: "TYPEDEF",
    name: "x",
    type: 1,
  }]);
  assertEquals(btf.find("x"), 2);
  assertEquals(btf.find("x", "TYPEDEF"), 4);
  assertEquals(btf.find("x", BTF_KIND.FUNC), 3);
  assertEquals(btf.find("x", "STRUCT"), undefined);
  assertEquals(btf.find(""), undefined);
  assertEquals(btf.findAll("x"), [2, 3, 4]);
  assertEquals([...btf.ids("FUNC")], [3]);
});

test("`Btf.candidates()` ignores flavours as libbpf defines them", () => {
  const names = [
    "task",
    "task___v2",
    "task___v2___deep",
    "task____no",
    "task__no",
    "___task",
    "task___",
    "tas",
    "task_struct",
  ];
  const btf = build(names.map((name): BtfType => ({ kind: "STRUCT", name, size: 0, members: [], kflag: false })));
  // Often enough that both the walk and the hash answer.
  for (let i = 0; i < 30; i++) {
    assertEquals(btf.candidates("task"), [1, 2]);
    assertEquals(btf.candidates("task___v2"), [3]);
    assertEquals(btf.candidates("task____no"), [4]);
    assertEquals(btf.candidates("___task"), [6]);
    assertEquals(btf.find("task___v2", "STRUCT"), 2);
    assertEquals(btf.find("task_", "STRUCT"), undefined);
  }
});

test("split `Btf` continues ids and strings of its base", () => {
  const base = build(everyKind());
  const builder = new BtfBuilder({ base });
  const own = builder.add({
    kind: "STRUCT",
    name: "s",
    size: 4,
    kflag: false,
    members: [{ name: "m", type: 1, bitOffset: 0, bitSize: 0 }],
  });
  builder.add({ kind: "PTR", name: "", type: own });
  const split = builder.build("module");
  assertEquals([split.firstId, own, split.typeCount], [20, 20, 22]);
  assertEquals(split.type(own).name, "s");
  assertStrictEquals(split.type(4), base.type(4));
  for (let i = 0; i < 20; i++) {
    assertEquals(split.find("s", "STRUCT"), own);
    assertEquals(split.findAll("s"), [own, 4]);
    assertEquals(split.candidates("s"), [4, own]);
    assertEquals(split.find("fn", "FUNC"), 12);
  }
  assertEquals([...split.ids()], [20, 21]);
  // Names of the base's strings work too.
  const again = new BtfBuilder({ base: split });
  again.add({ kind: "TYPEDEF", name: "third", type: own });
  assertEquals(again.build().find("third"), 22);
});

test("`rewriteBtf()` keeps ids and the offsets of strings", () => {
  const btf = build(everyKind());
  const rewritten = rewriteBtf(
    btf,
    (type) => type.kind === "FLOAT" ? { ...INT, name: "longer name", size: 8, bits: 64 } : type,
  );
  assertEquals(rewritten.type(16), { ...INT, name: "longer name", size: 8, bits: 64 });
  assertEquals(rewritten.nameOffset(4), btf.nameOffset(4));
  assertEquals(rewriteBtf(btf, (type) => type).bytes, btf.bytes);
});

test("`BtfBuilder.set()` patches forward references", () => {
  const builder = new BtfBuilder();
  const pointer = builder.add({ kind: "PTR", name: "", type: 0 });
  const type = builder.add(INT);
  builder.set(pointer, { kind: "PTR", name: "", type });
  assertEquals(builder.build().type(1), { kind: "PTR", name: "", type: 2 });
  assertThrows(() => builder.set(9, INT), RangeError, "9");
});

test("`Btf.parse()` accepts a longer header and skips kinds its layout section describes", () => {
  const plain = build([INT]).bytes;
  const view = new DataView(plain.buffer, plain.byteOffset);
  const strings = plain.subarray(24 + view.getUint32(16, true));
  // A type of kind 20 with one word more and 2 elements of 8 bytes, then INT.
  const extra = new Uint32Array([1, (0x80 << 24 | 20 << 24 | 2) >>> 0, 77, 1, 2, 3, 4, 5]);
  const types = new Uint8Array(extra.byteLength + 16);
  types.set(new Uint8Array(extra.buffer));
  types.set(plain.subarray(24, 40), extra.byteLength);
  const layout = new Uint8Array(21 * 4);
  layout.set([4, 8, 0, 0], 80);
  const header = new Uint32Array([
    0x0001eb9f,
    40,
    0,
    types.length,
    types.length,
    strings.length,
    types.length + strings.length,
    layout.length,
    0,
    0,
  ]);
  const bytes = new Uint8Array([...new Uint8Array(header.buffer), ...types, ...strings, ...layout]);
  const btf = Btf.parse(bytes).validate();
  assertEquals(btf.type(1), {
    kind: "OPAQUE",
    name: "int",
    number: 20,
    kflag: true,
    vlen: 2,
    word: 77,
    payload: new Uint32Array([1, 2, 3, 4, 5]),
  });
  assertEquals(btf.type(2), INT);
  assertEquals(allTypes(rewriteBtf(btf, (t) => t.kind === "OPAQUE" ? INT : t)), [INT, INT]);
  // Without the layout the kind is named.
  new DataView(bytes.buffer).setUint32(28, 0, true);
  assertThrows(() => Btf.parse(bytes), FormatError, "type 1: kind 20 is not known");
});

/** The blob with one 32-bit word changed. */
function patched(word: number, value: number): Uint8Array {
  const bytes = build(everyKind()).bytes.slice();
  new DataView(bytes.buffer).setUint32(word * 4, value, true);
  return bytes;
}

test("`Btf.parse()` refuses wrong headers with the path", () => {
  const cases: [Uint8Array, string][] = [
    [new Uint8Array(3), "foo.o: .BTF: is too short"],
    [patched(0, 0x0001eb9e), "foo.o: .BTF: is not BTF"],
    [patched(0, 0x0002eb9f), "version 2"],
    [patched(0, 0x0101eb9f), "flags 0x1"],
    [patched(1, 20), "hdr_len 20"],
    [patched(1, 0xffffffff), "hdr_len 4294967295"],
    [patched(3, 0xfffffff0), "type section"],
    [patched(3, 2), "32-bit words"],
    [patched(5, 0xffff), "str section"],
    [patched(5, 4), "NUL"],
    [patched(5, 0), "string section is empty"],
    [patched(4, 0), "string section does not"],
    [patched(7, 31 << 24), "type 1: kind 31 is not known"],
    [patched(7, 0), "type 1: UNKN is not known"],
    [patched(7, (4 << 24) | 0xffffff), "type 1: runs over the end"],
  ];
  for (const [bytes, message] of cases) {
    assertThrows(() => Btf.parse(bytes, { path: "foo.o: .BTF" }), FormatError, message);
  }
});

test("`Btf.type()` names the type and the member that is out of range", () => {
  const words = new Map<string, [number, number]>();
  // STRUCT "s" is type 4: after INT (4 words), PTR (3), ARRAY (6); its members follow 3 words.
  const struct = 6 + 4 + 3 + 6;
  words.set('foo.o: .BTF: type 4 STRUCT "s": member 1: type id 999 is out of range', [struct + 3 + 4, 999]);
  words.set('foo.o: .BTF: type 4 STRUCT "s": member 0: string offset 99999 is out of range', [struct + 3, 99999]);
  words.set("foo.o: .BTF: type 4 STRUCT: name: string offset 12345678 is out of range", [struct, 12345678]);
  words.set("foo.o: .BTF: type 2 PTR: type: type id 20 is out of range", [6 + 4 + 2, 20]);
  for (const [message, [word, value]] of words) {
    const btf = Btf.parse(patched(word, value), { path: "foo.o: .BTF" });
    assertThrows(() => btf.validate(), FormatError, message);
    assertThrows(() => allTypes(btf), FormatError, message);
  }
  assertThrows(() => build([INT]).type(2), FormatError, "type id 2");
  assertThrows(() => build([INT]).kindOf(77), FormatError, "type id 77");
  assertThrows(() => build([INT]).string(1000), FormatError, "1000");
});

toolTest("`BtfBuilder` writes clang's BTF byte for byte, up to the order of strings", ["clang-19"], () => {
  for (const flags of [[], ["--target=bpfeb"]]) {
    const btf = compileBtf(ALL_KINDS, flags).validate();
    const kinds = new Set(Array.from(btf.ids(), (id) => btf.kindOf(id)));
    assert(kinds.size >= 18, `clang made ${kinds.size} kinds`);
    assertEquals(rewriteBtf(btf, (type) => type).bytes, btf.bytes);
    const builder = new BtfBuilder({ endian: btf.endian });
    for (const id of btf.ids()) builder.add(btf.type(id));
    // The strings that only .BTF.ext uses.
    for (const string of new TextDecoder().decode(btf.strings.bytes).split("\0")) builder.addString(string);
    const again = builder.build();
    assertEquals(allTypes(again), allTypes(btf));
    assertEquals(again.bytes.length, btf.bytes.length);
  }
});

interface DumpedType {
  id: number;
  kind: string;
  name: string;
  [key: string]: unknown;
}

/** What `bpftool -j btf dump file … format raw` prints for a type. */
function asDumped(id: number, type: BtfType, btf: Btf): Record<string, unknown> {
  const name = (text: string): string => text === "" ? "(anon)" : text;
  const head = { id, kind: type.kind, name: name(type.name) };
  switch (type.kind) {
    case "INT": {
      const encoding = type.signed ? "SIGNED" : type.char ? "CHAR" : type.bool ? "BOOL" : "(none)";
      return { ...head, size: type.size, bits_offset: type.bitOffset, nr_bits: type.bits, encoding };
    }
    case "ARRAY":
      return { ...head, type_id: type.type, index_type_id: type.indexType, nr_elems: type.nelems };
    case "STRUCT":
    case "UNION": {
      const members = type.members.map((m) => ({
        name: name(m.name),
        type_id: m.type,
        bits_offset: m.bitOffset,
        ...(m.bitSize > 0 ? { bitfield_size: m.bitSize } : {}),
      }));
      return { ...head, size: type.size, vlen: type.members.length, members };
    }
    case "ENUM":
    case "ENUM64": {
      const values = type.values.map((v) => ({ name: name(v.name), val: enumValue(type, v.value) }));
      return { ...head, encoding: type.signed ? "SIGNED" : "UNSIGNED", size: type.size, vlen: values.length, values };
    }
    case "FWD":
      return { ...head, fwd_kind: type.union ? "union" : "struct" };
    case "FUNC":
      return { ...head, type_id: type.type, linkage: type.linkage };
    case "FUNC_PROTO": {
      const params = type.params.map((p) => ({ name: name(p.name), type_id: p.type }));
      return { ...head, ret_type_id: type.type, vlen: params.length, params };
    }
    case "VAR":
      return { ...head, type_id: type.type, linkage: type.linkage };
    case "DATASEC": {
      // bpftool prints a variable's own id and, with some versions, its type.
      const vars = type.vars.map((v) => ({ type_id: v.type, offset: v.offset, size: v.size }));
      return { ...head, size: type.size, vlen: vars.length, vars };
    }
    case "FLOAT":
      return { ...head, size: type.size };
    case "DECL_TAG":
      return { ...head, type_id: type.type, component_idx: type.component };
    case "TYPEDEF":
    case "PTR":
    case "CONST":
    case "VOLATILE":
    case "RESTRICT":
    case "TYPE_TAG":
      return { ...head, type_id: type.type };
    default:
      throw new Error(`unexpected ${type.kind} in ${btf.path}`);
  }
}

/** bpftool 7.1 prints unsigned 32-bit values from 2^31 on as if they were sign-extended. */
function enumValue(type: BtfEnum, value: bigint): number {
  return Number(type.kind === "ENUM" && !type.signed ? BigInt.asUintN(64, BigInt.asIntN(32, value)) : value);
}

toolTest("`Btf` decodes the kernel's BTF as `bpftool btf dump` does, type by type", ["bpftool"], () => {
  const btf = vmlinuxBtf();
  if (btf === undefined) return;
  // bpftool writes names without escaping, which are all plain in a kernel.
  const dumped = JSON.parse(run("bpftool", "-j", "btf", "dump", "file", VMLINUX, "format", "raw")) as {
    types: DumpedType[];
  };
  assertEquals(dumped.types.length, btf.typeCount - 1);
  for (const theirs of dumped.types) {
    const ours = asDumped(theirs.id, btf.type(theirs.id), btf);
    if (JSON.stringify(sorted(ours)) !== JSON.stringify(sorted(theirs))) {
      assertEquals(ours, theirs as Record<string, unknown>);
    }
  }
});

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => [k, sorted(v)]));
}

test("`BtfBuilder` writes the kernel's BTF with the same meaning", () => {
  const btf = vmlinuxBtf();
  if (btf === undefined) return;
  btf.validate();
  const builder = new BtfBuilder();
  for (const id of btf.ids()) builder.add(btf.type(id));
  const again = builder.build();
  assertEquals(again.typeCount, btf.typeCount);
  for (const id of btf.ids()) {
    if (JSON.stringify(again.type(id), text) !== JSON.stringify(btf.type(id), text)) {
      assertEquals(again.type(id), btf.type(id));
    }
  }
});

function text(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}n` : value;
}

test("`Btf.find()` and `candidates()` agree with a walk over all types of the kernel", () => {
  const btf = vmlinuxBtf();
  if (btf === undefined) return;
  const byName = new Map<string, number[]>();
  for (const id of btf.ids()) {
    const name = btf.nameOf(id);
    if (name !== "") byName.set(name, [...(byName.get(name) ?? []), id]);
  }
  let index = 0;
  for (const [name, ids] of byName) {
    if (index++ % 97 !== 0) continue;
    assertEquals(btf.findAll(name), ids);
    assertEquals(btf.find(name), ids[0]);
  }
  assertEquals(btf.candidates("task_struct").map((id) => btf.nameOf(id)), ["task_struct"]);
});
