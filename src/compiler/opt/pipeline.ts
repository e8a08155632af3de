/** The passes over the IR, in order. */
import { removeUnreachable } from "../ir/edit.ts";
import type { IrFunction } from "../ir/ir.ts";
import { eliminateDeadCode } from "./dce.ts";
import { eliminateDeadStores } from "./dead_stores.ts";
import { fold } from "./fold.ts";
import { numberValues } from "./gvn.ts";
import { gatherLeaves } from "./leaves.ts";
import { legalize } from "./legalize.ts";
import { mergeStores } from "./merge_stores.ts";
import { narrow } from "./narrow.ts";
import { pin } from "./pin.ts";
import { reuseSlots } from "./reuse_slots.ts";
import { propagateConstants } from "./sccp.ts";
import { shareBases } from "./share_bases.ts";
import { shareReturns } from "./share_returns.ts";
import { simplifyCfg } from "./simplify_cfg.ts";
import { sink } from "./sink.ts";
import { splitSignedLoads } from "./split_loads.ts";

export interface OptimizeOptions {
  readonly cpu: 1 | 2 | 3 | 4;
  /** False runs only the passes that the code generator needs. */
  readonly optimize: boolean;
  /** Must pass verifiers before Linux 6.8: bounds of indices are not left to branches. */
  readonly oldVerifiers?: boolean;
  /** Called with the name of each pass that has run. */
  readonly after: (pass: string) => void;
}

export interface Pass {
  readonly name: string;
  /** Whether the code generator relies on it. */
  readonly required?: true;
  readonly run: (fn: IrFunction, options: OptimizeOptions) => void;
}

export const PASSES: readonly Pass[] = [
  { name: "order", required: true, run: removeUnreachable },
  { name: "leaves", run: gatherLeaves },
  { name: "split loads", run: splitSignedLoads },
  { name: "share bases", run: shareBases },
  { name: "fold", run: fold },
  { name: "cfg", run: simplifyCfg },
  { name: "sccp", run: propagateConstants },
  { name: "gvn", run: numberValues },
  { name: "narrow", run: narrow },
  { name: "fold again", run: fold },
  { name: "dead stores", run: eliminateDeadStores },
  { name: "merge stores", run: mergeStores },
  { name: "reuse slots", run: reuseSlots },
  { name: "dce", run: eliminateDeadCode },
  { name: "cfg again", run: simplifyCfg },
  { name: "sink", run: sink },
  { name: "share returns", run: shareReturns },
  { name: "pin", run: (fn, { oldVerifiers }) => oldVerifiers === true && pin(fn) },
  { name: "legalize", required: true, run: (fn, { cpu }) => legalize(fn, cpu) },
  { name: "order again", required: true, run: removeUnreachable },
];

/** Runs the passes; the function is changed in place. */
export function optimize(fn: IrFunction, options: OptimizeOptions): void {
  for (const pass of PASSES) {
    if (pass.required !== true && !options.optimize) continue;
    pass.run(fn, options);
    options.after(pass.name);
  }
}
