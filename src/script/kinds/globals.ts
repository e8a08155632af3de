/** Variables shared by the kernel functions and the script. */
import { toLayout } from "../../bytes/composites.ts";
import { ownedFields } from "../../bytes/kernel_owned.ts";
import { type Host, isLayout, type Kernel, type Layout, type Schema } from "../../bytes/layout.ts";
import type { GlobalDefinition } from "../../compiler/definitions.ts";
import type { GlobalKind } from "../scope.ts";

/**
 * A global with a first value. A bare schema in `globals` is the same, starting at zero.
 *
 * @example
 * ```ts
 * import { global, u32 } from "@waggle/waggle";
 *
 * const limit = global(u32, 100);
 * ```
 */
export function global<const S extends Schema>(schema: S, initial: Host<S>): GlobalKind<Host<S>, Kernel<S>> {
  return define(schema, initial, false);
}

/**
 * A global that never changes: the verifier knows its value and removes what cannot run. Right for options from the
 * command line.
 *
 * @example
 * ```ts
 * import { constant, u32 } from "@waggle/waggle";
 *
 * const options = { target: constant(u32, 42) };
 * ```
 */
export function constant<const S extends Schema>(schema: S, value: Host<S>): GlobalKind<Host<S>, Kernel<S>> {
  return define(schema, value, true);
}

/** Checks the value by encoding it once, so that a wrong one fails here, by its own name. */
function define(schema: Schema, initial: unknown, constant: boolean): GlobalDefinition {
  const layout = globalLayout(schema);
  layout.write(new DataView(new ArrayBuffer(layout.size)), 0, initial);
  return { layout, initial, constant };
}

/** The definition behind what the user wrote under `globals`. */
export function toGlobal(written: Schema | GlobalDefinition): GlobalDefinition {
  if (!isLayout(written as Schema) && isDefinition(written)) return written;
  return { layout: globalLayout(written as Schema), initial: undefined, constant: false };
}

/** The script maps globals into its memory, which the kernel refuses where it keeps something to itself. */
function globalLayout(schema: Schema): Layout<unknown> {
  const layout = toLayout(schema) as Layout<unknown>;
  if (ownedFields(layout.desc).length > 0) {
    throw new TypeError("Cannot define a global with a spin lock or a timer: put it into an arrayMap");
  }
  return layout;
}

function isDefinition(written: Schema | GlobalDefinition): written is GlobalDefinition {
  return typeof (written as GlobalDefinition).constant === "boolean";
}
