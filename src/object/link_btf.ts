/**
 * The BTF of a linked object: types of all inputs one after the other, one VAR or FUNC for each global, DATASECs made
 * anew, `.BTF.ext` carried over. Duplicates stay until the end, where deduplication takes them all at once.
 */
import type { Endian } from "../bytes/cursor.ts";
import type { Btf } from "../btf/btf.ts";
import type { BtfCoreInfo, BtfExt, BtfFuncInfo, BtfLineInfo } from "../btf/ext.ts";
import type { BtfFuncLinkage, BtfType } from "../btf/types.ts";
import { BtfJoiner } from "../btf/join.ts";
import { BTF_KIND, kindOfInfo } from "../btf/kinds.ts";
import { mapsDiffer, typesDiffer } from "./link_match.ts";
import type { Linked } from "./link_merge.ts";
import type { InputObject, InputSection, LinkedSection, LinkedSymbol, LinkedVar } from "./link_model.ts";
import { LinkError } from "./link_model.ts";

/** Where the VAR or FUNC of a global came from. */
interface Origin {
  btf: Btf;
  id: number;
}

/** Records of one section of the result, column by column. */
interface ExtRecords {
  func: Omit<Record<keyof BtfFuncInfo, number[]>, "section">;
  line: Omit<Record<keyof BtfLineInfo, number[]>, "section">;
  core: Omit<Record<keyof BtfCoreInfo, number[]>, "section">;
}

export class LinkBtf {
  readonly types: BtfJoiner;
  /** Whether any input had BTF, and `.BTF.ext`. */
  present = false;
  extPresent = false;
  readonly #origins = new Map<LinkedSymbol, Origin>();
  readonly #ext = new Map<LinkedSection, ExtRecords>();

  constructor(endian: Endian) {
    this.types = new BtfJoiner(endian);
  }

  /** The section of BTF in which an object declares an extern: `.ksyms`, `.kconfig`; none for plain externs. */
  declaringSection(object: InputObject, name: string, linked: Linked): LinkedSection | undefined {
    const { btf } = object;
    if (btf === undefined) return undefined;
    for (const section of [...object.ephemeral, ...object.sections]) {
      if (section?.vars.some((v) => btf.nameOf(v.type) === name) === true) return linked.section(section.name);
    }
    return undefined;
  }

  /** Throws `LinkError` unless what an object says about a global, which it defines or not, fits what is known. */
  check(object: InputObject, name: string, known: LinkedSymbol, extern: boolean): void {
    const id = object.globalByName.get(name);
    const origin = this.#origins.get(known);
    if (id === undefined && origin === undefined) return; // There is nothing to compare.
    // Rust has no types for what it declares extern, and rustc's `symbols.o` none for what it asks for: there is nothing
    // to compare, and the definition brings the type. libbpf refuses that.
    if ((id === undefined && extern) || (origin === undefined && known.extern)) return;
    if (id === undefined || origin === undefined || object.btf === undefined) {
      throw new LinkError(object.name, `"${name}" is in "${known.owner?.name}" too, and one of them has no BTF`, {
        subject: name,
      });
    }
    const isMap = (known.section ?? known.declaredIn)?.name === ".maps";
    const problem = isMap && origin.btf.kindOf(origin.id) === object.btf.kindOf(id)
      ? mapsDiffer(origin.btf, variableType(origin.btf, origin.id), object.btf, variableType(object.btf, id))
      : typesDiffer(origin.btf, origin.id, object.btf, id);
    if (problem === undefined) return;
    throw new LinkError(object.name, `"${name}" has another type than in "${known.owner?.name}": ${problem}`, {
      subject: name,
    });
  }

  /** The definition that won is still to come: its type replaces that of the extern or weak one. */
  redefine(symbol: LinkedSymbol): void {
    this.#origins.delete(symbol);
  }

  /** Appends the types and records of an object whose symbols are linked. */
  add(object: InputObject, linked: Linked): void {
    const { btf } = object;
    if (btf === undefined) return;
    this.present = true;
    const ids = this.#assignIds(btf, linked);
    const shift = this.types.append(btf, ids);
    for (const id of object.globalIds) this.#settle(btf, id, ids, shift, linked);
    for (const section of [...object.sections, ...object.ephemeral]) {
      if (section !== undefined) this.#addVars(object, btf, section, ids, linked);
    }
    this.#addExt(object, ids, shift);
  }

