/**
 * Strings: buffers of fixed size, ended by NUL and zeros. Literals are compared in words as wide as alignment allows,
 * without a loop; two buffers likewise, since both are padded with zeros.
 */
import type { Value } from "../ir/ir.ts";
import type { Binary, Expr } from "../syntax/ast.ts";
import type { Lowering } from "./lowering.ts";
import { widest } from "./memory.ts";
import type { BoolVal, MemVal, TextVal, Val } from "./values.ts";

const encoder = new TextEncoder();

/** `a === b` where one is a string. */
export function compareStrings(f: Lowering, left: Val, right: Val, node: Binary): BoolVal {
  const a = asString(f, left, node.left);
  const b = asString(f, right, node.right);
  if (a.k === "text") {
    return b.k === "text" ? { k: "bool", ir: undefined, c: a.text === b.text } : equalsText(f, b, a, true);
  }
  return b.k === "text" ? equalsText(f, a, b, true) : equalsBuffer(f, a, b);
}

/** A literal, or a string in memory. */
export function asString(f: Lowering, given: Val, node: Expr): TextVal | MemVal {
  const val = given.k === "opt" ? given : f.settle(given);
  if (val.k === "text" || (val.k === "mem" && (val.desc.kind === "str" || val.desc.kind === "bytes"))) return val;
  return f.wrong("a string", val, node);
}

/** Whether the buffer holds (`whole`) or starts with the text. */
export function equalsText(f: Lowering, buffer: MemVal, { text }: TextVal, whole: boolean): BoolVal {
  const length = encoder.encode(text).length;
  // A buffer that the text fills needs no NUL: names of the kernel may be that long, and so are single characters.
  const bytes = encoder.encode(whole && length !== buffer.size ? `${text}\0` : text);
  if (bytes.length > buffer.size) return { k: "bool", ir: undefined, c: false };
  if (bytes.length === 0) return { k: "bool", ir: undefined, c: true };
  const differences: Value[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = widest(buffer.offset + at, bytes.length - at);
    let wanted = 0n;
    for (let i = size - 1; i >= 0; i--) wanted = (wanted << 8n) | BigInt(bytes[at + i]!);
    differences.push(f.b.xor(f.b.load(size, buffer.base, buffer.offset + at), f.b.const(wanted)));
    at += size;
  }
  return allZero(f, differences);
}

function equalsBuffer(f: Lowering, a: MemVal, b: MemVal): BoolVal {
  const length = Math.min(a.size, b.size);
  const differences: Value[] = [];
  for (let at = 0; at < length;) {
    const size = Math.min(widest(a.offset + at, length - at), widest(b.offset + at, length - at)) as 1 | 2 | 4 | 8;
    differences.push(f.b.xor(f.b.load(size, a.base, a.offset + at), f.b.load(size, b.base, b.offset + at)));
    at += size;
  }
  const longer = a.size > b.size ? a : b;
  if (longer.size > length) differences.push(f.b.load(1, longer.base, longer.offset + length));
  return allZero(f, differences);
}

function allZero(f: Lowering, words: readonly Value[]): BoolVal {
  const all = words.reduce((sum, word) => f.b.or(sum, word));
  return { k: "bool", ir: f.b.compare("eq", all, f.b.const(0n)), c: undefined };
}
