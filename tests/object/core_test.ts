import { assert, assertEquals, assertThrows } from "@std/assert";
import { test } from "../support/harness.ts";
import type { Btf } from "../../src/btf/btf.ts";
import type { BtfMember, BtfType } from "../../src/btf/types.ts";
import { BtfBuilder } from "../../src/btf/write.ts";
import { InsnView } from "../../src/asm/insn.ts";
import { Builder, r0, r1, r2 } from "../../src/asm/build.ts";
import { CoreError, CoreResolver } from "../../src/object/core.ts";
import { CORE_POISON } from "../../src/object/core_apply.ts";
import type { CoreKind, FunctionSpec } from "../../src/object/spec.ts";

/** Types by short descriptions, so that a test shows only what matters. */
class Types {
  readonly builder = new BtfBuilder();
  readonly #ints = new Map<string, number>();

  int(name: string, size: number, signed = name.startsWith("s")): number {
    let id = this.#ints.get(name);
    if (id === undefined) {
      id = this.builder.add({
        kind: "INT",
        name,
        size,
        bits: size * 8,
        bitOffset: 0,
        signed,
        char: false,
        bool: false,
      });
      this.#ints.set(name, id);
    }
    return id;
  }

  ptr(type: number): number {
    return this.builder.add({ kind: "PTR", name: "", type });
  }

  array(type: number, nelems: number): number {
    return this.builder.add({ kind: "ARRAY", name: "", type, indexType: this.int("u32", 4), nelems });
  }

  /** Members as `[name, type, byte offset]` or with the width of a bit-field as the fourth. */
  struct(
    name: string,
    size: number,
    members: [string, number, number, number?][],
    kind: "STRUCT" | "UNION" = "STRUCT",
  ): number {
    const list: BtfMember[] = members.map(([n, type, at, bits]) => ({
      name: n,
      type,
      bitOffset: bits === undefined ? at * 8 : at,
      bitSize: bits ?? 0,
    }));
    return this.builder.add({ kind, name, size, members: list, kflag: list.some((m) => m.bitSize > 0) });
  }

  enumeration(name: string, values: [string, bigint][], kind: "ENUM" | "ENUM64" = "ENUM", signed = false): number {
    return this.builder.add({
      kind,
      name,
      size: kind === "ENUM" ? 4 : 8,
      signed,
      values: values.map(([n, value]) => ({ name: n, value })),
    });
  }

  add(type: BtfType): number {
    return this.builder.add(type);
  }

  build(path = "target"): Btf {
    return this.builder.build(path);
  }
}

function fn(insns: Uint8Array, kind: CoreKind, typeId: number, access: string, insn = 0): FunctionSpec {
  return {
    name: "f",
    section: ".text",
    offset: 0,
    linkage: "global",
    hidden: false,
    insns,
    relocations: [],
    coreRelocations: [{ insn, typeId, access, kind }],
    btfId: 0,
    lines: [],
  };
}

/** Relocates `r0 = <local value>` and returns the value it became; "poison" if it was poisoned. */
function relocate(
  local: Btf,
  target: Btf,
  kind: CoreKind,
  typeId: number,
  access: string,
  held: number,
): number | "poison" {
  const code = new Builder().mov(r0, held).exit().bytes();
  const spec = fn(code, kind, typeId, access);
  const copy = code.slice();
  const poisoned = new CoreResolver(local, { btf: target }).apply(spec, copy);
  const view = new InsnView(copy);
  if (poisoned.length === 0) return view.imm(0);
  assertEquals([view.code(0), view.imm(0)], [0x85, CORE_POISON]);
  return "poison";
}

test("CoreResolver finds members by name, through anonymous structs and flavours", () => {
  const l = new Types();
  const local = l.struct("task___mine", 8, [["pid", l.int("u32", 4), 4]]);
  const t = new Types();
  const inner = t.struct("", 8, [["x", t.int("u32", 4), 0], ["pid", t.int("u32", 4), 4]], "STRUCT");
  t.struct("task", 24, [["head", t.int("u64", 8), 0], ["", inner, 16]]);
  assertEquals(relocate(l.build("local"), t.build(), "FIELD_BYTE_OFFSET", local, "0:0", 4), 20);
});

test("CoreResolver answers existence, size and sign of members", () => {
  const l = new Types();
  const local = l.struct("s", 8, [["a", l.int("u32", 4), 0], ["gone", l.int("u32", 4), 4]]);
  const t = new Types();
  t.struct("s", 16, [["a", t.int("s64", 8), 8]]);
  const [lb, tb] = [l.build("local"), t.build()];
  assertEquals(relocate(lb, tb, "FIELD_EXISTS", local, "0:0", 1), 1);
  assertEquals(relocate(lb, tb, "FIELD_EXISTS", local, "0:1", 1), 0);
  assertEquals(relocate(lb, tb, "FIELD_BYTE_SIZE", local, "0:0", 4), 8);
  assertEquals(relocate(lb, tb, "FIELD_SIGNED", local, "0:0", 0), 1);
  assertEquals(relocate(lb, tb, "FIELD_RSHIFT_U64", local, "0:0", 32), 0);
  assertEquals(relocate(lb, tb, "FIELD_LSHIFT_U64", local, "0:0", 32), 0);
  assertEquals(relocate(lb, tb, "FIELD_BYTE_OFFSET", local, "0:1", 4), "poison");
});

