/**
 * Builds the BPF objects that tests and examples carry: every .c below tests/data and every .bpf.c below examples, each
 * into the .o beside it. The objects are committed, so that neither users nor most tests need a compiler.
 *
 *     deno run -A scripts/build_testdata.ts [--check] [FILE.c...]
 *
 * `--check` compiles into .cache and fails if a committed object differs. The bytes are the same on every machine: fixed
 * clang, relative paths, DWARF stripped, and the kernel types come from scripts/include/vmlinux.h. A source whose
 * first lines say `build: eb` also gets a big-endian copy, NAME.eb.bpf.o.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The compiler's version decides the instructions; the package name is the same on Debian 12 and 13. */
const CLANG = "clang-19";
const STRIP = "llvm-strip-19";
const ROOT = fileURLToPath(new URL("..", import.meta.url));
const FOLDERS: readonly (readonly [string, RegExp])[] = [["tests/data", /\.c$/], ["examples", /\.bpf\.c$/]];

interface Output {
  readonly source: string;
  readonly object: string;
  readonly target: "bpfel" | "bpfeb";
}

function main(args: readonly string[]): number {
  process.chdir(ROOT);
  const check = args.includes("--check");
  const wanted = args.filter((arg) => !arg.startsWith("-"));
  if (!hasTool(CLANG) || !hasTool(STRIP)) return withoutCompiler(check);
  const sources = wanted.length > 0 ? wanted : findSources();
  if (sources.length === 0) return complain("no sources found");
  const outputs = sources.flatMap(outputsOf);
  const bad = outputs.filter((output) => !(check ? isUpToDate(output) : build(output, output.object)));
  const orphans = wanted.length > 0 ? [] : findOrphans(outputs);
  for (const orphan of orphans) complain(`${orphan}: has no source`);
  console.log(`${outputs.length} objects ${check ? "checked" : "built"}, ${bad.length + orphans.length} problems`);
  return bad.length + orphans.length > 0 ? 1 : 0;
}

function withoutCompiler(check: boolean): number {
  if (check && process.env["CI"] === undefined) {
    console.log(`skip: objects not compared: ${CLANG} and llvm-19 are not installed`);
    return 0;
  }
  return complain(`${CLANG} and llvm-19 are needed: apt-get install clang-19 llvm-19 libbpf-dev`);
}

function outputsOf(source: string): Output[] {
  const object = source.replace(/\.c$/, ".o");
  const outputs: Output[] = [{ source, object, target: "bpfel" }];
  const head = readFileSync(source, "utf8").split("\n", 5).join("\n");
  if (/\bbuild: eb\b/.test(head)) {
    outputs.push({ source, object: object.replace(/((?:\.bpf)?\.o)$/, ".eb$1"), target: "bpfeb" });
  }
  return outputs;
}

function build(output: Output, object: string): boolean {
  mkdirSync(dirname(object), { recursive: true });
  // CPU v3 is what Linux 5.1 and later run. asm/types.h of linux/bpf.h lives in the folder of the machine's architecture.
  const compiled = run(CLANG, [
    ...["-target", output.target, "-mcpu=v3", "-D__TARGET_ARCH_x86", "-g", "-O2", "-Wall"],
    ...["-Wno-unused-function", "-fdebug-compilation-dir=.", "-fno-ident", "-I", "scripts/include"],
    ...["x86_64", "aarch64"].flatMap((arch) => ["-idirafter", `/usr/include/${arch}-linux-gnu`]),
    ...["-c", output.source, "-o", object],
  ]);
  // Only DWARF goes; .BTF and .BTF.ext stay. -g -O2 without it would leave no BTF.
  return compiled && run(STRIP, ["-g", object]);
}

function isUpToDate(output: Output): boolean {
  const fresh = join(".cache/testdata", output.object);
  if (!build(output, fresh)) return false;
  if (!existsSync(output.object)) return complain(`${output.object}: is missing`) === 0;
  if (readFileSync(fresh).equals(readFileSync(output.object))) return true;
  return complain(`${output.object}: differs from what ${output.source} compiles to`) === 0;
}

function findSources(): string[] {
  return FOLDERS.flatMap(([folder, pattern]) => walk(folder).filter((path) => pattern.test(path)));
}

function findOrphans(outputs: readonly Output[]): string[] {
  const known = new Set(outputs.map((output) => output.object));
  return FOLDERS.flatMap(([folder]) => walk(folder)).filter((path) => path.endsWith(".o") && !known.has(path));
}

function walk(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).sort().flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? walk(path) : [path];
  });
}

function hasTool(name: string): boolean {
  return (process.env["PATH"] ?? "").split(":").some((dir) => existsSync(join(dir, name)));
}

function run(command: string, args: readonly string[]): boolean {
  const { status, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) complain(`${basename(command)} ${args.at(-1)} failed:\n${stderr}`);
  return status === 0;
}

function complain(message: string): number {
  console.error(message);
  return 1;
}

process.exit(main(process.argv.slice(2)));
