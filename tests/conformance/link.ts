/**
 * Links with waggle and with other linkers, and prints a table of what came out.
 *
 *     tests/conformance/corpus                                        # the kernel's selftests as objects, minutes
 *     WAGGLE_LIBBPF=$(tests/conformance/libbpf) deno run -A tests/conformance/link.ts [--splits N] [--pairs] [FOLDER]
 *
 * Cases are those that the kernel's own Makefile links (LINKED_SKELS), and N random programs split into files
 * (link_split.ts) whose results must be those of the program in one file; with --pairs instead all objects of FOLDER,
 * alone and two by two (link_pairs.ts). Needs root, clang-19, bpftool. Ends with status
 * 1 if anything is wrong with waggle's objects or not the same as the last judge's.
 */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { compileBpf } from "../btf/support.ts";
import { buildDump } from "./compare.ts";
import { compareLink, type LinkRow } from "./link_compare.ts";
import { judges } from "./link_judge.ts";
import { comparePairs } from "./link_pairs.ts";
import { runLinked } from "./link_run.ts";
import { randomSplit } from "./link_split.ts";

/** tools/testing/selftests/bpf/Makefile, Linux 6.12. */
const SELFTESTS: Readonly<Record<string, readonly string[]>> = {
  test_static_linked: ["test_static_linked1", "test_static_linked2"],
  linked_funcs: ["linked_funcs1", "linked_funcs2"],
  linked_vars: ["linked_vars1", "linked_vars2"],
  linked_maps: ["linked_maps1", "linked_maps2"],
  test_subskeleton: ["test_subskeleton_lib2", "test_subskeleton_lib", "test_subskeleton"],
  test_subskeleton_lib: ["test_subskeleton_lib2", "test_subskeleton_lib"],
  test_usdt: ["test_usdt", "test_usdt_multispec"],
  xsk_xdp_progs: ["xsk_xdp_progs"],
  xdp_hw_metadata: ["xdp_hw_metadata"],
  xdp_features: ["xdp_features"],
};

const args = process.argv.slice(2);
const at = args.indexOf("--splits");
const splits = at < 0 ? 0 : Number(args.splice(at, 2)[1]);
const pairsAt = args.indexOf("--pairs");
if (pairsAt >= 0) args.splice(pairsAt, 1);
const folder = args[0] ?? join(homedir(), ".cache/waggle-corpus/v3");
const all = judges();
const dump = buildDump();

function report(row: LinkRow): boolean {
  const last = row.judges.at(-1);
  const verdict = row.judges.map((j) => {
    const same = j.refuses !== undefined ? "refuses" : j.differences.length === 0 ? "equal" : "differs";
    return `${same}, ${j.types} types, ${j.load} load`;
  });
  console.log(
    `| ${[row.name, row.files, row.programs, row.load, row.refused, row.types, ...verdict].join(" | ")} |`,
  );
  for (const text of row.problems) console.log(`!  ${text}`);
  for (const j of row.judges) for (const text of j.differences) console.log(`   ${j.name}: ${text.slice(0, 600)}`);
  return row.problems.length === 0 && (last === undefined || last.differences.length === 0);
}

function selftest(name: string): LinkRow | undefined {
  const paths = SELFTESTS[name]!.map((file) => join(folder, `${file}.bpf.o`));
  const missing = paths.find((path) => !existsSync(path));
  if (missing !== undefined) {
    console.log(`| ${name} | not built: ${missing} |`);
    return undefined;
  }
  const inputs = paths.map((path) => ({ name: path, bytes: new Uint8Array(readFileSync(path)) }));
  return compareLink(name, inputs, all, dump);
}

function split(seed: number): LinkRow {
  const { whole, parts, programs } = randomSplit(seed);
  const inputs = parts.map((text, i) => ({ name: `${i}.o`, bytes: compileBpf(text, ["-w"]) }));
  const row = compareLink(`split ${seed}`, inputs, all, dump);
  row.problems.push(...runLinked({ name: "whole.o", bytes: compileBpf(whole, ["-w"]) }, inputs, programs));
  return row;
}

if (pairsAt >= 0) {
  const judge = all.at(-1);
  if (judge === undefined) throw new Error("There is no other linker to compare with");
  const { linked, refused, partial, different } = comparePairs(folder, judge);
  for (const text of partial) console.log(`partial: ${text}`);
  for (const text of different) console.log(text);
  const odd = `${partial.length} partial links and ${different.length} others different`;
  console.log(`${judge.name}: ${linked} the same, ${refused} refused by both, ${odd}`);
  process.exit(different.length === 0 ? 0 : 1);
}

const head = ["case", "files", "programs", "load", "refused", "types", ...all.map((judge) => judge.name)];
console.log(`| ${head.join(" | ")} |\n|${head.map(() => " --- |").join("")}`);
const rows = [...Object.keys(SELFTESTS).map(selftest), ...Array.from({ length: splits }, (_, i) => split(i))];
const failed = rows.filter((row) => row !== undefined).filter((row) => !report(row)).length;
console.log(`${rows.length} cases, ${failed} with differences`);
process.exit(failed === 0 ? 0 : 1);