test("CoreResolver reads bit-fields by aligned units", () => {
  const l = new Types();
  const local = l.struct("s", 4, [["f", l.int("u32", 4), 0, 3]]);
  const t = new Types();
  t.struct("s", 8, [["f", t.int("u32", 4), 37, 5]]);
  const [lb, tb] = [l.build("local"), t.build()];
  assertEquals(relocate(lb, tb, "FIELD_BYTE_OFFSET", local, "0:0", 0), 4);
  assertEquals(relocate(lb, tb, "FIELD_BYTE_SIZE", local, "0:0", 4), 4);
  assertEquals(relocate(lb, tb, "FIELD_LSHIFT_U64", local, "0:0", 61), 64 - (5 + 5));
  assertEquals(relocate(lb, tb, "FIELD_RSHIFT_U64", local, "0:0", 61), 59);
});

test("CoreResolver checks array bounds, except of flexible arrays", () => {
  const make = (nelems: number): { types: Types; id: number } => {
    const types = new Types();
    const u32 = types.int("u32", 4);
    return { types, id: types.struct("s", 8 + nelems * 4, [["n", u32, 0], ["a", types.array(u32, nelems), 8]]) };
  };
  const local = make(4);
  const lb = local.types.build("local");
  const offsetIn = (nelems: number): number | "poison" =>
    relocate(lb, make(nelems).types.build(), "FIELD_BYTE_OFFSET", local.id, "0:1:3", 20);
  assertEquals(offsetIn(8), 20);
  assertEquals(offsetIn(2), "poison");
  assertEquals(offsetIn(0), 20);
});

test("CoreResolver answers questions about types", () => {
  const l = new Types();
  const s = l.struct("s", 4, [["a", l.int("u32", 4), 0]]);
  const missing = l.struct("missing", 4, []);
  const t = new Types();
  t.struct("other", 1, []);
  const target = t.struct("s", 32, [["a", t.int("u64", 8), 0]]);
  const [lb, tb] = [l.build("local"), t.build()];
  assertEquals(relocate(lb, tb, "TYPE_EXISTS", s, "0", 1), 1);
  assertEquals(relocate(lb, tb, "TYPE_EXISTS", missing, "0", 1), 0);
  assertEquals(relocate(lb, tb, "TYPE_SIZE", s, "0", 4), 32);
  assertEquals(relocate(lb, tb, "TYPE_ID_TARGET", s, "0", 99), target);
  assertEquals(relocate(lb, tb, "TYPE_ID_LOCAL", s, "0", 99), s);
});

test("CoreResolver matches types by names, members and sizes", () => {
  const l = new Types();
  const same = l.struct("s", 8, [["a", l.int("u32", 4), 0]]);
  const wider = l.struct("w", 8, [["a", l.int("u64", 8), 0]]);
  const through = l.struct("p", 8, [["next", l.ptr(wider), 0]]);
  const t = new Types();
  const w = t.struct("w", 4, [["a", t.int("u32", 4), 0]]);
  t.struct("s", 8, [["b", t.int("u32", 4), 0], ["a", t.int("u32", 4), 4]]);
  t.struct("p", 8, [["next", t.ptr(w), 0]]);
  const [lb, tb] = [l.build("local"), t.build()];
  assertEquals(relocate(lb, tb, "TYPE_MATCHES", same, "0", 1), 1);
  assertEquals(relocate(lb, tb, "TYPE_MATCHES", wider, "0", 1), 0);
  assertEquals(relocate(lb, tb, "TYPE_MATCHES", through, "0", 1), 1);
});

test("CoreResolver finds enumerators, also of 64 bits and negative ones", () => {
  const l = new Types();
  const e = l.enumeration("e", [["A", 1n], ["B", 2n], ["GONE", 3n]]);
  const t = new Types();
  t.enumeration("e", [["B", -5n], ["A", 0x1_0000_0001n]], "ENUM64", true);
  const [lb, tb] = [l.build("local"), t.build()];
  assertEquals(relocate(lb, tb, "ENUMVAL_EXISTS", e, "1", 1), 1);
  assertEquals(relocate(lb, tb, "ENUMVAL_EXISTS", e, "2", 1), 0);
  assertEquals(relocate(lb, tb, "ENUMVAL_VALUE", e, "2", 3), "poison");
  const code = new Builder().imm64(r1, 1).exit().bytes();
  new CoreResolver(lb, { btf: tb }).apply(fn(code, "ENUMVAL_VALUE", e, "0"), code);
  assertEquals(new InsnView(code).imm64(0), 0x1_0000_0001n);
  const negative = new Builder().imm64(r1, 2).exit().bytes();
  new CoreResolver(lb, { btf: tb }).apply(fn(negative, "ENUMVAL_VALUE", e, "1"), negative);
  assertEquals(new InsnView(negative).imm64(0), BigInt.asUintN(64, -5n));
});

