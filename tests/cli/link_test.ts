/** `waggle link` as a command: inputs of every kind, options, exit statuses. What linking does is tested in tests/object. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseObject } from "../../src/object/parse.ts";
import { test } from "../support/harness.ts";
import { environment, run, RUN_LLVM, toolTest, waggle, waggleCommand, withFolder } from "./support.ts";

const CLANG = "clang-19";
const LLVM = ["clang-19", "llvm-link-19", "opt-19", "llc-19", "llvm-ar-19"];

const MAIN = `
#define SEC(name) __attribute__((section(name), used))
extern int helper(int x);
SEC("socket") int prog(void *ctx) { return helper(*(int *)ctx); }
char LICENSE[] SEC("license") = "GPL";
`;
const HELPER = `
__attribute__((noinline)) int helper(int x) { return x * 3 + 1; }
__attribute__((noinline)) int unused(int x) { return x - 1; }
`;

/** Compiles a source; the ending of `out` says to what. */
function compile(folder: string, source: string, out: string, ...flags: string[]): string {
  const path = `${folder}/${out}`;
  writeFileSync(`${path}.c`, source);
  const emit = out.endsWith(".ll") ? ["-S", "-emit-llvm"] : out.endsWith(".bc") ? ["-c", "-emit-llvm"] : ["-c"];
  run(CLANG, "-O2", "-g", "-target", "bpf", ...emit, ...flags, `${path}.c`, "-o", path);
  return path;
}

function functionsOf(path: string): string[] {
  const spec = parseObject(new Uint8Array(readFileSync(path)), { name: path });
  return [...spec.programs, ...spec.subprograms].map((fn) => fn.name);
}

toolTest("objects and archives of them link with `--allow-ffi` alone", [CLANG, "llvm-ar-19"], () => {
  withFolder((folder) => {
    const [a, b] = [compile(folder, MAIN, "a.o"), compile(folder, HELPER, "b.o")];
    run("llvm-ar-19", "rc", `${folder}/lib.a`, b);
    assertEquals(waggle(["link", a, b, "-o", `${folder}/1.o`]), { status: 0, stdout: "", stderr: "" });
    assertEquals(waggle(["link", a, `${folder}/lib.a`, `--output=${folder}/2.o`]).status, 0);
    assertEquals(functionsOf(`${folder}/1.o`), ["prog", "helper", "unused"]);
    assertEquals(readFileSync(`${folder}/1.o`).equals(readFileSync(`${folder}/2.o`)), true);
    assertEquals(waggle(["link", a, b, "-o", `${folder}/3.o`, "--gc-sections", "--export", "prog"]).status, 0);
    assertEquals(functionsOf(`${folder}/3.o`), ["prog", "helper"]);
    assertEquals(waggle(["link", a, b, "-o", `${folder}/4.o`, "--no-btf"]).status, 0);
    assert(!run("llvm-readelf-19", "-S", `${folder}/4.o`).includes(".BTF"), "BTF is still there");
  });
});

toolTest("`--whole-archive` holds for the archives that follow", [CLANG, "llvm-ar-19"], () => {
  withFolder((folder) => {
    const a = compile(folder, 'char LICENSE[] __attribute__((section("license"))) = "GPL";', "a.o");
    run("llvm-ar-19", "rc", `${folder}/lib.a`, compile(folder, HELPER, "b.o"));
    const linked = (...args: string[]) => {
      assertEquals(waggle(["link", a, ...args, "-o", `${folder}/out.o`]).status, 0);
      return run("llvm-readelf-19", "-s", `${folder}/out.o`).includes("helper");
    };
    assertEquals(linked(`${folder}/lib.a`), false);
    assertEquals(linked("--whole-archive", `${folder}/lib.a`), true);
    assertEquals(linked("--whole-archive", "--no-whole-archive", `${folder}/lib.a`), false);
  });
});

toolTest("bitcode, textual IR, embedded bitcode and archives of them are compiled and joined", LLVM, () => {
  withFolder((folder) => {
    const object = compile(folder, MAIN, "a.o");
    const inputs = [
      compile(folder, HELPER, "b.bc"),
      compile(folder, HELPER, "b.ll"),
      compile(folder, HELPER, "b.o", "-fembed-bitcode=all"),
    ];
    run("llvm-ar-19", "rc", `${folder}/lib.a`, inputs[0]!);
    for (const input of [...inputs, `${folder}/lib.a`]) {
      const out = `${folder}/out.o`;
      assertEquals(waggle(["link", object, input, "-o", out], RUN_LLVM), { status: 0, stdout: "", stderr: "" }, input);
      assertEquals(functionsOf(out), ["prog", "helper", "unused"], input);
      assertStringIncludes(run("llvm-readelf-19", "-S", out), ".BTF.ext");
    }
  });
});

