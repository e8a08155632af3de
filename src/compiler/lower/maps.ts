/**
 * Methods of maps inside a kernel function, by kind of map. Keys and values are passed by address: what has none is put
 * on the stack, zeroed first. A looked-up struct is the map's own memory; a looked-up scalar is read before anything
 * that could change it.
 */
import type { Layout } from "../../bytes/layout.ts";
import { BPF_F_CURRENT_CPU, BPF_F_USER_STACK } from "../../abi/bpf.gen.ts";
import { I32, I64, U32 } from "../check/int_types.ts";
import { isAggregation, type MapDefinition, type MapKind } from "../definitions.ts";
import type { Value } from "../ir/ir.ts";
import type { Call } from "../syntax/ast.ts";
import { addToAggregation } from "./aggregation.ts";
import { typeOfVal } from "./cells.ts";
import { helper } from "./helpers.ts";
import type { Lowering } from "./lowering.ts";
import { framesToSkip } from "./machine_intrinsics.ts";
import { materialise, memVal, readMemory, store } from "./memory.ts";
import { toInt } from "./operators.ts";
import { cancelTimer, startTimer } from "./timers.ts";
import { type BoolVal, type MapVal, type Memory, type MemVal, type OptVal, UNDEFINED, type Val } from "./values.ts";

const KEYED = ["get", "set", "delete", "has", "getOrInsert", "add"];
const ARRAY = ["get", "set", "add", "has"];
const TIMERS = ["startTimer", "cancelTimer"];
const STORAGE = ["get", "getOrCreate", "delete"];
const REDIRECT = ["redirect"];

/** What each kind of map can do. */
export const MAP_METHODS: Readonly<Record<MapKind, readonly string[]>> = {
  hash: [...KEYED, ...TIMERS],
  lru_hash: [...KEYED, ...TIMERS],
  percpu_hash: KEYED,
  lru_percpu_hash: KEYED,
  lpm_trie: ["get", "set", "delete", "has"],
  array: [...ARRAY, ...TIMERS],
  percpu_array: ARRAY,
  queue: ["push", "pop", "peek"],
  stack: ["push", "pop", "peek"],
  bloom_filter: ["add", "has"],
  ringbuf: ["emit", "reserve", "submit", "discard"],
  perf_event_array: ["emit"],
  stack_trace: ["kernel", "user"],
  prog_array: ["call"],
  cgroup_array: ["includesCurrent"],
  task_storage: STORAGE,
  inode_storage: STORAGE,
  sk_storage: STORAGE,
  cgrp_storage: STORAGE,
  devmap: REDIRECT,
  devmap_hash: REDIRECT,
  cpumap: REDIRECT,
  xskmap: REDIRECT,
  sockmap: REDIRECT,
  sockhash: REDIRECT,
  counter: ["count", "add"],
  sum: ["add"],
  min: ["add"],
  max: ["add"],
  avg: ["add"],
  stats: ["add"],
  histogram: ["add"],
  linearHistogram: ["add"],
  topK: ["count", "add"],
};

export function isPerCpu(kind: MapKind): boolean {
  return kind.includes("percpu");
}

/** One method call; `name` is one that the kind has. */
export function mapMethod(f: Lowering, map: MapVal, name: string, args: Val[], call: Call, wanted: boolean): Val {
  f.module.usedMaps.add(map.name);
  if (isAggregation(map.def.kind)) {
    f.effect();
    addToAggregation(f, map, args, call);
    return UNDEFINED;
  }
  const method = METHODS[
    map.def.kind === "bloom_filter"
      ? `bloom_${name}`
      : STORAGE_KINDS.has(map.def.kind)
      ? `storage_${name}`
      : /^sock(map|hash)$/.test(map.def.kind)
      ? `sock_${name}`
      : name
  ]!;
  return method({ f, map, def: map.def, args, call, wanted, fd: () => f.b.mapFd(map.name) });
}

const STORAGE_KINDS: ReadonlySet<MapKind> = new Set(["task_storage", "inode_storage", "sk_storage", "cgrp_storage"]);

const RING_MEMORY: Memory = { space: "ring", shared: false, writable: true };

interface MapCall {
  readonly f: Lowering;
  readonly map: MapVal;
  readonly def: MapDefinition;
  readonly args: readonly Val[];
  readonly call: Call;
  readonly wanted: boolean;
  readonly fd: () => Value;
}

