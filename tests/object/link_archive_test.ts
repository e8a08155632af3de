import { assert, assertEquals, assertThrows } from "@std/assert";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FormatError } from "../../src/errors.ts";
import { isArchive, readArchive } from "../../src/object/archive.ts";
import { link, LinkError, type LinkInput } from "../../src/object/link.ts";
import { readElf } from "../../src/object/elf.ts";
import { inFolder, run, toolTest } from "../btf/support.ts";
import { test } from "../support/harness.ts";
import { meaning, object } from "./link_support.ts";

const text = new TextEncoder();

/** An archive of the given members, as llvm-ar writes it. */
function archive(
  members: readonly (readonly [string, Uint8Array])[],
  format: string,
  flags = "rcS",
): { bytes: Uint8Array; files: Map<string, Uint8Array> } {
  return inFolder((folder) => {
    for (const [name, bytes] of members) writeFileSync(join(folder, name), bytes);
    const output = join(folder, "lib.a");
    run(
      "llvm-ar-19",
      `--format=${format}`,
      ...(flags.includes("T") ? ["--thin"] : []),
      flags.replace("T", ""),
      output,
      ...members.map(([name]) => join(folder, name)),
    );
    return { bytes: new Uint8Array(readFileSync(output)), files: new Map(members) };
  });
}

const MEMBERS: readonly (readonly [string, Uint8Array])[] = [
  ["short.o", text.encode("one")],
  ["a_name_that_is_longer_than_fifteen.o", text.encode("second!")],
  ["with space.o", text.encode("")],
];

for (const format of ["gnu", "bsd", "darwin"]) {
  toolTest(`\`readArchive()\` reads what llvm-ar writes, ${format}`, ["llvm-ar-19"], () => {
    const { bytes } = archive(MEMBERS, format);
    assert(isArchive(bytes));
    const { thin, members } = readArchive(bytes);
    assertEquals(thin, false);
    // Darwin pads members with newlines.
    const content = (b: Uint8Array): string => new TextDecoder().decode(b).replace(/\n+$/, "");
    assertEquals(members.map((m) => [m.name, content(m.bytes!)]), MEMBERS.map(([name, b]) => [name, content(b)]));
  });
}

toolTest("`readArchive()` reads thin archives and skips symbol indexes", ["llvm-ar-19", "clang-19"], () => {
  const member = object("f.o", `__attribute__((noinline)) int f(int a) { return a; }`);
  const { bytes } = archive([["f.o", member.bytes], ["another_long_member_name.o", member.bytes]], "gnu", "rcsT");
  const { thin, members } = readArchive(bytes);
  assertEquals([thin, members.length], [true, 2]);
  assert(
    members[0]!.name.endsWith("f.o") && members[0]!.bytes === undefined && members[0]!.size === member.bytes.length,
  );
  const indexed = readArchive(archive([["f.o", member.bytes]], "bsd", "rcs").bytes);
  assertEquals(indexed.members.map((m) => m.name), ["f.o"]);
});

test("`readArchive()` refuses broken archives with the place", () => {
  const header = (name: string, size: string): string => name.padEnd(16) + "0".padEnd(32) + size.padEnd(10) + "`\n";
  const cases: [string, RegExp][] = [
    ["hello", /is not an archive/],
    ["!<arch>\nshort", /member at 8: header is cut off/],
    [`!<arch>\n${header("a/", "5").slice(0, 58)}xx`, /header does not end/],
    [`!<arch>\n${header("a/", "9x")}`, /size "9x" is not a number/],
    [`!<arch>\n${header("a/", "5")}abc`, /needs 5 bytes, but there are only 3/],
    [`!<arch>\n${header("/7", "0")}`, /name at 7 is outside/],
    [`!<arch>\n${header("#1/9", "3")}abc`, /name of 9 bytes is longer/],
  ];
  for (const [bytes, message] of cases) {
    const error = assertThrows(() => readArchive(text.encode(bytes), "lib.a"), FormatError);
    assert(message.test(error.message) && error.message.startsWith("lib.a"), error.message);
  }
});

const MAIN = `extern int f(int); SEC("xdp") int p(void *c) { return f(1); }`;

function library(): { main: LinkInput; f: LinkInput; g: LinkInput; unused: LinkInput } {
  return {
    main: object("main.o", MAIN),
    f: object("f.o", `extern int g(int); __noinline int f(int a) { return g(a) + 1; }`),
    g: object("g.o", `__noinline int g(int a) { return a * 2; }`),
    unused: object("unused.o", `__noinline int unused(int a) { return a; } int f_like;`),
  };
}

toolTest("`link()` takes from archives the members that are needed, and all with `wholeArchive`", [
  "clang-19",
  "llvm-ar-19",
], () => {
  const { main, f, g, unused } = library();
  // g before f: whoever needs it comes later in the archive.
  const { bytes } = archive([["g.o", g.bytes], ["unused.o", unused.bytes], ["f.o", f.bytes], [
    "lib.rmeta",
    text.encode("rust"),
  ]], "gnu");
  const lib = { name: "lib.a", bytes };
  const result = link([main, lib]);
  assertEquals(result.objects, ["main.o", "lib.a(f.o)", "lib.a(g.o)"]);
  assertEquals(result.unresolved, []);
  assertEquals(meaning(result.bytes), meaning(link([main, f, g]).bytes));
  assertEquals(link([lib, main]).objects, ["lib.a(f.o)", "lib.a(g.o)", "main.o"]);
  const whole = link([main, { ...lib, wholeArchive: true }]);
  assertEquals(whole.objects, ["main.o", "lib.a(g.o)", "lib.a(unused.o)", "lib.a(f.o)"]);
  assert([...readElf(whole.bytes, "o").symbols].some((s) => s.name === "unused"));
  assertEquals(link([main, lib], { exports: ["unused"] }).objects.includes("lib.a(unused.o)"), true);
});

toolTest("`link()` reads thin archives through `readMember`", ["clang-19", "llvm-ar-19"], () => {
  const { main, f, g } = library();
  const { bytes, files } = archive([["f.o", f.bytes], ["g.o", g.bytes]], "gnu", "rcsT");
  const readMember = (_archive: string, name: string): Uint8Array => files.get(name.split("/").at(-1)!)!;
  const result = link([main, { name: "thin.a", bytes }], { readMember });
  assertEquals(meaning(result.bytes), meaning(link([main, f, g]).bytes));
  assertThrows(() => link([main, { name: "thin.a", bytes }]), LinkError, '"thin.a": it is a thin archive');
});
