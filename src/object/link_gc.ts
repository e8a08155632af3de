/**
 * Removes what nothing can reach: functions, variables, maps, externs. Roots are the programs (everything executable
 * outside of `.text`), license, version, struct_ops, and the names given. A section that is addressed as a whole (static
 * variables, strings) stays whole, since nobody can tell which part of it an address means.
 */
import { R_BPF_64_32, SHF_EXECINSTR, STT_FUNC, STT_OBJECT, STT_SECTION } from "../abi/elf.ts";
import type { Linked } from "./link_merge.ts";
import type { LinkedRelocation, LinkedSection, LinkedSymbol } from "./link_model.ts";

/** A part of a section that lives or dies as one. */
interface Atom {
  section: LinkedSection;
  start: number;
  end: number;
  live: boolean;
  /** Where it goes. */
  newStart: number;
}

const PSEUDO_CALL = 1;
const CALL = 0x85;

/** Removes dead parts of an assembled object. `keep` are names that must stay. */
export function collectGarbage(linked: Linked, keep: ReadonlySet<string>): void {
  const gc = new Collector(linked, keep);
  gc.mark();
  gc.sweep();
}

/** Programs start in any executable section but this one, which has what they call. */
export function isProgramSection(section: LinkedSection): boolean {
  return (section.flags & SHF_EXECINSTR) !== 0 && section.name !== ".text";
}

/** Sections that the loader reads by name. */
export function isReserved(section: LinkedSection): boolean {
  return section.name === "license" || section.name === "version" || /^\??\.struct_ops/.test(section.name);
}

class Collector {
  readonly #linked: Linked;
  readonly #keep: ReadonlySet<string>;
  readonly #atoms = new Map<LinkedSection, Atom[]>();
  readonly #externs = new Set<LinkedSymbol>();
  readonly #work: Atom[] = [];

  constructor(linked: Linked, keep: ReadonlySet<string>) {
    this.#linked = linked;
    this.#keep = keep;
    for (const section of linked.sections) this.#atoms.set(section, split(section, linked.symbols));
  }

  mark(): void {
    const { sections } = this.#linked;
    for (const section of sections) if (isProgramSection(section) || isReserved(section)) this.#reachAll(section);
    if (!sections.some(isProgramSection)) this.#reachLibrary();
    for (const symbol of this.#linked.symbols) if (this.#keep.has(symbol.name)) this.#reachSymbol(symbol, 0);
    for (let atom = this.#work.pop(); atom !== undefined; atom = this.#work.pop()) this.#scan(atom);
  }

  /** An object without programs is a library: its global functions are what it is for. */
  #reachLibrary(): void {
    for (const symbol of this.#linked.globals.values()) if (symbol.type === STT_FUNC) this.#reachSymbol(symbol, 0);
  }

  #reachAll(section: LinkedSection): void {
    for (const atom of this.#atoms.get(section)!) this.#reach(atom);
  }

  #reach(atom: Atom | undefined): void {
    if (atom === undefined || atom.live) return;
    atom.live = true;
    this.#work.push(atom);
  }

  #reachSymbol(symbol: LinkedSymbol, addend: number): void {
    if (symbol.section === undefined) {
      this.#externs.add(symbol);
    } else if (symbol.type === STT_SECTION && (symbol.section.flags & SHF_EXECINSTR) === 0) {
      this.#reachAll(symbol.section);
    } else this.#reach(this.#atomAt(symbol.section, symbol.type === STT_SECTION ? addend : symbol.value));
  }