const METHODS: Readonly<Record<string, (m: MapCall) => Val>> = {
  get: (m) => fromPointer(m.f, lookup(m), m.def.value!, mapMemory(m.def)),
  has: (m) => ({ k: "bool", ir: m.f.b.compare("ne", lookup(m), m.f.b.const(0n)), c: undefined }),
  set,
  delete: (m) => {
    m.f.effect();
    return succeeded(m.f, helper(m.f, "map_delete_elem", [m.fd(), key(m)]));
  },
  startTimer: (m) => {
    const nsecs = toInt(m.f, argument(m, 1), m.call.args[1]!);
    return startTimer(m.f, m.map, argument(m, 0), nsecs, m.args[2], m.call);
  },
  cancelTimer: (m) => cancelTimer(m.f, argument(m, 0), m.call),
  getOrInsert: (m) => {
    m.f.effect();
    const pointer = lookupOrInsert(
      m,
      key(m),
      () => m.f.address(materialise(m.f, argument(m, 1), m.def.value!, "value", m.call.args[1]!)),
    );
    return fromPointer(m.f, pointer, m.def.value!, mapMemory(m.def));
  },
  add,
  push: (m) => {
    const value = materialise(m.f, argument(m, 0), m.def.value!, "value", m.call.args[0]!);
    m.f.effect();
    return errorOf(m.f, helper(m.f, "map_push_elem", [m.fd(), m.f.address(value), flags(m, 1)]));
  },
  pop: (m) => takeOut(m, "map_pop_elem"),
  peek: (m) => takeOut(m, "map_peek_elem"),
  bloom_add: (m) => {
    const value = materialise(m.f, argument(m, 0), m.def.value!, "value", m.call.args[0]!);
    m.f.effect();
    return errorOf(m.f, helper(m.f, "map_push_elem", [m.fd(), m.f.address(value), m.f.b.const(0n)]));
  },
  bloom_has: (m) =>
    succeeded(
      m.f,
      helper(m.f, "map_peek_elem", [
        m.fd(),
        m.f.address(materialise(m.f, argument(m, 0), m.def.value!, "value", m.call.args[0]!)),
      ]),
    ),
  emit,
  reserve: (m) => {
    m.f.effect();
    const { value } = m.def;
    const pointer = helper(m.f, "ringbuf_reserve", [m.fd(), size(m.f, value!), m.f.b.const(0n)], { fresh: true });
    // Zeroed where the program has found out that it is there: kernels before 6.5 take a second test for a leak.
    const zero = { load: (): void => m.f.b.zero(pointer, 0, value!.size) };
    return m.f.pend({ ...fromPointer(m.f, pointer, value!, RING_MEMORY), pending: zero });
  },
  submit: (m) => release(m, "ringbuf_submit"),
  discard: (m) => release(m, "ringbuf_discard"),
  kernel: (m) => stackId(m, 0n),
  user: (m) => stackId(m, BigInt(BPF_F_USER_STACK)),
  call: (m) => {
    const index = toInt(m.f, argument(m, 0), m.call.args[0]!);
    m.f.effect();
    helper(m.f, "tail_call", [m.f.hook.ctx(m.f), m.fd(), m.f.word(index)], { returns: false });
    return UNDEFINED;
  },
  includesCurrent: (m) => {
    const index = toInt(m.f, argument(m, 0), m.call.args[0]!);
    const result = helper(m.f, "current_task_under_cgroup", [m.fd(), m.f.word(index)]);
    return { k: "bool", ir: m.f.b.compare("eq", result, m.f.b.const(1n)), c: undefined };
  },
  redirect: (m) => {
    const index = toInt(m.f, argument(m, 0), m.call.args[0]!);
    return m.f.int(helper(m.f, "redirect_map", [m.fd(), m.f.word(index), flags(m, 1)]), I64);
  },
  sock_redirect: socketRedirect,
  storage_get: (m) => storage(m, 0n),
  storage_getOrCreate: (m) => storage(m, 1n),
  storage_delete: (m) => {
    m.f.effect();
    const owner = m.f.word(m.f.settle(argument(m, 0)));
    return succeeded(m.f, helper(m.f, `${storagePrefix(m.def.kind)}_storage_delete`, [m.fd(), owner]));
  },
};

/** Argument `i`, or a diagnostic that one is missing. */
function argument(m: MapCall, i: number): Val {
  const val = m.args[i];
  if (val !== undefined) return val;
  const callee = m.call.callee.type === "Member" ? m.call.callee.property : "";
  return m.f.fail(
    "arguments",
    `${m.map.name}.${callee} takes ${i + 1} argument${i === 0 ? "" : "s"} at least, this call has ${m.args.length}`,
    m.call,
  );
}

function mapMemory(def: MapDefinition): Memory {
  return { space: "map", shared: !isPerCpu(def.kind), writable: true };
}

/** Address of the key. */
function key(m: MapCall): Value {
  const layout = m.def.key ?? m.f.fail("map-key", `"${m.map.name}" has no key`, m.call);
  return m.f.address(materialise(m.f, argument(m, 0), layout, "key", m.call.args[0]!));
}

