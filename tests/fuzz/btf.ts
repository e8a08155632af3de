/**
 * The long run over damaged BTF: `deno run -A tests/fuzz/btf.ts [inputs] [seed]`, or the same with bun. Starts from
 * BTF that clang makes now. tests/btf/fuzz_test.ts is the short run.
 */
import process from "node:process";
import { ALL_KINDS, compileBpf, sectionOf } from "../btf/support.ts";
import { fuzzBtf, type Seed } from "./btf_inputs.ts";

const count = Number(process.argv[2] ?? 100_000);
const seed = Number(process.argv[3] ?? Date.now() % 1_000_000);
const seeds: Seed[] = [[], ["--target=bpfeb"]].map((flags) => {
  const object = compileBpf(ALL_KINDS, flags);
  return { btf: sectionOf(object, ".BTF"), ext: sectionOf(object, ".BTF.ext") };
});
const start = performance.now();
const result = fuzzBtf(seeds, seed, count);
const seconds = ((performance.now() - start) / 1000).toFixed(1);
console.log(
  `seed ${seed}: ${result.inputs} inputs in ${seconds} s, ${result.opened} opened, slowest ${
    result.slowest.toFixed(0)
  } ms`,
);
