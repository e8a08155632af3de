/** Function texts as bundlers print them: esbuild and Bun, minified. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT } from "../../support/script.ts";

export type Bundler = "esbuild" | "bun";

const COMMANDS: Readonly<Record<Bundler, (input: string, output: string) => string[]>> = {
  esbuild: (input, output) => ["node_modules/.bin/esbuild", input, "--minify", "--format=esm", `--outfile=${output}`],
  bun: (input, output) => ["node_modules/.bin/bun", "build", input, "--minify", "--format=esm", `--outfile=${output}`],
};

/** Prints all functions through a bundler's minifier; in the given order. */
export async function minify(bundler: Bundler, texts: readonly string[]): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "waggle-minify-"));
  try {
    const [input, output] = [join(folder, "in.ts"), join(folder, "out.js")];
    writeFileSync(input, `export const functions = [\n${texts.map(asExpression).join(",\n")}\n];\n`);
    const [command, ...args] = COMMANDS[bundler](input, output);
    const { status, stderr } = spawnSync(command!, args, { cwd: ROOT, encoding: "utf8" });
    if (status !== 0) throw new Error(`${bundler} failed: ${stderr}`);
    if (readFileSync(output, "utf8") === "") throw new Error(`${bundler} printed nothing`);
    const module = await import(pathToFileURL(output).href) as { functions: (() => unknown)[] };
    return module.functions.map((fn) => fn.toString());
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A method's text is no expression of its own: its function is taken out of an object. */
function asExpression(text: string): string {
  const isExpression = /^(async\s+)?(function\b|\(|[\w$]+\s*=>)/.test(text) &&
    !/^[\w$]+\s*\(/.test(text.replace(/^(async\s+)?function\b/, "("));
  return isExpression ? text : `Object.values({ ${text} })[0]`;
}
