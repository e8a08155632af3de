/** Conditions that are known to hold because a branch was taken, and what follows from them. */
import type { CompareOp, Inst } from "../ir/ir.ts";
import { NEGATED } from "../ir/ops.ts";
import { compare } from "./evaluate.ts";

/** `a op b` holds. */
export interface Fact {
  readonly op: CompareOp;
  readonly a: Inst;
  readonly b: Inst;
}

/** Whether `a op b` holds given the facts; undefined if they do not tell. Later facts are asked first. */
export function decide(facts: readonly Fact[], op: CompareOp, a: Inst, b: Inst): boolean | undefined {
  for (let i = facts.length - 1; i >= 0; i--) {
    const fact = facts[i]!;
    const yes = implies(fact, op, a, b);
    if (yes) return true;
    const contrary = NEGATED[op];
    if (contrary !== undefined && implies(fact, contrary, a, b)) return false;
  }
  return undefined;
}

/** The fact that holds where `a op b` does not. */
export function negation({ op, a, b }: Fact): Fact | undefined {
  const contrary = NEGATED[op];
  return contrary === undefined ? undefined : { op: contrary, a, b };
}

function implies(fact: Fact, op: CompareOp, a: Inst, b: Inst): boolean {
  if (fact.a === a && fact.b === b) return STRONGER[fact.op].includes(op);
  if (fact.a === b && fact.b === a) return (fact.op === "eq" || fact.op === "ne") && fact.op === op;
  if (fact.a === a && fact.b.op === "const" && b.op === "const") return impliesConstant(fact.op, fact.b.imm, op, b.imm);
  return impliesBound(fact, op, a, b);
}

/** What follows with the same operands. */
const STRONGER: Readonly<Record<CompareOp, readonly CompareOp[]>> = {
  eq: ["eq", "ule", "uge", "sle", "sge"],
  ne: ["ne"],
  ult: ["ult", "ule", "ne"],
  ule: ["ule"],
  ugt: ["ugt", "uge", "ne"],
  uge: ["uge"],
  slt: ["slt", "sle", "ne"],
  sle: ["sle"],
  sgt: ["sgt", "sge", "ne"],
  sge: ["sge"],
  set: ["set"],
};

/** Whether x `known` c makes x `op` d certain. */
function impliesConstant(known: CompareOp, c: bigint, op: CompareOp, d: bigint): boolean {
  if (known === "eq") return compare(op, c, d);
  // The whole range of values that fit the fact lies on one side of the other constant.
  switch (known) {
    case "ult":
    case "ule":
      return (op === "ult" || op === "ule") && compare(known === op || op === "ule" ? "ule" : "ult", c, d) ||
        op === "ne" && compare(known === "ult" ? "ule" : "ult", c, d);
    case "ugt":
    case "uge":
      return (op === "ugt" || op === "uge") && compare(known === op || op === "uge" ? "uge" : "ugt", c, d) ||
        op === "ne" && compare(known === "ugt" ? "uge" : "ugt", c, d);
    case "slt":
    case "sle":
      return (op === "slt" || op === "sle") && compare(known === op || op === "sle" ? "sle" : "slt", c, d) ||
        op === "ne" && compare(known === "slt" ? "sle" : "slt", c, d);
    case "sgt":
    case "sge":
      return (op === "sgt" || op === "sge") && compare(known === op || op === "sge" ? "sge" : "sgt", c, d) ||
        op === "ne" && compare(known === "sgt" ? "sge" : "sgt", c, d);
    default:
      return false;
  }
}

/** Packet bounds: data + 34 <= end makes data + 14 <= end certain. True of pointers only: their sums do not overflow. */
function impliesBound(fact: Fact, op: CompareOp, a: Inst, b: Inst): boolean {
  if (fact.b !== b || fact.op !== op || (op !== "ule" && op !== "ult")) return false;
  const known = split(fact.a);
  const wanted = split(a);
  return known.root === wanted.root && wanted.offset >= 0n && wanted.offset <= known.offset && isPacket(known.root);
}

function isPacket(value: Inst): boolean {
  let at = value;
  while (at.op === "add") at = at.args[0]!;
  return at.packet;
}

function split(value: Inst): { root: Inst; offset: bigint } {
  if (value.op === "add" && value.args[1]!.op === "const") return { root: value.args[0]!, offset: value.args[1]!.imm };
  return { root: value, offset: 0n };
}
