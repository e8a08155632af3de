import { assert, assertEquals, assertThrows } from "@std/assert";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Btf } from "../../src/btf/btf.ts";
import { appendBtf } from "../../src/btf/concat.ts";
import { dedupBtf } from "../../src/btf/dedup.ts";
import { parseBtfExt, validateBtfExt, writeBtfExt } from "../../src/btf/ext.ts";
import { declareC, printC } from "../../src/btf/print_c.ts";
import type { BtfType } from "../../src/btf/types.ts";
import { BtfBuilder } from "../../src/btf/write.ts";
import { FormatError } from "../../src/errors.ts";
import { test } from "../support/harness.ts";
import {
  ALL_KINDS,
  allTypes,
  btfOf,
  compileBpf,
  compileBtf,
  inFolder,
  run,
  sectionOf,
  toolTest,
  vmlinuxBtf,
} from "./support.ts";

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

function struct(name: string, members: [string, number][], size = 8 * members.length): BtfType {
  return {
    kind: "STRUCT",
    name,
    size,
    kflag: false,
    members: members.map(([m, type], i) => ({ name: m, type, bitOffset: i * 64, bitSize: 0 })),
  };
}

function build(types: readonly BtfType[], base?: Btf): Btf {
  const builder = new BtfBuilder({ base });
  for (const type of types) builder.add(type);
  return builder.build("test");
}

function concat(...parts: Btf[]): Btf {
  const builder = new BtfBuilder();
  for (const part of parts) appendBtf(builder, part);
  return builder.build("all");
}

test("`dedupBtf()` joins two copies of a cyclic graph and tells where each type went", () => {
  // struct node { struct node *next; int *v; } twice.
  const types: BtfType[] = [INT, struct("node", [["next", 3], ["v", 4]]), { kind: "PTR", name: "", type: 2 }, {
    kind: "PTR",
    name: "",
    type: 1,
  }];
  const { btf, ids } = dedupBtf(concat(build(types), build(types)));
  assertEquals(allTypes(btf), types);
  assertEquals([...ids], [0, 1, 2, 3, 4, 1, 2, 3, 4]);
});

test("`dedupBtf()` keeps structs that differ behind a pointer, and all that leads to them", () => {
  const of = (
    member: string,
  ): BtfType[] => [
    INT,
    struct("outer", [["p", 3]]),
    { kind: "PTR", name: "", type: 4 },
    struct("inner", [[member, 1]]),
  ];
  const { btf } = dedupBtf(concat(build(of("a")), build(of("b"))));
  assertEquals(btf.findAll("outer").length, 2);
  assertEquals(btf.findAll("inner").length, 2);
  assertEquals(btf.findAll("int").length, 1);
});

test("`dedupBtf()` makes a forward declaration the struct it is compared with, or the only one of its name", () => {
  const opaque: BtfType[] = [struct("outer", [["p", 2]]), { kind: "PTR", name: "", type: 3 }, {
    kind: "FWD",
    name: "inner",
    union: false,
  }];
  const full: BtfType[] = [
    INT,
    struct("outer", [["p", 3]]),
    { kind: "PTR", name: "", type: 4 },
    struct("inner", [["x", 1]]),
  ];
  for (const order of [[opaque, full], [full, opaque]]) {
    const { btf } = dedupBtf(concat(...order.map((types) => build(types))));
    assertEquals(btf.typeCount, 5);
    assertEquals([...btf.ids("FWD")], []);
  }
  const other: BtfType[] = [{ kind: "PTR", name: "", type: 2 }, { kind: "FWD", name: "inner", union: false }];
  assertEquals(dedupBtf(concat(build(full), build(other))).btf.typeCount, 5);
  // A union of that name is something else.
  const union: BtfType[] = [{ kind: "PTR", name: "", type: 2 }, { kind: "FWD", name: "inner", union: true }];
  assertEquals([...dedupBtf(concat(build(full), build(union))).btf.ids("FWD")].length, 1);
});

test("`dedupBtf()` completes enums, joins functions and tags, leaves variables and sections alone", () => {
  const empty: BtfType = { kind: "ENUM", name: "e", size: 4, signed: false, values: [] };
  const full: BtfType = { kind: "ENUM", name: "e", size: 4, signed: false, values: [{ name: "A", value: 1n }] };
  const proto: BtfType = { kind: "FUNC_PROTO", name: "", type: 1, params: [{ name: "x", type: 1 }] };
  const unit = (e: BtfType): Btf =>
    build([e, proto, { kind: "FUNC", name: "f", type: 2, linkage: "global" }, {
      kind: "DECL_TAG",
      name: "t",
      type: 3,
      component: 0,
      kflag: false,
    }, {
      kind: "VAR",
      name: "v",
      type: 1,
      linkage: "static",
    }, { kind: "DATASEC", name: ".bss", size: 4, vars: [{ type: 5, offset: 0, size: 4 }] }]);
  for (const parts of [[unit(empty), unit(full)], [unit(full), unit(empty)]]) {
    const { btf } = dedupBtf(concat(...parts));
    const kinds = Array.from(btf.ids(), (id) => btf.type(id).kind).sort();
    assertEquals(kinds, ["DATASEC", "DATASEC", "DECL_TAG", "ENUM", "FUNC", "FUNC_PROTO", "VAR", "VAR"]);
    assertEquals(btf.type(btf.find("e")!), full);
  }
});

