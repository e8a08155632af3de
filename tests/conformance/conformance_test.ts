import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assert, assertEquals } from "@std/assert";
import { kernelTest, skippedTest } from "../support/harness.ts";
import { buildDump, compareObject } from "./compare.ts";
import { isException } from "./exceptions.ts";

const DATA = fileURLToPath(new URL("../data/", import.meta.url));
const FOLDERS = [DATA, `${DATA}object/`];

/** The objects of a folder, compared; how many programs both load. */
function compareFolders(folders: readonly string[], dump: string): { files: number; loaded: number } {
  const files = folders.flatMap((folder) => readdirSync(folder).filter((f) => f.endsWith(".o")).map((f) => folder + f));
  let loaded = 0;
  for (const file of files) {
    const { differences, bothLoad } = compareObject(dump, file);
    assertEquals(differences.filter((d) => !isException(file, d)), [], file);
    loaded += bothLoad;
  }
  return { files: files.length, loaded };
}

/** Objects that Debian packages ship, or why they could not be fetched. */
function packagedObjects(): string | Error {
  try {
    const script = fileURLToPath(new URL("./packages", import.meta.url));
    return `${execFileSync(script, { stdio: ["ignore", "pipe", "pipe"] }).toString().trim()}/`;
  } catch (error) {
    return error as Error;
  }
}

const dump = buildDump();
const corpus = process.env["WAGGLE_CORPUS"];
if (dump === undefined) {
  skippedTest("objects of tests/data load as with libbpf", "needs a C compiler and libbpf-dev");
} else {
  kernelTest("objects of tests/data load as with libbpf: maps, programs, instructions", { needs: ["btf"] }, () => {
    const { files, loaded } = compareFolders(FOLDERS, dump);
    assert(files > 20);
    assert(loaded > 30, `only ${loaded} programs were loaded`);
  });

  const packaged = packagedObjects();
  if (typeof packaged !== "string") {
    skippedTest("objects of Debian packages load as with libbpf", `needs apt and its mirror: ${packaged.message}`);
  } else {
    kernelTest("objects of Debian packages load as with libbpf", { needs: ["btf"] }, () => {
      const { files, loaded } = compareFolders([packaged], dump);
      assert(files >= 20 && loaded >= 10, `only ${loaded} programs of ${files} objects were loaded`);
    });
  }

  // The whole of the kernel's own test programs takes half an hour: `tests/conformance/corpus` builds the folder.
  if (corpus !== undefined) {
    kernelTest(`objects of ${corpus} load as with libbpf`, { needs: ["btf"] }, () => {
      const { files, loaded } = compareFolders([`${corpus}/`], dump);
      assert(files > 0 && loaded > 0, `${loaded} programs of ${files} objects were loaded`);
    });
  }

  kernelTest("CO-RE against given types gives the instructions that libbpf makes", {}, () => {
    for (const name of ["core_fields", "core_types", "core_enums"]) {
      const result = compareObject(dump, `${DATA}${name}.bpf.o`, `${DATA}core_target.bpf.o`);
      assertEquals(result.differences, [], name);
      assert(result.programs > 0);
    }
  });
}
