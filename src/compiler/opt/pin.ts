/**
 * For verifiers before Linux 6.8, which learn nothing about a spilled value from a comparison of what was loaded: values
 * that the end of a loop depends on stay in registers before others. Marks them; the code is not changed.
 */
import { dominators, loops } from "../ir/cfg.ts";
import type { IrFunction } from "../ir/ir.ts";

export function pin(fn: IrFunction): void {
  const { head } = loops(fn, dominators(fn));
  for (const block of fn.blocks) {
    const { op, args } = block.term!;
    if (op !== "branch" || head[block.id] === undefined || args[1]!.op !== "const") continue;
    const [value] = args as [(typeof args)[number]];
    for (const counter of [value, ...value.args]) if (counter.op === "phi") counter.pinned = true;
  }
}
