import { assertEquals } from "@std/assert";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { join } from "node:path";
import { link } from "../../src/object/link.ts";
import { runLinked } from "../conformance/link_run.ts";
import { randomSplit } from "../conformance/link_split.ts";
import { kernelTest } from "../support/harness.ts";
import { compileBpf, inFolder, run } from "../btf/support.ts";
import { object } from "../object/link_support.ts";

/** Return values of both programs, run by the kernel on 64 bytes of packet. */
function results(bytes: Uint8Array): number[] {
  return inFolder((folder) => {
    const [file, data] = [join(folder, "linked.o"), join(folder, "data")];
    writeFileSync(file, bytes);
    writeFileSync(data, new Uint8Array(64));
    const pins = `/sys/fs/bpf/waggle-link-${process.pid}`;
    try {
      run("bpftool", "prog", "loadall", file, pins);
      return ["one", "two"].map((name) => {
        const text = run("bpftool", "-j", "prog", "run", "pinned", `${pins}/${name}`, "data_in", data, "repeat", "1");
        return (JSON.parse(text) as { retval: number }).retval;
      });
    } finally {
      if (existsSync(pins)) rmSync(pins, { recursive: true });
    }
  });
}

kernelTest("programs return the same however their object was linked", {
  needs: ["bpffs", "tool:bpftool", "tool:clang-19"],
}, () => {
  const main = object(
    "main.o",
    `extern int factor, scale(int); char _license[] SEC("license") = "GPL"; static int state = 3;
    static __noinline int local(int a) { return a * 2 + state; }
    __weak int pick(void) { return 1; } __noinline int dead(int a) { return a; }
    SEC("tc") int one(void *c) { return local(5) + scale(7) + pick(); }`,
  );
  const lib = object(
    "lib.o",
    `int dead_first = 99; int factor = 10; static const int table[4] = {1, 20, 300, 4000}; static int state = 500;
    static __noinline int local(int a) { return table[a & 3] + state; }
    __noinline int dead_too(int a) { return a * dead_first; }
    __noinline int scale(int a) { return a * factor + local(a); } int pick(void) { return 50000; }
    SEC("tc") int two(void *c) { return scale(2) + local(1); }`,
  );
  const expected = [5 * 2 + 3 + 7 * 10 + 4500 + 50000, 2 * 10 + 800 + 520];
  assertEquals(results(link([main, lib]).bytes), expected);
  assertEquals(results(link([main, lib], { gcSections: true }).bytes), expected);
  assertEquals(results(link([main, lib], { gcSections: true, exports: [], minimizeCore: true }).bytes), expected);
  assertEquals(results(link([lib, main]).bytes), expected);
});

kernelTest("random programs return the same from one file and from several, linked", {
  needs: ["tool:clang-19"],
}, () => {
  const compiled = (name: string, text: string) => ({ name, bytes: compileBpf(text, ["-w"]) });
  for (let seed = 0; seed < 4; seed++) {
    const { whole, parts, programs } = randomSplit(seed);
    const inputs = parts.map((text, i) => compiled(`${i}.o`, text));
    assertEquals(runLinked(compiled("whole.o", whole), inputs, programs), [], `seed ${seed}`);
  }
});
