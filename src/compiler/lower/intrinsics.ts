/**
 * THE table of intrinsics: what kernel functions find in their scope without declaring it. One row a name, with its
 * signature, its documentation and its code; the documentation (docs/language.md) and "did you mean" derive from it.
 * To add a builtin, add a row here, its type in src/script/scope.ts, and a test.
 */
import { I32, I64, intType, U32, U64 } from "../check/int_types.ts";
import type { Call, Expr } from "../syntax/ast.ts";
import { highestBit } from "./aggregation.ts";
import { memberOf, read } from "./access.ts";
import { hasHelper, helper, pureHelper } from "./helpers.ts";
import type { Intrinsic } from "./intrinsic.ts";
import { callRead } from "./kernel.ts";
import type { Lowering } from "./lowering.ts";
import { lowerLock } from "./lock.ts";
import { MACHINE_INTRINSICS } from "./machine_intrinsics.ts";
import { materialise } from "./memory.ts";
import { cast, compare, foldInts, negate, toInt } from "./operators.ts";
import { lowerExit, lowerPrint } from "./print.ts";
import {
  lowerAs,
  lowerContainerOf,
  lowerEnumValue,
  lowerExists,
  lowerOffsetof,
  lowerSizeof,
  lowerUser,
} from "./type_queries.ts";
import { type FillVal, type IntVal, type RangeVal, type TextVal, type Val } from "./values.ts";

type Lower = Intrinsic["lower"];

function row(
  signature: string,
  doc: string,
  since: string,
  args: readonly [number, number] | undefined,
  lower: Lower,
): Intrinsic {
  return { signature, doc, since, args, lower };
}

const NONE: readonly [number, number] = [0, 0];
const ONE: readonly [number, number] = [1, 1];
const TWO: readonly [number, number] = [2, 2];

/** The high or low half of a helper's 64-bit answer. */
function half(name: string, high: boolean): Lower {
  return (f) => {
    const both = pureHelper(f, name);
    return f.int(high ? f.b.shr(both, f.b.const(32n)) : f.b.zext(both, 32), U32);
  };
}

function simple(name: string, t: typeof U64, pure = false): Lower {
  return (f) => f.int(pure ? pureHelper(f, name) : helper(f, name, []), t);
}

/** A helper of Linux 6 or so: says so where it is missing, instead of leaving it to the verifier. */
function recent(name: string, since: string, lower: Lower): Lower {
  return (f, args, call) => {
    if (hasHelper(f, name)) return lower(f, args, call);
    return f.fail("no-helper", `this kernel has no bpf_${name}`, call, [`Linux ${since} and later have it`]);
  };
}

function comm(f: Lowering): FillVal {
  return {
    k: "fill",
    kind: "str",
    length: 16,
    // Linux 5.16 to 6.2 leave what follows the NUL as it is.
    partial: true,
    write: (to, offset, size) =>
      void helper(f, "get_current_comm", [
        offset === 0 ? to : f.b.add(to, f.b.const(BigInt(offset))),
        f.b.const(BigInt(size)),
      ], { writes: 1 }),
  };
}

/** The verifier knows the type of the newer helper's result (5.11); the older one gives an address. */
function task(f: Lowering, node: Expr): Val {
  const types = f.module.types ?? f.fail("no-btf", "task() needs the kernel's BTF", node);
  const type = types.struct("task_struct")!;
  const typed = hasHelper(f, "get_current_task_btf");
  return {
    k: "ptr",
    type,
    ir: pureHelper(f, typed ? "get_current_task_btf" : "get_current_task"),
    prov: typed ? "direct" : "kernel",
  };
}

function taskField(...path: string[]): Lower {
  return (f, _args, call) => {
    let val: Val = task(f, call);
    for (const name of path) val = read(f, memberOf(f, val, name, call as Expr), call as Expr);
    return val;
  };
}

