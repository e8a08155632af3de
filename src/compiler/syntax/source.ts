/**
 * Where a kernel function stands in the user's file. The text that is compiled is what the engine runs: types stripped
 * by Deno, optimised by Bun, perhaps minified. Positions are those of the file: its tokens and the text's are aligned,
 * so that a message and the line info point at what the user typed. Where the file is not there, or holds something
 * else by now, positions count in the function's own text.
 */
import type { SourceLocation } from "../../errors.ts";
import type { CallSite, FunctionSource } from "../definitions.ts";
import { scanTokens } from "./scan.ts";
import type { Token } from "./tokens.ts";

export class SourceText {
  readonly file: string;
  /** True if positions are those of the user's file. */
  readonly inFile: boolean;
  readonly #text: string;
  readonly #lines: readonly number[];
  readonly #toFile: (offset: number) => number;

  private constructor(
    file: string,
    text: string,
    lines: readonly number[],
    toFile: ((offset: number) => number) | undefined,
  ) {
    this.file = file;
    this.inFile = toFile !== undefined;
    this.#text = text;
    this.#lines = lines;
    this.#toFile = toFile ?? ((offset) => offset);
  }

  /** `key` is the property that holds the function; it finds the function in the file. */
  static of(source: FunctionSource, key: string): SourceText {
    const found = source.site === undefined ? undefined : findInFile(source.text, key, source.site);
    if (source.site === undefined || found === undefined) {
      return new SourceText(key, source.text, lineStarts(source.text), undefined);
    }
    return new SourceText(source.site.file, source.site.fileText, linesOf(source.site), found);
  }

