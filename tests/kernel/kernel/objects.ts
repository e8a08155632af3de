/** Objects of tests/data in the kernel, and what bpftool says of the system. */
import { spawnSync } from "node:child_process";
import { loadObject } from "../../../src/load/load.ts";
import type { LoadedObject } from "../../../src/load/object.ts";
import { parseObject } from "../../../src/object/parse.ts";
import { readFile } from "../../../src/syscall/files.ts";
import { ROOT } from "../../support/script.ts";

/** Loads `tests/data/NAME.bpf.o`, all programs, those marked with `?` among them, unless told which. */
export function loadTestObject(name: string, programs?: readonly string[]): LoadedObject {
  const spec = parseObject(readFile(`${ROOT}tests/data/${name}.bpf.o`), { name });
  const wanted = spec.programs.map((program) => program.name);
  return loadObject(spec, {
    programs: Object.fromEntries(wanted.map((p) => [p, { autoload: programs?.includes(p) ?? true }])),
  });
}

/** What `bpftool -j ARGS` prints. */
export function bpftoolJson(...args: string[]): unknown {
  const { stdout, stderr, status } = spawnSync("bpftool", ["-j", ...args], { encoding: "utf8" });
  if (status !== 0) throw new Error(`bpftool ${args.join(" ")}: ${stderr}${stdout}`);
  // bpftool 7.1 leaves out the braces of flow dissectors.
  return JSON.parse(stdout.replaceAll(/\["id":(\d+)\]/g, '[{"id":$1}]'));
}

/** What `bpftool ARGS` prints, as bytes. */
export function bpftoolOutput(...args: string[]): Uint8Array {
  const { stdout, stderr, status } = spawnSync("bpftool", args, { maxBuffer: 1 << 26 });
  if (status !== 0) throw new Error(`bpftool ${args.join(" ")}: ${stderr}`);
  return stdout;
}
