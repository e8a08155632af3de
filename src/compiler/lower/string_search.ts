/**
 * Looking into strings: length, position of a text, prefixes, parts. A loop over the buffer's bytes, at most as many as
 * its type says, which the verifier walks through; the text looked for is compared as words of 8 bytes against the last
 * bytes seen, so that one round costs the same whatever its length.
 */
import { I32 } from "../check/int_types.ts";
import type { Local } from "../ir/builder.ts";
import type { Value } from "../ir/ir.ts";
import type { Expr } from "../syntax/ast.ts";
import { hasKfunc, helper } from "./helpers.ts";
import { callRead } from "./kernel.ts";
import type { Lowering } from "./lowering.ts";
import type { BoolVal, FillVal, IntVal, MemVal } from "./values.ts";

/** Bytes of the longest text that can be looked for: four words. */
export const MAX_NEEDLE = 32;

/** The buffer at an address that a variable may be added to: the verifier refuses that for contexts and packets. */
export function indexable(f: Lowering, buffer: MemVal): MemVal {
  if (buffer.memory.space !== "ctx" && buffer.memory.space !== "packet") return buffer;
  const copy = f.temporary("string", buffer.desc, buffer.size);
  f.b.copy(copy.base, copy.offset, buffer.base, buffer.offset, buffer.size);
  return copy;
}

/**
 * A number that the verifier takes for unknown, though it has counted it: otherwise it walks through all that follows
 * once for each place where the loop may have ended.
 */
function blurred(f: Lowering, word: Value, unknown: Value): Value {
  const slot = f.b.slotAddress(f.b.newSlot("unknown", 8, 8));
  f.b.store(8, slot, 0, unknown);
  const load = (): Value => f.b.load(8, slot, 0, { volatile: true });
  return f.b.sub(f.b.add(word, load()), load());
}

/** Calls `round` for every byte; `stop` ends the loop. What follows is lowered behind it. */
function eachByte(
  f: Lowering,
  given: MemVal,
  round: (at: Value, byte: Value, stop: ReturnType<Lowering["b"]["newBlock"]>) => void,
): void {
  const { b } = f;
  f.flush();
  const buffer = indexable(f, given);
  const index = b.newLocal("index");
  const [head, body, exit] = [b.newBlock(), b.newBlock(), b.newBlock()];
  b.setLocal(index, b.const(0n));
  b.jump(head);
  b.setBlock(head);
  const at = b.getLocal(index);
  b.branchIf("ult", at, b.const(BigInt(buffer.size)), body, exit);
  f.enter(body);
  round(at, b.load(1, b.add(buffer.base, at), buffer.offset), exit);
  b.setLocal(index, b.add(at, b.const(1n)));
  b.jump(head);
  b.seal(head);
  f.enter(exit);
}

/** The words that hold the last bytes seen, and the words they must equal. */
class Window {
  readonly #f: Lowering;
  readonly #words: { local: Local; wanted: bigint; mask: bigint }[] = [];

  constructor(f: Lowering, needle: Uint8Array) {
    this.#f = f;
    for (let end = needle.length; end > 0; end -= 8) {
      const part = needle.subarray(Math.max(0, end - 8), end);
      const wanted = part.reduce((word, byte) => (word << 8n) | BigInt(byte), 0n);
      const local = f.b.newLocal("window");
      f.b.setLocal(local, f.b.const(0n));
      this.#words.push({ local, wanted, mask: (1n << BigInt(part.length * 8)) - 1n });
    }
  }

  /** Takes in one more byte; gives 0 if the window now holds the text. */
  shift(byte: Value): Value {
    const { b } = this.#f;
    let carry = byte;
    let difference: Value | undefined;
    for (const { local, wanted, mask } of this.#words) {
      const before = b.getLocal(local);
      const now = b.or(b.shl(before, b.const(8n)), carry);
      carry = b.shr(before, b.const(56n));
      b.setLocal(local, now);
      const wrong = b.xor(b.and(now, b.const(mask)), b.const(wanted));
      difference = difference === undefined ? wrong : b.or(difference, wrong);
    }
    return difference!;
  }

  /** The newest word. */
  get newest(): Value {
    return this.#f.b.getLocal(this.#words[0]!.local);
  }
}

/** What to look for: a text, behind which the string must end, for the first or the last time. */
export interface Search {
  readonly needle: Uint8Array;
  readonly atEnd?: boolean;
  readonly last?: boolean;
}

