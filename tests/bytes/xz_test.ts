/** `unxz()` against the `xz` command, on data of many kinds. */
import { assertEquals, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { unxz } from "../../src/bytes/xz.ts";
import { FormatError } from "../../src/errors.ts";
import { skippedTest, test } from "../support/harness.ts";

/** Numbers that repeat from run to run. */
function random(seed: number): () => number {
  let state = seed;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}

const next = random(7);
const DATA: Readonly<Record<string, Uint8Array>> = {
  nothing: new Uint8Array(0),
  "one byte": new Uint8Array([7]),
  zeros: new Uint8Array(300_000),
  noise: Uint8Array.from({ length: 150_000 }, () => next() * 256),
  words: new TextEncoder().encode(
    Array.from({ length: 60_000 }, () => ["alpha", "beta", "gamma", " ", "\n"][Math.floor(next() * 5)]).join(""),
  ),
  "noise after text": new Uint8Array([
    ...new TextEncoder().encode("abcabcabc".repeat(5000)),
    ...Array.from({ length: 80_000 }, () => next() * 256),
    ...new TextEncoder().encode("abcabcabc".repeat(5000)),
  ]),
  // Code: many kinds of matches and distances.
  program: new Uint8Array(readFileSync("/proc/self/exe").subarray(0, 500_000)),
};

/** Ways of packing: other contexts for literals and positions, several blocks, all kinds of checksums. */
const WAYS = [
  ["-6"],
  ["-0", "--check=crc32"],
  ["--check=none", "--lzma2=preset=6,lc=1,lp=3,pb=0"],
  ["--check=sha256", "--block-size=65536"],
];

const haveXz = spawnSync("xz", ["--version"]).status === 0;
for (const [name, bytes] of Object.entries(DATA)) {
  if (!haveXz) {
    skippedTest(`unxz() gives ${name} back`, "needs xz");
    continue;
  }
  test(`unxz() gives ${name} back`, () => {
    for (const way of WAYS) {
      const { status, stdout, stderr } = spawnSync("xz", ["-c", ...way], { input: bytes, maxBuffer: 1 << 26 });
      assertEquals(status, 0, String(stderr));
      const plain = unxz(new Uint8Array(stdout));
      // Comparing large arrays element by element would take minutes.
      assertEquals([plain.length, Buffer.compare(plain, bytes)], [bytes.length, 0], way.join(" "));
    }
  });
}

if (haveXz) {
  test("unxz() refuses what is damaged or cut off", () => {
    const { stdout } = spawnSync("xz", ["-c", "--check=crc32"], { input: DATA["words"]!, maxBuffer: 1 << 26 });
    const packed = new Uint8Array(stdout);
    assertThrows(() => unxz(packed.subarray(1)), FormatError, "no xz data".slice(3));
    for (const length of [5, 11, 14, 40, packed.length >> 1]) {
      assertThrows(() => unxz(packed.slice(0, length)), FormatError);
    }
    const damaged = packed.slice();
    damaged[packed.length >> 1]! ^= 16;
    assertThrows(() => unxz(damaged), FormatError);
    const { stdout: filtered } = spawnSync("xz", ["-c", "--x86", "--lzma2"], { input: DATA["words"]! });
    assertThrows(() => unxz(new Uint8Array(filtered)), FormatError, "not supported");
  });
} else skippedTest("unxz() refuses what is damaged or cut off", "needs xz");
