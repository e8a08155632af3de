/** `compile()`: the objects of all examples load with bpftool, and have the sections that other tools look for. */
import { assert, assertEquals } from "@std/assert";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { parseObject } from "../../../src/object/parse.ts";
import { exampleObject, EXAMPLES } from "../../support/example_object.ts";
import { kernelTest } from "../../support/harness.ts";
import type { Need } from "../../support/needs.ts";

/** bpftool 7.1 has a libbpf from before `tc/ingress` was a section name, and must be told. */
const TYPES: Readonly<Record<string, readonly string[]>> = { "tc-count": ["type", "classifier"] };

for (const name of EXAMPLES) {
  const needs: Need[] = ["tool:bpftool", "bpffs", "btf", "tracefs", "kernel:5.8"];
  kernelTest(`compile() makes an object of ${name} that bpftool loads`, { needs }, async () => {
    const object = await exampleObject(name);
    const folder = mkdtempSync("/tmp/waggle-test-");
    const pins = `/sys/fs/bpf/waggle-test-${name}-${Math.random().toString(36).slice(2)}`;
    try {
      object.write(`${folder}/${name}.bpf.o`);
      execFileSync("bpftool", ["prog", "loadall", `${folder}/${name}.bpf.o`, pins, ...TYPES[name] ?? []], {
        stdio: "pipe",
      });
      for (const program of object.spec.programs) {
        const shown = execFileSync("bpftool", ["prog", "dump", "xlated", "pinned", `${pins}/${program.name}`, "linum"]);
        assert(String(shown).includes(`${name}.ts line_num:`), `no source lines:\n${shown}`);
      }
    } finally {
      rmSync(folder, { recursive: true });
      rmSync(pins, { recursive: true, force: true });
    }
    const again = parseObject(object.elf());
    assertEquals(again.programs.map((p) => p.sectionName), object.spec.programs.map((p) => p.sectionName));
    assertEquals(again.maps.map((map) => map.name).sort(), object.spec.maps.map((map) => map.name).sort());
  });
}