test("CoreResolver changes the width of loads where that is safe and poisons where not", () => {
  const load = (localType: string, targetType: string): Uint8Array => {
    const size = (name: string): number => Number(name.slice(1)) / 8;
    const l = new Types();
    const id = l.struct("s", 16, [["f", l.int(localType, size(localType)), 4]]);
    const t = new Types();
    t.struct("s", 32, [["f", t.int(targetType, size(targetType)), 16]]);
    const code = new Builder().load((size(localType) * 8) as 32, r0, r1, 4).exit().bytes();
    new CoreResolver(l.build("local"), { btf: t.build() }).apply(fn(code, "FIELD_BYTE_OFFSET", id, "0:0"), code);
    return code;
  };
  const wider = new InsnView(load("u32", "u64"));
  assertEquals([wider.code(0), wider.off(0)], [0x79, 16]);
  const narrower = new InsnView(load("u64", "u8"));
  assertEquals([narrower.code(0), narrower.off(0)], [0x71, 16]);
  const signed = new InsnView(load("s32", "s64"));
  assertEquals([signed.code(0), signed.imm(0)], [0x85, CORE_POISON]);
  const sameSize = new InsnView(load("s32", "s32"));
  assertEquals([sameSize.code(0), sameSize.off(0)], [0x61, 16]);
});

test("CoreResolver refuses instructions that do not hold the local value", () => {
  const l = new Types();
  const id = l.struct("s", 8, [["a", l.int("u32", 4), 4]]);
  const t = new Types();
  t.struct("s", 8, [["a", t.int("u32", 4), 0]]);
  const [lb, tb] = [l.build("local"), t.build()];
  assertThrows(() => relocate(lb, tb, "FIELD_BYTE_OFFSET", id, "0:0", 7), CoreError, "holds 7");
  const registers = new Builder().mov(r0, r2).exit().bytes();
  assertThrows(
    () => new CoreResolver(lb, { btf: tb }).apply(fn(registers, "FIELD_BYTE_OFFSET", id, "0:0"), registers),
    CoreError,
    "struct s.a",
  );
});

test("CoreResolver refuses what several candidates answer differently, and prunes by earlier records", () => {
  const l = new Types();
  const id = l.struct("s", 8, [["a", l.int("u32", 4), 4], ["only", l.int("u32", 4), 0]]);
  const lb = l.build("local");
  const t = new Types();
  t.struct("s", 8, [["a", t.int("u32", 4), 0]]);
  t.struct("s___v2", 16, [["a", t.int("u32", 4), 8], ["only", t.int("u32", 4), 0]]);
  const tb = t.build();
  assertThrows(() => relocate(lb, tb, "FIELD_BYTE_OFFSET", id, "0:0", 4), CoreError, "ambiguous");
  const resolver = new CoreResolver(lb, { btf: tb });
  const first = new Builder().mov(r0, 0).exit().bytes();
  resolver.apply(fn(first, "FIELD_BYTE_OFFSET", id, "0:1"), first);
  const second = new Builder().mov(r0, 4).exit().bytes();
  resolver.apply(fn(second, "FIELD_BYTE_OFFSET", id, "0:0"), second);
  assertEquals(new InsnView(second).imm(0), 8);
});

test("CoreResolver asks modules only for what the kernel does not have", () => {
  const l = new Types();
  const id = l.struct("in_module", 4, [["a", l.int("u32", 4), 0]]);
  const base = new Types();
  base.struct("in_kernel", 4, [["a", base.int("u32", 4), 0]]);
  const bb = base.build();
  const module = new BtfBuilder({ base: bb });
  const u32 = bb.find("u32")!;
  module.add({
    kind: "STRUCT",
    name: "in_module",
    size: 16,
    members: [{ name: "a", type: u32, bitOffset: 64, bitSize: 0 }],
    kflag: false,
  });
  let asked = 0;
  const modules = (): Btf[] => {
    asked++;
    return [module.build("module")];
  };
  const code = new Builder().mov(r0, 0).exit().bytes();
  const poisoned = new CoreResolver(l.build("local"), { btf: bb, modules }).apply(
    fn(code, "FIELD_BYTE_OFFSET", id, "0:0"),
    code,
  );
  assertEquals([asked, poisoned.length, new InsnView(code).imm(0)], [1, 0, 8]);
});

test("CoreResolver names what it poisoned", () => {
  const l = new Types();
  const inner = l.struct("mm", 8, [["start", l.int("u64", 8), 0]]);
  const id = l.struct("task", 64, [["mm", inner, 0], ["list", l.array(inner, 4), 8]]);
  const t = new Types();
  t.struct("task", 8, []);
  const code = new Builder().mov(r0, 24).exit().bytes();
  const [poison] = new CoreResolver(l.build("local"), { btf: t.build() }).apply(
    fn(code, "FIELD_BYTE_OFFSET", id, "0:1:2:0"),
    code,
  );
  assertEquals([poison?.text, poison?.reason], ["struct task.list[2].start", "no match"]);
  assert(poison!.insn === 0);
});
