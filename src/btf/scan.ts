/**
 * The one pass over a type section: where each type starts, and which ids have a name that describes data. Nothing is
 * allocated per type. Also the check of every type id and string offset, driven by the table of kinds.
 */
import { FormatError } from "../errors.ts";
import type { BtfLayout } from "./header.ts";
import { BTF_KINDS, BTF_TYPE_WORDS, isDataKind, kindName, kindOfInfo, vlenOfInfo } from "./kinds.ts";

export interface BtfScan {
  /** Position of each type in the words, by id minus first id; one more entry marks the end. */
  offsets: Uint32Array;
  /** Ids of named data types, ascending. */
  dataIds: Uint32Array;
  /** Ids of named types of other kinds (functions, variables, sections, tags), ascending. */
  otherIds: Uint32Array;
}

const KINDS = 128;
const UNKNOWN = 0xff;
const DATA = 1 << 16;

/** Throws `FormatError` for a kind without known length and for a type that runs over the end. */
export function scanTypes(words: Uint32Array, layout: readonly BtfLayout[], firstId: number, path: string): BtfScan {
  const shapes = shapeTable(layout);
  const end = words.length;
  const offsets = new Uint32Array(Math.floor(end / BTF_TYPE_WORDS) + 1);
  // Data ids grow from the front, the others from the back.
  const named = new Uint32Array(offsets.length);
  let [count, at, front, back] = [0, 0, 0, named.length];
  while (at + BTF_TYPE_WORDS <= end) {
    const info = words[at + 1]!;
    const shape = shapes[(info >>> 24) & 0x7f]!;
    if (shape === UNKNOWN) throw unknownKind(path, firstId + count, info, at);
    if (words[at] !== 0) {
      if (shape >= DATA) named[front++] = firstId + count;
      else named[--back] = firstId + count;
    }
    offsets[count++] = at;
    at += BTF_TYPE_WORDS + (shape & 0xff) + ((shape >>> 8) & 0xff) * (info & 0xffffff);
  }
  if (at !== end) {
    const id = firstId + count - (at > end ? 1 : 0);
    throw new FormatError(`${path}: type ${id}`, "runs over the end of the type section");
  }
  offsets[count] = end;
  return {
    offsets: offsets.subarray(0, count + 1),
    dataIds: named.subarray(0, front),
    otherIds: named.subarray(back).reverse(),
  };
}

function unknownKind(path: string, id: number, info: number, at: number): FormatError {
  return new FormatError(`${path}: type ${id}`, `${kindName(kindOfInfo(info))} is not known`, { offset: at * 4 });
}

/** By kind: words once | words for each element << 8 | DATA. One number, so that the pass reads one array. */
function shapeTable(layout: readonly BtfLayout[]): Uint32Array {
  const shapes = new Uint32Array(KINDS).fill(UNKNOWN);
  for (const [kind, sizes] of layout.entries()) {
    if (kind > 0 && kind < KINDS) shapes[kind] = sizes.fixed | (sizes.element << 8);
  }
  for (const def of BTF_KINDS) {
    if (def.number === 0) continue;
    shapes[def.number] = def.fixed | (def.element << 8) | (isDataKind(def.number) ? DATA : 0);
  }
  return shapes;
}

/** Whether every type id is below `typeCount` and every string offset below `stringEnd` in the type at `at`. */
export function typeIsSound(words: Uint32Array, at: number, typeCount: number, stringEnd: number): boolean {
  const info = words[at + 1]!;
  const def = BTF_KINDS[kindOfInfo(info)];
  if (words[at]! >= stringEnd && words[at] !== 0) return false;
  if (def === undefined) return true;
  if (def.word === "type" && words[at + 2]! >= typeCount) return false;
  let element = at + BTF_TYPE_WORDS;
  for (const i of def.fixedTypes) if (words[element + i]! >= typeCount) return false;
  if (def.element === 0) return linkageIsKnown(def.name, words, at);
  element += def.fixed;
  for (let left = vlenOfInfo(info); left > 0; left--, element += def.element) {
    for (const i of def.elementTypes) if (words[element + i]! >= typeCount) return false;
    for (const i of def.elementNames) if (words[element + i]! >= stringEnd && words[element + i] !== 0) return false;
  }
  return true;
}

function linkageIsKnown(kind: string, words: Uint32Array, at: number): boolean {
  if (kind === "FUNC") return vlenOfInfo(words[at + 1]!) <= 2;
  if (kind === "VAR") return words[at + BTF_TYPE_WORDS]! <= 2;
  return true;
}
