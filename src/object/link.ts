/**
 * The static linker: several BPF objects into one that libbpf, bpftool, Aya and waggle load. Bytes in, bytes out;
 * equal inputs give equal bytes. Its semantics are those of libbpf's linker (`bpftool gen object`).
 */
import { SHT_PROGBITS, STB_LOCAL } from "../abi/elf.ts";
import type { ElfSectionDraft } from "./elf_write.ts";
import { writeElf } from "./elf_write.ts";
import type { FinishedBtf } from "./link_finish.ts";
import { finishBtf } from "./link_finish.ts";
import { collectGarbage } from "./link_gc.ts";
import type { LinkInput } from "./link_inputs.ts";
import { collectObjects } from "./link_inputs.ts";
import { internalize } from "./link_internalize.ts";
import { Linked } from "./link_merge.ts";
import { mergeStrings } from "./link_strings.ts";

export type { LinkInput } from "./link_inputs.ts";
export { LinkError } from "./link_model.ts";

/** What to do besides joining. */
export interface LinkOptions {
  /**
   * Names that others look for. If given, all other globals become local, except programs, maps, license and struct_ops.
   */
  exports?: Iterable<string> | undefined;
  /** Remove functions, variables, maps, externs and types that no program and no export needs. */
  gcSections?: boolean | undefined;
  /** Merge equal strings and constants in sections that allow it; true if not given. */
  mergeStrings?: boolean | undefined;
  /** Write `.BTF` and `.BTF.ext`; true if not given. */
  btf?: boolean | undefined;
  /** Keep of the types that only CO-RE relocations name just what relocations look at. */
  minimizeCore?: boolean | undefined;
  /** Reads what a thin archive refers to. */
  readMember?: ((archive: string, name: string) => Uint8Array) | undefined;
}

export interface LinkResult {
  /** The linked object. */
  bytes: Uint8Array<ArrayBuffer>;
  /** Names of the objects that took part, archive members as `archive(member)`. */
  objects: string[];
  /** Externs that no input defines and that no `.ksyms` or `.kconfig` declares; the object does not load with them. */
  unresolved: string[];
}

/** Sections of BTF whose externs loaders look up; those in `.maps` and the like are for other inputs to define. */
const LOADERS: ReadonlySet<string | undefined> = new Set([".ksyms", ".kconfig"]);

/**
 * Links objects and archives of them. Throws `LinkError` where they do not fit together and `FormatError` where one is
 * broken. DWARF is left out.
 *
 * @example
 * ```ts ignore
 * // ignored: takes objects at hand
 * const { bytes } = link([{ name: "a.o", bytes: a }, { name: "b.o", bytes: b }], { gcSections: true });
 * ```
 */
export function link(inputs: readonly LinkInput[], options: LinkOptions = {}): LinkResult {
  const exports = new Set(options.exports);
  const objects = collectObjects(inputs, { readMember: options.readMember, wanted: exports });
  if (objects.length === 0) throw new TypeError("Cannot link: there are no objects");
  const linked = new Linked(objects[0]!.endian, objects.reduce((sum, { btf }) => sum + (btf?.bytes.length ?? 0), 0));
  for (const object of objects) linked.add(object);
  linked.assemble();
  if (options.exports !== undefined || options.gcSections === true) {
    const keep = new Set([...exports, ...linked.btf.taggedFunctions(objects)]);
    if (options.exports !== undefined) internalize(linked, keep);
    if (options.gcSections === true) collectGarbage(linked, keep);
  }
  if (options.mergeStrings !== false) mergeStrings(linked);
  const finished = options.btf === false
    ? undefined
    : finishBtf(linked, { prune: options.gcSections === true, minimizeCore: options.minimizeCore === true });
  const unresolved = linked.symbols.filter((s) => s.extern && !LOADERS.has(s.declaredIn?.name)).map((s) => s.name);
  return { bytes: writeLinked(linked, finished), objects: objects.map((o) => o.name), unresolved };
}

function writeLinked(linked: Linked, finished: FinishedBtf | undefined): Uint8Array<ArrayBuffer> {
  const real = linked.sections.filter((section) => !section.ephemeral);
  const sectionIndex = new Map(real.map((section, i) => [section, i + 1]));
  const symbolIndex = new Map(linked.symbols.map((symbol, i) => [symbol, i]));
  const sections: ElfSectionDraft[] = real.map((section) => ({
    name: section.name,
    type: section.type,
    flags: section.flags,
    align: section.align,
    entrySize: section.entrySize,
    bytes: section.bytes,
    size: section.size,
    relocations: section.relocations.map((r) => ({ ...r, symbol: symbolIndex.get(r.symbol)! })),
  }));
  if (finished !== undefined) sections.push(...btfSections(finished));
  const symbols = linked.symbols.map((symbol) => ({
    ...symbol,
    section: symbol.section === undefined ? symbol.shndx : sectionIndex.get(symbol.section)!,
    visibility: symbol.bind === STB_LOCAL ? 0 : symbol.visibility,
  }));
  return writeElf({ endian: linked.endian, sections, symbols });
}

function btfSections({ btf, ext }: FinishedBtf): ElfSectionDraft[] {
  const section = (name: string, bytes: Uint8Array): ElfSectionDraft => ({ name, type: SHT_PROGBITS, align: 4, bytes });
  return ext === undefined ? [section(".BTF", btf)] : [section(".BTF", btf), section(".BTF.ext", ext)];
}