function lookup(m: MapCall): Value {
  return helper(m.f, "map_lookup_elem", [m.fd(), key(m)]);
}

function flags(m: MapCall, i: number): Value {
  const given = m.args[i];
  return given === undefined ? m.f.b.const(0n) : m.f.word(toInt(m.f, given, m.call.args[i]!));
}

function size(f: Lowering, layout: Layout<unknown>): Value {
  return f.b.const(BigInt(layout.size));
}

function succeeded(f: Lowering, result: Value): BoolVal {
  return { k: "bool", ir: f.b.compare("eq", result, f.b.const(0n)), c: undefined };
}

/** Operations of maps gave an `int` up to Linux 6.3, whose upper half is anything. */
function errorOf(f: Lowering, result: Value): Val {
  return f.int(f.b.sext(result, 32), I32);
}

function set(m: MapCall): Val {
  const { f } = m;
  const keyAddress = key(m);
  const value = materialise(f, argument(m, 1), m.def.value!, "value", m.call.args[1]!);
  f.effect();
  return errorOf(f, helper(f, "map_update_elem", [m.fd(), keyAddress, f.address(value), flags(m, 2)]));
}

/** The element's address; a new key gets what `initial` gives, 0 if there is no room. */
function lookupOrInsert(m: MapCall, keyAddress: Value, initial: () => Value): Value {
  const { f } = m;
  const cell = f.b.newLocal("element");
  const [missing, join] = [f.b.newBlock(), f.b.newBlock()];
  const first = helper(f, "map_lookup_elem", [m.fd(), keyAddress]);
  f.b.setLocal(cell, first);
  f.b.branchIf("ne", first, f.b.const(0n), join, missing);
  f.enter(missing);
  // Another CPU may insert in between; then both use what is there (BPF_NOEXIST).
  helper(f, "map_update_elem", [m.fd(), keyAddress, initial(), f.b.const(1n)]);
  f.b.setLocal(cell, helper(f, "map_lookup_elem", [m.fd(), keyAddress]));
  f.b.jump(join);
  f.enter(join);
  return f.b.getLocal(cell);
}

/** `add(key, by)`: one atomic addition; hashes insert a zero first. */
function add(m: MapCall): Val {
  const { f, def } = m;
  const { value } = def;
  if (value === undefined || value.desc.kind !== "int" || value.desc.bits < 32) {
    return f.fail("type", `"${m.map.name}" does not hold 32- or 64-bit integers, so nothing can be added`, m.call);
  }
  const by = m.args[1] === undefined ? f.constant(1n) : toInt(f, m.args[1], m.call.args[1]!);
  f.effect();
  const keyAddress = key(m);
  const zero = (): Value => f.address(materialise(f, f.constant(0n), value, "value", m.call));
  const pointer = def.kind.endsWith("array")
    ? helper(f, "map_lookup_elem", [m.fd(), keyAddress])
    : lookupOrInsert(m, keyAddress, zero);
  const [there, join] = [f.b.newBlock(), f.b.newBlock()];
  f.b.branchIf("ne", pointer, f.b.const(0n), there, join);
  f.enter(there);
  const bytes = value.size as 4 | 8;
  if (!isPerCpu(def.kind)) f.b.atomic("add", bytes, pointer, 0, f.word(by));
  else f.b.store(bytes, pointer, 0, f.b.add(f.b.load(bytes, pointer, 0), f.word(by)));
  f.b.jump(join);
  f.enter(join);
  return UNDEFINED;
}

/** The value behind a pointer that may be null. */
export function fromPointer(
  f: Lowering,
  pointer: Value,
  layout: { readonly desc: MemVal["desc"]; readonly size: number; readonly align: number },
  memory: Memory,
): OptVal {
  const mem = memVal(layout.desc, layout.size, layout.align, pointer, 0, memory);
  const { kind } = layout.desc;
  if (kind !== "int" && kind !== "enum" && kind !== "bool") {
    return { k: "opt", of: typeOfVal(mem), test: () => pointer, inner: () => mem, pending: undefined };
  }
  const local = f.b.newLocal("looked up");
  const of = scalarType(layout.desc);
  const inner = (): Val =>
    kind === "bool"
      ? { k: "bool", ir: f.b.getLocal(local), c: undefined }
      : { k: "int", t: (of as { t: typeof U32 }).t, ir: f.b.getLocal(local), c: undefined };
  const load = (): void => f.b.setLocal(local, f.word(readMemory(f, mem)));
  return f.pend({ k: "opt", of, test: () => pointer, inner, pending: { load } });
}

