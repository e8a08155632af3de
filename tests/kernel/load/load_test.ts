import { fileURLToPath } from "node:url";
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { kernelTest } from "../../support/harness.ts";
import {
  FormatError,
  NotFoundError,
  NotSupportedError,
  SyscallError,
  VerifierError,
  WaggleError,
} from "../../../src/errors.ts";
import { BPF_MAP_TYPE_BLOOM_FILTER } from "../../../src/abi/bpf.gen.ts";
import { hasFeature } from "../../../src/kernel/features.ts";
import { tryMap } from "../../../src/kernel/probe_parts.ts";
import { kernelVersion } from "../../../src/kernel/version.ts";
import { loadObject } from "../../../src/load/load.ts";
import type { LoadedObject } from "../../../src/load/object.ts";
import type { LoadOptions } from "../../../src/load/options.ts";
import { parseObject } from "../../../src/object/parse.ts";
import { mapInfo } from "../../../src/syscall/bpf_object.ts";
import { mapLookup, mapUpdate } from "../../../src/syscall/bpf_map.ts";
import { openFdCount } from "../../../src/syscall/fd.ts";
import { exists, readFile, rmdir, unlink } from "../../../src/syscall/files.ts";

function path(name: string): string {
  return fileURLToPath(new URL(`../../data/${name}`, import.meta.url));
}

function open(name: string, options?: LoadOptions): LoadedObject {
  return loadObject(parseObject(readFile(path(name)), { name }), options);
}

function run(object: LoadedObject, program: string): number {
  return object.programs.get(program)!.testRun({ data: new Uint8Array(64) }).retval;
}

/** Options for maps.o: nothing is pinned, and no bloom filter is made where there are none (before 5.16). */
function quiet(maps: LoadOptions["maps"] = {}): NonNullable<LoadOptions["maps"]> {
  return { pinned: { pin: false }, bloom: { create: probeMapType(BPF_MAP_TYPE_BLOOM_FILTER) }, ...maps };
}

function probeMapType(type: number): boolean {
  return tryMap({ map_type: type, key_size: 0 }) !== false;
}

/** Runs `fn`, which must throw, and checks that it left no descriptor open. */
function failing<E extends Error>(fn: () => unknown, type: new (...args: never[]) => E, text: string): E {
  const before = openFdCount();
  const error = assertThrows(fn, type as never, text) as unknown as E;
  assertEquals(openFdCount(), before);
  return error;
}

kernelTest("loadObject() runs calls of every form", {}, () => {
  using object = open("object/subprogs.o", { programs: { returns_10: { autoload: hasFeature("bpf_loop") } } });
  assertEquals([run(object, "returns_5"), run(object, "returns_8")], [5, 8]);
  assertEquals([...object.programs.keys()].includes("not_autoloaded"), false);
});

kernelTest("loadObject() runs callbacks", {}, () => {
  if (!hasFeature("bpf_loop")) return; // before 5.17 no helper takes one that a socket filter may call
  using object = open("object/subprogs.o");
  assertEquals(run(object, "returns_10"), 10);
});

kernelTest("loadObject() fills slots of maps of maps and program arrays", {}, () => {
  using object = open("object/maps.o", { maps: quiet() });
  assertEquals([run(object, "returns_11"), run(object, "returns_42")], [11, 42]);
});

kernelTest("loadObject() initialises every data section and freezes constants", {}, () => {
  using object = open("object/globals.o");
  assertEquals([run(object, "returns_71"), run(object, "returns_label_1")], [71, "b".charCodeAt(0)]);
  const rodata = object.maps.get(".rodata")!;
  assertThrows(() => mapUpdate(rodata.fd.number, new Uint8Array(4), new Uint8Array(36)), SyscallError, "EPERM");
  assertEquals(object.maps.get(".rodata")!.kernelName, "globals.rodata");
  assertEquals(mapInfo(object.maps.get(".data.custom")!.fd.number).name, ".data.custom");
});

kernelTest("loadObject() sets globals by name before the verifier sees them", {}, () => {
  const globals = { label: "xyz", in_data: 110, conf: { a: 1, b: 2, c: Uint8Array.of(3, 4), d: 5n } };
  using object = open("object/globals.o", { globals });
  assertEquals([run(object, "returns_label_1"), run(object, "returns_71")], ["y".charCodeAt(0), 171]);
});

