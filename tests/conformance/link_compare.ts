/**
 * One set of objects, linked by waggle and by others (link_judge.ts): what differs, and what loads. Compared are contents
 * of sections, symbols, relocations, DATASECs and the number of types; then libbpf and waggle load each program of
 * waggle's object and of the judge's.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Btf } from "../../src/btf/btf.ts";
import { readElf } from "../../src/object/elf.ts";
import type { LinkInput } from "../../src/object/link.ts";
import { link } from "../../src/object/link.ts";
import { inFolder } from "../btf/support.ts";
import { meaning } from "../object/link_support.ts";
import { compareObject } from "./compare.ts";
import type { Judge } from "./link_judge.ts";

/** What came out. */
export interface LinkRow {
  name: string;
  files: number;
  /** Of waggle's object: programs, those that load and those that are refused, by libbpf and waggle both. */
  programs: number;
  load: number;
  refused: number;
  types: number;
  judges: JudgeRow[];
  /** What is wrong with waggle's object; empty if nothing is. */
  problems: string[];
}

export interface JudgeRow {
  name: string;
  /** Why it refuses the inputs. */
  refuses: string | undefined;
  types: number;
  /** Programs of its object that load with libbpf and waggle. */
  load: number;
  /** Parts of the object that are not the same. */
  differences: string[];
}

/** Links and compares. `dump` is the program of compare.ts; without it nothing is loaded. */
export function compareLink(
  name: string,
  inputs: readonly LinkInput[],
  all: readonly Judge[],
  dump: string | undefined,
): LinkRow {
  return inFolder((folder) => {
    const files = inputs.map(({ bytes }, i) => written(folder, `in${i}.o`, bytes));
    const row: LinkRow = {
      ...{ name, files: files.length, programs: 0, load: 0, refused: 0, types: 0 },
      ...{ judges: [], problems: [] },
    };
    const theirs = all.map((judge) => ({ judge, result: judge.link(join(folder, "theirs.o"), files) }));
    let bytes: Uint8Array;
    try {
      // The other linkers leave equal strings where they are.
      bytes = link(inputs, { mergeStrings: false }).bytes;
    } catch (error) {
      row.problems.push(`refused: ${(error as Error).message}`);
      row.judges = theirs.map(({ judge, result }) => judgeRow(judge.name, result));
      return row;
    }
    row.types = typeCount(bytes);
    row.problems.push(...unsound(folder, bytes), ...unstable(bytes));
    const path = written(folder, "ours.o", bytes);
    Object.assign(row, loads(dump, path, row.problems));
    const merged = written(folder, "merged.o", link(inputs).bytes);
    if (dump !== undefined && loads(dump, merged, row.problems).load !== row.load) {
      row.problems.push("with strings merged other programs load");
    }
    row.judges = theirs.map(({ judge, result }) => {
      const judged = judgeRow(judge.name, result);
      if (typeof result === "string") return judged;
      judged.differences = differences(meaning(bytes), meaning(result));
      judged.load = loads(dump, written(folder, "theirs.o", result), []).load;
      if (row.types > judged.types) row.problems.push(`${row.types} types, ${judge.name}: ${judged.types}`);
      return judged;
    });
    return row;
  });
}

function judgeRow(name: string, result: Uint8Array | string): JudgeRow {
  const refused = typeof result === "string";
  return {
    name,
    refuses: refused ? result : undefined,
    types: refused ? 0 : typeCount(result),
    load: 0,
    differences: [],
  };
}

function written(folder: string, name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

export function typeCount(bytes: Uint8Array): number {
  const section = readElf(bytes, "object").section(".BTF");
  return section === undefined ? 0 : Btf.parse(section.bytes).typeCount;
}

/** Parts of `meaning()` that are not the same. */
export function differences(ours: Record<string, unknown>, theirs: Record<string, unknown>): string[] {
  return Object.keys(ours).flatMap((part) => {
    const [a, b] = [ours[part], theirs[part]].map((lines) => (lines as unknown[]).map((line) => JSON.stringify(line)));
    const [only, missing] = [a!.filter((line) => !b!.includes(line)), b!.filter((line) => !a!.includes(line))];
    return only.length + missing.length === 0 ? [] : [`${part}: ${[...only, "instead of", ...missing].join(" ")}`];
  });
}

/** What LLVM and bpftool say against an object. */
function unsound(folder: string, bytes: Uint8Array): string[] {
  const path = written(folder, "sound.o", bytes);
  return [["llvm-readelf-19", "-a", path], ["bpftool", "btf", "dump", "file", path]].flatMap(([tool, ...args]) => {
    const { status, stderr } = spawnSync(tool!, args, { encoding: "utf8", maxBuffer: 1 << 28 });
    return status === 0 && stderr === "" ? [] : [`${tool}: ${stderr.trim() || `status ${status}`}`];
  });
}

/** As the kernel's Makefile tests it: what was linked links again, and then nothing changes any more. */
function unstable(bytes: Uint8Array): string[] {
  const second = link([{ name: "linked1.o", bytes }], { mergeStrings: false }).bytes;
  const third = link([{ name: "linked2.o", bytes: second }], { mergeStrings: false }).bytes;
  if (!second.every((byte, i) => byte === third[i])) return ["a third link changes something"];
  return differences(meaning(second), meaning(bytes)).map((text) => `a second link changes ${text}`);
}

function loads(dump: string | undefined, path: string, problems: string[]) {
  if (dump === undefined) return { programs: 0, load: 0, refused: 0 };
  const result = compareObject(dump, path);
  problems.push(...result.differences);
  return {
    programs: result.programs,
    load: result.bothLoad + result.onlyWaggle.length,
    refused: result.bothRefuse,
  };
}
