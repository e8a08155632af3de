/**
 * Methods of strings. JavaScript's strings are immutable and made anew by each method; here only what needs no new memory
 * is offered, and `slice` and `substring`, whose result is read straight into the place it is meant for.
 */
import type { Call } from "../syntax/ast.ts";
import { indexOf } from "./access.ts";
import type { Lowering } from "./lowering.ts";
import { readMemory, storeText } from "./memory.ts";
import { toInt } from "./operators.ts";
import { asString, equalsText } from "./strings.ts";
import { findBuffer, hasText, indexOfText, MAX_NEEDLE, part, startsWithBuffer, stringLength } from "./string_search.ts";
import type { MemVal, TextVal, Val } from "./values.ts";

const encoder = new TextEncoder();

const BYTE = { kind: "int", bits: 8, signed: false, name: "u8" } as const;

/** What strings can do in a kernel function; the rest of JavaScript's methods allocate. */
export const STRING_METHODS = [
  "startsWith",
  "endsWith",
  "includes",
  "indexOf",
  "lastIndexOf",
  "charCodeAt",
  "charAt",
  "slice",
  "substring",
] as const;

/** A method of a string; undefined if there is no such method. */
export function stringMethod(f: Lowering, given: Val, name: string, args: readonly Val[], call: Call): Val | undefined {
  if (!(STRING_METHODS as readonly string[]).includes(name)) return undefined;
  const receiver = asString(f, given, call);
  const most = name === "slice" || name === "substring" ? 2 : 1;
  const least = name === "charAt" || name === "charCodeAt" || most === 2 ? 0 : 1;
  if (args.length < least || args.length > most) {
    f.fail("arguments", `${name} takes ${most === 2 ? "1 or 2 positions" : "1 argument"} here`, call);
  }
  if (most === 2 || least === 0) return positional(f, receiver, name, args, call);
  const wanted = asString(f, args[0]!, call.args[0]!);
  if (wanted.k === "text" && receiver.k === "text") return folded(f, receiver.text, name, wanted.text);
  if (wanted.k === "text") return searchText(f, receiver as MemVal, name, wanted, call);
  return searchBuffer(f, receiver, name, wanted, call);
}

function folded(f: Lowering, text: string, name: string, wanted: string): Val {
  const result = text[name as "startsWith" | "endsWith" | "includes" | "indexOf" | "lastIndexOf"](wanted);
  return typeof result === "boolean" ? { k: "bool", ir: undefined, c: result } : f.constant(BigInt(result));
}

function searchText(f: Lowering, receiver: MemVal, name: string, { text }: TextVal, call: Call): Val {
  const needle = encoder.encode(text);
  if (needle.length > MAX_NEEDLE) {
    f.fail("string-length", `at most ${MAX_NEEDLE} bytes can be looked for, these are ${needle.length}`, call.args[0]!);
  }
  if (text.includes("\0")) f.fail("string-length", "strings end at NUL here, so none has one inside", call.args[0]!);
  switch (name) {
    case "startsWith":
      return equalsText(f, receiver, { k: "text", text }, false);
    case "endsWith":
      return hasText(f, receiver, { needle, atEnd: true });
    case "includes":
      return needle.length === 0 ? { k: "bool", ir: undefined, c: true } : hasText(f, receiver, { needle });
    case "indexOf":
      return needle.length === 0 ? f.constant(0n) : indexOfText(f, receiver, { needle });
    default:
      return needle.length === 0 ? stringLength(f, receiver) : indexOfText(f, receiver, { needle, last: true });
  }
}

/** What is looked for is in a buffer too. */
function searchBuffer(f: Lowering, receiver: TextVal | MemVal, name: string, wanted: MemVal, call: Call): Val {
  const buffer = receiver.k === "mem" ? receiver : inMemory(f, receiver);
  if (name === "startsWith") return startsWithBuffer(f, buffer, wanted);
  if (name === "endsWith" || name === "lastIndexOf") {
    f.fail("string-search", `${name} takes a string literal here`, call.args[0]!, [
      "startsWith, `===`, and from Linux 6.17 on includes and indexOf take any string",
    ]);
  }
  const index = findBuffer(f, buffer, wanted, call);
  if (name === "indexOf") return index;
  return { k: "bool", ir: f.b.compare("sge", f.word(index), f.b.const(0n)), c: undefined };
}

function inMemory(f: Lowering, text: TextVal): MemVal {
  const length = encoder.encode(text.text).length + 1;
  const place = f.temporary("text", { kind: "str", length }, length);
  storeText(f, place, text, false);
  return place;
}

/** Methods that take positions. */
function positional(f: Lowering, receiver: TextVal | MemVal, name: string, args: readonly Val[], call: Call): Val {
  const [first, second] = args.map((arg, i) => toInt(f, arg, call.args[i]!));
  const from = first ?? f.constant(0n);
  if (receiver.k === "text" && [first, second].every((arg) => arg === undefined || arg.c !== undefined)) {
    // As JavaScript counts: bundlers compute this themselves where they can.
    const [a, b] = [Number(from.c), second === undefined ? undefined : Number(second.c)];
    if (name === "charCodeAt") return f.constant(BigInt(receiver.text.charCodeAt(a) || 0));
    const text = name === "charAt" ? receiver.text.charAt(a) : receiver.text[name as "slice" | "substring"](a, b);
    return { k: "text", text };
  }
  const buffer = receiver.k === "mem" ? receiver : inMemory(f, receiver);
  if (name === "slice" || name === "substring") return part(f, buffer, from, second, name);
  const place = indexOf(f, buffer, from, call) as MemVal;
  return name === "charAt" ? place : readMemory(f, { ...place, desc: BYTE });
}