/** Where the text begins; `absent` if it is nowhere. */
function position(f: Lowering, buffer: MemVal, search: Search, absent: bigint): { index: Value; unknown: Value } {
  const { b } = f;
  const needle = search.atEnd === true ? new Uint8Array([...search.needle, 0]) : search.needle;
  const window = new Window(f, needle);
  const found = b.newLocal("found");
  b.setLocal(found, b.const(absent));
  eachByte(f, buffer, (at, byte, stop) => {
    const [here, on] = [b.newBlock(), b.newBlock()];
    if (search.atEnd !== true) {
      const more = b.newBlock();
      b.branchIf("ne", byte, b.const(0n), more, stop);
      f.enter(more);
    }
    b.branchIf("eq", window.shift(byte), b.const(0n), here, on);
    f.enter(here);
    b.setLocal(found, b.sub(at, b.const(BigInt(needle.length - 1))));
    b.jump(search.last === true ? on : stop);
    f.enter(on);
    if (search.atEnd === true) {
      const more = b.newBlock();
      b.branchIf("ne", byte, b.const(0n), more, stop);
      f.enter(more);
    }
  });
  return { index: b.getLocal(found), unknown: window.newest };
}

/** `indexOf` and `lastIndexOf`: a position in bytes, or -1. */
export function indexOfText(f: Lowering, buffer: MemVal, search: Search): IntVal {
  const { index, unknown } = position(f, buffer, search, -1n);
  return f.int(blurred(f, index, unknown), I32);
}

/** `includes` and `endsWith`. */
export function hasText(f: Lowering, buffer: MemVal, search: Search): BoolVal {
  const { b } = f;
  const needle = search.atEnd === true ? new Uint8Array([...search.needle, 0]) : search.needle;
  const window = new Window(f, needle);
  const found = b.newLocal("found");
  b.setLocal(found, b.const(0n));
  eachByte(f, buffer, (_at, byte, stop) => {
    const [here, on, more] = [b.newBlock(), b.newBlock(), b.newBlock()];
    b.branchIf("eq", window.shift(byte), b.const(0n), here, on);
    f.enter(here);
    b.setLocal(found, b.const(1n));
    b.jump(stop);
    f.enter(on);
    b.branchIf("ne", byte, b.const(0n), more, stop);
    f.enter(more);
  });
  return { k: "bool", ir: b.getLocal(found), c: undefined };
}

/** Bytes in front of NUL; all of them if there is none. */
export function stringLength(f: Lowering, buffer: MemVal): IntVal {
  const { index, unknown } = position(f, buffer, { needle: new Uint8Array(0), atEnd: true }, BigInt(buffer.size));
  return f.int(blurred(f, index, unknown), I32);
}

/** Whether `buffer` begins with what another one holds. */
export function startsWithBuffer(f: Lowering, buffer: MemVal, prefix: MemVal): BoolVal {
  const { b } = f;
  const from = indexable(f, buffer);
  const result = b.newLocal("starts");
  b.setLocal(result, b.const(1n));
  eachByte(f, prefix, (at, byte, stop) => {
    const [more, differs, on] = [b.newBlock(), b.newBlock(), b.newBlock()];
    b.branchIf("ne", byte, b.const(0n), more, stop);
    f.enter(more);
    // A longer prefix meets the end of the buffer, which no byte but NUL equals.
    const [inside, compare] = [b.newBlock(), b.newBlock()];
    const other = b.newLocal("other");
    b.setLocal(other, b.const(0n));
    b.branchIf("ult", at, b.const(BigInt(from.size)), inside, compare);
    f.enter(inside);
    b.setLocal(other, b.load(1, b.add(from.base, at), from.offset));
    b.jump(compare);
    f.enter(compare);
    b.branchIf("eq", b.getLocal(other), byte, on, differs);
    f.enter(differs);
    b.setLocal(result, b.const(0n));
    b.jump(stop);
    f.enter(on);
  });
  return { k: "bool", ir: b.getLocal(result), c: undefined };
}

/** Two strings that are only known at run time: Linux 6.17 has a kernel function for it. */
export function findBuffer(f: Lowering, buffer: MemVal, needle: MemVal, node: Expr): IntVal {
  if (!hasKfunc(f, "bpf_strnstr")) {
    f.fail("no-helper", "this kernel cannot look for a string that is not a literal", node, [
      "look for a literal, or compare with `===` or startsWith; Linux 6.17 and later can (bpf_strnstr)",
    ]);
  }
  f.module.kfuncs.add("bpf_strnstr");
  f.effect();
  const limit = f.b.const(BigInt(buffer.size));
  const args = [f.address(indexable(f, buffer)), f.address(indexable(f, needle)), limit];
  const found = f.b.sext(f.b.callKfunc("bpf_strnstr", args, { writes: 0 }), 32);
  const [absent, join] = [f.b.newBlock(), f.b.newBlock()];
  const index = f.b.newLocal("index");
  f.b.setLocal(index, found);
  f.b.branchIf("slt", found, f.b.const(0n), absent, join);
  f.enter(absent);
  f.b.setLocal(index, f.b.const(-1n));
  f.b.jump(join);
  f.enter(join);
  return f.int(f.b.getLocal(index), I32);
}

