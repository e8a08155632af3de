/**
 * Names of kernel functions by address, from /proc/kallsyms. The file is read when the first name is asked for; its
 * 200 000 lines become two arrays, a name a string only when it is found.
 */
import { tryReadText } from "../syscall/files.ts";

/** Looks up kernel addresses. */
export class KernelNames {
  readonly #text: string;
  /** Addresses of functions in ascending order, and where each line starts in the text. */
  readonly #addresses: BigUint64Array;
  readonly #lines: Uint32Array;

  constructor(text: string = tryReadText("/proc/kallsyms") ?? "") {
    this.#text = text;
    const found: { address: bigint; line: number }[] = [];
    for (let at = 0; at < text.length;) {
      const end = text.indexOf("\n", at);
      const space = text.indexOf(" ", at);
      // Functions are in text sections: T and t, W and w.
      if (space > at && "TtWw".includes(text[space + 1]!)) {
        found.push({ address: BigInt(`0x${text.slice(at, space)}`), line: at });
      }
      at = end < 0 ? text.length : end + 1;
    }
    // Modules come after the kernel in the file, but before it in memory.
    found.sort((a, b) => a.address < b.address ? -1 : a.address > b.address ? 1 : 0);
    this.#addresses = BigUint64Array.from(found, (symbol) => symbol.address);
    this.#lines = Uint32Array.from(found, (symbol) => symbol.line);
  }

  /** `do_sys_openat2`, or the address in hexadecimal where the kernel does not tell (kptr_restrict). */
  name(address: bigint): string {
    const index = lastAtMost(this.#addresses, address);
    if (index < 0 || this.#addresses[index] === 0n) return `0x${address.toString(16)}`;
    const line = this.#lines[index]!;
    const end = this.#text.indexOf("\n", line);
    const [, , name] = this.#text.slice(line, end < 0 ? undefined : end).split(/[ \t]/);
    return name!;
  }
}

/** Index of the last item that is at most `value`; -1 if there is none. */
export function lastAtMost(sorted: BigUint64Array, value: bigint): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
