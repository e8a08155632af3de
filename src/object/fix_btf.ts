/**
 * Opens the BTF of an object and completes what the compiler leaves open: clang writes every DATASEC with size 0 and
 * every global variable with offset 0, because sections are laid out later. Sizes come from the section headers,
 * offsets from the symbols; hidden globals become static, so that the verifier does not treat them as an interface.
 * The same as libbpf does at open. The file's bytes are not written to.
 */
import { FormatError } from "../errors.ts";
import { Btf } from "../btf/btf.ts";
import { parseBtfExt } from "../btf/ext.ts";
import { BTF_KIND, BTF_TYPE_WORDS } from "../btf/kinds.ts";
import type { BtfDatasec } from "../btf/types.ts";
import { STV_HIDDEN, STV_INTERNAL } from "../abi/elf.ts";
import type { ObjectFile } from "./object_file.ts";
import { sectionWithRole } from "./object_file.ts";

/** What one variable of a DATASEC becomes. */
interface FixedVar {
  type: number;
  offset: number;
  size: number;
}

/** Fills `file.btf` and `file.ext`. An unreadable `.BTF.ext` is an error: without it CO-RE would silently not happen. */
export function openBtf(file: ObjectFile): void {
  const section = sectionWithRole(file, "btf");
  if (section === undefined) return;
  const raw = Btf.parse(section.bytes, { path: section.path });
  const patch = new BtfPatch(raw);
  for (const id of raw.ids(BTF_KIND.DATASEC)) fixDatasec(file, raw, id, patch);
  for (const symbol of file.functions) {
    if (isHidden(file, symbol)) makeStatic(file, raw, symbol, patch);
  }
  file.btf = patch.finish();
  const ext = sectionWithRole(file, "btf_ext");
  if (ext !== undefined) file.ext = parseBtfExt(ext.bytes, file.btf, ext.path);
}

/** Gives the DATASEC `.kconfig` the layout that the loader chose for its variables. */
export function layOutKconfig(btf: Btf, id: number, size: number, offsets: ReadonlyMap<string, number>): Btf {
  const datasec = btf.type(id) as BtfDatasec;
  const patch = new BtfPatch(btf);
  const vars = datasec.vars.map((v) => {
    patch.setLinkage(v.type, "global");
    return { ...v, offset: offsets.get(btf.nameOf(v.type)) ?? 0 };
  });
  patch.setDatasec(id, size, vars);
  return patch.finish();
}

function fixDatasec(file: ObjectFile, btf: Btf, id: number, patch: BtfPatch): void {
  const datasec = btf.type(id) as BtfDatasec;
  const name = datasec.name;
  // The extern sections exist in no file; externs lay them out. What has a size came from a linker and is complete.
  if (name === ".kconfig" || name === ".ksyms") return;
  const size = datasec.size || file.elf.section(name)?.size || 0;
  if (size === 0) throw new FormatError(file.elf.at(".BTF"), `DATASEC "${name}" has no section of that name`);
  const vars = datasec.vars.map((v): FixedVar => {
    const type = btf.type(v.type);
    if (type.kind !== "VAR") {
      throw new FormatError(file.elf.at(".BTF"), `DATASEC "${name}" contains type ${v.type}, which is ${type.kind}`);
    }
    if (type.linkage !== "global") return v;
    const symbol = file.variables.get(type.name);
    if (symbol === undefined) {
      throw new FormatError(file.elf.at(".BTF"), `variable "${type.name}" of DATASEC "${name}" has no symbol`);
    }
    if (isHidden(file, symbol)) patch.setLinkage(v.type, "static");
    return datasec.size === 0 ? { ...v, offset: file.symbols.value(symbol) } : v;
  });
  patch.setDatasec(id, size, vars);
}

function isHidden(file: ObjectFile, symbol: number): boolean {
  const visibility = file.symbols.visibility(symbol);
  return visibility === STV_HIDDEN || visibility === STV_INTERNAL;
}

function makeStatic(file: ObjectFile, btf: Btf, symbol: number, patch: BtfPatch): void {
  const id = btf.find(file.symbols.name(symbol), BTF_KIND.FUNC);
  if (id !== undefined) patch.setLinkage(id, "static");
}

const LINKAGE_NUMBER = { static: 0, global: 1, extern: 2 } as const;

/** Changes to a copy of a blob that keep every offset in it; the copy is made at the first change. */
class BtfPatch {
  readonly #btf: Btf;
  #view: DataView | undefined;
  /** Byte offset of the types. */
  #start = 0;

  constructor(btf: Btf) {
    this.#btf = btf;
  }

  /** The changed blob, or the same if nothing was changed. */
  finish(): Btf {
    if (this.#view === undefined) return this.#btf;
    return this.#btf.withBytes(new Uint8Array(this.#view.buffer));
  }

  /** Writes size and variables, in ascending order of offset, as the kernel wants them. */
  setDatasec(id: number, size: number, vars: FixedVar[]): void {
    vars.sort((a, b) => a.offset - b.offset);
    this.#set(id, 2, size);
    for (const [i, v] of vars.entries()) {
      const word = BTF_TYPE_WORDS + i * 3;
      this.#set(id, word, v.type);
      this.#set(id, word + 1, v.offset);
      this.#set(id, word + 2, v.size);
    }
  }

  /** Linkage of a VAR lies in the word behind it, that of a FUNC in its `vlen`. */
  setLinkage(id: number, linkage: "static" | "global"): void {
    const number = LINKAGE_NUMBER[linkage];
    if (this.#btf.kindOf(id) === BTF_KIND.VAR) this.#set(id, BTF_TYPE_WORDS, number);
    else this.#set(id, 1, ((BTF_KIND.FUNC << 24) | number) >>> 0);
  }

  #set(id: number, word: number, value: number): void {
    const little = this.#btf.endian === "little";
    if (this.#view === undefined) {
      this.#view = new DataView(this.#btf.bytes.slice().buffer);
      this.#start = this.#view.getUint32(4, little) + this.#view.getUint32(8, little);
    }
    const at = this.#btf.raw().offsets[id - this.#btf.firstId]! + word;
    this.#view.setUint32(this.#start + at * 4, value, little);
  }
}
