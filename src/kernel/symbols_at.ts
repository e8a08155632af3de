/** The way back from addresses to names, from /proc/kallsyms: functions of the kernel, of modules and of BPF programs. */
import { readFile } from "../syscall/files.ts";

/** The function that holds an address. */
export interface SymbolAt {
  /** As kallsyms spells it: `do_sys_openat2`, `bpf_prog_6deef7357e7b4530_main`. */
  readonly name: string;
  /** The module; undefined for the kernel itself. BPF programs are in `bpf`. */
  readonly module: string | undefined;
  /** Bytes from the function's start. */
  readonly offset: number;
}

/**
 * The symbols nearest below the addresses; addresses below all symbols are left out, and so is everything where
 * kptr_restrict hides them.
 */
export function symbolsAt(addresses: Iterable<bigint>): Map<bigint, SymbolAt> {
  const wanted = [...new Set(addresses)].filter((address) => address !== 0n);
  return wanted.length === 0 ? new Map() : findSymbolsAt(readFile("/proc/kallsyms"), wanted);
}

const NEWLINE = 10;
const SPACE = 32;
const decoder = new TextDecoder();
/** Kernel addresses differ in their low 52 bits only, which a number holds exactly. */
const LOW_DIGITS = 13;

/** Searches the text of kallsyms, whose lines are in no order (modules come last). */
export function findSymbolsAt(text: Uint8Array, wanted: readonly bigint[]): Map<bigint, SymbolAt> {
  const sorted = [...wanted].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const keys = sorted.map((address) => Number(BigInt.asUintN(LOW_DIGITS * 4, address)));
  const best = new Float64Array(keys.length).fill(-1);
  const lines = new Uint32Array(keys.length);
  for (let at = 0; at < text.length;) {
    const end = text.indexOf(NEWLINE, at);
    const key = addressKey(text, at);
    // Every wanted address from the first that is not below this symbol on may belong to it.
    for (let i = firstAtLeast(keys, key); key > 0 && i < keys.length && best[i]! < key; i++) {
      best[i] = key;
      lines[i] = at;
    }
    at = end < 0 ? text.length : end + 1;
  }
  const found = new Map<bigint, SymbolAt>();
  sorted.forEach((address, i) => {
    if (best[i]! >= 0) found.set(address, symbolOf(text, lines[i]!, keys[i]! - best[i]!));
  });
  return found;
}

function addressKey(text: Uint8Array, at: number): number {
  const end = text.indexOf(SPACE, at);
  let key = 0;
  for (let i = Math.max(at, end - LOW_DIGITS); i < end; i++) {
    const digit = text[i]!;
    key = key * 16 + (digit < 58 ? digit - 48 : digit - 87);
  }
  return key;
}

function firstAtLeast(sorted: readonly number[], value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function symbolOf(text: Uint8Array, line: number, offset: number): SymbolAt {
  const end = text.indexOf(NEWLINE, line);
  const [, , name = "", module] = decoder.decode(text.subarray(line, end < 0 ? text.length : end)).split(/[ \t]/);
  return { name, module: module?.slice(1, -1), offset };
}