test("`dedupBtf()` of split BTF uses the base's types and never joins those", () => {
  const base = build([INT, struct("s", [["p", 3]]), { kind: "PTR", name: "", type: 1 }, struct("s", [["p", 3]]), {
    kind: "FWD",
    name: "q",
    union: false,
  }]);
  const own: BtfType[] = [INT, { kind: "PTR", name: "", type: 6 }, struct("s", [["p", 7]]), {
    kind: "PTR",
    name: "",
    type: 8,
  }, struct("q", [])];
  const { btf, ids } = dedupBtf(build(own, base));
  assertEquals([btf.firstId, btf.typeCount], [6, 8]);
  assert(ids[8] === 2 || ids[8] === 4);
  assertEquals(btf.type(6), { kind: "PTR", name: "", type: ids[8]! });
  assertEquals(btf.type(7), struct("q", []));
  assertEquals([...ids.subarray(0, 8)], [0, 1, 2, 3, 4, 5, 1, 3]);
});

test("`dedupBtf()` ends for references that only refer to each other", () => {
  const cycle: BtfType[] = [{ kind: "PTR", name: "", type: 2 }, { kind: "CONST", name: "", type: 1 }, {
    kind: "TYPEDEF",
    name: "t",
    type: 3,
  }];
  const { btf } = dedupBtf(concat(build(cycle), build(cycle), build([struct("a", [["x", 2]]), ...cycle.slice(0, 1)])));
  assert(btf.typeCount > 3);
  btf.validate();
});

toolTest("`dedupBtf()` carries `.BTF.ext` over", ["clang-19"], () => {
  const object = compileBpf(ALL_KINDS);
  const btf = btfOf(object);
  const ext = parseBtfExt(sectionOf(object, ".BTF.ext"), btf);
  const result = dedupBtf(concat(btf, btf).validate());
  // The first copy of concat() has the ids of `btf`, and its strings are interned in the same order as they are used.
  const builder = new BtfBuilder({ stringsOf: btf });
  appendBtf(builder, btf);
  appendBtf(builder, btf);
  const both = dedupBtf(builder.build(), { ext });
  assertEquals(allTypes(both.btf), allTypes(result.btf));
  const after = both.ext!;
  validateBtfExt(after, both.btf);
  assertEquals(after.core.length, ext.core.length);
  for (const [b, block] of ext.core.entries()) {
    const now = after.core[b]!;
    assertEquals(now.section, block.section);
    assertEquals(
      Array.from(now.accessOff, (o) => both.btf.string(o)),
      Array.from(block.accessOff, (o) => btf.string(o)),
    );
    assertEquals(
      Array.from(now.typeId, (t) => declareC(both.btf, t)),
      Array.from(block.typeId, (t) => declareC(btf, t)),
    );
  }
  const lines = (e: typeof ext, of: Btf): string[] =>
    e.lineInfo.flatMap((b) => Array.from(b.lineOff, (o) => of.string(o)));
  assertEquals(lines(after, both.btf), lines(ext, btf));
  // Writing it again gives clang's bytes.
  const strings = new BtfBuilder({ stringsOf: btf });
  assertEquals(writeBtfExt(ext, (text) => strings.addString(text)), sectionOf(object, ".BTF.ext"));
});

test("`parseBtfExt()` reads records longer than it knows, and refuses hostile ones", () => {
  const builder = new BtfBuilder();
  const section = builder.addString("socket");
  const btf = builder.build();
  const words = (recordSize: number, ...rest: number[]): Uint8Array => {
    const body = new Uint32Array([recordSize, ...rest]);
    const head = new Uint32Array([0x0001eb9f, 32, 0, body.byteLength, body.byteLength, 0, body.byteLength, 0]);
    return new Uint8Array([...new Uint8Array(head.buffer), ...new Uint8Array(body.buffer)]);
  };
  const ext = parseBtfExt(words(12, section, 2, 8, 1, 99, 16, 2, 99), btf);
  assertEquals(ext.funcInfo, [{
    section: "socket",
    insnOff: new Uint32Array([8, 16]),
    typeId: new Uint32Array([1, 2]),
  }]);
  const cases: [Uint8Array, RegExp][] = [
    [words(4, section, 1, 8), /record size 4/],
    [words(10, section, 1, 8), /record size 10/],
    [words(8, section, 0xffffffff, 8, 1), /fewer than its 4294967295 records/],
    [words(8, section, 0), /has no records/],
    [words(8, 999, 1, 8, 1), /section name at string offset 999/],
    [words(8, 0, 1, 8, 1), /section name at string offset 0/],
    [words(8, section, 1, 8), /fewer than/],
    [words(8, section), /number of records/],
    [new Uint8Array([0x9f, 0xeb, 1, 0, 16, 0, 0, 0]), /hdr_len 16/],
  ];
  for (const [bytes, message] of cases) {
    let text = "nothing";
    try {
      parseBtfExt(bytes, btf, "foo.o: .BTF.ext");
    } catch (error) {
      text = `${(error as Error).name} ${(error as Error).message}`;
    }
    assert(message.test(text) && text.startsWith("FormatError foo.o: .BTF.ext"), text);
  }
});

