/**
 * `print(…)`: the values go to the script as one record of a ring buffer that the compiler adds; the text around them
 * never leaves the compiler. The script formats records in the order in which each CPU wrote them.
 */
import { str, struct } from "../../bytes/composites.ts";
import type { Layout } from "../../bytes/layout.ts";
import { bool, i64, u32, u64 } from "../../bytes/scalars.ts";
import {
  EXIT_MAP,
  EXIT_RECORD,
  type MapDefinition,
  PRINT_MAP,
  type PrintFormat,
  type PrintValue,
} from "../definitions.ts";
import type { Call, Expr } from "../syntax/ast.ts";
import { helper } from "./helpers.ts";
import type { Lowering } from "./lowering.ts";
import { perfOutput } from "./maps.ts";
import { asLayout } from "./btf_layout.ts";
import { memVal, store } from "./memory.ts";
import { toInt } from "./operators.ts";
import { type Memory, type MemVal, UNDEFINED, type Val } from "./values.ts";

/** Bytes for a string whose length nothing says. */
const STRING_BYTES = 64;
/** Bytes of the ring that `print` writes to. */
const RING_BYTES = 1 << 18;

export function lowerPrint(f: Lowering, call: Call | Expr): Val {
  const { strings, nodes } = formatOf(call);
  const values = nodes.map((node) => printable(f, f.rules.lower(f, node)));
  const layouts = values.map((value, i) => printLayout(f, value, nodes[i]!));
  const record = struct(
    Object.fromEntries([["id", u32], ["pad", u32], ...layouts.map((layout, i) => [`v${i}`, layout] as const)]),
  ) as Layout<unknown>;
  const id = formatId(f, strings, record);
  const fields = new Map<string, Val>([
    ["id", f.constant(BigInt(id))],
    ["pad", f.constant(0n)],
    ...values.map((value, i) => [`v${i}`, value] as const),
  ]);
  f.effect();
  sendRecord(f, { map: PRINT_MAP, bytes: RING_BYTES }, record, { k: "object", fields }, call as Expr);
  return UNDEFINED;
}

/** Strings are read straight into the record; other parts of kernel structs are read now. */
function printable(f: Lowering, val: Val): Val {
  return val.k === "field" ? f.settle(val) : val;
}

/** A template literal, or values with spaces between. */
function formatOf(call: Call | Expr): { strings: string[]; nodes: Expr[] } {
  const args = call.type === "Call" ? call.args : [];
  const strings = [""];
  const nodes: Expr[] = [];
  args.forEach((arg, i) => {
    if (i > 0) strings[strings.length - 1] += " ";
    if (arg.type === "String") strings[strings.length - 1] += arg.value;
    else if (arg.type === "Template") {
      strings[strings.length - 1] += arg.quasis[0]!;
      strings.push(...arg.quasis.slice(1));
      nodes.push(...arg.exprs);
    } else {
      nodes.push(arg);
      strings.push("");
    }
  });
  return { strings, nodes };
}

function printLayout(f: Lowering, val: Val, node: Expr): Layout<unknown> {
  switch (val.k) {
    case "int":
      return val.t.signed ? i64 : u64;
    case "ptr":
      return u64;
    case "bool":
      return bool;
    case "text":
      return str(new TextEncoder().encode(val.text).length + 1);
    case "fill":
      return str(val.length ?? STRING_BYTES);
    case "mem":
      if (val.desc.kind === "str") return str(val.desc.length);
      return asLayout(val);
    default:
      return f.wrong("something that can be printed: a number, a boolean or a string", val, node);
  }
}

/** The same record for the same text in the same place: lowering a function twice must not count twice. */
function formatId(f: Lowering, strings: readonly string[], record: Layout<unknown>): number {
  const { prints } = f.module;
  const values: PrintValue[] = record.desc.kind === "struct"
    ? record.desc.fields.slice(2).map(({ offset, layout }) => ({ offset, layout }))
    : [];
  const same = prints.find((known) =>
    known.size === record.size && known.strings.join("\0") === strings.join("\0") &&
    known.values.length === values.length &&
    known.values.every((value, i) =>
      value.offset === values[i]!.offset &&
      JSON.stringify(value.layout.desc, plain) === JSON.stringify(values[i]!.layout.desc, plain)
    )
  );
  if (same !== undefined) return same.id;
  const format: PrintFormat = { id: prints.length, strings, values, size: record.size };
  prints.push(format);
  return format.id;
}

function plain(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}n` : value;
}

/** Sends a record through a ring that the compiler adds when it is first needed. */
function sendRecord(
  f: Lowering,
  { map, bytes }: { map: string; bytes: number },
  record: Layout<unknown>,
  val: Val,
  node: Expr,
): void {
  const ring = f.module.facts.has("ringbuf");
  if (!f.module.extraMaps.has(map)) f.module.extraMaps.set(map, eventMap(ring, bytes));
  const memory: Memory = { space: "ring", shared: false, writable: true };
  if (!ring) {
    const place: MemVal = f.temporary("record", record.desc, record.size);
    f.b.zero(place.base, place.offset, record.size);
    store(f, place, val, node, true);
    perfOutput(f, map, place);
    return;
  }
  const pointer = helper(f, "ringbuf_reserve", [f.b.mapFd(map), f.b.const(BigInt(record.size)), f.b.const(0n)], {
    fresh: true,
  });
  const [there, join] = [f.b.newBlock(), f.b.newBlock()];
  f.b.branchIf("ne", pointer, f.b.const(0n), there, join);
  f.enter(there);
  store(f, memVal(record.desc, record.size, record.align, pointer, 0, memory), val, node);
  helper(f, "ringbuf_submit", [pointer, f.b.const(0n)], { returns: false });
  f.b.jump(join);
  f.enter(join);
}

function eventMap(ring: boolean, bytes: number): MapDefinition {
  return {
    kind: ring ? "ringbuf" : "perf_event_array",
    key: undefined,
    value: undefined,
    maxEntries: ring ? bytes : 0,
    flags: 0,
    pinned: false,
    slots: [],
    linear: undefined,
  };
}

/** `exit(code?)`: asks the script to end; the program goes on. One page holds more than anyone reads. */
export function lowerExit(f: Lowering, args: readonly Val[], call: Call | Expr): Val {
  const node = call.type === "Call" ? call.args[0] ?? call : call;
  const code = args[0] === undefined ? f.constant(0n) : toInt(f, args[0], node);
  f.effect();
  const map = { map: EXIT_MAP, bytes: f.module.facts.pageSize };
  sendRecord(f, map, EXIT_RECORD, { k: "object", fields: new Map([["code", code]]) }, node);
  return UNDEFINED;
}
