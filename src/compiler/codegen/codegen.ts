/**
 * From IR to machine code: the one function that compiles a function. What comes out counts instruction slots from the function's
 * start; calls and callbacks are still by name, since where functions lie is decided when an object is put together.
 */
import { CompileError } from "../../errors.ts";
import type { CoreRelocation, LineInfo, Relocation } from "../../object/spec.ts";
import type { IrFunction } from "../ir/ir.ts";
import { printFunction } from "../ir/text.ts";
import { verifyFunction } from "../ir/verify.ts";
import { optimize } from "../opt/pipeline.ts";
import { valueWidths } from "../opt/widths.ts";
import type { CodeRelocation } from "./assembler.ts";
import { emit } from "./emit.ts";
import { STACK_LIMIT } from "./frame.ts";
import type { Frame } from "./frame.ts";
import { hoistCopies } from "./hoist_copies.ts";
import { allocateRegisters } from "./regalloc.ts";
import { select } from "./select.ts";
import { layOutStack } from "./stack.ts";
import { threadJumps } from "./thread_jumps.ts";

export type { CodeRelocation } from "./assembler.ts";

export interface CompileOptions {
  /** ISA version as LLVM's -mcpu counts; 3 unless said otherwise. */
  readonly cpu?: 1 | 2 | 3 | 4;
  /** False leaves out the passes that only improve the code. */
  readonly optimize?: boolean;
  /**
   * The code must pass verifiers before Linux 6.8. They forget the bounds of a value that is spilled after it was compared, so
   * every index is bounded right before its use; and they take a loop that is closed by running on into its head, not by
   * a jump, for endless.
   */
  readonly oldVerifiers?: boolean;
  /** Called after each pass with its name and the IR text. */
  readonly dump?: (pass: string, text: string) => void;
  /** Checks the IR after each pass; for tests. */
  readonly verify?: boolean;
}

export interface FunctionCode {
  insns: Uint8Array;
  relocations: CodeRelocation[];
  coreRelocations: CoreRelocation[];
  lines: LineInfo[];
  /** Bytes of stack that a call takes. */
  stackBytes: number;
}

/** Farther jumps than this need `gotol`. */
const NEAR = 0x7fff;

/** Compiles a function; its IR is used up. Throws CompileError if the stack frame is too large or a jump too far. */
export function compileFunction(fn: IrFunction, options: CompileOptions = {}): FunctionCode {
  const { cpu = 3, oldVerifiers = false } = options;
  const after = (pass: string) => {
    if (options.verify === true) verifyFunction(fn, pass);
    options.dump?.(pass, printFunction(fn));
  };
  after("input");
  optimize(fn, { cpu, optimize: options.optimize ?? true, oldVerifiers, after });
  const lir = select(fn, { cpu, widths: valueWidths(fn) });
  if (options.optimize !== false) threadJumps(lir);
  const allocation = allocateRegisters(lir);
  hoistCopies(lir, allocation);
  const frame = layOutStack(fn, lir);
  let code = emit(lir, allocation, frame, { longJumps: false, oldVerifiers });
  if (code.length > NEAR) {
    if (cpu < 4) throw tooLarge(fn, code.length);
    code = emit(lir, allocation, layOutStack(fn, lir), { longJumps: true, oldVerifiers });
  }
  checkStack(fn, frame);
  const { relocations, coreRelocations, lines } = code;
  return { insns: code.bytes(), relocations, coreRelocations, lines, stackBytes: frame.size };
}

/** Relocations with functions by place instead of by name. `placeOf` gives section and byte offset of a function. */
export function placeFunctions(
  relocations: readonly CodeRelocation[],
  placeOf: (name: string) => { section: string; offset: number },
): Relocation[] {
  return relocations.map((r): Relocation => "name" in r ? { kind: r.kind, insn: r.insn, ...placeOf(r.name) } : r);
}

function checkStack(fn: IrFunction, frame: Frame): void {
  if (frame.size <= STACK_LIMIT) return;
  const slots = fn.slots.filter((slot) => !Number.isNaN(frame.slot(slot))).sort((a, b) => b.size - a.size);
  const largest = slots.slice(0, 4).map((slot) => `"${slot.name}" (${slot.size} bytes)`).join(", ");
  const text = `"${fn.name}" needs ${frame.size} bytes of stack, ${STACK_LIMIT} are possible; the largest: ${largest}`;
  const pos = slots[0]?.pos;
  const loc = pos && { file: pos.file, line: pos.line, column: pos.column, lineText: pos.text, length: 1 };
  throw new CompileError(`Cannot compile "${fn.name}": ${text}`, {
    diagnostics: [{ code: "stack-limit", text, loc, notes: [] }],
  });
}

function tooLarge(fn: IrFunction, length: number): CompileError {
  const text = `"${fn.name}" has ${length} instructions, more than jumps of ISA version 3 can cross (${NEAR})`;
  return new CompileError(`Cannot compile "${fn.name}": ${text}`, {
    diagnostics: [{ code: "function-too-large", text, loc: undefined, notes: ["unrolled loops grow a function most"] }],
    hint: "Linux 6.6 and newer have longer jumps (cpu 4)",
  });
}
