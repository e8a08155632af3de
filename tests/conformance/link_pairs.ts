/**
 * Every object of a folder linked alone, and with the next one by name: waggle and another linker must make the same of
 * them, or both refuse. Most neighbours define the same names, so this is as much about refusing as about linking.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { link, type LinkResult } from "../../src/object/link.ts";
import { inFolder } from "../btf/support.ts";
import { differences, typeCount } from "./link_compare.ts";
import type { Judge } from "./link_judge.ts";
import { meaning } from "../object/link_support.ts";

/** What came out, and in words what is not the same. */
export interface PairsResult {
  linked: number;
  refused: number;
  /**
   * Not the same, but something is missing that nobody defines, so that the result is to be linked again. libbpf loses
   * track of such externs when it links its own result: an extern map becomes a map without definition, and of `.extern`
   * nothing stays.
   */
  partial: string[];
  different: string[];
}

export function comparePairs(folder: string, judge: Judge): PairsResult {
  const paths = readdirSync(folder).filter((file) => file.endsWith(".o")).sort().map((file) => join(folder, file));
  const cases = paths.flatMap((path, i) => i + 1 < paths.length ? [[path], [path, paths[i + 1]!]] : [[path]]);
  const result: PairsResult = { linked: 0, refused: 0, partial: [], different: [] };
  inFolder((temporary) => {
    for (const files of cases) {
      const theirs = judge.link(join(temporary, "theirs.o"), files);
      const ours = linked(files);
      const problem = compare(ours, theirs);
      if (problem !== undefined) {
        const isPartial = typeof ours !== "string" && ours.unresolved.length > 0;
        const text = `${files.map((file) => file.split("/").at(-1)).join(" ")}: ${problem}`;
        (isPartial ? result.partial : result.different).push(text);
      } else if (typeof ours === "string") result.refused++;
      else result.linked++;
    }
  });
  return result;
}

function linked(files: readonly string[]): LinkResult | string {
  try {
    // The other linkers leave equal strings where they are.
    return link(files.map((name) => ({ name, bytes: new Uint8Array(readFileSync(name)) })), { mergeStrings: false });
  } catch (error) {
    return (error as Error).message;
  }
}

function compare(ours: LinkResult | string, theirs: Uint8Array | string): string | undefined {
  if (typeof ours === "string") return typeof theirs === "string" ? undefined : `only waggle refuses: ${ours}`;
  if (typeof theirs === "string") return `only the judge refuses: ${theirs.slice(0, 300)}`;
  const problems = differences(meaning(ours.bytes), meaning(theirs));
  const [a, b] = [typeCount(ours.bytes), typeCount(theirs)];
  if (a > b) problems.push(`${a} types instead of ${b}`);
  return problems.length === 0 ? undefined : problems.join("; ").slice(0, 600);
}
