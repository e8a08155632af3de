import { deflateRawSync, gzipSync } from "node:zlib";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { test } from "../support/harness.ts";
import { FormatError } from "../../src/errors.ts";
import { gunzip, inflate } from "../../src/bytes/inflate.ts";

function samples(): Uint8Array[] {
  const text = new TextEncoder().encode("CONFIG_BPF=y\nCONFIG_BPF_SYSCALL=y\n".repeat(500));
  const noise = Uint8Array.from({ length: 70_000 }, (_, i) => (Math.imul(i, 2654435761) >>> 13) & 0xff);
  return [new Uint8Array(0), Uint8Array.of(7), text, noise, new Uint8Array(300_000)];
}

test("inflate() undoes zlib at every level, stored and fixed blocks included", () => {
  for (const bytes of samples()) {
    for (const options of [{ level: 0 }, { level: 1 }, { level: 9 }, { strategy: 4 }]) {
      assertEquals(inflate(new Uint8Array(deflateRawSync(bytes, options))), bytes);
    }
  }
});

test("gunzip() reads gzip files and refuses others", () => {
  for (const bytes of samples()) assertEquals(gunzip(new Uint8Array(gzipSync(bytes))), bytes);
  assertThrows(() => gunzip(new Uint8Array(30), "x.gz"), FormatError, "x.gz: is not gzip data");
});

test("inflate() answers damaged data with FormatError or bytes, never anything else", () => {
  const packed = new Uint8Array(deflateRawSync(samples()[2]!));
  for (let i = 0; i < 2000; i++) {
    const copy = packed.slice(0, i % 3 === 0 ? i % packed.length : packed.length);
    if (copy.length > 0) copy[(i * 31) % copy.length] = (i * 7) & 0xff;
    try {
      inflate(copy);
    } catch (error) {
      assert(error instanceof FormatError, `${error}`);
    }
  }
});
