/**
 * Merges equal strings in sections that allow it (SHF_MERGE and SHF_STRINGS: `.rodata.str1.1`), and equal constants in
 * those of fixed entries (`.rodata.cst16`). Only where all references are understood: loads of an address inside of the
 * section by section symbol.
 */
import { SHF_EXECINSTR, STT_SECTION } from "../abi/elf.ts";
import type { Linked } from "./link_merge.ts";
import type { LinkedSection } from "./link_model.ts";

const SHF_MERGE = 16;
const SHF_STRINGS = 32;

/** Merges in all sections that qualify. The object must be assembled. */
export function mergeStrings(linked: Linked): void {
  const fit = (section: LinkedSection): boolean =>
    (section.flags & SHF_MERGE) !== 0 && section.bytes.length > 0 && section.relocations.length === 0 &&
    !section.hasBtf;
  const open = new Set(linked.sections.filter(fit));
  if (open.size === 0) return;
  for (const section of notUnderstood(linked)) open.delete(section);
  for (const section of open) {
    const entries = split(section);
    if (entries !== undefined) merge(linked, section, entries);
  }
}

/** Start of each entry; undefined if the section is not made of whole entries. */
function split(section: LinkedSection): number[] | undefined {
  const { bytes, entrySize } = section;
  const starts: number[] = [];
  if ((section.flags & SHF_STRINGS) === 0) {
    if (entrySize === 0 || bytes.length % entrySize !== 0) return undefined;
    for (let at = 0; at < bytes.length; at += entrySize) starts.push(at);
    return starts;
  }
  // Strings of wide characters are not merged; alignment would have to be kept between them.
  if (entrySize !== 1 || section.align > 1 || bytes[bytes.length - 1] !== 0) return undefined;
  for (let at = 0; at < bytes.length; at = bytes.indexOf(0, at) + 1) starts.push(at);
  return starts;
}

/** Sections with variables of a size, and those that something else than code refers to. */
function* notUnderstood(linked: Linked): Iterable<LinkedSection> {
  for (const { section, type, size } of linked.symbols) {
    if (section !== undefined && type !== STT_SECTION && size > 0) yield section;
  }
  for (const from of linked.sections) {
    if ((from.flags & SHF_EXECINSTR) !== 0) continue;
    for (const { symbol } of from.relocations) if (symbol.section !== undefined) yield symbol.section;
  }
}

function merge(linked: Linked, section: LinkedSection, starts: readonly number[]): void {
  const places = new Map<string, number>();
  const moved = new Uint32Array(starts.length);
  const kept: Uint8Array[] = [];
  let size = 0;
  for (const [i, start] of starts.entries()) {
    const entry = section.bytes.subarray(start, starts[i + 1] ?? section.bytes.length);
    const key = String.fromCharCode(...entry);
    let place = places.get(key);
    if (place === undefined) {
      place = size;
      places.set(key, place);
      kept.push(entry);
      size += entry.length;
    }
    moved[i] = place;
  }
  if (size === section.size) return;
  moveReferences(linked, section, (offset) => newPlace(starts, moved, offset));
  for (const symbol of linked.symbols) {
    // Labels of compilers: they mark a string and have no size.
    if (symbol.section === section && symbol.type !== STT_SECTION) symbol.value = newPlace(starts, moved, symbol.value);
  }
  section.bytes = new Uint8Array(size);
  let at = 0;
  for (const entry of kept) {
    section.bytes.set(entry, at);
    at += entry.length;
  }
  section.size = size;
}

function newPlace(starts: readonly number[], moved: Uint32Array, offset: number): number {
  let i = starts.findIndex((start) => start > offset) - 1;
  if (i < 0) i = starts.length - 1;
  return moved[i]! + offset - starts[i]!;
}

function moveReferences(linked: Linked, section: LinkedSection, place: (offset: number) => number): void {
  const little = linked.endian === "little";
  for (const from of linked.sections) {
    const view = new DataView(from.bytes.buffer, from.bytes.byteOffset, from.bytes.length);
    for (const { offset, symbol } of from.relocations) {
      if (symbol.section !== section || symbol.type !== STT_SECTION) continue;
      view.setInt32(offset + 4, place(view.getInt32(offset + 4, little)), little);
    }
  }
}
