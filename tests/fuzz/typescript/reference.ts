/**
 * Running the JavaScript of a random program: what maps, globals and strings do, by docs/language.md and not by the
 * compiler's code. Integers are `bigint`, canonical for their sign; everything else is JavaScript's own.
 */
import { GLOBALS, INTS, MAPS, type MapShape, truncate, type Value, zeroOf } from "./shapes.ts";

type Fields = { [field: string]: Value };

/** A map of the reference. Structs are handed out as they are kept, so that writes to them are seen. */
export class RefMap {
  readonly shape: MapShape;
  /** By the text of their key. */
  readonly items: Map<string, { key: Value; value: Value }> = new Map();

  constructor(shape: MapShape) {
    this.shape = shape;
    if (!shape.kind.includes("array")) return;
    for (let i = 0n; i < BigInt(shape.entries); i++) {
      this.items.set(this.#text(i), { key: i, value: zeroOf(shape.value) });
    }
  }

  get(key: Value): Value | undefined {
    return this.items.get(this.#text(key))?.value;
  }

  has(key: Value): boolean {
    return this.items.has(this.#text(key));
  }

  /** 0, or -E2BIG outside of an array. */
  set(key: Value, value: Value): bigint {
    const text = this.#text(key);
    if (this.shape.kind.includes("array") && !this.items.has(text)) return -7n;
    this.items.set(text, { key: truncate(this.shape.key!, key), value: truncate(this.shape.value, value) });
    return 0n;
  }

  delete(key: Value): boolean {
    return this.items.delete(this.#text(key));
  }

  getOrInsert(key: Value, value: Value): Value | undefined {
    if (!this.has(key)) this.set(key, value);
    return this.get(key);
  }

  add(key: Value, by: bigint = 1n): void {
    if (this.shape.kind.includes("array") && !this.has(key)) return;
    this.set(key, (this.get(key) as bigint | undefined ?? 0n) + by);
  }

  #text(key: Value): string {
    return JSON.stringify(
      truncate(this.shape.key!, key),
      (_name, item) => typeof item === "bigint" ? String(item) : item,
    );
  }
}

/** A queue or a stack. */
export class RefQueue {
  readonly shape: MapShape;
  readonly items: Value[] = [];

  constructor(shape: MapShape) {
    this.shape = shape;
  }

  /** 0, or -E2BIG when it is full. */
  push(value: Value): bigint {
    if (this.items.length >= this.shape.entries) return -7n;
    this.items.push(truncate(this.shape.value, value));
    return 0n;
  }

  peek(): Value | undefined {
    return this.shape.kind === "queue" ? this.items[0] : this.items.at(-1);
  }

  pop(): Value | undefined {
    return this.shape.kind === "queue" ? this.items.shift() : this.items.pop();
  }
}

/** Everything a reference program can reach, as `$`. */
export class Reference {
  readonly g: Fields = {};
  readonly m: Record<string, RefMap | RefQueue> = {};
  readonly records: Value[] = [];
  readonly f: Record<string, (...args: unknown[]) => unknown> = {};

  constructor() {
    for (const [name, { shape, initial }] of Object.entries(GLOBALS)) this.g[name] = initial ?? zeroOf(shape);
    for (const [name, shape] of Object.entries(MAPS)) {
      this.m[name] = shape.kind === "queue" || shape.kind === "stack" ? new RefQueue(shape) : new RefMap(shape);
    }
  }

  emit(record: Value): boolean {
    this.records.push(truncate(MAPS["ring"]!.value, record));
    return true;
  }

  /** Canonical values of each type. */
  readonly w: Readonly<Record<string, (value: unknown) => Value>> = Object.fromEntries(
    Object.entries(INTS).map(([name, shape]) => [name, (value: unknown) => truncate(shape, value as Value)]),
  );

  div(a: bigint, b: bigint): bigint {
    return b === 0n ? 0n : a / b;
  }

  mod(a: bigint, b: bigint): bigint {
    return b === 0n ? a : a % b;
  }

  /** The element that a variable index means. */
  index(at: bigint, length: bigint): number {
    const word = BigInt.asUintN(64, at);
    if ((length & (length - 1n)) === 0n) return Number(word & (length - 1n));
    return word < length ? Number(word) : 0;
  }

  swap(value: bigint, bits: number): bigint {
    let result = 0n;
    for (let i = 0; i < bits; i += 8) result = result << 8n | value >> BigInt(i) & 0xffn;
    return result;
  }

  log2(value: bigint): bigint {
    const word = BigInt.asUintN(64, value);
    return word === 0n ? 0n : BigInt(word.toString(2).length - 1);
  }

  /** Changes a number, and is its old or its new value. */
  update(of: Fields, name: string, type: string, change: (value: bigint) => bigint, old: boolean): Value {
    const before = of[name] as bigint;
    of[name] = this.w[type]!(change(before));
    return old ? before : of[name];
  }
}

/** Runs the JavaScript of a program and of its functions; gives what it returns, as a signed number. */
export function runReference(
  source: string,
  functions: Readonly<Record<string, string>>,
  words: readonly bigint[],
): { result: bigint; after: Reference } {
  const $ = new Reference();
  for (const [name, text] of Object.entries(functions)) $.f[name] = evaluate(text)($) as Reference["f"][string];
  const ctx = Object.fromEntries(words.map((word, i) => [`arg${i}`, BigInt.asUintN(64, word)]));
  const main = evaluate(source)($) as (ctx: Fields) => bigint;
  return { result: BigInt.asIntN(64, main(ctx)), after: $ };
}

/** The text of an arrow function, as a function of `$`. */
function evaluate(text: string): ($: Reference) => unknown {
  return new Function("$", `"use strict"; return ${text};`) as ($: Reference) => unknown;
}