  #atomAt(section: LinkedSection, offset: number): Atom | undefined {
    return this.#atoms.get(section)!.find((atom) => offset >= atom.start && offset < atom.end);
  }

  #scan({ section, start, end }: Atom): void {
    const relocated = new Set<number>();
    for (const relocation of section.relocations) {
      if (relocation.offset < start || relocation.offset >= end) continue;
      relocated.add(relocation.offset);
      this.#reachSymbol(relocation.symbol, codeTarget(this.#linked, section, relocation));
    }
    for (const [at, target] of directCalls(this.#linked, section, start, end)) {
      if (!relocated.has(at)) this.#reach(this.#atomAt(section, target));
    }
  }

  sweep(): void {
    for (const atoms of this.#atoms.values()) place(atoms);
    for (const section of this.#linked.sections) this.#retarget(section);
    for (const section of this.#linked.sections) this.#move(section);
    const gone = (section: LinkedSection | undefined): boolean => {
      const atoms = section === undefined ? undefined : this.#atoms.get(section)!;
      return atoms !== undefined && atoms.length > 0 && atoms.every((atom) => !atom.live);
    };
    const dead = new Set(this.#linked.symbols.filter((symbol) => gone(symbol.section) || !this.#lives(symbol)));
    for (const symbol of this.#linked.symbols) {
      if (dead.has(symbol) || symbol.section === undefined || symbol.type === STT_SECTION) continue;
      symbol.value = this.#newOffset(symbol.section, symbol.value);
    }
    this.#linked.removeSymbols(dead);
    this.#linked.removeSections((section) => gone(section) || (section.ephemeral && section.vars.length === 0));
  }

  #lives(symbol: LinkedSymbol): boolean {
    if (symbol.extern) return this.#externs.has(symbol);
    if (symbol.section === undefined || symbol.type === STT_SECTION) return true;
    return this.#atomAt(symbol.section, symbol.value)?.live ?? true;
  }

  #newOffset(section: LinkedSection, offset: number): number {
    const atom = this.#atomAt(section, offset);
    return atom === undefined ? offset : offset - atom.start + atom.newStart;
  }

  /** Distances inside of instructions, while everything is still where it was. */
  #retarget(section: LinkedSection): void {
    const view = viewOf(section);
    const little = this.#linked.endian === "little";
    const relocated = new Set(section.relocations.map((r) => r.offset));
    for (const relocation of section.relocations) {
      const { symbol, offset } = relocation;
      const target = symbol.section;
      if (symbol.type !== STT_SECTION || target === undefined || (target.flags & SHF_EXECINSTR) === 0) continue;
      if ((section.flags & SHF_EXECINSTR) === 0) continue; // Only code refers to code by section, and data by symbol.
      const old = codeTarget(this.#linked, section, relocation);
      const moved = this.#newOffset(target, old) - old;
      const step = relocation.type === R_BPF_64_32 ? moved / 8 : moved;
      view.setInt32(offset + 4, view.getInt32(offset + 4, little) + step, little);
    }
    if ((section.flags & SHF_EXECINSTR) === 0) return;
    for (const [at, target] of directCalls(this.#linked, section, 0, section.size)) {
      if (relocated.has(at) || this.#atomAt(section, at)?.live !== true) continue;
      const distance = this.#newOffset(section, target) - this.#newOffset(section, at);
      view.setInt32(at + 4, distance / 8 - 1, little);
    }
  }

  #move(section: LinkedSection): void {
    const atoms = this.#atoms.get(section)!;
    const live = (offset: number): boolean => this.#atomAt(section, offset)?.live ?? atoms.length === 0;
    const moved = (offset: number): number => this.#newOffset(section, offset);
    section.vars = section.vars.filter((v) =>
      section.ephemeral || v.symbol?.extern === true ? this.#varLives(v.symbol) : live(v.offset)
    )
      .map((v) => ({ ...v, offset: section.ephemeral ? v.offset : moved(v.offset) }));
    if (atoms.every((atom) => atom.live)) return;
    section.relocations = section.relocations.filter((r) => live(r.offset)).map((r) => ({
      ...r,
      offset: moved(r.offset),
    }));
    this.#linked.btf.ext.move(section, (offset) => (live(offset) ? moved(offset) : undefined));
    const old = section.bytes;
    const kept = atoms.filter((atom) => atom.live);
    section.size = kept.reduce((end, atom) => Math.max(end, atom.newStart + atom.end - atom.start), 0);
    if (old.length === 0) return;
    section.bytes = new Uint8Array(section.size);
    for (const atom of kept) section.bytes.set(old.subarray(atom.start, atom.end), atom.newStart);
  }

  #varLives(symbol: LinkedSymbol | undefined): boolean {
    return symbol === undefined || !symbol.extern || this.#externs.has(symbol);
  }
}

/** The functions or variables of a section, and what lies between them. One atom where they overlap. */
function split(section: LinkedSection, symbols: readonly LinkedSymbol[]): Atom[] {
  if (section.size === 0) return [];
  const atom = (start: number, end: number): Atom => ({ section, start, end, live: false, newStart: start });
  const wanted = (section.flags & SHF_EXECINSTR) !== 0 ? STT_FUNC : STT_OBJECT;
  const parts = symbols.filter((s) => s.section === section && s.type === wanted && s.size > 0)
    .sort((a, b) => a.value - b.value || a.size - b.size);
  const atoms: Atom[] = [];
  let at = 0;
  for (const { value, size } of parts) {
    const last = atoms.at(-1);
    if (last !== undefined && value === last.start && value + size === last.end) continue; // An alias.
    if (value < at) return [atom(0, section.size)];
    if (value > at) atoms.push(atom(at, value));
    atoms.push(atom(value, value + size));
    at = value + size;
  }
  if (at < section.size) atoms.push(atom(at, section.size));
  return atoms;
}

/** New places of what lives, each with the alignment that its old place had. */
function place(atoms: readonly Atom[]): void {
  if (atoms.every((atom) => atom.live)) return;
  let at = 0;
  for (const atom of atoms) {
    if (!atom.live) continue;
    const natural = atom.start === 0 ? atom.section.align : atom.start & -atom.start;
    const align = Math.max(1, Math.min(atom.section.align, natural));
    atom.newStart = Math.ceil(at / align) * align;
    at = atom.newStart + atom.end - atom.start;
  }
}

/** Where in a section a relocation against the section's symbol points. */
function codeTarget(linked: Linked, section: LinkedSection, { offset, type, symbol }: LinkedRelocation): number {
  if (symbol.type !== STT_SECTION || (section.flags & SHF_EXECINSTR) === 0) return 0;
  const imm = viewOf(section).getInt32(offset + 4, linked.endian === "little");
  return type === R_BPF_64_32 ? (imm + 1) * 8 : imm;
}

/** Calls that the assembler resolved itself: place of the instruction and of its target. */
function* directCalls(linked: Linked, section: LinkedSection, start: number, end: number): Iterable<[number, number]> {
  if ((section.flags & SHF_EXECINSTR) === 0) return;
  const little = linked.endian === "little";
  const view = viewOf(section);
  for (let at = start; at + 8 <= end; at += 8) {
    const code = section.bytes[at]!;
    const source = little ? section.bytes[at + 1]! >> 4 : section.bytes[at + 1]! & 15;
    if (code === CALL && source === PSEUDO_CALL) yield [at, at + 8 + view.getInt32(at + 4, little) * 8];
    else if (code === 0x18) at += 8; // Takes two slots; the second is no instruction.
  }
}

function viewOf(section: LinkedSection): DataView {
  return new DataView(section.bytes.buffer, section.bytes.byteOffset, section.bytes.length);
}
