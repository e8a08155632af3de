/** Functions of files made by a C compiler, each with its own constant in its code: the bytes at the offset tell. */
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { FormatError, NotFoundError, NotSupportedError, WaggleError } from "../../src/errors.ts";
import { findBinary, parseLoaderCache } from "../../src/kernel/binary_path.ts";
import { fileOffset, findFunction, matchFunctions, withElf } from "../../src/kernel/elf_symbols.ts";
import { readElf } from "../../src/object/elf.ts";
import { skippedTest, test } from "../support/harness.ts";

const haveCompiler = process.arch === "x64" && spawnSync("cc", ["--version"]).status === 0;
const built = haveCompiler ? test : (name: string) => skippedTest(name, "needs a C compiler for x86-64");

/** Compiles, and hands the file's path to `use`. */
function withBuilt(sources: Record<string, string>, flags: readonly string[], use: (path: string) => void): void {
  const dir = mkdtempSync(`${tmpdir()}/elf-`);
  try {
    for (const name in sources) writeFileSync(`${dir}/${name}`, sources[name]!);
    const inputs = Object.keys(sources).filter((n) => n.endsWith(".c")).map((n) => `${dir}/${n}`);
    const options = flags.map((flag) => flag.replace("DIR", dir));
    const cc = spawnSync("cc", ["-O1", ...options, "-o", `${dir}/out`, ...inputs], { encoding: "utf8" });
    assertEquals(cc.status, 0, cc.stderr);
    use(`${dir}/out`);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** The constant that the function at this offset returns: `b8 imm32 c3`, maybe after `endbr64`. */
function constantAt(path: string, offset: number): number {
  const bytes = readFileSync(path);
  const start = bytes.readUInt32LE(offset) === 0xfa1e0ff3 ? offset + 4 : offset;
  assertEquals(bytes[start], 0xb8);
  return bytes.readUInt32LE(start + 1);
}

const find = (path: string, symbol: string) => withElf(path, (elf) => findFunction(elf, symbol));

const PLAIN = {
  "a.c": "int one(void) { return 0x11111111; }\nint two(void) { return 0x22222222; }\nint main(void) { return one(); }",
};

for (const flags of [["-no-pie"], ["-pie", "-fPIE"], ["-shared", "-fPIC"], ["-no-pie", "-Wl,-Ttext=0x4010000"]]) {
  built(`findFunction() gives file offsets (${flags.join(" ")})`, () => {
    withBuilt(PLAIN, flags, (path) => {
      const one = find(path, "one");
      assertEquals(constantAt(path, one.offset), 0x11111111);
      assertEquals(constantAt(path, find(path, "two").offset), 0x22222222);
      assertEquals(one.size > 0, true);
    });
  });
}

built("fileOffset() goes by the program headers, not by the section headers", () => {
  withBuilt(PLAIN, ["-no-pie"], (path) => {
    const { offset } = find(path, "two");
    // Break what libbpf goes by: the address of .text in its section header.
    const bytes = readFileSync(path);
    const text = readElf(bytes).section(".text")!;
    bytes.writeBigUInt64LE(0n, Number(bytes.readBigUInt64LE(40)) + text.index * 64 + 16);
    assertEquals(findFunction(readElf(bytes), "two").offset, offset);
    assertThrows(() => fileOffset(readElf(bytes), 0x7fff_0000), FormatError, "no loaded segment");
  });
});

const VERSIONED = {
  "v.c": `int old_f(void) { return 0x01010101; }
int new_f(void) { return 0x02020202; }
__asm__(".symver old_f, f@V1");
__asm__(".symver new_f, f@@V2");`,
  "v.map": "V1 { global: f; }; V2 { global: f; local: *; } V1;",
};

built("findFunction() tells versions of a symbol apart, and takes the default one without", () => {
  withBuilt(VERSIONED, ["-shared", "-fPIC", "-Wl,--version-script=DIR/v.map", "-Wl,-s"], (path) => {
    const constant = (symbol: string) => constantAt(path, find(path, symbol).offset);
    assertEquals(constant("f"), 0x02020202);
    assertEquals([constant("f@V1"), constant("f@V2"), constant("f@@V2")], [0x01010101, 0x02020202, 0x02020202]);
    assertThrows(() => find(path, "f@@V1"), NotFoundError, '"f" exists, but not in that version');
    assertThrows(() => find(path, "f@V3"), NotFoundError);
  });
});

built("findFunction() refuses two different static functions of one name, with both offsets", () => {
  const sources = {
    "a.c": "static __attribute__((noinline, used)) int twin(void) { return 1; }\nint main(void) { return 0; }",
    "b.c": "static __attribute__((noinline, used)) int twin(void) { return 2; }",
  };
  withBuilt(sources, [], (path) => {
    const error = assertThrows(() => find(path, "twin"), WaggleError) as WaggleError;
    const offsets = [...error.hint!.matchAll(/0x([0-9a-f]+)/g)].map((m) => constantAt(path, parseInt(m[1]!, 16)));
    assertEquals(offsets.sort(), [1, 2]);
  });
});

built("findFunction() prefers a strong definition to a weak one of another table entry", () => {
  const sources = {
    "a.c":
      `__attribute__((weak)) int f(void) { return 7; }\nint g(void) __attribute__((alias("f")));\nint main(void) { return 0; }`,
  };
  withBuilt(sources, [], (path) => {
    assertEquals(find(path, "f").offset, find(path, "g").offset);
  });
});

built("findFunction() says what an indirect function is", () => {
  const sources = {
    "a.c":
      'static int impl(void) { return 1; }\nstatic void *pick(void) { return impl; }\nint f(void) __attribute__((ifunc("pick")));\nint main(void) { return f(); }',
  };
  withBuilt(sources, [], (path) => assertThrows(() => find(path, "f"), NotSupportedError, "indirect function"));
});

built("findFunction() names neighbours, and says of a stripped file that it has no symbols", () => {
  withBuilt(PLAIN, ["-no-pie"], (path) => assertThrows(() => find(path, "twoo"), NotFoundError, '"two"'));
  withBuilt(PLAIN, ["-no-pie", "-static-pie", "-s", "-nostartfiles", "-Wl,-e,main"], (path) => {
    assertStringIncludes(assertThrows(() => find(path, "two"), NotFoundError).message, "attach by offset");
  });
});

built("matchFunctions() lists functions by pattern, each place once", () => {
  withBuilt(PLAIN, ["-shared", "-fPIC"], (path) => {
    const found = withElf(path, (elf) => matchFunctions(elf, /^(one|two)$/));
    assertEquals(found.map((f) => f.name).sort(), ["one", "two"]);
    for (const place of found) {
      assertEquals(constantAt(path, place.offset), place.name === "one" ? 0x11111111 : 0x22222222);
    }
  });
});

built("withElf() refuses object files and what is no ELF file", () => {
  withBuilt(PLAIN, ["-c"], (path) => assertThrows(() => withElf(path, () => 0), FormatError, "neither a program"));
  assertThrows(() => withElf("/etc/passwd", () => 0), FormatError, "not an ELF file");
});

built("findBinary() finds what the loader finds", () => {
  const loaded = spawnSync("ldd", ["/bin/sh"], { encoding: "utf8" }).stdout;
  const libc = /libc\.so\.6 => (\S+)/.exec(loaded)?.[1];
  const same = (path: string) => spawnSync("realpath", [path], { encoding: "utf8" }).stdout;
  assertEquals(same(findBinary("libc.so.6")), same(libc!));
  assertEquals(same(findBinary("libc")), same(libc!));
  assertEquals(same(findBinary("sh")), same("/bin/sh"));
  assertEquals(findBinary("/bin/sh"), "/bin/sh");
  assertThrows(() => findBinary("/no/such/file"), NotFoundError);
  assertThrows(() => findBinary("libnosuch.so.1"), NotFoundError, "library");
  assertThrows(() => findBinary("no-such-command"), NotFoundError, "program or library");
});

test("parseLoaderCache() survives cut and hostile caches", () => {
  const bytes = new Uint8Array(200);
  bytes.set(new TextEncoder().encode("glibc-ld.so.cache1.1"), 8);
  const view = new DataView(bytes.buffer);
  view.setUint32(8 + 20, 0xffffffff, true);
  for (let at = 8 + 48; at + 24 <= 200; at += 24) view.setUint32(at + 4, 0xfffffff0, true);
  assertEquals(parseLoaderCache(bytes), []);
  for (let length = 0; length < 80; length++) assertEquals(parseLoaderCache(bytes.subarray(0, length)), []);
});
