/**
 * The objects that take part: those given, and of archives the members that define what is still open, as ld does it:
 * each archive is asked until it has nothing more to give. Files of unknown kind are errors by name.
 */
import { SHN_UNDEF, STB_LOCAL, STB_WEAK } from "../abi/elf.ts";
import { isArchive, readArchive } from "./archive.ts";
import { isElf } from "./elf.ts";
import { readLinkInput } from "./link_input.ts";
import type { InputObject } from "./link_model.ts";
import { LinkError } from "./link_model.ts";

/** A file to link. */
export interface LinkInput {
  name: string;
  bytes: Uint8Array;
  /** Archives: link all members, needed or not. */
  wholeArchive?: boolean | undefined;
}

/** How to get at what is not in the bytes. */
export interface ArchiveOptions {
  /** Reads the file of a thin archive's member; `name` is as the archive writes it. */
  readMember?: ((archive: string, name: string) => Uint8Array) | undefined;
  /** Names that count as open from the start: what is to be exported. */
  wanted?: Iterable<string> | undefined;
}

interface Candidate {
  object: InputObject;
  taken: boolean;
}

/** Reads all inputs and picks members of archives. The order is that of the inputs. */
export function collectObjects(inputs: readonly LinkInput[], options: ArchiveOptions = {}): InputObject[] {
  const objects: InputObject[] = [];
  const archives: { position: number; candidates: Candidate[]; picked: InputObject[] }[] = [];
  for (const input of inputs) {
    if (!isArchive(input.bytes)) {
      objects.push(readObject(input.name, input.bytes));
      continue;
    }
    const members = readMembers(input, options);
    if (input.wholeArchive === true) objects.push(...members);
    else {
      archives.push({
        position: objects.length,
        candidates: members.map((object) => ({ object, taken: false })),
        picked: [],
      });
    }
  }
  if (archives.length === 0) return objects;
  const state = new OpenSymbols(options.wanted ?? []);
  for (const object of objects) state.add(object);
  pick(archives.flatMap((a) => a.candidates.map((candidate) => ({ candidate, archive: a }))), state);
  return insert(objects, archives);
}

/** Members may need each other across archives, in circles; so all are asked until nothing changes. */
function pick(all: { candidate: Candidate; archive: { picked: InputObject[] } }[], state: OpenSymbols): void {
  for (let changed = true; changed;) {
    changed = false;
    for (const { candidate, archive } of all) {
      if (candidate.taken || !state.needs(candidate.object)) continue;
      candidate.taken = true;
      changed = true;
      archive.picked.push(candidate.object);
      state.add(candidate.object);
    }
  }
}

function insert(
  objects: readonly InputObject[],
  archives: readonly { position: number; candidates: Candidate[]; picked: InputObject[] }[],
): InputObject[] {
  const result: InputObject[] = [];
  for (let i = 0; i <= objects.length; i++) {
    for (const { position, picked } of archives) if (position === i) result.push(...picked);
    if (i < objects.length) result.push(objects[i]!);
  }
  return result;
}

function readMembers(input: LinkInput, options: ArchiveOptions): InputObject[] {
  const members = readArchive(input.bytes, input.name).members.filter(({ name }) => !METADATA.test(name));
  return members.map(({ name, bytes }) => {
    const content = bytes ?? options.readMember?.(input.name, name);
    if (content === undefined) {
      throw new LinkError(input.name, `it is a thin archive, and "${name}" cannot be read from here`);
    }
    return readObject(`${input.name}(${name})`, content);
  });
}

/** What rustc puts beside the objects of a crate. */
const METADATA = /\.rmeta(-link)?$/;

function readObject(name: string, bytes: Uint8Array): InputObject {
  if (isElf(bytes)) return readLinkInput(bytes, name);
  throw new LinkError(name, `it is ${describe(bytes)}, not an ELF object or an archive`);
}

/** What a file is, by how it starts. */
function describe(bytes: Uint8Array): string {
  const start = new TextDecoder("latin1").decode(bytes.subarray(0, 64));
  if (start.startsWith("BC\xC0\xDE") || start.startsWith("\xDE\xC0\x17\x0B")) return "LLVM bitcode";
  if (/^(; ModuleID|source_filename|target (datalayout|triple)|define |declare )/.test(start)) return "LLVM IR";
  return bytes.length === 0 ? "empty" : "of unknown kind";
}

/** Which globals are defined and which are still looked for. */
class OpenSymbols {
  readonly #defined = new Set<string>();
  readonly #open: Set<string>;

  constructor(wanted: Iterable<string>) {
    this.#open = new Set(wanted);
  }

  add(object: InputObject): void {
    for (const symbol of object.symbols) {
      if (symbol.bind === STB_LOCAL || symbol.index === 0) continue;
      if (symbol.section !== SHN_UNDEF) {
        this.#defined.add(symbol.name);
        this.#open.delete(symbol.name);
      } else if (symbol.bind !== STB_WEAK && !this.#defined.has(symbol.name)) this.#open.add(symbol.name);
    }
  }

  needs(object: InputObject): boolean {
    return object.symbols.some((s) =>
      s.index !== 0 && s.bind !== STB_LOCAL && s.section !== SHN_UNDEF && this.#open.has(s.name)
    );
  }
}
