/**
 * /proc/kallsyms: addresses of the kernel's symbols. The file has some 200 000 lines, so it is searched as bytes; only
 * names that are asked for become strings.
 */
import { WaggleError } from "../errors.ts";
import { readFile } from "../syscall/files.ts";

const SPACE = 32;
const NEWLINE = 10;
const TAB = 9;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The addresses of the given symbols; a name that is not there is not in the map. Address 0 counts as not there. */
export function kernelSymbols(names: Iterable<string>): Map<string, bigint> {
  return findSymbols(readFile("/proc/kallsyms"), names);
}

/**
 * Searches the text of kallsyms. A name also finds `name.llvm.123`, as compilers with link-time optimisation rename
 * static functions. Two different addresses of one name are an error: nothing says which is meant.
 *
 * @throws {WaggleError} if a name is ambiguous
 */
export function findSymbols(text: Uint8Array, names: Iterable<string>): Map<string, bigint> {
  const wanted = indexByStart(names);
  const found = new Map<string, bigint>();
  for (let at = 0; at < text.length;) {
    const end = text.indexOf(NEWLINE, at);
    const lineEnd = end < 0 ? text.length : end;
    // "ffffffff81000000 T name\t[module]"
    const nameAt = text.indexOf(SPACE, at) + 3;
    const group = nameAt < lineEnd ? wanted.get((text[nameAt]! << 8) | text[nameAt + 1]!) : undefined;
    if (group !== undefined) {
      for (const [name, bytes] of group) {
        if (matches(text, nameAt, lineEnd, bytes)) add(found, name, addressAt(text, at, nameAt - 3));
      }
    }
    at = lineEnd + 1;
  }
  return found;
}

/** Names by their first two bytes; names of one byte by that and a tab or newline are not worth a search. */
function indexByStart(names: Iterable<string>): Map<number, [string, Uint8Array][]> {
  const index = new Map<number, [string, Uint8Array][]>();
  for (const name of names) {
    const bytes = encoder.encode(name);
    if (bytes.length < 2) continue;
    const key = (bytes[0]! << 8) | bytes[1]!;
    const group = index.get(key);
    if (group === undefined) index.set(key, [[name, bytes]]);
    else group.push([name, bytes]);
  }
  return index;
}

function matches(text: Uint8Array, at: number, lineEnd: number, name: Uint8Array): boolean {
  const end = at + name.length;
  if (end > lineEnd) return false;
  for (let i = 0; i < name.length; i++) if (text[at + i] !== name[i]) return false;
  if (end === lineEnd || text[end] === TAB) return true;
  return decoder.decode(text.subarray(end, Math.min(end + 6, lineEnd))) === ".llvm.";
}

function addressAt(text: Uint8Array, from: number, to: number): bigint {
  return BigInt(`0x${decoder.decode(text.subarray(from, to))}`);
}

function add(found: Map<string, bigint>, name: string, address: bigint): void {
  if (address === 0n) return; // kptr_restrict hides addresses
  const known = found.get(name);
  if (known !== undefined && known !== address) {
    throw new WaggleError(
      `Cannot resolve kernel symbol "${name}": it is ambiguous, at 0x${known.toString(16)} and 0x${
        address.toString(16)
      }`,
    );
  }
  found.set(name, address);
}
