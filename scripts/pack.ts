/**
 * Makes the npm package: what `npm publish` takes. The modules are bundled, since a runtime spends most of a short
 * script's start on 366 small files: one bundle per entry point, with shared chunks, so that a class is the same
 * whichever entry it came through. Types are those of the sources, which are in the package for this and for reading.
 *
 *     node_modules/.bin/deno run -A scripts/pack.ts [FOLDER]
 *
 * FOLDER (default .cache/npm) gets the tree `package` and the tarball, whose path is printed. Needs esbuild and npm.
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import { ROOT } from "./lib/problems.ts";

/** What is packed as it is. */
const FILES = ["mod.ts", "src", "README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"];

/** `./asm` → `./src/asm/mod.ts`. */
type Entries = Readonly<Record<string, string>>;

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly exports: Entries;
}

/** The file of an entry in `dist`, without extension: `asm`; `waggle` for the package itself. */
function bundleName(entry: string): string {
  return entry === "." ? "waggle" : entry.slice(2);
}

function bundle(exports: Entries, folder: string): void {
  const entries = Object.entries(exports).map(([entry, file]) => `${bundleName(entry)}=${file}`);
  execFileSync(`${ROOT}/node_modules/.bin/esbuild`, [
    ...entries,
    "--bundle",
    "--splitting",
    "--minify",
    "--format=esm",
    "--platform=neutral",
    "--external:node:*",
    "--log-level=warning",
    // Tells Bun that there is nothing left to transpile.
    "--banner:js=// @bun",
    `--outdir=${folder}`,
  ], { cwd: ROOT, stdio: "inherit" });
}

function packageJson(manifest: Manifest, description: string): string {
  const exports = Object.fromEntries(
    Object.entries(manifest.exports).map(([entry, file]) => [
      entry,
      { types: file, default: `./dist/${bundleName(entry)}.js` },
    ]),
  );
  const { name, version, license } = manifest;
  return `${
    JSON.stringify({ name, version, description, license, type: "module", sideEffects: false, exports }, null, 2)
  }\n`;
}

/** Makes the package in `folder`; returns the path of the tarball. */
export function pack(folder: string): string {
  const manifest = JSON.parse(readFileSync(`${ROOT}/deno.json`, "utf8")) as Manifest;
  const { description } = JSON.parse(readFileSync(`${ROOT}/package.json`, "utf8")) as { description: string };
  const tree = `${folder}/package`;
  rmSync(tree, { recursive: true, force: true });
  mkdirSync(tree, { recursive: true });
  bundle(manifest.exports, `${tree}/dist`);
  for (const file of FILES) cpSync(`${ROOT}/${file}`, `${tree}/${file}`, { recursive: true });
  writeFileSync(`${tree}/package.json`, packageJson(manifest, description));
  const made = execFileSync("npm", ["pack", "--silent", "--pack-destination", folder], { cwd: tree, encoding: "utf8" });
  return `${folder}/${made.trim()}`;
}

if (import.meta.main) console.log(pack(resolve(process.argv[2] ?? `${ROOT}/.cache/npm`)));