  /** The place of `start` … `end` (offsets into the function's text). */
  locate(start: number, end: number): SourceLocation {
    const from = this.#toFile(start);
    const line = lastAtMost(this.#lines, from);
    const lineStart = this.#lines[line]!;
    const lineText = this.#text.slice(lineStart, (this.#lines[line + 1] ?? this.#text.length + 1) - 1).replace(
      /\r$/,
      "",
    );
    const column = from - lineStart;
    const length = Math.max(1, Math.min(this.#toFile(Math.max(start, end - 1)) + 1 - from, lineText.length - column));
    return { file: this.file, line: line + 1, column: column + 1, lineText, length };
  }
}

const fileLines: WeakMap<CallSite, readonly number[]> = new WeakMap();

/** Where the lines of the site's file start: the same for all its functions, and a bundle has many lines. */
function linesOf(site: CallSite): readonly number[] {
  let lines = fileLines.get(site);
  if (lines === undefined) fileLines.set(site, lines = lineStarts(site.fileText));
  return lines;
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

/** Index of the last item that is at most `value`. */
function lastAtMost(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (sorted[middle]! <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Maps offsets of `text` to offsets of the file; undefined if the file does not hold this function. */
function findInFile(
  text: string,
  key: string,
  site: CallSite,
): ((offset: number) => number) | undefined {
  const siteOffset = (linesOf(site)[site.line - 1] ?? 0) + site.column - 1;
  for (const from of [siteOffset, 0]) {
    const exact = site.fileText.indexOf(text, from);
    if (exact >= 0) return (offset) => exact + offset;
  }
  const own = scanTokens(text, 0, () => true);
  for (const start of definitions(site.fileText, key, siteOffset)) {
    const theirs = functionTokens(site.fileText, start);
    const pairs = align(own, theirs);
    if (agree(own, pairs)) return byTokens(own, theirs, pairs);
  }
  return undefined;
}

/**
 * Offsets where something called `key` may be defined: behind the call first, then from the top of the file. Found by
 * searching the text: a hit in a comment fails the comparison that follows, and scanning a whole file for tokens costs
 * milliseconds at start-up.
 */
function definitions(fileText: string, key: string, siteOffset: number): number[] {
  const found: number[] = [];
  for (let at = fileText.indexOf(key); at >= 0; at = fileText.indexOf(key, at + 1)) {
    const before = fileText[at - 1] ?? "";
    const end = at + key.length;
    const quoted = before !== "" && "\"'`".includes(before) && fileText[end] === before;
    if (!quoted && /[\w$]/.test(before)) continue;
    if (/^\s*[(:=<]/.test(fileText.slice(quoted ? end + 1 : end, end + 80))) found.push(quoted ? at - 1 : at);
  }
  return [...found.filter((at) => at >= siteOffset), ...found.filter((at) => at < siteOffset)];
}

/** Tokens from a definition's name to the end of its body: the `}` of the first braces after `)` or `=>`. */
function functionTokens(fileText: string, start: number): Token[] {
  let bodyDepth: number | undefined;
  let previous = "";
  let count = 0;
  return scanTokens(fileText, start, (token, depth) => {
    const opens = token.text === "{" && token.kind === "punct";
    if (
      bodyDepth === undefined && opens && depth === 1 && (previous === ")" || previous === "=>" || previous === ">")
    ) bodyDepth = depth;
    previous = token.text;
    // Depth below zero: the object literal around an expression-bodied arrow has ended.
    return !(depth < 0 || (bodyDepth !== undefined && depth < bodyDepth)) && count++ < 20_000;
  });
}

const WINDOW = 48;

/** For each token of `own` the index of the same token in `theirs`, or -1. Both keep their order. */
function align(own: readonly Token[], theirs: readonly Token[]): Int32Array {
  const pairs = new Int32Array(own.length).fill(-1);
  let i = 0;
  let j = 0;
  while (i < own.length && j < theirs.length) {
    if (same(own[i]!, theirs[j]!)) {
      pairs[i++] = j++;
      continue;
    }
    const step = nearest(own, theirs, i, j);
    if (step === undefined) i++;
    else [i, j] = step;
  }
  return pairs;
}

/** The nearest later pair of equal tokens whose followers are equal too. */
function nearest(own: readonly Token[], theirs: readonly Token[], i: number, j: number): [number, number] | undefined {
  for (let distance = 1; distance < WINDOW; distance++) {
    for (let a = 0; a <= distance; a++) {
      const x = i + a;
      const y = j + distance - a;
      if (x >= own.length || y >= theirs.length || !same(own[x]!, theirs[y]!)) continue;
      const followed = x + 1 < own.length && y + 1 < theirs.length && same(own[x + 1]!, theirs[y + 1]!);
      if (followed || x + 1 === own.length || isStable(own, x)) return [x, y];
    }
  }
  return undefined;
}

function same(a: Token, b: Token): boolean {
  return a.kind === b.kind && a.text === b.text;
}

/** Words that no bundler changes: strings, and names of fields. */
function isStable(tokens: readonly Token[], i: number): boolean {
  const { kind } = tokens[i]!;
  if (kind === "string") return true;
  return kind === "name" &&
    (tokens[i - 1]?.text === "." || tokens[i - 1]?.text === "?." || tokens[i + 1]?.text === ":");
}

/** Bundlers rename variables and fold constants, so two thirds of the words that stay must agree, not all words. */
function agree(own: readonly Token[], pairs: Int32Array): boolean {
  const words = [...own.keys()].filter((i) => isStable(own, i));
  const counted = words.length > 0
    ? words
    : [...own.keys()].filter((i) => own[i]!.kind === "name" || own[i]!.kind === "number");
  const matched = counted.filter((i) => pairs[i]! >= 0).length;
  return counted.length > 0 && matched * 3 >= counted.length * 2;
}

function byTokens(own: readonly Token[], theirs: readonly Token[], pairs: Int32Array): (offset: number) => number {
  const starts = own.map((token) => token.start);
  return (offset) => {
    let i = lastAtMost(starts, offset);
    const inside = pairs[i]! >= 0;
    while (i > 0 && pairs[i]! < 0) i--;
    const token = theirs[Math.max(0, pairs[i]!)]!;
    return inside ? Math.min(token.start + offset - starts[i]!, token.end - 1) : token.start;
  };
}
