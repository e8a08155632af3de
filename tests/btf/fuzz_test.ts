import { assert } from "@std/assert";
import type { BtfType } from "../../src/btf/types.ts";
import { BtfBuilder } from "../../src/btf/write.ts";
import { test } from "../support/harness.ts";
import { fuzzBtf, type Seed } from "../fuzz/btf_inputs.ts";
import { ALL_KINDS, compileBpf, sectionOf, toolTest } from "./support.ts";

toolTest("damaged BTF gives an answer or a `FormatError`, from clang's BTF", ["clang-19"], () => {
  const seeds: Seed[] = [[], ["--target=bpfeb"]].map((flags) => {
    const object = compileBpf(ALL_KINDS, flags);
    return { btf: sectionOf(object, ".BTF"), ext: sectionOf(object, ".BTF.ext") };
  });
  const result = fuzzBtf(seeds, 20261122, 1500);
  assert(result.opened > 200 && result.opened < 1400, `${result.opened} opened`);
});

test("damaged BTF gives an answer or a `FormatError`, from graphs that multiply", () => {
  const builder = new BtfBuilder();
  const member = (type: number, i: number): { name: string; type: number; bitOffset: number; bitSize: number } => ({
    name: "",
    type,
    bitOffset: i * 64,
    bitSize: 0,
  });
  // Anonymous structs of two anonymous structs, and prototypes of prototypes: 2^30 ways through 60 types.
  for (let i = 0; i < 30; i++) {
    builder.add({ kind: "STRUCT", name: "", size: 16, kflag: false, members: [member(i + 2, 0), member(i + 2, 1)] });
  }
  builder.add({ kind: "INT", name: "int", size: 4, bits: 32, bitOffset: 0, signed: true, char: false, bool: false });
  for (let i = 0; i < 30; i++) {
    const params = [{ name: "a", type: 32 + i * 2 + 3 }, { name: "b", type: 32 + i * 2 + 3 }];
    builder.add({ kind: "FUNC_PROTO", name: "", type: 0, params });
    builder.add({ kind: "PTR", name: "", type: 32 + i * 2 } satisfies BtfType);
  }
  builder.add({ kind: "TYPEDEF", name: "all", type: 33 });
  builder.add({ kind: "TYPEDEF", name: "all", type: 1 });
  fuzzBtf([{ btf: builder.toBytes(), ext: undefined }], 7, 100);
});
