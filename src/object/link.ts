/**
 * The static linker: several BPF objects into one that libbpf, bpftool, Aya and waggle load. Bytes in, bytes out;
 * equal inputs give equal bytes. Its semantics are those of libbpf's linker (`bpftool gen object`).
 */
import { SHT_PROGBITS, STB_LOCAL } from "../abi/elf.ts";
import type { BtfExt } from "../btf/ext.ts";
import { writeBtfExt } from "../btf/ext.ts";
import { dedupBtf } from "../btf/dedup.ts";
import type { Btf } from "../btf/btf.ts";
import { BtfBuilder } from "../btf/write.ts";
import type { ElfSectionDraft } from "./elf_write.ts";
import { writeElf } from "./elf_write.ts";
import { readLinkInput } from "./link_input.ts";
import { Linked } from "./link_merge.ts";

/** A file to link. */
export interface LinkInput {
  name: string;
  bytes: Uint8Array;
}

/** What to do besides joining. */
export interface LinkOptions {
  /** Write `.BTF` and `.BTF.ext`; true if not given. */
  btf?: boolean;
}

export interface LinkResult {
  /** The linked object. */
  bytes: Uint8Array<ArrayBuffer>;
  /** Externs that no input defines and that no `.ksyms` or `.kconfig` declares; the object does not load with them. */
  unresolved: string[];
  /** What is worth a look and did not stop the link. */
  warnings: string[];
}

/**
 * Links objects. Throws `LinkError` where they do not fit together and `FormatError` where one is broken.
 *
 * @example
 * ```ts ignore
 * const { bytes } = link([{ name: "a.o", bytes: a }, { name: "b.o", bytes: b }]);
 * ```
 */
export function link(inputs: readonly LinkInput[], options: LinkOptions = {}): LinkResult {
  if (inputs.length === 0) throw new TypeError("Cannot link: there are no inputs");
  const objects = inputs.map(({ name, bytes }) => readLinkInput(bytes, name));
  const linked = new Linked(objects[0]!.endian);
  for (const object of objects) linked.add(object);
  linked.assemble();
  const unresolved = linked.symbols.filter((s) => s.extern && s.declaredIn === undefined).map((s) => s.name);
  const btf = options.btf === false ? undefined : finishBtf(linked);
  return { bytes: writeLinked(linked, btf), unresolved, warnings: [] };
}

interface FinishedBtf {
  btf: Btf;
  ext: BtfExt | undefined;
}

function finishBtf(linked: Linked): FinishedBtf | undefined {
  if (!linked.btf.present) return undefined;
  linked.btf.finish(linked.sections, linked.symbols);
  const ext = linked.btf.extPresent ? linked.btf.ext(linked.endian, linked.sections) : undefined;
  const result = dedupBtf(linked.btf.builder.build("linked .BTF"), { ext });
  return { btf: result.btf, ext: result.ext };
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
  if (ext === undefined) return [{ name: ".BTF", type: SHT_PROGBITS, align: 4, bytes: btf.bytes }];
  // Section names of .BTF.ext are strings of .BTF; they may be new there.
  const builder = new BtfBuilder({ endian: btf.endian, stringsOf: btf });
  for (const id of btf.ids()) builder.add(btf.type(id));
  const bytes = writeBtfExt(ext, (text) => builder.addString(text));
  return [
    { name: ".BTF", type: SHT_PROGBITS, align: 4, bytes: builder.toBytes() },
    { name: ".BTF.ext", type: SHT_PROGBITS, align: 4, bytes },
  ];
}
