/**
 * Rows of the table of intrinsics (intrinsics.ts) about the machine and what runs on it: registers, stacks, raw bytes,
 * symbols of the kernel, namespaces, addresses as text.
 */
import { BPF_F_USER_STACK } from "../../abi/bpf.gen.ts";
import { CONSTANTS } from "../../abi/constants.ts";
import { MACHINES } from "../../abi/pt_regs.ts";
import { parseIp } from "../../bytes/ip.ts";
import { I32, I64, intType, U32, U64 } from "../check/int_types.ts";
import { didYouMean } from "../diagnostics.ts";
import type { AccessSize, Value } from "../ir/ir.ts";
import type { Call, Expr } from "../syntax/ast.ts";
import { indexOf, memberOf, read } from "./access.ts";
import { typedWord } from "./context.ts";
import { hasHelper, helper } from "./helpers.ts";
import type { Intrinsic } from "./intrinsic.ts";
import { lowerIterate } from "./iterators.ts";
import { kernelTypes } from "./kernel.ts";
import type { Lowering } from "./lowering.ts";
import { toInt } from "./operators.ts";
import { type FillVal, type PtrVal, UNDEFINED, type Val } from "./values.ts";

type Lower = Intrinsic["lower"];

function argNode(call: Call | Expr, index: number): Expr {
  return call.type === "Call" ? call.args[index] ?? call : call;
}

function row(
  signature: string,
  doc: string,
  since: string,
  args: readonly [number, number],
  lower: Lower,
): Intrinsic {
  return { signature, doc, since, args, lower };
}

/** A text that must be known now. */
function literal(f: Lowering, val: Val | undefined, call: Call | Expr, what: string): string {
  return val?.k === "text" ? val.text : f.wrong(what, val ?? UNDEFINED, argNode(call, 0));
}

// Registers

/** Where the registers lie: the context of kprobes and uprobes is `pt_regs`, that of perf events begins with it. */
function registers(f: Lowering, call: Call | Expr): (name: string) => Value {
  const { def } = f.hook;
  if (def?.ctx !== "pt_regs" && def?.ctx !== "bpf_perf_event_data") {
    f.fail("no-registers", `a program of kind ${f.hook.section.split("/")[0]} does not see registers`, call, [
      "kprobe, uprobe and perf event programs do",
    ]);
  }
  const { regs } = MACHINES[f.module.facts.arch];
  return (name) => f.b.load(8, f.hook.ctx(f), regs[name]!, { invariant: true });
}

function register(f: Lowering, args: Val[], call: Call | Expr): Val {
  const name = literal(f, args[0], call, 'the name of a register in quotes, such as "ip"');
  const { regs } = MACHINES[f.module.facts.arch];
  const load = registers(f, call);
  if (Object.hasOwn(regs, name)) return f.int(load(name));
  return f.fail(
    "unknown-field",
    `${f.module.facts.arch} has no register "${name}"`,
    argNode(call, 0),
    didYouMean(name, Object.keys(regs)),
  );
}

/** The privilege level: the low bits of CS on x86-64 (3: user), those of PSTATE's mode on arm64 (0: user). */
function userMode(f: Lowering, _args: Val[], call: Call | Expr): Val {
  const load = registers(f, call);
  const x86 = f.module.facts.arch === "x86_64";
  const level = f.b.and(load(x86 ? "cs" : "pstate"), f.b.const(x86 ? 3n : 15n));
  return { k: "bool", ir: f.b.compare("eq", level, f.b.const(x86 ? 3n : 0n)), c: undefined };
}

// Stacks and bytes

/** Return addresses, innermost first, zeros behind them. */
function stack(flags: bigint): Lower {
  return (f, args, call): FillVal => {
    const skip = args[0] === undefined ? 0n : framesToSkip(f, args[0], argNode(call, 0));
    return {
      k: "fill",
      kind: "bytes",
      length: undefined,
      partial: true,
      words: true,
      write: (to, offset, size) => {
        f.b.zero(to, offset, size);
        const target = offset === 0 ? to : f.b.add(to, f.b.const(BigInt(offset)));
        const room = f.b.const(BigInt(size & ~7));
        helper(f, "get_stack", [f.hook.ctx(f), target, room, f.b.const(flags | skip)], { writes: 2 });
      },
    };
  };
}

export function framesToSkip(f: Lowering, val: Val, node: Expr): bigint {
  const skip = toInt(f, val, node).c;
  if (skip !== undefined && skip >= 0n && skip <= 255n) return skip;
  return f.fail("type", "the number of frames to skip is a constant from 0 to 255", node);
}

/** `length` bytes, at most as many as fit where they go; the rest is zero. */
function bytesAt(name: string): Lower {
  return (f, args, call): FillVal => {
    const address = f.word(toInt(f, args[0]!, argNode(call, 0)));
    const length = args[1] === undefined ? undefined : toInt(f, args[1], argNode(call, 1));
    return {
      k: "fill",
      kind: "bytes",
      length: length?.c === undefined ? undefined : Math.max(1, Number(length.c)),
      partial: true,
      write: (to, offset, size) => {
        f.b.zero(to, offset, size);
        const target = offset === 0 ? to : f.b.add(to, f.b.const(BigInt(offset)));
        const count = length === undefined || length.c !== undefined
          ? f.b.const(BigInt(size))
          : atMost(f, f.word(length), size);
        helper(f, name, [target, count, address], { writes: 1 });
      },
    };
  };
}

