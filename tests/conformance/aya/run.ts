/** Loads the object that `build` made and runs its program; fails unless it counts packets as src/main.rs says. */
import { assertEquals } from "@std/assert";
import { readFileSync } from "node:fs";
import process from "node:process";
import { loadObject } from "../../../src/load/load.ts";
import { parseObject } from "../../../src/object/parse.ts";

const path = process.argv[2]!;
const spec = parseObject(new Uint8Array(readFileSync(path)), { name: path });
assertEquals(spec.programs.map((program) => `${program.section} ${program.name}`), ["xdp count"]);
assertEquals(spec.maps.map((map) => map.name).sort(), [".bss", ".rodata", "SEEN"]);
assertEquals(spec.license, "Dual MIT/GPL");

using object = loadObject(spec);
const count = object.programs.get("count")!;
const packet = (key: number): Uint8Array => Uint8Array.of(0, 0, 0, key, ...new Uint8Array(60));
const results = (key: number, times: number): number[] =>
  Array.from({ length: times }, () => count.testRun({ data: packet(key) }).retval);
assertEquals(results(5, 3), [2, 45, 45]); // New; then the byte 5 of 40, 41, 42...
assertEquals(results(23, 3), [2, 47, 47]);
assertEquals(results(5, 98).at(-1), 1); // Over the limit.
console.log(`${path}: loads, and counts packets as it should`);