kernelTest("loadObject() resolves kconfig values and weak kernel symbols", {}, () => {
  using object = open("object/externs.o", {
    programs: { kfuncs: { autoload: false }, percpu: { autoload: false } },
    kconfig: { CONFIG_HZ: 250 },
  });
  assertEquals(run(object, "returns_version"), kernelVersion().code);
  assertEquals([run(object, "returns_1_kconfig"), run(object, "returns_1_ksyms")], [1, 1]);
});

kernelTest("loadObject() relocates against the running kernel; guarded access to a missing field loads", {
  needs: ["btf"],
}, () => {
  using object = open("object/core_guard.o");
  assertEquals(object.programs.get("guarded")!.testRun({ ctx: new Uint8Array(16) }).retval, 0);
});

kernelTest(
  "loadObject() names the field, type and kernel of an access the verifier reached",
  { needs: ["btf"] },
  () => {
    const error = failing(
      () => open("object/core_guard.o", { programs: { guarded: { autoload: false }, unguarded: { autoload: true } } }),
      VerifierError,
      "struct task_struct___no_such_kernel.no_such_field",
    );
    assertStringIncludes(error.message, `Linux ${kernelVersion().text} does not have`);
    assertStringIncludes(error.hint ?? "", "bpf_core_field_exists");
    // The source line, with file and number since Linux 6.7.
    assertStringIncludes(error.log, "bpf_get_current_task();");
    assertEquals(error.program, "unguarded");
  },
);

kernelTest("loadObject() names a missing kfunc that the verifier reached", { needs: ["btf"] }, () => {
  const error = failing(
    () =>
      open("object/core_guard.o", { programs: { guarded: { autoload: false }, calls_missing: { autoload: true } } }),
    VerifierError,
    `calls kernel function "waggle_no_such_kfunc"`,
  );
  assertStringIncludes(error.hint ?? "", "bpf_ksym_exists(waggle_no_such_kfunc)");
});

kernelTest("loadObject() names a map that was not to be created", { needs: ["btf"] }, () => {
  const programs = { guarded: { autoload: false }, uses_unmade: { autoload: true } };
  failing(
    () => open("object/core_guard.o", { programs, maps: { unmade: { create: false } } }),
    VerifierError,
    `uses map "unmade", which was not created`,
  );
});

kernelTest("loadObject() shows the last lines of the verifier, the source line and a hint", { needs: ["btf"] }, () => {
  const error = failing(
    () =>
      open("object/core_guard.o", { programs: { guarded: { autoload: false }, out_of_bounds: { autoload: true } } }),
    VerifierError,
    `Cannot load program "out_of_bounds"`,
  );
  assertStringIncludes(error.message, "return *value;");
  assertMatch(error.message, /invalid mem access '(scalar|inv)'/);
  assertStringIncludes(error.hint ?? "", "bpf_probe_read_kernel");
  assert(error.summary.length < error.log.length || error.log.split("\n").length < 12);
});

kernelTest("loadObject() says what is wrong with targets and sections", { needs: ["btf"] }, () => {
  const only = (name: string) => ({ guarded: { autoload: false }, [name]: { autoload: true } });
  failing(
    () => open("object/core_guard.o", { programs: only("no_target") }),
    NotFoundError,
    "no_such_kernel_function_anywhere",
  );
  failing(
    () => open("object/core_guard.o", { programs: only("no_section") }),
    WaggleError,
    `section "no_such_section"`,
  );
  const programs = { guarded: { autoload: false }, no_section: { autoload: true, section: "socket" } };
  using object = open("object/core_guard.o", { programs });
  assertEquals([...object.programs.keys()], ["no_section"]);
});

kernelTest("loadObject() refuses unknown names in options, with the nearest", {}, () => {
  const error = failing(
    () => open("object/maps.o", { maps: { typd: { maxEntries: 1 } } }),
    NotFoundError,
    `map "typd"`,
  );
  assertEquals(error.nearest, ["typed"]);
  failing(() => open("object/maps.o", { programs: { returns_12: {} } }), NotFoundError, `"returns_12"`);
  failing(() => open("object/globals.o", { globals: { in_dat: 1 } }), NotFoundError, `"in_dat"`);
  failing(() => open("object/globals.o", { globals: { in_data: "text" } }), TypeError, "in_data");
  failing(() => open("object/globals.o", { globals: { in_data: 2 ** 40 } }), RangeError, "in_data");
  failing(() => open("object/maps.o", { maps: { typed: { maxEntries: -1 } } }), RangeError, "maxEntries");
});

