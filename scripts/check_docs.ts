/**
 * Goal: what a user may import is explained, and the code in the documentation works.
 *
 * Rules:
 * - Every export of mod.ts has a doc comment; the functions and classes that scripts call (those of MAIN_FOLDERS) have
 *   an @example.
 * - Every file of src/ begins with a comment that says what it does.
 * - Code fences (ts, js) in README.md, CONTRIBUTING.md and docs/, and in the doc comments of src/, type-check.
 * - A fence marked `run` also runs, on Deno and on Bun; it has to import what it uses, from "@waggle/waggle".
 * - A fence marked `ignore` says why: its first line is `// ignored: <reason>`.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import process from "node:process";
import { fencesOf } from "./lib/fences.ts";
import type { Fence } from "./lib/fences.ts";
import { filesBelow, ROOT, runCheck, textOf } from "./lib/problems.ts";
import type { Problem } from "./lib/problems.ts";

/** Where the functions and classes live that scripts call; each needs an example. */
const MAIN_FOLDERS = /^src\/(maps|load|attach|script)\//;
const BIN = join(ROOT, "node_modules/.bin");

/** The problems of the repository at `root`. */
export function checkDocs(root: string): Problem[] {
  const pages = [
    ...["README.md", "CONTRIBUTING.md"].flatMap((file) => filesBelow(root, file, /\.md$/)),
    ...filesBelow(root, "docs", /\.md$/),
  ];
  const sources = filesBelow(root, "src", /\.ts$/);
  return [
    ...exportProblems(root),
    ...headerProblems(root, sources),
    ...fenceProblems(root, [...pages, ...sources]),
    ...typeProblems(root, pages, sources),
  ];
}

interface DocDeclaration {
  readonly location: { readonly filename: string; readonly line: number };
  readonly declarationKind: string;
  readonly kind: string;
  readonly jsDoc?: { readonly doc?: string; readonly tags?: readonly { readonly kind: string }[] };
}

interface DocNode {
  readonly symbols: readonly { readonly name: string; readonly declarations: readonly DocDeclaration[] }[];
}

function exportProblems(root: string): Problem[] {
  if (filesBelow(root, "mod.ts", /\.ts$/).length === 0) return [{ file: "mod.ts", text: "is missing" }];
  const { status, stdout, stderr } = deno(root, ["doc", "--json", "mod.ts"]);
  if (status !== 0) return [{ file: "mod.ts", text: `deno doc failed: ${stderr}` }];
  const nodes = Object.values((JSON.parse(stdout) as { nodes: Record<string, DocNode> }).nodes);
  return nodes.flatMap((node) => node.symbols).flatMap(({ name, declarations }) => {
    const declared = declarations.filter((declaration) => declaration.declarationKind === "export");
    return declared.length === 0 ? [] : documentationProblems(root, name, declared);
  });
}

/** Overloads and merged declarations share one symbol: one of them has to be documented. */
function documentationProblems(root: string, name: string, declarations: readonly DocDeclaration[]): Problem[] {
  const { location } = declarations[0]!;
  const file = relative(resolve(root), new URL(location.filename).pathname);
  const problems: Problem[] = [];
  if (!declarations.some(({ jsDoc }) => jsDoc?.doc !== undefined && jsDoc.doc.trim() !== "")) {
    problems.push({ file, line: location.line + 1, text: `the export ${name} has no doc comment` });
  }
  const main = MAIN_FOLDERS.test(file) && declarations.some(({ kind }) => kind === "function" || kind === "class");
  if (main && !declarations.some(({ jsDoc }) => jsDoc?.tags?.some((tag) => tag.kind === "example"))) {
    problems.push({ file, line: location.line + 1, text: `the export ${name} has no @example` });
  }
  return problems;
}

function headerProblems(root: string, sources: readonly string[]): Problem[] {
  return sources.filter((file) => !/^(?:#!.*\n)?(?:\/\*\*|\/\/)/.test(textOf(root, file))).map((file) => ({
    file,
    line: 1,
    text: "does not begin with a comment that says what it does",
  }));
}

function fenceProblems(root: string, files: readonly string[]): Problem[] {
  const folder = join(root, ".cache/fences");
  rmSync(folder, { recursive: true, force: true });
  return files.flatMap((file) =>
    fencesOf(file, textOf(root, file)).flatMap((fence) => fenceProblem(root, file, fence))
  );
}

function fenceProblem(root: string, file: string, fence: Fence): Problem[] {
  const { words, code, line } = fence;
  if (words.includes("ignore") && !/^\s*\/\/ ignored: \S/.test(code)) {
    return [{ file, line, text: 'a fence marked "ignore" needs a first line "// ignored: <reason>"' }];
  }
  return words.includes("run") ? runFence(root, file, fence) : [];
}

/** Runs a fence from a file of its own, on both runtimes, with its imports made absolute. */
function runFence(root: string, file: string, { code, line }: Fence): Problem[] {
  const script = join(root, ".cache/fences", `${file.replaceAll("/", "_")}_${line}.ts`);
  mkdirSync(dirname(script), { recursive: true });
  const base = dirname(join(root, file));
  const absolute = code.replaceAll(/(\bfrom\s*|\bimport\s*\(?\s*)"(@waggle\/waggle|\.[^"]*)"/g, (_, head, name) => {
    return `${head}"${name === "@waggle/waggle" ? join(root, "mod.ts") : resolve(base, name)}"`;
  });
  writeFileSync(script, absolute);
  const runs = [["deno", "run", "-A", "--no-check", script], ["bun", "run", script]];
  return runs.flatMap(([runtime = "", ...args]) => {
    const { status, stderr } = spawnSync(join(BIN, runtime), args, { cwd: root, encoding: "utf8", timeout: 60_000 });
    return status === 0 ? [] : [{ file, line, text: `the fence fails on ${runtime}: ${stderr.trim()}` }];
  });
}

function typeProblems(root: string, pages: readonly string[], sources: readonly string[]): Problem[] {
  const withFences = [...pages, ...sources].filter((file) => fencesOf(file, textOf(root, file)).length > 0);
  if (withFences.length === 0) return [];
  // An example may end before it uses what it made, so the two rules on unused names do not hold here.
  const { imports, compilerOptions } = JSON.parse(textOf(root, "deno.json")) as DenoConfig;
  const config = join(root, ".cache/docs/deno.json");
  mkdirSync(dirname(config), { recursive: true });
  const absolute = Object.entries({ ...imports, "@waggle/waggle": "./mod.ts" }).map((
    [name, path],
  ) => [name, `../../${path}`]);
  writeFileSync(
    config,
    JSON.stringify({
      imports: Object.fromEntries(absolute),
      nodeModulesDir: "manual",
      compilerOptions: { ...compilerOptions, noUnusedLocals: false, noUnusedParameters: false },
    }),
  );
  const { status, stderr } = deno(root, ["check", "--quiet", `--config=${config}`, "--doc-only", ...withFences]);
  return status === 0 ? [] : [{ file: "docs", text: `code fences do not type-check:\n${stderr}` }];
}

interface DenoConfig {
  readonly imports?: Readonly<Record<string, string>>;
  readonly compilerOptions?: Readonly<Record<string, boolean>>;
}

function deno(root: string, args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  const env = { ...process.env, NO_COLOR: "1" };
  return spawnSync(join(BIN, "deno"), args, { cwd: root, env, encoding: "utf8", maxBuffer: 1 << 28 });
}

if (import.meta.main) runCheck("docs", checkDocs);
