/** How deep the stack of compiled functions goes: what is not needed at the same time shares its place. */
import { assertEquals } from "@std/assert";
import { i16, i32, u32, u64 } from "../../../src/bytes/scalars.ts";
import { array } from "../../../src/bytes/composites.ts";
import { test } from "../../support/harness.ts";
import { compileScript, map, type Script } from "../support/compile.ts";

const R10 = 10;

/** The lowest byte below r10 that the first program loads or stores. */
function depth(script: Script): number {
  const { insns } = compileScript(script).spec.programs[0]!;
  const view = new DataView(insns.buffer, insns.byteOffset);
  let lowest = 0;
  for (let at = 0; at < insns.length; at += 8) {
    const [code, regs, off] = [insns[at]!, insns[at + 1]!, view.getInt16(at + 2, true)];
    const base = (code & 7) === 1 ? regs >> 4 : (code & 7) === 2 || (code & 7) === 3 ? regs & 15 : -1;
    if (base === R10) lowest = Math.min(lowest, off);
    // Addresses for helpers: rX = r10, then rX += offset.
    const added = view.getInt32(at + 4, true);
    if (code === 0x07 && insns[at - 8] === 0xbf && insns[at - 7]! >> 4 === R10) lowest = Math.min(lowest, added);
  }
  return -lowest;
}

const MAPS = {
  counts: map("hash", { key: u32, value: u64 }),
  levels: map("hash", { key: u32, value: u32 }),
  fifo: map("queue", { value: u64 }),
};

test("keys and values of 4 bytes share their stack with later ones", () => {
  const text = `(ctx, { counts, levels }) => {
    if (ctx.arg0) { counts.add(1, 3); levels.set(ctx.arg1, 4); } else { levels.set(2, 3); counts.delete(ctx.arg2); }
    levels.delete(5);
    return counts.get(7) ?? 0;
  }`;
  assertEquals(depth({ maps: MAPS, programs: { "raw_tp:test": text } }), 16);
});

test("elements that are taken out of a queue one after the other share their stack", () => {
  const text = `(ctx, { fifo }) => {
    const a = fifo.pop() ?? 0;
    const b = fifo.pop() ?? 0;
    return a ^ (fifo.pop() ?? 0) ^ b;
  }`;
  assertEquals(depth({ maps: MAPS, programs: { "raw_tp:test": text } }), 8);
});

test("an index is bounded in the register that is used, and not again where a loop says so", () => {
  const bounds = (text: string, oldVerifiers = false): number => {
    const script = { globals: { odd: array(i16, 5), sum: i32 }, programs: { "raw_tp:test": text } };
    const { insns } = compileScript(script, undefined, { oldVerifiers }).spec.programs[0]!;
    let count = 0;
    // if rX < 5 goto +1; rX = 0
    for (let at = 0; at + 8 < insns.length; at += 8) {
      const same = (insns[at + 1]! & 15) === (insns[at + 9]! & 15);
      if (insns[at] === 0xa5 && insns[at + 2] === 1 && insns[at + 4] === 5 && insns[at + 8] === 0xb7 && same) count++;
    }
    return count;
  };
  assertEquals(bounds("(ctx, { odd }) => odd[ctx.arg0]"), 1);
  const loop = "(ctx, $) => { for (let i = 0; i < 5; i++) $.sum += $.odd[i]; return $.sum; }";
  assertEquals(bounds(loop), 0);
  assertEquals(bounds(loop, true), 1);
});