function readString(name: string): Lower {
  return (f, args, call) => {
    const address = f.word(toInt(f, args[0]!, firstArg(call)));
    const length = args[1] === undefined ? undefined : constantArg(f, args[1], call, 1, 4096n);
    return {
      k: "fill",
      kind: "str",
      length: length === undefined ? undefined : Number(length),
      partial: true,
      write: (to, offset, size) => void callRead(f, name, to, offset, size, address),
    };
  };
}

function firstArg(call: Call | Expr): Expr {
  return call.type === "Call" ? call.args[0] ?? call : call;
}

export function constantArg(f: Lowering, val: Val, call: Call | Expr, index: number, most: bigint): bigint {
  const node = call.type === "Call" ? call.args[index] ?? call : call;
  if (val.k === "int" && val.c !== undefined && val.c > 0n && val.c <= most) return val.c;
  return f.fail("type", `expected a constant from 1 to ${most}`, node);
}

function casts(bits: 8 | 16 | 32 | 64, signed: boolean): Intrinsic {
  const name = `${signed ? "i" : "u"}${bits}`;
  const doc = bits === 64
    ? `The same 64 bits, compared, divided and shifted as ${signed ? "signed" : "unsigned"}.`
    : `The low ${bits} bits, ${signed ? "signed" : "unsigned"}.`;
  return row(
    `${name}(value): ${name}`,
    doc,
    "",
    ONE,
    (f, args, call) => cast(f, toInt(f, args[0]!, firstArg(call)), bits, signed),
  );
}

function byteOrder(bits: 16 | 32 | 64, doc: string): Intrinsic {
  return row(`${doc}(value)`, `${bits} bits between host and network byte order.`, "", ONE, (f, args, call) => {
    const val = toInt(f, args[0]!, firstArg(call));
    if (val.c !== undefined) return f.constant(swapBytes(val.c, bits));
    return f.int(f.b.bswap(f.word(val), bits), intType(bits, false));
  });
}

function swapBytes(value: bigint, bits: number): bigint {
  let result = 0n;
  for (let i = 0; i < bits; i += 8) result = (result << 8n) | ((value >> BigInt(i)) & 0xffn);
  return result;
}

function extreme(which: "min" | "max"): Intrinsic {
  return row(`${which}(a, b)`, `The ${which === "min" ? "smaller" : "larger"} one.`, "", TWO, (f, args, call) => {
    const nodes = call.type === "Call" ? call.args : [call, call];
    const [a, b] = [toInt(f, args[0]!, nodes[0]!), toInt(f, args[1]!, nodes[1]!)];
    const first = compare(f, which === "min" ? "<" : ">", a, b, call as Expr);
    if (first.c !== undefined) return first.c ? a : b;
    const signed = a.t.signed || b.t.signed;
    const bits = which === "min" && !signed ? Math.min(a.t.bits, b.t.bits) : Math.max(a.t.bits, b.t.bits);
    return f.int(
      choose(f, first.ir!, f.word(a), f.word(b)),
      intType(signed && a.t.signed !== b.t.signed ? 64 : bits, signed),
    );
  });
}

/** One of two values, by a branch: the verifier then knows the bounds on both ways. */
function choose(
  f: Lowering,
  condition: ReturnType<Lowering["word"]>,
  yes: ReturnType<Lowering["word"]>,
  no: ReturnType<Lowering["word"]>,
): ReturnType<Lowering["word"]> {
  const local = f.b.newLocal("chosen");
  const [other, join] = [f.b.newBlock(), f.b.newBlock()];
  f.flush();
  f.b.setLocal(local, yes);
  f.b.branch(condition, join, other);
  f.enter(other);
  f.b.setLocal(local, no);
  f.b.jump(join);
  f.enter(join);
  return f.b.getLocal(local);
}

