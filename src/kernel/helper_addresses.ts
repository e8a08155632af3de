/**
 * Names of the kernel functions that loaded programs call: the kernel writes such calls as distances from
 * `__bpf_call_base`. Answers are kept, as reading /proc/kallsyms takes 50 ms and more and functions do not move.
 */
import { readFile } from "../syscall/files.ts";
import { type Runtime, runtime } from "../syscall/runtime/mod.ts";
import { findSymbols } from "./kallsyms.ts";
import { findSymbolsAt } from "./symbols_at.ts";

const known: WeakMap<Runtime, Map<number, string | undefined>> = new WeakMap();

/** Distance → name; without those that are no function, all of them where kptr_restrict hides addresses. */
export function calledFunctions(distances: Iterable<number>): ReadonlyMap<number, string | undefined> {
  const rt = runtime();
  let names = known.get(rt);
  if (names === undefined) known.set(rt, names = new Map());
  const missing = [...new Set(distances)].filter((distance) => !names.has(distance));
  if (missing.length > 0) { for (const [distance, name] of lookUp(missing)) names.set(distance, name); }
  return names;
}

function lookUp(distances: readonly number[]): [number, string | undefined][] {
  const text = readFile("/proc/kallsyms");
  const base = findSymbols(text, ["__bpf_call_base"]).get("__bpf_call_base");
  if (base === undefined) return [];
  const found = findSymbolsAt(text, distances.map((distance) => base + BigInt(distance)));
  return distances.map((distance) => {
    const symbol = found.get(base + BigInt(distance));
    return [distance, symbol?.offset === 0 ? symbol.name : undefined];
  });
}