test("`dedupBtf()` refuses kinds that only a layout section describes: what they refer to would be lost", () => {
  // A type of kind 20 with one word behind its head, then INT.
  const plain = build([INT]).bytes;
  const strings = plain.slice(40);
  const types = new Uint8Array([
    ...new Uint8Array(new Uint32Array([1, 20 << 24, 2, 2]).buffer),
    ...plain.slice(24, 40),
  ]);
  const layout = new Uint8Array(21 * 4);
  layout[80] = 4;
  const [length, offset] = [types.length, types.length + strings.length];
  const head = new Uint32Array([0x0001eb9f, 32, 0, length, length, strings.length, offset, layout.length]);
  const btf = Btf.parse(new Uint8Array([...new Uint8Array(head.buffer), ...types, ...strings, ...layout]), {
    path: "new.o",
  });
  assertThrows(() => dedupBtf(btf), FormatError, "new.o: type 1: kind 20 is not known");
});

test("`dedupBtf()` joins names that lie inside of others, and keeps bytes that are no text", () => {
  const words = (...names: number[]): number[] => names.flatMap((name) => [name, 1 << 24, 4, 32]);
  const types = new Uint8Array(new Uint32Array(words(1, 4, 8, 12)).buffer);
  // "my_int" and the "int" in it, "int" again, two bytes that are no UTF-8.
  const strings = new Uint8Array([0, 109, 121, 95, 105, 110, 116, 0, 105, 110, 116, 0, 0xff, 0x80, 0]);
  const head = new Uint32Array([0x0001eb9f, 24, 0, types.length, types.length, strings.length]);
  const { btf, ids } = dedupBtf(Btf.parse(new Uint8Array([...new Uint8Array(head.buffer), ...types, ...strings])));
  assertEquals([...ids], [0, 1, 2, 2, 3]);
  assertEquals([...btf.strings.bytes], [0, 109, 121, 95, 105, 110, 116, 0, 105, 110, 116, 0, 0xff, 0x80, 0]);
});

/** Counts the types that libbpf's deduplication leaves. */
const PEER = `
#include <bpf/btf.h>
#include <stdio.h>
int main(int argc, char **argv) {
  struct btf *all = btf__new_empty();
  for (int i = 1; i < argc; i++) btf__add_btf(all, btf__parse_raw(argv[i]));
  btf__dedup(all, NULL);
  printf("%u", btf__type_cnt(all));
}`;

toolTest("`dedupBtf()` leaves no more types than libbpf does", ["clang-19", "cc"], () => {
  const sources = [
    ALL_KINDS,
    "struct a { struct b *b; int x; }; struct b { struct a *a; }; struct a va; struct b vb;",
    "struct b; struct a { struct b *b; int x; }; struct a v2; enum color { RED }; enum color c;",
    "struct b { long other; }; struct a { struct b *b; int x; }; struct a v3; enum color; enum color *c2;",
    "typedef struct { int x; struct { int y; } in; } t; t v4; typedef int (*fn)(t *, ...); fn f; const t *volatile *p;",
    "struct a; struct c { struct a *a; t2; };".replace("t2;", "int n;") + " struct c v5;",
  ];
  const parts = sources.map((source) => compileBtf(source, ["-w"]));
  const kernel = vmlinuxBtf();
  inFolder((folder) => {
    const peer = join(folder, "peer");
    writeFileSync(`${peer}.c`, PEER);
    try {
      run("cc", "-O2", "-o", peer, `${peer}.c`, "-lbpf");
    } catch {
      return console.log("skip: comparison with libbpf: needs libbpf-dev");
    }
    const sets = [
      parts,
      [...parts].reverse(),
      [...parts, ...parts],
      ...(kernel === undefined ? [] : [[kernel, kernel], [kernel, ...parts]]),
    ];
    for (const set of sets) {
      const files = set.map((btf, i) => {
        const file = join(folder, `${i}.btf`);
        writeFileSync(file, btf.bytes);
        return file;
      });
      const theirs = Number(run(peer, ...files));
      const ours = dedupBtf(concat(...set)).btf;
      assert(ours.typeCount <= theirs, `${ours.typeCount} types where libbpf has ${theirs}`);
      assert(ours.typeCount > theirs / 2);
    }
  });
});

toolTest("`dedupBtf()` changes nothing that C sees", ["clang-19"], () => {
  const btf = compileBtf(ALL_KINDS);
  assertEquals(printC(dedupBtf(concat(btf, btf)).btf), printC(dedupBtf(btf).btf));
});