function absolute(f: Lowering, args: Val[], call: Call | Expr): Val {
  const val = toInt(f, args[0]!, firstArg(call));
  if (!val.t.signed) return val;
  if (val.c !== undefined) return f.constant(val.c < 0n ? -val.c : val.c);
  const negative = f.b.compare("slt", f.word(val), f.b.const(0n));
  return f.int(choose(f, negative, f.word(negate(f, "-", val)), f.word(val)), intType(val.t.bits, false));
}

function log2(f: Lowering, args: Val[], call: Call | Expr): Val {
  const val = toInt(f, args[0]!, firstArg(call));
  if (val.c !== undefined) {
    const word = BigInt.asUintN(64, val.c);
    return f.constant(word === 0n ? 0n : BigInt(word.toString(2).length - 1));
  }
  return f.int(highestBit(f, f.word(val)), intType(6, false));
}

function range(f: Lowering, args: Val[], call: Call | Expr): RangeVal {
  const nodes = call.type === "Call" ? call.args : [];
  const ints = args.map((arg, i): IntVal => toInt(f, arg, nodes[i]!));
  return ints.length === 1
    ? { k: "range", from: f.constant(0n), to: ints[0]! }
    : { k: "range", from: ints[0]!, to: ints[1]! };
}

function overrideReturn(f: Lowering, args: Val[], call: Call | Expr): Val {
  const value = f.word(toInt(f, args[0]!, firstArg(call)));
  f.effect();
  return f.int(helper(f, "override_return", [f.hook.ctx(f), value]), I64);
}

function pathOf(f: Lowering, args: Val[], call: Call | Expr): Val {
  const path = f.settle(args[0]!);
  if (path.k !== "ptr") return f.wrong("a struct path", path, firstArg(call));
  return {
    k: "fill",
    kind: "str",
    length: undefined,
    partial: true,
    write: (to, offset, size) =>
      void helper(f, "d_path", [
        path.ir,
        offset === 0 ? to : f.b.add(to, f.b.const(BigInt(offset))),
        f.b.const(BigInt(size)),
      ], { writes: 2 }),
  };
}

/** Puts any value on the stack and copies it to user memory. */
function writeUser(f: Lowering, args: Val[], call: Call | Expr): Val {
  const address = f.word(toInt(f, args[0]!, firstArg(call)));
  const val = f.settle(args[1]!);
  const node = call.type === "Call" ? call.args[1]! : call;
  const bits = val.k === "int" && val.t.bits <= 32 ? 32 : 64;
  const layout = val.k === "mem" ? { desc: val.desc, size: val.size, align: val.align } : val.k === "text"
    ? {
      desc: { kind: "str", length: (val satisfies TextVal).text.length + 1 } as const,
      size: val.text.length + 1,
      align: 1,
    }
    : { desc: { kind: "int", bits, signed: false, name: `u${bits}` } as const, size: bits / 8, align: bits / 8 };
  const place = materialise(f, val, layout as Parameters<typeof materialise>[2], "written", node);
  f.effect();
  return f.int(helper(f, "probe_write_user", [address, f.address(place), f.b.const(BigInt(layout.size))]), I64);
}

/** A function is compiled once for all programs that call it. */
function probeKey(f: Lowering, _args: Val[], call: Call | Expr): Val {
  if (f.hook.key !== "") return { k: "text", text: f.hook.key };
  return f.fail("probe", "`probe` is the key of a program, and this function belongs to none", call, [
    "pass it as an argument",
  ]);
}

function lazy(intrinsic: Intrinsic): Intrinsic {
  return { ...intrinsic, lazy: true };
}

