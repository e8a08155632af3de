/**
 * The object of an example: the example's own definition, compiled instead of loaded. The script's text up to its call of
 * `bpf` is taken as it is, `main` left out, with `compile` in place of `bpf`.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import type { CompiledScript } from "../../src/script/compile.ts";
import { ROOT } from "./script.ts";

/** The examples that are one file with kernel functions; libbpf knows the section of tcp-window from 1.2 on only. */
export const EXAMPLES: readonly string[] = [
  "bashreadline",
  "biolatency",
  "execsnoop",
  "killsnoop",
  "opensnoop",
  "profile",
  "runqlat",
  "slow-syscalls",
  "sslsniff",
  "statsnoop",
  "syscount",
  "tc-count",
  "tcpconnect",
  "tcplife",
  "vfsstat",
  "xdp-drop",
];

/** Compiles an example. */
export async function exampleObject(name: string): Promise<CompiledScript> {
  const text = readFileSync(`${ROOT}examples/${name}.ts`, "utf8");
  const call = /^( *)using tracer = bpf\(\{[^]*?^\1\}\);$/m.exec(text);
  if (call === null) throw new Error(`${name}.ts does not look like an example`);
  const module = text.slice(0, call.index).replace(/^async function main\([^]*/m, "")
    .replace(/\bbpf\b(?=[^{}]*\} from "\.\.\/mod\.ts")/, "compile")
    .replace(`"../mod.ts"`, JSON.stringify(`${ROOT}mod.ts`)) +
    call[0].replace("using tracer = bpf({", "export const object = compile({").trimStart();
  const folder = mkdtempSync("/tmp/waggle-example-");
  // Examples read their options from the command line.
  const own = process.argv.splice(2);
  try {
    writeFileSync(`${folder}/${name}.ts`, module);
    const { object } = await import(`${folder}/${name}.ts`) as { object: CompiledScript };
    return object;
  } finally {
    process.argv.push(...own);
    rmSync(folder, { recursive: true });
  }
}