/** The smaller one, so that the verifier sees it. */
export function atMost(f: Lowering, word: Value, most: number): Value {
  const local = f.b.newLocal("count");
  const [more, join] = [f.b.newBlock(), f.b.newBlock()];
  f.b.setLocal(local, word);
  f.b.branchIf("ule", word, f.b.const(BigInt(most)), join, more);
  f.enter(more);
  f.b.setLocal(local, f.b.const(BigInt(most)));
  f.b.jump(join);
  f.enter(join);
  return f.b.getLocal(local);
}

// Symbols of the kernel

function symbolAddress(f: Lowering, args: Val[], call: Call | Expr): Val {
  const name = literal(f, args[0], call, "the name of a symbol of the kernel in quotes");
  f.module.symbols.set(name, 0);
  return f.int(f.b.externVar(name));
}

/** A per-CPU variable of the kernel, of this CPU or of another one. */
function perCpu(f: Lowering, args: Val[], call: Call | Expr): Val {
  const name = literal(f, args[0], call, "the name of a per-CPU variable in quotes");
  const types = kernelTypes(f, argNode(call, 0));
  const id = types.btf.find(name, "VAR");
  const variable = id === undefined ? undefined : types.btf.type(id);
  if (variable?.kind !== "VAR") {
    return f.fail(
      "unknown-type",
      `the kernel's BTF has no per-CPU variable "${name}"`,
      argNode(call, 0),
      didYouMean(name, Array.from(types.btf.ids("VAR"), (other) => types.btf.nameOf(other))),
    );
  }
  f.module.symbols.set(name, variable.type);
  const base = f.b.externVar(name);
  const { type } = variable;
  if (args[1] === undefined) return variableAt(f, helper(f, "this_cpu_ptr", [base]), type);
  const pointer = helper(f, "per_cpu_ptr", [base, f.word(toInt(f, args[1], argNode(call, 1)))]);
  const sample = variableType(f, type);
  return {
    k: "opt",
    of: sample ?? { k: "ptr", type, prov: "direct" },
    test: () => pointer,
    inner: () => variableAt(f, pointer, type),
    pending: undefined,
  };
}

function variableType(f: Lowering, type: number): { k: "int"; t: ReturnType<typeof intType> } | undefined {
  const shape = f.module.types!.shape(type);
  return shape.k === "int" ? { k: "int", t: intType(shape.size * 8, shape.signed) } : undefined;
}

/** Numbers are read; structs are pointers the verifier knows. */
function variableAt(f: Lowering, pointer: Value, type: number): Val {
  const shape = f.module.types!.shape(type);
  if (shape.k !== "int") return { k: "ptr", type, ir: pointer, prov: "direct" };
  const word = f.b.load(shape.size as AccessSize, pointer, 0, { signed: shape.signed });
  return typedWord(f, word, type, "direct");
}

// Namespaces

/** A task's number as its own pid namespace counts: that of the innermost level of its `struct pid`. */
function namespaced(leader: boolean): Lower {
  return (f, _args, call) => {
    const types = kernelTypes(f, call as Expr);
    const typed = hasHelper(f, "get_current_task_btf");
    const task: PtrVal = {
      k: "ptr",
      type: types.struct("task_struct")!,
      ir: helper(f, typed ? "get_current_task_btf" : "get_current_task", [], { pure: true }),
      prov: typed ? "direct" : "kernel",
    };
    const get = (val: Val, name: string): Val => read(f, memberOf(f, val, name, call as Expr), call as Expr);
    const pid = get(leader ? get(task, "group_leader") : task, "thread_pid");
    const level = toInt(f, get(pid, "level"), call as Expr);
    const entry = indexOf(f, memberOf(f, pid, "numbers", call as Expr), level, call as Expr);
    return f.int(f.word(toInt(f, get(entry, "nr"), call as Expr)), I32);
  };
}

function ancestorCgroup(f: Lowering, args: Val[], call: Call | Expr): Val {
  return f.int(helper(f, "get_current_ancestor_cgroup_id", [f.word(toInt(f, args[0]!, argNode(call, 0)))]), U64);
}

function coarse(f: Lowering, _args: Val[], call: Call | Expr): Val {
  if (hasHelper(f, "ktime_get_coarse_ns")) return f.int(helper(f, "ktime_get_coarse_ns", []), U64);
  return f.fail("no-helper", "this kernel has no bpf_ktime_get_coarse_ns", call, ["Linux 5.11 and later have it"]);
}

// Values as text

/** In network byte order, as the kernel keeps it in a `__be32`. */
function ipv4(f: Lowering, args: Val[], call: Call | Expr): Val {
  const bytes = address(f, args, call, 4);
  return f.int(f.b.const(BigInt(new DataView(bytes.buffer).getUint32(0, true))), U32);
}