export const INTRINSICS: Readonly<Record<string, Intrinsic>> = {
  ...MACHINE_INTRINSICS,
  pid: row(
    "pid(): u32",
    "Process id of the current task (the kernel's `tgid`).",
    "4.2",
    NONE,
    half("get_current_pid_tgid", true),
  ),
  tid: row(
    "tid(): u32",
    "Thread id of the current task (the kernel's `pid`).",
    "4.2",
    NONE,
    half("get_current_pid_tgid", false),
  ),
  ppid: row("ppid(): i32", "Process id of the current task's parent.", "5.11", NONE, taskField("real_parent", "tgid")),
  uid: row("uid(): u32", "Real user id of the current task.", "4.2", NONE, half("get_current_uid_gid", false)),
  gid: row("gid(): u32", "Real group id of the current task.", "4.2", NONE, half("get_current_uid_gid", true)),
  comm: row("comm(): str(16)", "Name of the current task.", "4.2", NONE, comm),
  task: row("task(): task_struct *", "The current task.", "5.11", NONE, (f, _args, call) => task(f, call)),
  cgroupId: row(
    "cgroupId(): u64",
    "Id of the current task's cgroup (v2).",
    "4.18",
    NONE,
    simple("get_current_cgroup_id", U64, true),
  ),
  cpu: row("cpu(): u32", "The CPU this runs on.", "4.1", NONE, simple("get_smp_processor_id", U32, true)),
  numaNode: row("numaNode(): u32", "The NUMA node this runs on.", "4.10", NONE, simple("get_numa_node_id", U32, true)),
  nsecs: row("nsecs(): u64", "Nanoseconds since boot, without time asleep.", "4.1", NONE, simple("ktime_get_ns", U64)),
  bootNsecs: row(
    "bootNsecs(): u64",
    "Nanoseconds since boot, with time asleep.",
    "5.8",
    NONE,
    simple("ktime_get_boot_ns", U64),
  ),
  taiNsecs: row(
    "taiNsecs(): u64",
    "Nanoseconds of the atomic clock.",
    "6.1",
    NONE,
    recent("ktime_get_tai_ns", "6.1", simple("ktime_get_tai_ns", U64)),
  ),
  jiffies: row("jiffies(): u64", "Ticks of the kernel's timer.", "5.5", NONE, simple("jiffies64", U64)),
  random: row("random(): u32", "A random 32-bit number.", "4.1", NONE, simple("get_prandom_u32", U32)),
  funcAddress: row(
    "funcAddress(): u64",
    "Address of the traced function.",
    "5.15",
    NONE,
    (f) => f.int(helper(f, "get_func_ip", [f.hook.ctx(f)], { pure: true })),
  ),

  userString: row(
    "userString(address, length?): str",
    "A string in the memory of the current process.",
    "5.5",
    [1, 2],
    readString("probe_read_user_str"),
  ),
  kernelString: row(
    "kernelString(address, length?): str",
    "A string in kernel memory.",
    "5.5",
    [1, 2],
    readString("probe_read_kernel_str"),
  ),
  user: row(
    "user(address, Type)",
    "A struct or a number in the memory of the current process.",
    "5.5",
    TWO,
    (f, args, call) => lowerUser(f, args, call),
  ),
  as: row(
    "as(address, Type)",
    "The same address, as a pointer to another type.",
    "",
    TWO,
    (f, args, call) => lowerAs(f, args, call),
  ),
  containerOf: row(
    "containerOf(address, type, member)",
    "The struct that the address is a member of.",
    "5.5",
    [3, 3],
    (f, args, call) => lowerContainerOf(f, args, call),
  ),
  exists: lazy(
    row(
      "exists(field): bool",
      "Whether the running kernel has this field.",
      "5.5",
      ONE,
      (f, _args, call) => lowerExists(f, call),
    ),
  ),
  sizeof: lazy(
    row(
      "sizeof(type or value): u32",
      "Size in bytes on the running kernel.",
      "5.5",
      ONE,
      (f, _args, call) => lowerSizeof(f, call),
    ),
  ),
  offsetof: row(
    "offsetof(type, field): u32",
    "Offset of a field on the running kernel.",
    "5.5",
    TWO,
    (f, args, call) => lowerOffsetof(f, args, call),
  ),
  enumValue: row(
    "enumValue(type, name)",
    "Value of an enumerator on the running kernel.",
    "5.5",
    TWO,
    (f, args, call) => lowerEnumValue(f, args, call),
  ),
  pathOf: row("pathOf(path): str", "The path of a file, where the kernel allows it.", "5.10", ONE, pathOf),

  u8: casts(8, false),
  u16: casts(16, false),
  u32: casts(32, false),
  u64: casts(64, false),
  i8: casts(8, true),
  i16: casts(16, true),
  i32: casts(32, true),
  i64: casts(64, true),
  ntohs: byteOrder(16, "ntohs"),
  ntohl: byteOrder(32, "ntohl"),
  ntohll: byteOrder(64, "ntohll"),
  htons: byteOrder(16, "htons"),
  htonl: byteOrder(32, "htonl"),
  htonll: byteOrder(64, "htonll"),
  min: extreme("min"),
  max: extreme("max"),
  abs: row("abs(value)", "Without its sign.", "", ONE, absolute),
  log2: row("log2(value): u8", "Position of the highest bit that is set; 0 for 0.", "", ONE, log2),
  range: row("range(to) or range(from, to)", "Numbers for `for…of`.", "", [1, 2], range),

  print: lazy(
    row("print(`…`)", "Prints a line in the script.", "5.8", [1, 12], (f, _args, call) => lowerPrint(f, call)),
  ),
  lock: lazy(
    row(
      "lock(value, () => { … })",
      "Runs the function with the value's spin lock held.",
      "5.1",
      TWO,
      (f, _args, call) => lowerLock(f, call),
    ),
  ),
  exit: row("exit(code?)", "Asks the script to end: `tracer.exited`.", "5.8", [0, 1], lowerExit),
  override: row("override(value): i64", "Makes the traced function return at once.", "4.16", ONE, overrideReturn),
  writeUser: row(
    "writeUser(address, value): i64",
    "Writes into the memory of the current process.",
    "4.8",
    TWO,
    writeUser,
  ),
  probe: row("probe", "The program's own key.", "", undefined, probeKey),
};

