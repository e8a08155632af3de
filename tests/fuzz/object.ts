/**
 * Feeds mutated objects to the parser and to everything that reads its result: BTF, codecs, CO-RE, relocation.
 * Parsing must give a spec or a `FormatError`; what comes after may throw other errors of waggle, but never the engine's.
 *
 *     deno run -A tests/fuzz/object.ts [COUNT] [SEED] [FILE...]
 *     bun run tests/fuzz/object.ts 1000000 7
 */
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { btfCodec } from "../../src/btf/codec.ts";
import type { Btf } from "../../src/btf/btf.ts";
import { FormatError, WaggleError } from "../../src/errors.ts";
import { CoreResolver } from "../../src/object/core.ts";
import { readElf } from "../../src/object/elf.ts";
import { parseObject } from "../../src/object/parse.ts";
import { FunctionIndex, relocateProgram, type RelocationFacts } from "../../src/object/relocate.ts";
import type { ObjectSpec } from "../../src/object/spec.ts";
import { mutate, Random } from "./mutate.ts";

/** What came of a run. */
export interface FuzzResult {
  inputs: number;
  /** Inputs that were still objects. */
  parsed: number;
  /** Milliseconds of the slowest input. */
  slowest: number;
}

interface Sample {
  name: string;
  bytes: Uint8Array;
  hot: number[];
}

/** An input that took longer than this hangs. */
const HANG_MS = 2000;

/** Runs `count` inputs made from `files`. Throws on the first that breaks a rule, with how to repeat it. */
export function fuzzObjects(files: readonly string[], count: number, seed: number): FuzzResult {
  const samples = files.map(loadSample);
  const target = parseObject(new Uint8Array(readFileSync(data("core_target.bpf.o")))).btf!;
  const result: FuzzResult = { inputs: 0, parsed: 0, slowest: 0 };
  for (let i = 0; i < count; i++) {
    const random = new Random(seed * 1_000_003 + i);
    const sample = samples[i % samples.length]!;
    const bytes = mutate(sample.bytes, random, sample.hot);
    const start = performance.now();
    try {
      if (exercise(bytes, target)) result.parsed++;
    } catch (error) {
      throw new Error(`seed ${seed}, input ${i} of ${sample.name}: ${(error as Error).stack}`, { cause: error });
    }
    let time = performance.now() - start;
    // A busy machine may have stopped this process for as long: the processor's time decides.
    if (time > HANG_MS) time = cpuTime(() => exercise(bytes, target));
    if (time > HANG_MS) throw new Error(`seed ${seed}, input ${i} of ${sample.name} took ${Math.round(time)} ms`);
    result.slowest = Math.max(result.slowest, time);
    result.inputs++;
  }
  return result;
}

/** Milliseconds of processor time. */
function cpuTime(run: () => void): number {
  const start = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

/** Offsets of the headers and tables of an object, where a changed word does most. */
function loadSample(file: string): Sample {
  const bytes = new Uint8Array(readFileSync(file));
  const elf = readElf(bytes, file);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const hot = [0, 32];
  const table = Number(view.getBigUint64(40, elf.littleEndian));
  for (let i = 0; i < view.getUint16(60, elf.littleEndian); i++) {
    const header = table + i * 64;
    const offset = Number(view.getBigUint64(header + 24, elf.littleEndian));
    hot.push(header, header, offset);
    // Inside tables too: symbols, relocations, BTF.
    const size = Number(view.getBigUint64(header + 32, elf.littleEndian));
    for (let at = 64; at < Math.min(size, 4096); at += 64) hot.push(offset + at);
  }
  return { name: file.slice(file.lastIndexOf("/") + 1), bytes, hot: hot.filter((at) => at < bytes.length) };
}

/** True if the bytes were still an object. */
function exercise(bytes: Uint8Array, target: Btf): boolean {
  let spec: ObjectSpec;
  try {
    spec = parseObject(bytes, { name: "fuzz.o" });
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
  const { btf } = spec;
  if (btf === undefined) return true;
  allow(() => btf.validate());
  for (const map of spec.maps) {
    for (const id of [map.keyTypeId, map.valueTypeId]) allow(() => readZeros(btf, id));
  }
  const core = new CoreResolver(btf, { btf: target });
  for (const fn of [...spec.programs, ...spec.subprograms]) allow(() => core.apply(fn, fn.insns.slice()));
  const index = new FunctionIndex(spec);
  for (const program of spec.programs) allow(() => relocateProgram(spec, index, program, FACTS));
  return true;
}

/** Made-up facts of a kernel in which everything was found. */
const FACTS: RelocationFacts = {
  mapFd: () => 3,
  extern: (name) => name.length % 2 === 0 ? { kind: "missing" } : { kind: "btf", id: 1, btfFd: 0, callOffset: 0 },
  code: (fn) => fn.insns,
  jumpTable: () => 3,
};

function readZeros(btf: Btf, id: number): void {
  const codec = btfCodec(btf, id);
  if (codec.size <= 1 << 20) codec.read(new DataView(new ArrayBuffer(codec.size)), 0);
}

/** Runs a step that may refuse, in waggle's own words. */
function allow(step: () => void): void {
  try {
    step();
  } catch (error) {
    if (!(error instanceof WaggleError)) throw error;
  }
}

function data(name: string): string {
  return fileURLToPath(new URL(`../data/${name}`, import.meta.url));
}

/** Our own fixtures. */
export function fixtures(): string[] {
  const folder = data("");
  return readdirSync(folder).filter((f) => f.endsWith(".bpf.o")).sort().map((f) => folder + f);
}

if (import.meta.main) {
  const [count = "100000", seed = "1", ...files] = process.argv.slice(2);
  const result = fuzzObjects(files.length > 0 ? files : fixtures(), Number(count), Number(seed));
  console.log(`${result.inputs} inputs, ${result.parsed} still objects, slowest ${result.slowest.toFixed(1)} ms`);
}
