/**
 * The one pass over a type section: where each type starts, and which ids have a name that describes data. Nothing is
 * allocated per type. Also the check of every type id and string offset, driven by the table of kinds.
 */
import { FormatError } from "../errors.ts";
import type { BtfLayout } from "./header.ts";
import {
  BTF_KIND,
  BTF_KINDS,
  BTF_MAX_VLEN,
  BTF_SHAPE,
  BTF_TYPE_WORDS,
  isDataKind,
  kindName,
  kindOfInfo,
} from "./kinds.ts";

/** Named types: positions (id minus first id), ascending, and the offset of the name of each. */
export interface BtfNamed {
  positions: Uint32Array;
  names: Uint32Array;
}

export interface BtfScan {
  /** Where each type is in the words, by position; one more entry marks the end. */
  offsets: Uint32Array;
  data: BtfNamed;
  /** Functions, variables, sections, tags. */
  others: BtfNamed;
}

const KINDS = 128;
const DATA = 1 << 16;

/**
 * Throws `FormatError` for a kind without known length and for a type that runs over the end.
 *
 * The loop is bare on purpose: in a fresh process most of its rounds are interpreted, and each name that is not local
 * to the function costs a tenth of it.
 */
export function scanTypes(words: Uint32Array, layout: readonly BtfLayout[], firstId: number, path: string): BtfScan {
  const shapes = layout.length === 0 ? KNOWN_SHAPES : shapeTable(layout);
  const end = words.length;
  const most = Math.floor(end / BTF_TYPE_WORDS) + 1;
  // One allocation, not three: for the types of a small object they would take longer than the rest.
  const room = new Uint32Array(most * 3);
  const offsets = room.subarray(0, most);
  // Data ids and names grow from the front, the others from the back.
  const ids = room.subarray(most, most * 2);
  const names = room.subarray(most * 2);
  let [count, at, front, back] = [0, 0, 0, ids.length];
  while (at < end) {
    const info = words[at + 1]!;
    const shape = shapes[(info >>> 24) & 0x7f]!;
    if (shape === 0) break;
    const name = words[at]!;
    if (name !== 0) {
      const slot = shape >= 65536 ? front++ : --back;
      ids[slot] = count;
      names[slot] = name;
    }
    offsets[count] = at;
    count = (count + 1) | 0;
    at = at + (shape & 0xff) + ((shape >>> 8) & 0xff) * (info & 0xffffff);
  }
  if (at !== end) throw scanError(path, words, firstId + count, at);
  offsets[count] = end;
  return {
    offsets: offsets.subarray(0, count + 1),
    data: { positions: ids.subarray(0, front), names: names.subarray(0, front) },
    others: { positions: ids.subarray(back).reverse(), names: names.subarray(back).reverse() },
  };
}

/** `id` is that of the type that was not scanned any more. */
function scanError(path: string, words: Uint32Array, id: number, at: number): FormatError {
  const tooLong = at > words.length;
  if (tooLong || at + BTF_TYPE_WORDS > words.length) {
    return new FormatError(`${path}: type ${tooLong ? id - 1 : id}`, "runs over the end of the type section");
  }
  const kind = kindOfInfo(words[at + 1]!);
  return new FormatError(`${path}: type ${id}`, `${kindName(kind)} is not known`, { offset: at * 4 });
}

/** By kind: all words but those of elements | words of an element << 8 | DATA. 0 for what is not known. */
function shapeTable(layout: readonly BtfLayout[]): Uint32Array {
  const shapes = new Uint32Array(KINDS);
  for (const [kind, sizes] of layout.entries()) {
    if (kind > 0 && kind < KINDS) shapes[kind] = (sizes.fixed + BTF_TYPE_WORDS) | (sizes.element << 8);
  }
  for (const def of BTF_KINDS) {
    if (def.number === 0) continue;
    const data = isDataKind(def.number) ? DATA : 0;
    shapes[def.number] = (def.fixed + BTF_TYPE_WORDS) | (def.element << 8) | data;
  }
  return shapes;
}

const KNOWN_SHAPES = shapeTable([]);

/** Whether every type id is below `typeCount` and every string offset below `stringEnd` in the type at `at`. */
export function typeIsSound(words: Uint32Array, at: number, typeCount: number, stringEnd: number): boolean {
  const info = words[at + 1]!;
  const kind = (info >>> 24) & 0x7f;
  if (words[at]! >= stringEnd && words[at] !== 0) return false;
  if (wordIsType[kind] === 1 && words[at + 2]! >= typeCount) return false;
  for (let i = fixedTypes[kind]!; i > 0; i--) if (words[at + 2 + i]! >= typeCount) return false;
  const stride = element[kind]!;
  if (stride === 0) return linkageIsKnown(kind, words, at);
  const typeAt = elementType[kind]! - 1;
  const nameAt = elementName[kind]! - 1;
  let slot = at + head[kind]!;
  for (let left = info & BTF_MAX_VLEN; left > 0; left--, slot += stride) {
    if (typeAt >= 0 && words[slot + typeAt]! >= typeCount) return false;
    if (nameAt >= 0 && words[slot + nameAt]! >= stringEnd && words[slot + nameAt] !== 0) return false;
  }
  return true;
}

const { wordIsType, head, fixedTypes, element, elementType, elementName } = BTF_SHAPE;

function linkageIsKnown(kind: number, words: Uint32Array, at: number): boolean {
  if (kind === BTF_KIND.FUNC) return (words[at + 1]! & BTF_MAX_VLEN) <= 2;
  if (kind === BTF_KIND.VAR) return words[at + BTF_TYPE_WORDS]! <= 2;
  return true;
}
