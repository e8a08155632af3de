/** An object under construction: sections, symbols and relocations by index, and the BTF that goes with them. */
import { STB_LOCAL, STT_SECTION } from "../abi/elf.ts";
import type { Btf } from "../btf/btf.ts";
import type { BtfSecInfo, BtfType } from "../btf/types.ts";
import { BtfBuilder } from "../btf/write.ts";
import type { ElfDraft, ElfRelocationDraft, ElfSectionDraft, ElfSymbolDraft } from "./elf_write.ts";
import type { ObjectSpec } from "./spec.ts";

/** What the steps of `writeObject` share. Section and symbol indices are those of the draft. */
export class ObjectDraft {
  readonly btf: BtfBuilder;
  /** A 4-byte integer. */
  readonly intId: number;
  /** Symbols of maps by name. */
  readonly mapSymbols = new Map<string, number>();
  readonly #spec: ObjectSpec;
  readonly #sections: (ElfSectionDraft & { relocations: ElfRelocationDraft[] })[] = [];
  readonly #symbols: ElfSymbolDraft[] = [];
  readonly #sectionSymbols = new Map<number, number>();
  readonly #functionSymbols = new Map<string, number>();
  readonly #datasecs = new Map<string, number>();
  readonly #later: (() => void)[] = [];

  constructor(spec: ObjectSpec) {
    this.#spec = spec;
    this.btf = new BtfBuilder({ endian: spec.endian, stringsOf: spec.btf });
    if (spec.btf !== undefined) this.#copyTypes(spec.btf);
    this.intId = this.#findInt() ?? this.btf.add(INT);
  }

  /** Adds a section; its index counts from 1, as in the file. */
  addSection(section: ElfSectionDraft): number {
    return this.#sections.push({ ...section, relocations: [] });
  }

  addSymbol(symbol: ElfSymbolDraft): number {
    return this.#symbols.push(symbol) - 1;
  }

  addRelocation(section: number, relocation: ElfRelocationDraft): void {
    this.#sections[section - 1]!.relocations.push(relocation);
  }

  /** The symbol that stands for a section's start. */
  sectionSymbol(section: number): number {
    let symbol = this.#sectionSymbols.get(section);
    if (symbol === undefined) {
      symbol = this.addSymbol({ name: "", value: 0, size: 0, bind: STB_LOCAL, type: STT_SECTION, section });
      this.#sectionSymbols.set(section, symbol);
    }
    return symbol;
  }

  addFunctionSymbol(name: string, symbol: ElfSymbolDraft): number {
    const index = this.addSymbol(symbol);
    if (!this.#functionSymbols.has(name)) this.#functionSymbols.set(name, index);
    return index;
  }

  functionSymbol(name: string): number | undefined {
    return this.#functionSymbols.get(name);
  }

  /** Adds a DATASEC, or replaces the one of that name. */
  setDatasec(name: string, size: number, vars: BtfSecInfo[]): void {
    const type: BtfType = { kind: "DATASEC", name, size, vars };
    const id = this.#datasecs.get(name);
    if (id === undefined) this.#datasecs.set(name, this.btf.add(type));
    else this.btf.set(id, type);
  }

  /** Runs a step once all symbols are there. */
  later(step: () => void): void {
    this.#later.push(step);
  }

  /** The file, all steps done. BTF sections are added by `finish`, which gets the final types. */
  toElf(finish: (draft: ObjectDraft) => void): ElfDraft {
    for (const step of this.#later) step();
    finish(this);
    return { endian: this.#spec.endian, sections: this.#sections, symbols: this.#symbols };
  }

  /** Types keep their ids; externs get back the linkage that reading changed. */
  #copyTypes(btf: Btf): void {
    const kconfig = new Set(this.#spec.externs.filter((e) => e.kind === "kconfig").map((e) => e.btfId));
    for (const id of btf.ids()) {
      let type = btf.type(id);
      if (type.kind === "VAR" && kconfig.has(id)) type = { ...type, linkage: "extern" };
      if (type.kind === "DATASEC") {
        this.#datasecs.set(type.name, id);
        if (type.name === ".kconfig") type = { ...type, size: 0, vars: type.vars.map((v) => ({ ...v, offset: 0 })) };
      }
      this.btf.add(type);
    }
  }

  #findInt(): number | undefined {
    for (let id = 1; id < this.btf.nextId; id++) {
      const type = this.btf.get(id);
      if (type.kind === "INT" && type.size === 4 && type.bits === 32) return id;
    }
    return undefined;
  }
}

const INT: BtfType = {
  kind: "INT",
  name: "int",
  size: 4,
  bits: 32,
  bitOffset: 0,
  signed: true,
  char: false,
  bool: false,
};