toolTest("bpf-linker's options decide what LLVM does", LLVM, () => {
  withFolder((folder) => {
    const inputs = [compile(folder, MAIN, "a.bc"), compile(folder, HELPER, "b.bc")];
    const out = `${folder}/out`;
    const rust = ["-flavor", "bpf", "-L", "/lib", "--debug", "--cpu", "v3", "-O3", "--log-level=info"];
    writeFileSync(`${folder}/symbols`, "prog\nLICENSE\n");
    const args = ["link", ...inputs, ...rust, "--export-symbols", `${folder}/symbols`, "-o", out];
    assertEquals(waggle(args, RUN_LLVM).status, 0);
    assertEquals(functionsOf(out), ["prog", "helper"]);
    assertEquals(waggle([...args, "--ignore-inline-never", "--dump-module", `${folder}/dump`], RUN_LLVM).status, 0);
    assertEquals(functionsOf(out), ["prog"]);
    assertStringIncludes(readFileSync(`${folder}/dump/pre-opt.ll`, "utf8"), "@helper(");
    assertEquals(readFileSync(`${folder}/dump/post-opt.ll`, "utf8").includes("@helper("), false);
    for (const [emit, start] of [["asm", "\t"], ["llvm-ir", "; ModuleID"], ["llvm-bc", "BC"]] as const) {
      assertEquals(waggle([...args, "--emit", emit], RUN_LLVM).status, 0);
      assertEquals(readFileSync(out, "latin1").startsWith(start), true, emit);
    }
    const wrong = waggle([...args, "--llvm-args=--no-such-option"], RUN_LLVM);
    assertEquals(wrong.status, 1);
    assertStringIncludes(wrong.stderr, "no-such-option");
  });
});

toolTest("without LLVM the error says what to install", [CLANG], () => {
  withFolder((folder) => {
    const input = compile(folder, HELPER, "b.bc");
    const { status, stderr } = waggle(["link", input, "-o", `${folder}/x.o`, "--llvm-bin", folder], RUN_LLVM);
    assertEquals([status, existsSync(`${folder}/x.o`)], [1, false]);
    assertStringIncludes(stderr, "apt install llvm");
    const bare = waggle(["link", input, "-o", `${folder}/x.o`], RUN_LLVM, { PATH: folder });
    assertEquals([bare.status, existsSync(`${folder}/x.o`)], [1, false]);
    assertStringIncludes(bare.stderr, "llvm-link, opt and llc are not installed");
    assertStringIncludes(bare.stderr, "dnf install llvm");
  });
});

toolTest("every option of bpf-linker is taken, in its spelling", [CLANG], () => {
  withFolder((folder) => {
    const input = compile(folder, MAIN + HELPER, "a.o");
    writeFileSync(`${folder}/symbols`, "prog\n");
    const spellings = [
      [
        "--target=bpfel",
        "--cpu=generic",
        "--cpu-features=+alu32,-dwarfris",
        "--emit=obj,asm",
        "--btf",
        "-O",
        "3",
        "-Os",
      ],
      ["--target", "bpf", "--cpu", "probe", "--cpu-features", "+alu32", "--emit", "obj", "--emit", "llvm-ir", "-Oz"],
      ["--allow-bpf-trap", "-L", folder, `-L${folder}`, "--log-file", `${folder}/log`, "--log-level", "trace", "-O0"],
      ["--unroll-loops", "--ignore-inline-never", "--dump-module", folder, "--llvm-args=-a,-b", "--llvm-args", "-c"],
      ["--disable-expand-memcpy-in-order", "--disable-memory-builtins", "--fatal-errors", "true", "--debug"],
      ["--export", "prog,LICENSE", "--export=helper", "--export-symbols", `${folder}/symbols`, "-flavor", "bpf"],
      ["--optimize=2", "--output", `${folder}/other.o`, "--library-path", folder, "-g", "-s"],
    ];
    for (const words of spellings) {
      const result = waggle(["link", "-o", `${folder}/out.o`, ...words, input]);
      assertEquals([result.status, result.stderr], [0, ""], words.join(" "));
    }
    assertEquals(existsSync(`${folder}/other.o`), true);
  });
});

