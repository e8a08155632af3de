/**
 * Goal: the layers stay layers, and only one folder knows that runtimes differ.
 *
 * Rules:
 * - A file below src/ imports its own folder and folders of a lower rank (RANKS; CONTRIBUTING.md has the same table).
 * - A pure folder imports only pure folders.
 * - src/ imports no package: no npm, jsr, node, bun or bare names. src/syscall/runtime/ alone may use node and bun ones.
 * - `Deno`, `Bun`, `process` and their like are named only below src/syscall/runtime/.
 * - src/cli imports the public entry points (mod.ts, src/errors.ts, src/<folder>/mod.ts) and what linking alone needs of
 *   them (CLI_PARTS), examples import mod.ts and node:*; nothing else in src/ imports mod.ts, and nothing tests or scripts.
 * - No file imports itself by a detour (types aside, which vanish).
 * Static and dynamic imports count alike.
 */
import { dirname, join, normalize } from "node:path";
import { filesBelow, runCheck, textOf } from "./lib/problems.ts";
import type { Problem } from "./lib/problems.ts";
import { importsOf, lineAt, mask } from "./lib/source.ts";

/** Rank and purity of each folder of src/. */
export const RANKS: Readonly<Record<string, { readonly rank: number; readonly pure: boolean }>> = {
  "errors.ts": { rank: 0, pure: true },
  bytes: { rank: 0, pure: true },
  abi: { rank: 1, pure: true },
  asm: { rank: 2, pure: true },
  btf: { rank: 2, pure: true },
  syscall: { rank: 2, pure: false },
  object: { rank: 3, pure: true },
  compiler: { rank: 4, pure: true },
  kernel: { rank: 4, pure: false },
  maps: { rank: 5, pure: false },
  load: { rank: 6, pure: false },
  attach: { rank: 7, pure: false },
  script: { rank: 8, pure: false },
  cli: { rank: 9, pure: false },
};

/** Parts of entry points, for a command whose start-up time is that of the modules it loads. */
const CLI_PARTS: readonly string[] = ["src/object/linker.ts", "src/syscall/command_line.ts"];

const RUNTIME_FOLDER = "src/syscall/runtime/";
const RUNTIME_WORDS =
  /\b(?:Deno|Bun|process)\s*(?:\?\.|\.|\[)|\bglobalThis\s*(?:\?\.|\.|\[)\s*(?:Deno|Bun|process)\b|\brequire\s*\(/g;

/** The problems of the repository at `root`. */
export function checkImports(root: string): Problem[] {
  const files = [
    ...filesBelow(root, "mod.ts", /\.ts$/),
    ...filesBelow(root, "src", /\.ts$/),
    ...filesBelow(root, "examples", /\.ts$/),
  ];
  const problems: Problem[] = [];
  const graph = new Map<string, string[]>();
  for (const file of files) {
    const text = textOf(root, file);
    const targets: string[] = [];
    for (const { specifier, line, typeOnly } of importsOf(text)) {
      const target = specifier.startsWith(".") ? normalize(join(dirname(file), specifier)) : undefined;
      if (target !== undefined && !typeOnly) targets.push(target);
      const wrong = target === undefined ? packageProblem(file, specifier) : edgeProblem(file, target);
      if (wrong !== undefined) problems.push({ file, line, text: wrong });
    }
    graph.set(file, targets);
    problems.push(...runtimeWords(file, text));
  }
  return [...problems, ...cycles(graph)];
}

function packageProblem(file: string, specifier: string): string | undefined {
  if (file.startsWith("examples/")) {
    return specifier.startsWith("node:") ? undefined : `imports "${specifier}": examples use mod.ts and node:* only`;
  }
  if (file.startsWith(RUNTIME_FOLDER) && /^(node|bun):/.test(specifier)) return undefined;
  return `imports the package "${specifier}": the library has no dependency`;
}

function edgeProblem(file: string, target: string): string | undefined {
  if (file.startsWith("examples/")) {
    if (target === "mod.ts" || target.startsWith("examples/")) return undefined;
    return `imports ${target}: examples use the public mod.ts`;
  }
  if (file === "mod.ts") {
    return target.startsWith("src/") && !target.startsWith("src/cli/")
      ? undefined
      : `imports ${target}: mod.ts re-exports src/`;
  }
  const from = folderOf(file);
  if (!target.startsWith("src/")) {
    return from === "cli" && target === "mod.ts" ? undefined : `imports ${target}, which is outside src/`;
  }
  return from === "cli" && folderOf(target) !== "cli" && !/^src\/(\w+\/mod|errors)\.ts$/.test(target) &&
      !CLI_PARTS.includes(target)
    ? "the command imports public entry points only: mod.ts, src/errors.ts, src/<folder>/mod.ts"
    : rankProblem(from, folderOf(target));
}

function rankProblem(from: string, to: string): string | undefined {
  const importer = RANKS[from];
  const imported = RANKS[to];
  if (importer === undefined || imported === undefined) {
    return `src/${importer === undefined ? from : to} has no rank: add it to RANKS`;
  }
  if (from === to || to === "errors.ts") return undefined;
  if (imported.rank >= importer.rank) {
    return `${from} (rank ${importer.rank}) imports ${to} (rank ${imported.rank}): only lower ranks`;
  }
  if (importer.pure && !imported.pure) return `${from} is pure and imports ${to}, which touches the machine`;
  return undefined;
}

function folderOf(file: string): string {
  return file.split("/")[1] ?? file;
}

function runtimeWords(file: string, text: string): Problem[] {
  if (!file.startsWith("src/") || file.startsWith(RUNTIME_FOLDER)) return [];
  return [...mask(text).matchAll(RUNTIME_WORDS)].map((match) => ({
    file,
    line: lineAt(text, match.index),
    text: `names the runtime ("${match[0]}") outside ${RUNTIME_FOLDER}`,
  }));
}

/**
 * One problem for each set of files that reach each other: Tarjan's strongly connected components, with one way round
 * as the text.
 */
function cycles(graph: ReadonlyMap<string, readonly string[]>): Problem[] {
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const problems: Problem[] = [];
  const visit = (file: string) => {
    order.set(file, order.size);
    low.set(file, order.get(file)!);
    stack.push(file);
    for (const target of graph.get(file) ?? []) {
      if (!graph.has(target)) continue;
      if (!order.has(target)) visit(target);
      if (stack.includes(target)) low.set(file, Math.min(low.get(file)!, low.get(target)!));
    }
    if (low.get(file) !== order.get(file)) return;
    const component = new Set(stack.splice(stack.indexOf(file)));
    if (component.size > 1 || graph.get(file)?.includes(file)) problems.push(cycleProblem(graph, file, component));
  };
  for (const file of graph.keys()) if (!order.has(file)) visit(file);
  return problems;
}

/** The shortest way from `start` back to itself inside its component, by breadth-first search. */
function cycleProblem(
  graph: ReadonlyMap<string, readonly string[]>,
  start: string,
  component: ReadonlySet<string>,
): Problem {
  const ways: string[][] = [[start]];
  for (const way of ways) {
    for (const target of graph.get(way.at(-1)!) ?? []) {
      if (target === start) {
        const others = component.size > way.length ? ` (${component.size} files reach each other)` : "";
        return { file: start, text: `imports itself: ${[...way, start].join(" → ")}${others}` };
      }
      if (component.has(target) && !ways.some((other) => other.at(-1) === target)) ways.push([...way, target]);
    }
  }
  return { file: start, text: "imports itself" };
}

if (import.meta.main) runCheck("imports", checkImports);
