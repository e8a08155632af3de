/**
 * Puts input objects together: sections of one name become one, symbols of one name become one, relocations follow.
 * The rules are those of libbpf's static linker, so that both make the same object of the same inputs.
 */
import {
  R_BPF_64_32,
  R_BPF_64_ABS32,
  R_BPF_64_ABS64,
  SHF_EXECINSTR,
  SHN_LORESERVE,
  SHN_UNDEF,
  SHT_NOBITS,
  STB_GLOBAL,
  STB_LOCAL,
  STB_WEAK,
  STT_SECTION,
} from "../abi/elf.ts";
import type { Endian } from "../bytes/cursor.ts";
import type { ElfSymbol } from "./elf_tables.ts";
import { LinkBtf } from "./link_btf.ts";
import type { InputObject, InputSection, LinkedSection, LinkedSymbol } from "./link_model.ts";
import { LinkError, newSection } from "./link_model.ts";

/** The object being linked. */
export class Linked {
  readonly endian: Endian;
  readonly sections: LinkedSection[] = [];
  readonly symbols: LinkedSymbol[] = [];
  readonly globals = new Map<string, LinkedSymbol>();
  readonly btf: LinkBtf;
  readonly #sectionsByName = new Map<string, LinkedSection>();

  /** `btfBytes` is how much BTF all objects have together. */
  constructor(endian: Endian, btfBytes: number) {
    this.endian = endian;
    this.btf = new LinkBtf(btfBytes);
  }

  /** Adds one object. Throws `LinkError`. */
  add(object: InputObject): void {
    if (object.endian !== this.endian) {
      throw new LinkError(
        object.name,
        `it is ${object.endian}-endian and the objects before it are ${this.endian}-endian`,
      );
    }
    for (const section of object.sections) if (section !== undefined) this.#addSection(object, section);
    for (const section of object.ephemeral) this.#addSection(object, section);
    for (const symbol of object.symbols) if (symbol.index !== 0) this.#addSymbol(object, symbol);
    for (const section of object.sections) if (section !== undefined) this.#addRelocations(object, section);
    this.btf.add(object, this);
  }

  section(name: string): LinkedSection | undefined {
    return this.#sectionsByName.get(name);
  }

  removeSymbols(dead: ReadonlySet<LinkedSymbol>): void {
    const kept = this.symbols.filter((symbol) => !dead.has(symbol));
    this.symbols.splice(0, this.symbols.length, ...kept);
    for (const symbol of dead) if (this.globals.get(symbol.name) === symbol) this.globals.delete(symbol.name);
  }

  removeSections(isDead: (section: LinkedSection) => boolean): void {
    const kept = this.sections.filter((section) => !isDead(section));
    for (const section of this.sections) if (!kept.includes(section)) this.#sectionsByName.delete(section.name);
    this.sections.splice(0, this.sections.length, ...kept);
  }

  /** Makes the contents of sections out of their pieces, gaps zeroed. */
  assemble(): void {
    for (const section of this.sections) {
      if (section.type === SHT_NOBITS || section.ephemeral) continue;
      section.bytes = new Uint8Array(section.size);
      for (const piece of section.pieces) section.bytes.set(piece.bytes, piece.offset);
      section.pieces.length = 0;
    }
  }