const RUST = `#![feature(no_core, lang_items)]
#![no_core]
#![no_main]
#![allow(internal_features)]
#[lang = "pointee_sized"] pub trait PointeeSized {}
#[lang = "meta_sized"] pub trait MetaSized: PointeeSized {}
#[lang = "sized"] pub trait Sized: MetaSized {}
#[lang = "copy"] pub trait Copy {}
#[lang = "sync"] pub trait Sync {}
#[lang = "drop_in_place"] unsafe fn drop_in_place<T: PointeeSized>(_p: *mut T) {}
impl Sync for [u8; 4] {}
impl Copy for u32 {}
unsafe extern "C" { fn helper(x: u32) -> u32; }
#[no_mangle] #[link_section = "license"] pub static LICENSE: [u8; 4] = [71, 80, 76, 0];
#[no_mangle] #[link_section = "xdp"] pub fn pass(_ctx: *const u8) -> u32 { unsafe { helper(2) } }
`;

toolTest("a Rust build takes the command as its linker, together with C", [...LLVM, "rustc"], () => {
  withFolder((folder) => {
    const [source, linker, out] = [`${folder}/p.rs`, `${folder}/waggle-linker`, `${folder}/p.o`];
    writeFileSync(source, RUST);
    const words = waggleCommand(["link"], RUN_LLVM).map((word) => `'${word}'`).join(" ");
    writeFileSync(linker, `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
    const helper = compile(folder, HELPER, "h.o");
    const flags = ["-Cpanic=abort", "-Cdebuginfo=2", `-Clinker=${linker}`, `-Clink-arg=${helper}`];
    const args = ["--target=bpfel-unknown-none", "--crate-type=bin", ...flags, "-Clink-arg=--gc-sections", "-o", out];
    const { status, stderr } = spawnSync("rustc", [...args, source], {
      encoding: "utf8",
      env: { ...environment(), RUSTC_BOOTSTRAP: "1" },
    });
    // rustc's bitcode needs an LLVM of its age; without one the message must say so.
    if (status !== 0) assertStringIncludes(stderr, "bitcode of a newer LLVM than");
    else assertEquals(functionsOf(out), ["pass", "helper"]);
  });
});

toolTest("what cannot be linked is refused by name, and nothing is written", [CLANG], () => {
  withFolder((folder) => {
    writeFileSync(`${folder}/note.txt`, "hello");
    const out = `${folder}/x.o`;
    const unknown = waggle(["link", `${folder}/note.txt`, "-o", out]);
    assertEquals([unknown.status, existsSync(out)], [1, false]);
    assertStringIncludes(unknown.stderr, 'note.txt": it is no BPF object');
    const [a, b] = [compile(folder, HELPER, "a.o"), compile(folder, HELPER, "b.o")];
    const twice = waggle(["link", a, b, "-o", out]);
    assertEquals([twice.status, existsSync(out)], [1, false]);
    assertStringIncludes(twice.stderr, "helper");
    const emit = waggle(["link", a, "-o", out, "--emit", "asm"]);
    assertEquals(emit.status, 1);
    const open = waggle(["link", compile(folder, MAIN, "m.o"), "-o", out]);
    assertEquals([open.status, existsSync(out)], [0, true]);
    assertStringIncludes(open.stderr, 'warning: extern "helper" is not defined');
    const same = compile(folder, HELPER, "same.o");
    assertEquals(waggle(["link", same, "-o", same]).status, 0);
    assertEquals(functionsOf(same), ["helper", "unused"]);
  });
});

test("wrong arguments end with status 2, missing files with 1", () => {
  assertEquals(waggle(["link"]).status, 2);
  assertEquals(waggle(["link", "a.o"]).status, 2);
  assertEquals(waggle(["link", "a.o", "-o", "x", "--emit", "exe"]).status, 2);
  const missing = waggle(["link", "/no/such.o", "-o", "/tmp/x.o"]);
  assertEquals(missing.status, 1);
  assert(/Cannot (open|read) "\/no\/such.o": .*ENOENT/.test(missing.stderr), missing.stderr);
  const unknown = waggle(["lnk"]);
  assertEquals(unknown.status, 2);
  assertStringIncludes(unknown.stderr, 'did you mean "link"?');
  assertEquals(waggle([]).status, 2);
  const help = waggle(["link", "--help"]);
  assertEquals(help.status, 0);
  for (const option of ["--export-symbols FILE", "--dump-module DIR", "-O, --optimize"]) {
    assertStringIncludes(help.stdout, option);
  }
  assertStringIncludes(waggle(["--help"]).stdout, "probes");
  assertEquals(waggle(["--version"]).stdout, "waggle 0.1.0\n");
});