  /** New id of each type: DATASECs have none, a global that is known keeps its first. */
  #assignIds(btf: Btf, linked: Linked): Uint32Array {
    const ids = new Uint32Array(btf.typeCount);
    const { words, offsets } = btf.raw();
    const count = btf.typeCount;
    let next = this.types.nextId;
    for (let id = btf.firstId; id < count; id++) {
      const kind = kindOfInfo(words[offsets[id - btf.firstId]! + 1]!);
      if (kind === BTF_KIND.DATASEC) continue;
      if (kind !== BTF_KIND.VAR && kind !== BTF_KIND.FUNC && kind !== BTF_KIND.DECL_TAG) {
        ids[id] = next++;
        continue;
      }
      const type = btf.type(id);
      if (isDropped(type, linked) || (type.kind === "DECL_TAG" && isDropped(btf.type(type.type), linked))) continue;
      const symbol = globalSymbol(type, linked);
      ids[id] = symbol !== undefined && symbol.btfId !== 0 ? symbol.btfId : next++;
      if (symbol !== undefined) symbol.btfId = ids[id]!;
    }
    return ids;
  }

  /** A global's VAR or FUNC is that of its definition, or of its first mention while there is none. */
  #settle(btf: Btf, id: number, ids: Uint32Array, shift: number, linked: Linked): void {
    const symbol = globalSymbol(btf.type(id), linked);
    if (symbol === undefined || this.#origins.has(symbol)) return;
    this.#origins.set(symbol, { btf, id });
    if (kindOfInfo(this.types.word(symbol.btfId, 1)) === btf.kindOf(id)) {
      this.types.replace(symbol.btfId, btf, id, ids, shift);
    }
  }

  #addVars(object: InputObject, btf: Btf, section: InputSection, ids: Uint32Array, linked: Linked): void {
    const out = section.out;
    if (out === undefined || section.datasec === 0) return;
    out.hasBtf = true;
    for (const info of section.vars) {
      const symbol = globalSymbol(btf.type(info.type), linked);
      if (symbol === undefined) {
        if (ids[info.type] === 0) continue;
        out.vars.push({ type: ids[info.type]!, offset: section.outOffset + info.offset, size: info.size, symbol });
        continue;
      }
      const home = symbol.section ?? symbol.declaredIn;
      if (home !== out) {
        throw new LinkError(
          object.name,
          `"${symbol.name}" is in section "${out.name}" here and in "${home?.name ?? "none"}" elsewhere`,
          {
            subject: symbol.name,
          },
        );
      }
      this.#placeGlobal(object, out, symbol, info.size);
    }
  }

  /** One entry for each global, with the place and the size that its definition gives it. */
  #placeGlobal(object: InputObject, out: LinkedSection, symbol: LinkedSymbol, size: number): void {
    const known = out.vars.find((v) => v.symbol === symbol);
    if (known === undefined) out.vars.push({ type: symbol.btfId, offset: symbol.value, size, symbol });
    else if (symbol.owner === object) Object.assign(known, { offset: symbol.value, size });
  }

  #addExt(object: InputObject, ids: Uint32Array, shift: number): void {
    const { ext } = object;
    if (ext === undefined) return;
    this.extPresent = true;
    const string = (offset: number): number => (offset === 0 ? 0 : offset + shift);
    for (const { section, insnOff, typeId } of ext.funcInfo) {
      this.#records(object, section, (records, base) => {
        for (let i = 0; i < insnOff.length; i++) {
          records.func.insnOff.push(insnOff[i]! + base);
          records.func.typeId.push(ids[typeId[i]!]!);
        }
      });
    }
    for (const { section, insnOff, fileOff, lineOff, lineCol } of ext.lineInfo) {
      this.#records(object, section, (records, base) => {
        for (let i = 0; i < insnOff.length; i++) {
          records.line.insnOff.push(insnOff[i]! + base);
          records.line.fileOff.push(string(fileOff[i]!));
          records.line.lineOff.push(string(lineOff[i]!));
          records.line.lineCol.push(lineCol[i]!);
        }
      });
    }
    for (const { section, insnOff, typeId, accessOff, kind } of ext.core) {
      this.#records(object, section, (records, base) => {
        for (let i = 0; i < insnOff.length; i++) {
          records.core.insnOff.push(insnOff[i]! + base);
          records.core.typeId.push(ids[typeId[i]!]!);
          records.core.accessOff.push(string(accessOff[i]!));
          records.core.kind.push(kind[i]!);
        }
      });
    }
  }

  #records(object: InputObject, name: string, add: (records: ExtRecords, base: number) => void): void {
    const section = object.sections.find((s) => s?.name === name);
    if (section === undefined) {
      throw new LinkError(object.name, `.BTF.ext describes section "${name}", which is not there`, { subject: name });
    }
    if (section.out === undefined) return;
    let records = this.#ext.get(section.out);
    if (records === undefined) {
      records = {
        func: { insnOff: [], typeId: [] },
        line: { insnOff: [], fileOff: [], lineOff: [], lineCol: [] },
        core: { insnOff: [], typeId: [], accessOff: [], kind: [] },
      };
      this.#ext.set(section.out, records);
    }
    add(records, section.outOffset);
  }

  /** New offsets for the records of a section; those for which there is none are dropped. */
  moveRecords(section: LinkedSection, move: (offset: number) => number | undefined): void {
    const records = this.#ext.get(section);
    if (records === undefined) return;
    for (const part of [records.func, records.line, records.core] as Record<string, number[]>[]) {
      const offsets = part["insnOff"]!.map(move);
      for (const [name, column] of Object.entries(part)) part[name] = column.filter((_, i) => offsets[i] !== undefined);
      part["insnOff"] = offsets.filter((offset) => offset !== undefined);
    }
  }

  /** `.BTF.ext` of the result, sections in the order given. */
  ext(endian: Endian, sections: readonly LinkedSection[]): BtfExt {
    const ext: BtfExt = { endian, funcInfo: [], lineInfo: [], core: [] };
    for (const section of sections) {
      const records = this.#ext.get(section);
      if (records === undefined) continue;
      const { func, line, core } = records;
      if (func.insnOff.length > 0) ext.funcInfo.push({ section: section.name, ...columns(func) });
      if (line.insnOff.length > 0) ext.lineInfo.push({ section: section.name, ...columns(line) });
      if (core.insnOff.length > 0) ext.core.push({ section: section.name, ...columns(core) });
    }
    return ext;
  }

  /** Adds the DATASECs: one for each section that BTF describes, and `.extern` for what nobody defined. */
  finish(sections: readonly LinkedSection[], symbols: readonly LinkedSymbol[]): void {
    for (const section of sections) {
      if (section.hasBtf) this.#addDatasec(section.name, section.size, section.vars);
    }
    const open = symbols.filter((s) =>
      s.extern && s.declaredIn === undefined && s.btfId !== 0 && this.#kind(s.btfId) === BTF_KIND.VAR
    );
    if (open.length > 0) this.#addDatasec(".extern", 0, open.map((s) => ({ type: s.btfId, offset: 0, size: 0 })));
  }

  #addDatasec(name: string, size: number, vars: readonly Pick<LinkedVar, "type" | "offset" | "size">[]): void {
    const sorted = [...vars].sort((a, b) => a.offset - b.offset);
    const info = (BTF_KIND.DATASEC << 24) | sorted.length;
    this.types.add([this.types.addString(name), info, size, ...sorted.flatMap((v) => [v.type, v.offset, v.size])]);
  }

  #kind(id: number): number {
    return kindOfInfo(this.types.word(id, 1));
  }

  /** Functions that only a tag names: `__exception_cb(name)` on a program. */
  taggedFunctions(objects: readonly InputObject[]): string[] {
    const prefix = "exception_callback:";
    const tags = objects.flatMap(({ btf }) =>
      btf === undefined ? [] : Array.from(btf.ids("DECL_TAG"), (id) => btf.nameOf(id))
    );
    return tags.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  }

  /** Gives the FUNC or VAR of a symbol another linkage. */
  setLinkage(symbol: LinkedSymbol, linkage: BtfFuncLinkage): void {
    const number = { static: 0, global: 1, extern: 2 }[linkage];
    const kind = symbol.btfId === 0 ? 0 : this.#kind(symbol.btfId);
    if (kind === BTF_KIND.FUNC) this.types.setWord(symbol.btfId, 1, (BTF_KIND.FUNC << 24) | number);
    else if (kind === BTF_KIND.VAR) this.types.setWord(symbol.btfId, 3, number);
  }
}

function columns<K extends string>(records: Record<K, number[]>): Record<K, Uint32Array> {
  return Object.fromEntries(Object.entries<number[]>(records).map(([k, v]) => [k, Uint32Array.from(v)])) as Record<
    K,
    Uint32Array
  >;
}

function isGlobal(type: BtfType): boolean {
  return (type.kind === "VAR" || type.kind === "FUNC") && type.linkage !== "static";
}

function globalSymbol(type: BtfType, linked: Linked): LinkedSymbol | undefined {
  return isGlobal(type) ? linked.globals.get(type.name) : undefined;
}

/** A variable without symbol: that of a license or version that an earlier input brought. */
function isDropped(type: BtfType, linked: Linked): boolean {
  return type.kind === "VAR" && isGlobal(type) && !linked.globals.has(type.name);
}

function variableType(btf: Btf, id: number): number {
  const type = btf.type(id);
  return type.kind === "VAR" || type.kind === "FUNC" ? type.type : id;
}
