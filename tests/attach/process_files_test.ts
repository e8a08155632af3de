import { assertEquals } from "@std/assert";
import { crc32 } from "../../src/bytes/crc32.ts";
import { buildId } from "../../src/kernel/debug_file.ts";
import { parseMappedFiles } from "../../src/kernel/process_files.ts";
import { readElf } from "../../src/object/elf.ts";
import { readFileSync } from "node:fs";
import { test } from "../support/harness.ts";

test("`parseMappedFiles()` reads the files of /proc/PID/maps", () => {
  const text = `55d0c0000000-55d0c0021000 r-xp 00002000 08:01 131 /usr/bin/a program
55d0c1000000-55d0c1021000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000001000 r--p 00001000 fe:00 99                         /tmp/lib.so (deleted)
7f0000002000-7f0000003000 rw-p 00000000 00:00 0
`;
  assertEquals(parseMappedFiles(text), [
    {
      start: 0x55d0c0000000n,
      end: 0x55d0c0021000n,
      executable: true,
      offset: 0x2000n,
      inode: 131n,
      path: "/usr/bin/a program",
      deleted: false,
    },
    {
      start: 0x7f0000000000n,
      end: 0x7f0000001000n,
      executable: false,
      offset: 0x1000n,
      inode: 99n,
      path: "/tmp/lib.so",
      deleted: true,
    },
  ]);
});

test("`crc32()` is that of zip and gdb", () => {
  assertEquals(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
  assertEquals(crc32(new Uint8Array(0)), 0);
});

test("`buildId()` is undefined for files without one", () => {
  const object = readFileSync(new URL("../data/usdt.bpf.o", import.meta.url));
  assertEquals(buildId(readElf(object, "object")), undefined);
});
