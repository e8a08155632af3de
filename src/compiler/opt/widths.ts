/**
 * How many low bits of each value can be set: a value of width w is below 2 to the power of w. Used to drop extensions and masks
 * and to choose 32-bit comparisons.
 */
import type { Inst, IrFunction } from "../ir/ir.ts";

/** Rounds after which a phi that still grows is taken to have any value. */
const ROUNDS = 4;

/**
 * By value id: 0 to 64. Blocks must be listed so that definitions come before uses, loops apart. `verifier` counts only what the
 * kernel's verifier can tell as well: it knows nothing of the results of products, divisions, byte swaps, calls, atomics and shifts by a variable count.
 */
export function valueWidths(fn: IrFunction, verifier = false): Uint8Array {
  const widths = new Uint8Array(fn.nextId);
  let round = 0;
  for (let changed = true; changed; round++) {
    changed = false;
    for (const block of fn.blocks) {
      for (const inst of block.insts) {
        const width = inst.op === "phi" && round >= ROUNDS && grows(inst, widths)
          ? 64
          : verifier && untracked(inst)
          ? 64
          : widthOf(inst, widths);
        if (width > widths[inst.id]!) {
          widths[inst.id] = width;
          changed = true;
        }
      }
    }
  }
  return widths;
}

const UNTRACKED: ReadonlySet<string> = new Set(["div", "mod", "sdiv", "smod", "mul", "bswap", "call", "atomic"]);

function untracked(inst: Inst): boolean {
  if (UNTRACKED.has(inst.op)) return true;
  return (inst.op === "shr" || inst.op === "ashr") && inst.args[1]!.op !== "const";
}

function grows(phi: Inst, widths: Uint8Array): boolean {
  return phi.args.some((arg) => widths[arg.id]! > widths[phi.id]!);
}

function widthOf(inst: Inst, widths: Uint8Array): number {
  const { op, args } = inst;
  const a = args.length > 0 ? widths[args[0]!.id]! : 64;
  const b = args.length > 1 ? widths[args[1]!.id]! : 64;
  switch (op) {
    case "const":
      return bitLength(inst.imm);
    case "load":
      return inst.signed && inst.size < 8 ? 64 : inst.size * 8;
    case "atomic":
      return inst.size * 8;
    case "call":
      return inst.call!.bits;
    case "bound":
      return Math.min(a, bitLength(BigInt(inst.size - 1)));
    case "zext":
    case "bswap":
      return op === "zext" ? Math.min(a, inst.size) : inst.size;
    case "sext":
      return a < inst.size ? a : 64;
    case "and":
      return Math.min(a, b);
    case "or":
    case "xor":
      return Math.max(a, b);
    case "add":
      return Math.min(64, Math.max(a, b) + 1);
    case "mul":
      return Math.min(64, a + b);
    case "sdiv":
    case "div":
      return op === "div" || (a < 64 && b < 64) ? a : 64;
    case "smod":
    case "mod":
      if (op === "smod" && (a === 64 || b === 64)) return 64;
      return args[1]!.op === "const" && args[1]!.imm !== 0n ? Math.min(a, b) : a;
    case "shl":
    case "shr":
    case "ashr":
      return shifted(inst, a);
    case "select":
      return Math.max(b, widths[args[2]!.id]!);
    case "phi": {
      let width = 0;
      for (const arg of args) width = Math.max(width, widths[arg.id]!);
      return width;
    }
    case "eq":
    case "ne":
    case "ult":
    case "ule":
    case "ugt":
    case "uge":
    case "slt":
    case "sle":
    case "sgt":
    case "sge":
    case "set":
      return 1;
    default:
      return 64;
  }
}

function shifted({ op, args }: Inst, width: number): number {
  const count = args[1]!.op === "const" ? Number(args[1]!.imm & 63n) : undefined;
  if (op === "shl") return count === undefined ? 64 : Math.min(64, width + count);
  if (op === "ashr" && width === 64) return 64;
  return Math.max(0, width - (count ?? 0));
}

function bitLength(value: bigint): number {
  if (value < 0n) return 64;
  return value <= 0xffffffffn ? 32 - Math.clz32(Number(value)) : 64 - Math.clz32(Number(value >> 32n));
}
