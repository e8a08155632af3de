/**
 * `.BTF.ext` of a linked object: the records of all inputs (functions, source lines, CO-RE), by section of the result.
 * They stay in the blocks of the inputs until all are there.
 */
import type { Endian } from "../bytes/cursor.ts";
import type { BtfCoreInfo, BtfExt, BtfExtBlock, BtfFuncInfo, BtfLineInfo } from "../btf/ext.ts";
import type { PooledNames } from "../btf/name_pool.ts";
import type { InputObject, LinkedSection } from "./link_model.ts";
import { LinkError } from "./link_model.ts";

/** Records of one section of the result. */
interface SectionRecords {
  func: BtfFuncInfo[];
  line: BtfLineInfo[];
  core: BtfCoreInfo[];
}

export class LinkExt {
  readonly #sections = new Map<LinkedSection, SectionRecords>();
  /** How sections changed since: new offsets by old ones. */
  readonly #moves = new Map<LinkedSection, (offset: number) => number | undefined>();

  /**
   * Takes the records of an object whose sections are linked, and gives them their new offsets, ids and names in place;
   * `shift` and `names` are what its BTF got.
   */
  add(object: InputObject, shift: number, names: PooledNames): void {
    const { ext } = object;
    if (ext === undefined) return;
    for (const block of ext.funcInfo) {
      this.#records(object, block)?.func.push(block);
      shiftIds(block.typeId, shift);
    }
    for (const block of ext.lineInfo) {
      this.#records(object, block)?.line.push(block);
      pool(block.fileOff, names);
      pool(block.lineOff, names);
    }
    for (const block of ext.core) {
      this.#records(object, block)?.core.push(block);
      shiftIds(block.typeId, shift);
      pool(block.accessOff, names);
    }
  }

  /** The records of the section that a block is about, undefined if it takes no part. */
  #records(object: InputObject, { section: name, insnOff }: BtfExtBlock): SectionRecords | undefined {
    const section = object.sections.find((s) => s?.name === name);
    if (section === undefined) {
      throw new LinkError(object.name, `.BTF.ext describes section "${name}", which is not there`, { subject: name });
    }
    if (section.out === undefined) return undefined;
    let records = this.#sections.get(section.out);
    if (records === undefined) this.#sections.set(section.out, records = { func: [], line: [], core: [] });
    const base = section.outOffset;
    for (let i = 0; i < insnOff.length; i++) insnOff[i] = insnOff[i]! + base;
    return records;
  }

  /** New offsets for the records of a section; those for which there is none are dropped. */
  move(section: LinkedSection, to: (offset: number) => number | undefined): void {
    this.#moves.set(section, to);
  }

  /** All records, sections in the order given. Names are numbers of the pool. */
  build(endian: Endian, sections: readonly LinkedSection[]): BtfExt {
    const ext: BtfExt = { endian, funcInfo: [], lineInfo: [], core: [] };
    for (const section of sections) {
      const records = this.#sections.get(section);
      if (records === undefined) continue;
      const to = this.#moves.get(section);
      put(ext.funcInfo, section.name, records.func, ["insnOff", "typeId"], to);
      put(ext.lineInfo, section.name, records.line, ["insnOff", "fileOff", "lineOff", "lineCol"], to);
      put(ext.core, section.name, records.core, ["insnOff", "typeId", "accessOff", "kind"], to);
    }
    return ext;
  }
}

/** 0 is void. */
function shiftIds(column: Uint32Array, shift: number): void {
  for (let i = 0; i < column.length; i++) if (column[i] !== 0) column[i] = column[i]! + shift;
}

function pool(column: Uint32Array, names: PooledNames): void {
  for (let i = 0; i < column.length; i++) column[i] = names.get(column[i]!);
}

/** One block of many, column by column; nothing if no record is left. */
function put<B extends BtfExtBlock>(
  blocks: B[],
  section: string,
  parts: readonly B[],
  columns: readonly (keyof B & string)[],
  to: ((offset: number) => number | undefined) | undefined,
): void {
  const count = parts.reduce((sum, { insnOff }) => sum + insnOff.length, 0);
  if (count === 0) return;
  const block: Record<string, string | Uint32Array> = { section };
  for (const name of columns) {
    const column = new Uint32Array(count);
    let at = 0;
    for (const part of parts) {
      column.set(part[name] as Uint32Array, at);
      at += (part[name] as Uint32Array).length;
    }
    block[name] = column;
  }
  const whole = to === undefined ? block as unknown as B : moved(block as unknown as B, to);
  if (whole.insnOff.length > 0) blocks.push(whole);
}

/** Without the records of what is gone. */
function moved<B extends BtfExtBlock>(block: B, to: (offset: number) => number | undefined): B {
  const offsets = Array.from(block.insnOff, (offset) => to(offset));
  const kept = Object.entries(block).map(([name, column]) => [
    name,
    column instanceof Uint32Array ? column.filter((_, i) => offsets[i] !== undefined) : column,
  ]);
  return { ...Object.fromEntries(kept), insnOff: Uint32Array.from(offsets.filter((o) => o !== undefined)) } as B;
}
