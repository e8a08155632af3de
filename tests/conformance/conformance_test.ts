import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { assert, assertEquals } from "@std/assert";
import { kernelTest, skippedTest } from "../support/harness.ts";
import { buildDump, compareObject } from "./compare.ts";
import { isException } from "./exceptions.ts";

const DATA = fileURLToPath(new URL("../data/", import.meta.url));
const FOLDERS = [DATA, `${DATA}object/`];

const dump = buildDump();
if (dump === undefined) {
  skippedTest("objects of tests/data load as with libbpf", "needs a C compiler and libbpf-dev");
} else {
  kernelTest("objects of tests/data load as with libbpf: maps, programs, instructions", { needs: ["btf"] }, () => {
    const files = FOLDERS.flatMap((folder) =>
      readdirSync(folder).filter((f) => f.endsWith(".o")).map((f) => folder + f)
    );
    assert(files.length > 20);
    let loaded = 0;
    for (const file of files) {
      const { differences, bothLoad } = compareObject(dump, file);
      assertEquals(differences.filter((d) => !isException(file, d)), [], file);
      loaded += bothLoad;
    }
    assert(loaded > 30, `only ${loaded} programs were loaded`);
  });

  kernelTest("CO-RE against given types gives the instructions that libbpf makes", {}, () => {
    for (const name of ["core_fields", "core_types", "core_enums"]) {
      const result = compareObject(dump, `${DATA}${name}.bpf.o`, `${DATA}core_target.bpf.o`);
      assertEquals(result.differences, [], name);
      assert(result.programs > 0);
    }
  });
}
