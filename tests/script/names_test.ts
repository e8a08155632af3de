import { assert, assertEquals } from "@std/assert";
import { readFileSync } from "node:fs";
import { STT_FUNC } from "../../src/abi/elf.ts";
import process from "node:process";
import { readElf } from "../../src/object/elf.ts";
import { KernelNames, lastAtMost } from "../../src/script/kernel_names.ts";
import { parseMaps, UserNames } from "../../src/script/user_names.ts";
import { test } from "../support/harness.ts";

const KALLSYMS = `ffffffff81000000 T _text
ffffffff81000100 t first
ffffffff81000180 D some_data
ffffffff81000200 W second
ffffffffc0000010 t in_module\t[mod]
ffffffffb0000000 T early
`;

test("KernelNames finds the function an address lies in", () => {
  const names = new KernelNames(KALLSYMS);
  assertEquals(names.name(0xffffffff81000100n), "first");
  assertEquals(names.name(0xffffffff810001ffn), "first");
  assertEquals(names.name(0xffffffff81000200n), "second");
  assertEquals(names.name(0xffffffffb0000005n), "early");
  assertEquals(names.name(0xffffffffc0000020n), "in_module");
  assertEquals(names.name(0x10n), "0x10");
  assertEquals(new KernelNames("0000000000000000 T hidden\n").name(0xffff0000n), "0xffff0000");
  assertEquals(new KernelNames("").name(1n), "0x1");
});

test("lastAtMost() finds the last item that is not greater", () => {
  const sorted = BigUint64Array.of(1n, 3n, 3n, 7n);
  assertEquals([0n, 1n, 2n, 3n, 6n, 7n, 9n].map((value) => lastAtMost(sorted, value)), [-1, 0, 0, 2, 2, 3, 3]);
});

test("parseMaps() takes executable mappings", () => {
  assertEquals(
    parseMaps(`55d0-55e0 r--p 00000000 08:01 12   /bin/a
55e0-5600 r-xp 00010000 08:01 12                 /bin/with space
7f00-7f10 rwxp 00000000 00:00 0 
`),
    [
      { start: 0x55e0n, end: 0x5600n, offset: 0x10000n, path: "/bin/with space" },
      { start: 0x7f00n, end: 0x7f10n, offset: 0n, path: "" },
    ],
  );
});

test("UserNames names a function of a library of this process", () => {
  const mapping = parseMaps(readFileSync("/proc/self/maps", "utf8")).find(({ path }) => /\/libc[.-]/.test(path));
  assert(mapping !== undefined);
  const elf = readElf(readFileSync(mapping.path), mapping.path);
  const symbols = [...elf.dynamicSymbols].filter(({ type, name, size }) =>
    type === STT_FUNC && size > 16 && name === "getaddrinfo"
  );
  const symbol = symbols[0]!;
  const segment = elf.segments().find((s) =>
    symbol.value >= s.address && symbol.value < s.address + s.memorySize && s.type === 1
  )!;
  const place = BigInt(symbol.value - segment.address + segment.offset) - mapping.offset + mapping.start;
  const names = new UserNames();
  assertEquals(names.name(process.pid, place + 3n).startsWith("getaddrinfo"), true);
  assertEquals(names.name(process.pid, 1n), "0x1");
  assertEquals(names.name(0x7fff_fff0, place), `0x${place.toString(16)}`);
});
