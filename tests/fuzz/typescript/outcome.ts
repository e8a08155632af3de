/** What a run of a random program leaves behind, as bytes in hexadecimal, so that runs of any kind can be compared. */
import type { Reference } from "./reference.ts";
import { RefMap } from "./reference.ts";
import { encode, GLOBALS, MAPS, type Value } from "./shapes.ts";
import type { RandomProgram } from "./program.ts";

export interface Outcome {
  /** Signed; 32 bits from the kernel. */
  readonly result: bigint;
  readonly globals: Readonly<Record<string, string>>;
  /** Entries by key; several values are those of the CPUs. */
  readonly maps: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
  readonly records: readonly string[];
}

export function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** The reference's outcome, of what the program uses. */
export function wantedOutcome({ globals, maps }: RandomProgram, result: bigint, after: Reference): Outcome {
  return {
    result,
    globals: Object.fromEntries(globals.map((name) => [name, hex(encode(GLOBALS[name]!.shape, after.g[name]!))])),
    maps: Object.fromEntries(
      maps.filter((name) => name !== "ring").map((name) => [name, entriesOf(name, after.m[name]!)]),
    ),
    records: after.records.map((record) => hex(encode(MAPS["ring"]!.value, record))),
  };
}

function entriesOf(name: string, map: Reference["m"][string]): Record<string, string> {
  const { key, value } = MAPS[name]!;
  const bytes = (item: Value): string => hex(encode(value, item));
  if (map instanceof RefMap) {
    return Object.fromEntries([...map.items.values()].map((item) => [hex(encode(key!, item.key)), bytes(item.value)]));
  }
  return Object.fromEntries(map.items.map((item, i) => [String(i), bytes(item)]));
}

/** The first difference; undefined if there is none. */
export function outcomeDifference(wanted: Outcome, got: Outcome, resultBits: 32 | 64): string | undefined {
  const result = BigInt.asIntN(resultBits, wanted.result);
  if (result !== BigInt.asIntN(resultBits, got.result)) return `the result is ${got.result}, not ${result}`;
  for (const [name, value] of Object.entries(wanted.globals)) {
    if (got.globals[name] !== value) return `global ${name} is ${got.globals[name]}, not ${value}`;
  }
  for (const [name, entries] of Object.entries(wanted.maps)) {
    const problem = mapDifference(entries as Record<string, string>, got.maps[name]!);
    if (problem !== undefined) return `${name}${problem}`;
  }
  const [records, wantedRecords] = [got.records.join(), wanted.records.join()];
  return records === wantedRecords ? undefined : `the records are ${records}, not ${wantedRecords}`;
}

function mapDifference(wanted: Readonly<Record<string, string>>, got: Outcome["maps"][string]): string | undefined {
  const keys = new Set([...Object.keys(wanted), ...Object.keys(got)]);
  for (const key of keys) {
    const value = got[key];
    const same = typeof value === "object" ? value.includes(wanted[key]!) : value === wanted[key];
    if (!same) return `[${key}] is ${value ?? "absent"}, not ${wanted[key] ?? "absent"}`;
  }
  return undefined;
}