kernelTest("loadObject() refuses big-endian objects and damaged ones", {}, () => {
  failing(() => open("globals.eb.bpf.o"), NotSupportedError, "big-endian");
  failing(() => loadObject(parseObject(readFile(path("object/maps.o")).subarray(0, 3000))), FormatError, "");
});

kernelTest("loadObject() takes sizes from options and reuses maps by descriptor", {}, () => {
  const programs = { returns_11: { autoload: false }, returns_42: { autoload: false } };
  using first = open("object/maps.o", { maps: quiet({ typed: { maxEntries: 7 }, outer: { innerMaxEntries: 4 } }) });
  assertEquals(mapInfo(first.maps.get("typed")!.fd.number).max_entries, 7);
  const typed = first.maps.get("typed")!;
  const value = new Uint8Array(24).fill(9);
  mapUpdate(typed.fd.number, new Uint8Array(8), value);
  const reuse = quiet({ typed: { maxEntries: 7, reuse: typed.fd } });
  using second = open("object/maps.o", { maps: reuse, programs });
  const seen = new Uint8Array(24);
  assert(mapLookup(second.maps.get("typed")!.fd.number, new Uint8Array(8), seen));
  assertEquals(seen, value);
  failing(
    () => open("object/maps.o", { maps: quiet({ typed: { reuse: typed.fd } }), programs }),
    WaggleError,
    "its max_entries is 7, not 128",
  );
});

kernelTest("loadObject() pins by name, finds the pin again, and takes a new pin back when it fails", {}, () => {
  const pinDirectory = `/sys/fs/bpf/waggle_load_test_${Math.random().toString(36).slice(2)}`;
  const pin = `${pinDirectory}/pinned`;
  const maps = { bloom: { create: probeMapType(BPF_MAP_TYPE_BLOOM_FILTER) } };
  const programs = { returns_11: { autoload: false }, returns_42: { autoload: false } };
  let id: number;
  {
    using first = open("object/maps.o", { pinDirectory, programs, maps });
    id = mapInfo(first.maps.get("pinned")!.fd.number).id;
  }
  assert(exists(pin));
  {
    using second = open("object/maps.o", { pinDirectory, programs, maps });
    const map = second.maps.get("pinned")!;
    assertEquals([map.reused, mapInfo(map.fd.number).id, map.pinPath], [true, id, pin]);
  }
  failing(
    () => open("object/maps.o", { pinDirectory, programs, maps: { ...maps, pinned: { maxEntries: 2 } } }),
    WaggleError,
    `its max_entries is 1, not 2`,
  );
  removeDirectory(pinDirectory, ["pinned"]);
  failing(
    () => open("object/maps.o", { pinDirectory, maps: { ...maps, outer: { create: false } } }),
    WaggleError,
    "",
  );
  assertEquals(exists(pin), false);
  removeDirectory(pinDirectory, []);
});

kernelTest("loadObject() hands contexts to global functions, on kernels that know the tag and others", {
  needs: ["btf"],
}, () => {
  using object = open("object/arg_ctx.o");
  assertEquals(object.programs.get("from_xdp")!.testRun({ data: new Uint8Array(64) }).retval, 2);
  assertEquals(object.programs.get("from_raw_tp")!.testRun({ ctx: new Uint8Array(16) }).retval, 1);
});

kernelTest("LoadedProgram shows id, log, instructions; closing it is idempotent", {}, () => {
  const object = open("object/subprogs.o", { logLevel: 1, programs: { returns_10: { autoload: false } } });
  const program = object.programs.get("returns_5")!;
  assert(program.id > 0);
  assertStringIncludes(program.verifierLog, "processed");
  assertEquals(program.instructionCount, program.insns.length / 8);
  assertEquals(program.info().name, "returns_5");
  object.close();
  object.close();
  assertThrows(() => program.fd, TypeError, "closed");
});

function removeDirectory(directory: string, files: readonly string[]): void {
  for (const file of files) unlink(`${directory}/${file}`);
  rmdir(directory);
}