/** Where a part begins or ends: a constant, or a variable that the verifier knows to lie inside. */
type Bound = { readonly c: number } | { readonly word: Value };

/** Clamps a position to the string; `fromEnd`: a negative one counts from its end. */
function bound(f: Lowering, buffer: MemVal, val: IntVal, fromEnd: boolean): Bound {
  const most = buffer.size - 1;
  if (val.c !== undefined && val.c >= 0n) return { c: Number(val.c > BigInt(most) ? BigInt(most) : val.c) };
  if (val.c !== undefined && !fromEnd) return { c: 0 };
  const { b } = f;
  const word = f.word(val);
  const local = b.newLocal("bound");
  f.flush();
  const [positive, negative, low, high, join] = [
    b.newBlock(),
    b.newBlock(),
    b.newBlock(),
    b.newBlock(),
    b.newBlock(),
  ];
  b.setLocal(local, word);
  if (val.t.signed) b.branchIf("sge", word, b.const(0n), positive, negative);
  else b.jump(positive);
  f.enter(negative);
  if (val.t.signed) {
    if (fromEnd) b.setLocal(local, b.add(f.word(stringLength(f, buffer)), word));
    b.branchIf("sge", b.getLocal(local), b.const(0n), positive, low);
  }
  f.enter(low);
  b.setLocal(local, b.const(0n));
  b.jump(join);
  f.enter(positive);
  b.branchIf("ule", b.getLocal(local), b.const(BigInt(most)), join, high);
  f.enter(high);
  b.setLocal(local, b.const(BigInt(most)));
  b.jump(join);
  f.enter(join);
  return { word: b.getLocal(local) };
}

function boundWord(f: Lowering, at: Bound): Value {
  return "c" in at ? f.b.const(BigInt(at.c)) : at.word;
}

/** `slice` and `substring`: read where it is wanted, like any string of the kernel. */
export function part(
  f: Lowering,
  given: MemVal,
  from: IntVal,
  to: IntVal | undefined,
  how: "slice" | "substring",
): FillVal {
  const buffer = indexable(f, given);
  const fromEnd = how === "slice";
  let start = bound(f, buffer, from, fromEnd);
  let end = to === undefined ? undefined : bound(f, buffer, to, fromEnd);
  if (how === "substring" && end !== undefined) [start, end] = inOrder(f, start, end);
  const address = f.b.add(f.address(buffer), boundWord(f, start));
  const room = buffer.size - ("c" in start ? start.c : 0);
  const fixed = end === undefined ? room : "c" in start && "c" in end ? Math.max(0, end.c - start.c) + 1 : undefined;
  const count = fixed === undefined ? f.b.sub(boundWord(f, end!), boundWord(f, start)) : undefined;
  return {
    k: "fill",
    kind: "str",
    length: fixed ?? room,
    partial: true,
    write: (at, offset, size) => {
      if (count === undefined) return void callRead(f, "probe_read_kernel_str", at, offset, size, address);
      readPart(f, at, offset, size, address, count);
    },
  };
}

/** `substring` swaps positions that are given the wrong way round. */
function inOrder(f: Lowering, start: Bound, end: Bound): [Bound, Bound] {
  if ("c" in start && "c" in end) return start.c <= end.c ? [start, end] : [end, start];
  const { b } = f;
  const [a, z] = [boundWord(f, start), boundWord(f, end)];
  const [low, high] = [b.newLocal("from"), b.newLocal("to")];
  const [swap, join] = [b.newBlock(), b.newBlock()];
  f.flush();
  b.setLocal(low, a);
  b.setLocal(high, z);
  b.branchIf("ule", a, z, join, swap);
  f.enter(swap);
  b.setLocal(low, z);
  b.setLocal(high, a);
  b.jump(join);
  f.enter(join);
  return [{ word: b.getLocal(low) }, { word: b.getLocal(high) }];
}

/** Reads `length` bytes and NUL, at most `size` in all. */
function readPart(f: Lowering, to: Value, offset: number, size: number, from: Value, length: Value): void {
  const { b } = f;
  const [some, all, read, done] = [b.newBlock(), b.newBlock(), b.newBlock(), b.newBlock()];
  const count = b.newLocal("count");
  b.branchIf("sgt", length, b.const(0n), some, done);
  f.enter(some);
  // What is compared is what is passed: the verifier learns about that value only.
  const withNul = b.add(length, b.const(1n));
  b.setLocal(count, withNul);
  b.branchIf("ule", withNul, b.const(BigInt(size)), read, all);
  f.enter(all);
  b.setLocal(count, b.const(BigInt(size)));
  b.jump(read);
  f.enter(read);
  const target = offset === 0 ? to : b.add(to, b.const(BigInt(offset)));
  helper(f, "probe_read_kernel_str", [target, b.getLocal(count), from], { writes: 1 });
  b.jump(done);
  f.enter(done);
}