function ipv6(f: Lowering, args: Val[], call: Call | Expr): Val {
  const view = new DataView(address(f, args, call, 16).buffer);
  const place = f.temporary("address", { kind: "bytes", length: 16 }, 16);
  for (const at of [0, 8]) f.b.store(8, place.base, place.offset + at, f.b.const(view.getBigUint64(at, true)));
  return place;
}

function address(f: Lowering, args: Val[], call: Call | Expr, length: number): Uint8Array<ArrayBuffer> {
  const text = literal(f, args[0], call, "an address in quotes");
  try {
    const bytes = parseIp(text);
    if (bytes.length === length) return bytes;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
  return f.fail("range", `"${text}" is no IPv${length === 4 ? 4 : 6} address`, argNode(call, 0));
}

/** Signals by number or by name. */
function signal(name: string): Lower {
  return (f, args, call) => {
    const given = args[0]!;
    const number = given.k === "text"
      ? signalNumber(f, given.text, argNode(call, 0))
      : toInt(f, given, argNode(call, 0));
    const word = f.word(number);
    f.effect();
    return f.int(helper(f, name, [word]), I64);
  };
}

function signalNumber(f: Lowering, name: string, node: Expr): Val {
  const names = Object.keys(CONSTANTS).filter((known) => /^SIG[A-Z0-9]+$/.test(known));
  if (names.includes(name)) return f.constant(BigInt((CONSTANTS as Readonly<Record<string, number>>)[name]!));
  return f.fail("range", `there is no signal "${name}"`, node, didYouMean(name, names));
}

/** Kernel functions that fail give a negative errno as a pointer. */
function isError(f: Lowering, args: Val[], call: Call | Expr): Val {
  const word = f.word(toInt(f, args[0]!, argNode(call, 0)));
  return { k: "bool", ir: f.b.compare("uge", word, f.b.const(-4095n)), c: undefined };
}

export const MACHINE_INTRINSICS: Readonly<Record<string, Intrinsic>> = {
  iterate: row(
    "iterate(kind, …)",
    "Objects of the kernel for `for…of`: `task`, `task_vma`, `css`, `kmem_cache`, …",
    "6.7",
    [1, 5],
    lowerIterate,
  ),
  coarseNsecs: row(
    "coarseNsecs(): u64",
    "Nanoseconds since boot as of the last timer tick: cheaper. Not in tracing programs.",
    "5.11",
    [0, 0],
    coarse,
  ),
  nsPid: row("nsPid(): i32", "Process id in the task's own pid namespace.", "5.5", [0, 0], namespaced(true)),
  nsTid: row("nsTid(): i32", "Thread id in the task's own pid namespace.", "5.5", [0, 0], namespaced(false)),
  ancestorCgroupId: row(
    "ancestorCgroupId(level): u64",
    "Id of the current task's cgroup at that level; 0 is the root.",
    "5.7",
    [1, 1],
    ancestorCgroup,
  ),
  userMode: row("userMode(): bool", "Whether the CPU was running user code.", "4.1", [0, 0], userMode),
  register: row("register(name): u64", "A register of kprobes, uprobes and perf events.", "4.1", [1, 1], register),
  kernelStack: row("kernelStack(skip?): u64[]", "Return addresses of the kernel.", "4.18", [0, 1], stack(0n)),
  userStack: row(
    "userStack(skip?): u64[]",
    "Return addresses of the current process.",
    "4.18",
    [0, 1],
    stack(BigInt(BPF_F_USER_STACK)),
  ),
  userBytes: row(
    "userBytes(address, length?): bytes",
    "Bytes of the current process.",
    "5.5",
    [1, 2],
    bytesAt("probe_read_user"),
  ),
  kernelBytes: row(
    "kernelBytes(address, length?): bytes",
    "Bytes of the kernel.",
    "5.5",
    [1, 2],
    bytesAt("probe_read_kernel"),
  ),
  symbolAddress: row(
    "symbolAddress(name): u64",
    "Address of a symbol of the kernel, from /proc/kallsyms.",
    "any",
    [1, 1],
    symbolAddress,
  ),
  perCpu: row(
    "perCpu(name, cpu?)",
    "A per-CPU variable of the kernel, of this CPU or another.",
    "5.10",
    [1, 2],
    perCpu,
  ),
  isError: row("isError(pointer): bool", "Whether a pointer is an error number.", "any", [1, 1], isError),
  ipv4: row('ipv4("…"): u32', "An IPv4 address in network byte order.", "any", [1, 1], ipv4),
  ipv6: row('ipv6("…"): bytes(16)', "An IPv6 address.", "any", [1, 1], ipv6),
  signal: row(
    "signal(number or name): i64",
    "Sends a signal to the current process.",
    "5.3",
    [1, 1],
    signal("send_signal"),
  ),
  signalThread: row(
    "signalThread(number or name): i64",
    "Sends a signal to the current thread.",
    "5.5",
    [1, 1],
    signal("send_signal_thread"),
  ),
};