function scalarType(desc: MemVal["desc"]): OptVal["of"] {
  return desc.kind === "int" || desc.kind === "enum"
    ? { k: "int", t: { bits: desc.bits, signed: desc.signed } }
    : { k: "bool" };
}

function takeOut(m: MapCall, name: string): OptVal {
  const { f } = m;
  const value = m.def.value!;
  const place = f.temporary("element", value.desc, value.size);
  f.effect();
  const test = f.b.compare("eq", helper(f, name, [m.fd(), f.address(place)], { writes: 2, fills: 2 }), f.b.const(0n));
  const inner = (): Val => readMemory(f, place);
  const { kind } = value.desc;
  const of = kind === "int" || kind === "enum" || kind === "bool" ? scalarType(value.desc) : typeOfVal(place);
  return { k: "opt", of, test: () => test, inner, pending: undefined };
}

/** Writes a record straight into the ring; where there are no rings, through the stack into the perf buffer. */
function emit(m: MapCall): Val {
  const { f, def } = m;
  const record = argument(m, 0);
  const node = m.call.args[0]!;
  f.effect();
  if (def.kind === "perf_event_array" || !f.module.facts.has("ringbuf")) {
    return succeeded(f, perfOutput(f, m.map.name, materialise(f, record, def.value!, "record", node)));
  }
  const pointer = helper(f, "ringbuf_reserve", [m.fd(), size(f, def.value!), f.b.const(0n)], { fresh: true });
  const [there, join] = [f.b.newBlock(), f.b.newBlock()];
  const done = f.b.newLocal("sent");
  if (m.wanted) f.b.setLocal(done, f.b.const(0n));
  f.b.branchIf("ne", pointer, f.b.const(0n), there, join);
  f.enter(there);
  store(
    f,
    memVal(def.value!.desc, def.value!.size, def.value!.align, pointer, 0, {
      space: "ring",
      shared: false,
      writable: true,
    }),
    record,
    node,
  );
  helper(f, "ringbuf_submit", [pointer, f.b.const(0n)], { returns: false });
  if (m.wanted) f.b.setLocal(done, f.b.const(1n));
  f.b.jump(join);
  f.enter(join);
  return m.wanted ? { k: "bool", ir: f.b.getLocal(done), c: undefined } : UNDEFINED;
}

export function perfOutput(f: Lowering, map: string, record: MemVal): Value {
  return helper(f, "perf_event_output", [
    f.hook.ctx(f),
    f.b.mapFd(map),
    f.b.const(BigInt(BPF_F_CURRENT_CPU)),
    f.address(record),
    f.b.const(BigInt(record.size)),
  ]);
}

function release(m: MapCall, name: string): Val {
  const record = argument(m, 0);
  if (record.k !== "mem" || record.memory.space !== "ring") {
    return m.f.wrong("a reserved record", record, m.call.args[0]!);
  }
  m.f.effect();
  helper(m.f, name, [m.f.address(record), m.f.b.const(0n)], { returns: false });
  return UNDEFINED;
}

function stackId(m: MapCall, base: bigint): Val {
  const skip = m.args[0] === undefined ? 0n : framesToSkip(m.f, m.args[0], m.call.args[0]!);
  m.f.effect();
  return m.f.int(helper(m.f, "get_stackid", [m.f.hook.ctx(m.f), m.fd(), m.f.b.const(base | skip)]), I64);
}

function socketRedirect(m: MapCall): Val {
  const message = m.f.hook.def?.prog === "BPF_PROG_TYPE_SK_MSG";
  const hash = m.def.kind === "sockhash";
  const where = hash ? key(m) : m.f.word(toInt(m.f, argument(m, 0), m.call.args[0]!));
  m.f.effect();
  return m.f.int(
    helper(m.f, `${message ? "msg" : "sk"}_redirect_${hash ? "hash" : "map"}`, [
      m.f.hook.ctx(m.f),
      m.fd(),
      where,
      flags(m, 1),
    ]),
    I64,
  );
}

function storagePrefix(kind: MapKind): string {
  return kind === "cgrp_storage" ? "cgrp" : kind.replace("_storage", "");
}

function storage(m: MapCall, create: bigint): Val {
  const owner = m.f.settle(argument(m, 0));
  if (owner.k !== "ptr") return m.f.wrong("a pointer to the owner, `task()` for example", owner, m.call.args[0]!);
  m.f.effect();
  const pointer = helper(m.f, `${storagePrefix(m.def.kind)}_storage_get`, [
    m.fd(),
    owner.ir,
    m.f.b.const(0n),
    m.f.b.const(create),
  ]);
  return fromPointer(m.f, pointer, m.def.value!, { space: "map", shared: true, writable: true });
}