  #addSection(object: InputObject, section: InputSection): void {
    let out = this.#sectionsByName.get(section.name);
    if (out === undefined) {
      out = newSection(section);
      this.sections.push(out);
      this.#sectionsByName.set(section.name, out);
    } else {
      if (out.ephemeral) upgrade(out, section);
      else if (section.index !== 0) checkSame(object, section, out);
      if (section.name === "license" || section.name === "version") return checkContent(object, section, out);
    }
    section.out = out;
    if (section.index === 0) return;
    out.align = Math.max(out.align, section.align);
    section.outOffset = Math.ceil(out.size / out.align) * out.align;
    out.size = section.outOffset + section.size;
    if (section.type !== SHT_NOBITS && section.size > 0) {
      out.pieces.push({ offset: section.outOffset, bytes: section.bytes });
    }
  }

  #addSymbol(object: InputObject, symbol: ElfSymbol): void {
    const section = symbol.section < SHN_LORESERVE ? object.sections[symbol.section] : undefined;
    if (symbol.section !== SHN_UNDEF && symbol.section < SHN_LORESERVE && section?.out === undefined) return; // Skipped.
    if (symbol.type === STT_SECTION && section?.out !== undefined) {
      object.linked[symbol.index] = this.sectionSymbol(section.out);
      return;
    }
    const known = symbol.bind === STB_LOCAL ? undefined : this.globals.get(symbol.name);
    if (known === undefined) object.linked[symbol.index] = this.#newSymbol(object, symbol, section);
    else {
      object.linked[symbol.index] = known;
      this.#resolve(object, symbol, section, known);
    }
  }

  /** The one symbol that stands for a section. */
  sectionSymbol(section: LinkedSection): LinkedSymbol {
    section.symbol ??= this.#push({
      name: "",
      bind: STB_LOCAL,
      type: STT_SECTION,
      visibility: 0,
      section,
      shndx: 0,
      value: 0,
      size: 0,
      extern: false,
      weak: false,
      owner: undefined,
      declaredIn: undefined,
      btfId: 0,
    });
    return section.symbol;
  }

  #newSymbol(object: InputObject, symbol: ElfSymbol, section: InputSection | undefined): LinkedSymbol {
    const extern = symbol.section === SHN_UNDEF;
    const made = this.#push({
      name: symbol.name,
      bind: symbol.bind,
      type: symbol.type,
      visibility: symbol.visibility,
      section: section?.out,
      shndx: symbol.section,
      value: symbol.value + (section?.outOffset ?? 0),
      size: symbol.size,
      extern,
      weak: symbol.bind === STB_WEAK,
      owner: object,
      declaredIn: extern ? this.btf.declaringSection(object, symbol.name, this) : undefined,
      btfId: 0,
    });
    if (symbol.bind !== STB_LOCAL) this.globals.set(symbol.name, made);
    return made;
  }

  #push(symbol: LinkedSymbol): LinkedSymbol {
    this.symbols.push(symbol);
    return symbol;
  }

  /** A global that was mentioned before: strong wins over weak, a definition over an extern, the first over later ones. */
  #resolve(object: InputObject, symbol: ElfSymbol, section: InputSection | undefined, known: LinkedSymbol): void {
    const extern = symbol.section === SHN_UNDEF;
    if (!extern && !known.extern && !known.weak && symbol.bind !== STB_WEAK) {
      throw new LinkError(
        object.name,
        `"${symbol.name}" is defined here and in "${known.owner?.name}", and neither is weak`,
        {
          subject: symbol.name,
          hint: "make one of them static, or __weak",
        },
      );
    }
    this.btf.check(object, symbol.name, known, extern);
    if (symbol.bind === STB_GLOBAL) {
      known.bind = STB_GLOBAL;
      known.weak = false;
    }
    // The stricter visibility wins, even that of an extern.
    known.visibility = Math.max(known.visibility, symbol.visibility);
    if (extern || (!known.extern && symbol.bind === STB_WEAK)) return;
    if (known.declaredIn !== undefined && known.declaredIn !== section?.out) {
      throw new LinkError(
        object.name,
        `"${symbol.name}" is in "${section?.out?.name}", and an extern elsewhere says "${known.declaredIn.name}"`,
        {
          subject: symbol.name,
        },
      );
    }
    known.type = symbol.type;
    known.section = section?.out;
    known.value = symbol.value + (section?.outOffset ?? 0);
    known.size = symbol.size;
    known.extern = false;
    known.owner = object;
    this.btf.redefine(known);
  }

  #addRelocations(object: InputObject, section: InputSection): void {
    const out = section.out;
    if (out === undefined || section.relocations.length === 0) return;
    for (const { offset, symbol: index, type } of section.relocations) {
      const source = object.symbols[index]!;
      const symbol = object.linked[index];
      if (symbol === undefined) {
        throw new LinkError(
          object.name,
          `a relocation in "${section.name}" at ${offset} needs a section that takes no part`,
          {
            subject: section.name,
          },
        );
      }
      const target = object.sections[source.section];
      if (source.type === STT_SECTION && target !== undefined) {
        moveAddend(object.endian, section, offset, type, target.outOffset);
      }
      out.relocations.push({ offset: offset + section.outOffset, symbol, type });
    }
  }
}

/** What a section's symbol points to moves with the section; the distance is in the place itself. */
function moveAddend(endian: Endian, section: InputSection, offset: number, type: number, distance: number): void {
  if (distance === 0) return;
  const little = endian === "little";
  const view = new DataView(section.bytes.buffer, section.bytes.byteOffset, section.bytes.length);
  if ((section.flags & SHF_EXECINSTR) !== 0) {
    const step = type === R_BPF_64_32 ? distance / 8 : distance;
    view.setInt32(offset + 4, view.getInt32(offset + 4, little) + step, little);
  } else if (type === R_BPF_64_ABS64) {
    view.setBigInt64(offset, view.getBigInt64(offset, little) + BigInt(distance), little);
  } else if (type === R_BPF_64_ABS32) {
    view.setInt32(offset, view.getInt32(offset, little) + distance, little);
  }
}

/** A section that only externs named gets its first content. */
function upgrade(out: LinkedSection, section: InputSection): void {
  if (section.index === 0) return;
  Object.assign(out, { type: section.type, flags: section.flags, entrySize: section.entrySize, ephemeral: false });
}

function checkSame(object: InputObject, section: InputSection, out: LinkedSection): void {
  const kind = (s: { type: number; flags: number; entrySize: number }): string =>
    `type ${s.type}, flags 0x${s.flags.toString(16)}, entries of ${s.entrySize}`;
  if (kind(section) === kind(out)) return;
  throw new LinkError(
    object.name,
    `section "${section.name}" (${kind(section)}) does not fit what is there (${kind(out)})`,
    {
      subject: section.name,
    },
  );
}

/** One program object has one license and one version. */
function checkContent(object: InputObject, section: InputSection, out: LinkedSection): void {
  const there = out.pieces[0]?.bytes ?? new Uint8Array(0);
  if (there.length === section.bytes.length && there.every((byte, i) => byte === section.bytes[i])) return;
  const text = (bytes: Uint8Array): string =>
    section.name === "license" ? `"${new TextDecoder().decode(bytes).replace(/\0.*/s, "")}"` : [...bytes].join(" ");
  throw new LinkError(object.name, `its ${section.name} is ${text(section.bytes)}, and that before it ${text(there)}`, {
    subject: section.name,
  });
}
