/** One row of the table of intrinsics: what a name of the scope means, as a value or when it is called. */
import type { Call, Expr } from "../syntax/ast.ts";
import type { Lowering } from "./lowering.ts";
import type { Val } from "./values.ts";

export interface Intrinsic {
  /** `pid(): u32`, for messages and for the documentation. */
  readonly signature: string;
  readonly doc: string;
  /** First kernel version that has what it compiles to. */
  readonly since: string;
  /** Fewest and most arguments; undefined: it is a value, not a function. */
  readonly args: readonly [number, number] | undefined;
  /** Arguments are lowered by the row itself: `exists`, `print`. */
  readonly lazy?: boolean;
  lower(f: Lowering, args: Val[], call: Call | Expr): Val;
}