/** `Math.…` and the conversions of JavaScript that mean something here. */
export const JS_FUNCTIONS: Readonly<Record<string, Readonly<Record<string, Intrinsic>>>> = {
  Math: {
    min: INTRINSICS["min"]!,
    max: INTRINSICS["max"]!,
    abs: INTRINSICS["abs"]!,
    trunc: identity("Math.trunc"),
    floor: identity("Math.floor"),
    clz32: clz32(),
  },
};

function identity(name: string): Intrinsic {
  return row(`${name}(value)`, "The value itself.", "", ONE, (f, args, call) => toInt(f, args[0]!, firstArg(call)));
}

function clz32(): Intrinsic {
  return row("Math.clz32(value)", "Leading zero bits of the low 32.", "", ONE, (f, args, call) => {
    const word = cast(f, toInt(f, args[0]!, firstArg(call)), 32, false);
    if (word.c !== undefined) {
      return f.constant(foldInts("-", 32n, word.c === 0n ? 0n : BigInt(word.c.toString(2).length)));
    }
    const zero = f.b.compare("eq", f.word(word), f.b.const(0n));
    return f.int(f.b.sub(f.b.sub(f.b.const(31n), highestBit(f, f.word(word))), f.b.neg(zero)), I32);
  });
}

export const CONVERSIONS: Readonly<Record<string, Intrinsic>> = {
  Number: identity("Number"),
  BigInt: identity("BigInt"),
  Boolean: row("Boolean(value)", "Whether it is not zero.", "", ONE, (f, args, call) => {
    const val = args[0]!;
    if (val.k === "bool") return val;
    const int = toInt(f, val, firstArg(call));
    return { k: "bool", ir: f.b.compare("ne", f.word(int), f.b.const(0n)), c: undefined };
  }),
};
