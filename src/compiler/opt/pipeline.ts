/** The passes over the IR, in order. */
import { reversePostOrder } from "../ir/cfg.ts";
import type { IrFunction } from "../ir/ir.ts";
import { legalize } from "./legalize.ts";

export interface OptimizeOptions {
  readonly cpu: 1 | 2 | 3 | 4;
  /** False runs only the passes that the code generator needs. */
  readonly optimize: boolean;
  /** Called with the name of each pass that has run. */
  readonly after: (pass: string) => void;
}

export interface Pass {
  readonly name: string;
  /** Whether the code generator relies on it. */
  readonly required: boolean;
  readonly run: (fn: IrFunction, options: OptimizeOptions) => void;
}

export const PASSES: readonly Pass[] = [
  { name: "legalize", required: true, run: (fn, { cpu }) => legalize(fn, cpu) },
  { name: "order", required: true, run: (fn) => void (fn.blocks = reversePostOrder(fn.blocks[0]!, fn.nextBlockId)) },
];

/** Runs the passes; the function is changed in place. */
export function optimize(fn: IrFunction, options: OptimizeOptions): void {
  for (const pass of PASSES) {
    if (!pass.required && !options.optimize) continue;
    pass.run(fn, options);
    options.after(pass.name);
  }
}
