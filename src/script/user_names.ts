/**
 * Names of functions of a process by address: its mappings from /proc/<pid>/maps, the symbol tables of the files mapped
 * there, and /tmp/perf-<pid>.map for code made at run time. A process that is gone leaves only addresses.
 */
import { PF_X, PT_LOAD, STT_FUNC, STT_GNU_IFUNC } from "../abi/elf.ts";
import { FormatError } from "../errors.ts";
import { readElf } from "../object/elf.ts";
import { mapFile, tryReadText } from "../syscall/files.ts";
import { lastAtMost } from "./kernel_names.ts";

/** Executable memory of a process. */
export interface CodeMapping {
  readonly start: bigint;
  readonly end: bigint;
  /** Offset in the file. */
  readonly offset: bigint;
  readonly path: string;
}

/** The executable mappings of the text of a maps file. */
export function parseMaps(text: string): CodeMapping[] {
  const mappings: CodeMapping[] = [];
  for (const line of text.split("\n")) {
    const parts = /^([0-9a-f]+)-([0-9a-f]+) ..x. ([0-9a-f]+) \S+ \d+ *(.*)$/.exec(line);
    if (parts === null) continue;
    const [start, end, offset] = [1, 2, 3].map((group) => BigInt(`0x${parts[group]}`));
    mappings.push({ start: start!, end: end!, offset: offset!, path: parts[4]! });
  }
  return mappings;
}

/** Functions in ascending order of their places. */
interface Table {
  readonly places: BigUint64Array;
  readonly ends: BigUint64Array;
  readonly names: readonly string[];
}

const EMPTY: Table = { places: new BigUint64Array(), ends: new BigUint64Array(), names: [] };

/** Looks up addresses of processes. Files are read once for all processes. */
export class UserNames {
  readonly #processes = new Map<number, { mappings: CodeMapping[]; jit: Table }>();
  readonly #files = new Map<string, Table>();

  /** `main`, or `[libc.so.6]` where the file has no name for it, or the address where no file is mapped. */
  name(pid: number, address: bigint): string {
    const { mappings, jit } = this.#process(pid);
    const mapping = mappings.find(({ start, end }) => address >= start && address < end);
    const made = find(jit, address);
    if (made !== undefined) return made;
    if (mapping === undefined || mapping.path === "") return `0x${address.toString(16)}`;
    const name = mapping.path.startsWith("/")
      ? find(this.#file(pid, mapping.path), address - mapping.start + mapping.offset)
      : undefined;
    return name ?? `[${mapping.path.replace(/^.*\//, "").replace(/^\[(.*)\]$/, "$1")}]`;
  }

  #process(pid: number): { mappings: CodeMapping[]; jit: Table } {
    let process = this.#processes.get(pid);
    if (process === undefined) {
      const mappings = parseMaps(tryReadText(`/proc/${pid}/maps`) ?? "");
      process = { mappings, jit: parsePerfMap(tryReadText(`/tmp/perf-${pid}.map`) ?? "") };
      this.#processes.set(pid, process);
    }
    return process;
  }

  #file(pid: number, path: string): Table {
    let table = this.#files.get(path);
    if (table === undefined) {
      // Through the process's own root, so that files of containers are found.
      table = readTable(`/proc/${pid}/root${path}`);
      this.#files.set(path, table);
    }
    return table;
  }
}

function find({ places, ends, names }: Table, place: bigint): string | undefined {
  const index = lastAtMost(places, place);
  return index >= 0 && place < ends[index]! ? names[index] : undefined;
}

/** `start size name` in hexadecimal, as runtimes write it for perf. */
function parsePerfMap(text: string): Table {
  const rows: { place: bigint; end: bigint; name: string }[] = [];
  for (const line of text.split("\n")) {
    const parts = /^(?:0x)?([0-9a-f]+) ([0-9a-f]+) (.+)$/.exec(line);
    if (parts === null) continue;
    const place = BigInt(`0x${parts[1]}`);
    rows.push({ place, end: place + BigInt(`0x${parts[2]}`), name: parts[3]! });
  }
  return toTable(rows);
}

/** The functions of an ELF file, by file offset; nothing where it cannot be read or is no ELF file. */
function readTable(path: string): Table {
  try {
    using file = mapFile(path);
    const elf = readElf(file.bytes, path);
    const segments = elf.segments().filter((segment) => segment.type === PT_LOAD && (segment.flags & PF_X) !== 0);
    const rows: { place: bigint; end: bigint; name: string }[] = [];
    for (const symbols of [elf.dynamicSymbols, elf.symbols]) {
      for (let i = 1; i < symbols.count; i++) {
        const value = symbols.value(i);
        if ((symbols.type(i) !== STT_FUNC && symbols.type(i) !== STT_GNU_IFUNC) || value === 0) continue;
        const segment = segments.find(({ address, memorySize }) => value >= address && value < address + memorySize);
        if (segment === undefined) continue;
        const place = BigInt(value - segment.address + segment.offset);
        rows.push({ place, end: place + BigInt(Math.max(1, symbols.size(i))), name: symbols.name(i) });
      }
    }
    return toTable(rows);
  } catch (error) {
    if (error instanceof FormatError || (error instanceof Error && "errno" in error)) return EMPTY;
    throw error;
  }
}

function toTable(rows: { place: bigint; end: bigint; name: string }[]): Table {
  rows.sort((a, b) => a.place < b.place ? -1 : a.place > b.place ? 1 : 0);
  return {
    places: BigUint64Array.from(rows, (row) => row.place),
    ends: BigUint64Array.from(rows, (row) => row.end),
    names: rows.map((row) => row.name),
  };
}
