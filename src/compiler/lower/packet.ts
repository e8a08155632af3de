/**
 * Packets: `packet.at(offset, Type)` and numbers at an offset. Each access compares its end with the end of the packet,
 * on the same pointer that is then used, since that is how the verifier learns that it is inside. Programs that may not
 * look at packets directly (socket filters) copy with a helper.
 */
import { intType, U32 } from "../check/int_types.ts";
import type { Value } from "../ir/ir.ts";
import type { Call, Expr } from "../syntax/ast.ts";
import { descOfType, type PlainLayout } from "./btf_layout.ts";
import { typeOfVal } from "./cells.ts";
import { hasHelper, helper } from "./helpers.ts";
import type { Intrinsic } from "./intrinsic.ts";
import { kernelTypes } from "./kernel.ts";
import type { Lowering } from "./lowering.ts";
import { atMost } from "./machine_intrinsics.ts";
import { memVal } from "./memory.ts";
import { toInt } from "./operators.ts";
import type { FillVal, IntVal, Memory, NamespaceVal, OptVal, Val } from "./values.ts";

/** Offsets the verifier can follow: it bounds packets to 64 KiB. */
const MAX_OFFSET = 0x7fffn;

/** Where `data` and `data_end` lie in the contexts that have them. */
const PACKET_FIELDS: Readonly<Record<string, readonly [data: number, end: number]>> = {
  xdp_md: [0, 4],
  __sk_buff: [76, 80],
};

/** Program types that get `__sk_buff` but no direct access. */
const COPIES = new Set(["BPF_PROG_TYPE_SOCKET_FILTER"]);

/** Program types that may write to the packet they look at. */
const WRITERS = new Set([
  "BPF_PROG_TYPE_XDP",
  "BPF_PROG_TYPE_SCHED_CLS",
  "BPF_PROG_TYPE_SCHED_ACT",
  "BPF_PROG_TYPE_LWT_XMIT",
  "BPF_PROG_TYPE_SK_SKB",
]);

export function packetNamespace(f: Lowering): NamespaceVal {
  const methods: Readonly<Record<string, Intrinsic>> = {
    at: row("packet.at(offset, Type)", [2, 2], (args, call) => at(f, args, call)),
    u8: row("packet.u8(offset)", [1, 1], (args, call) => number(f, args, call, 8)),
    u16: row("packet.u16(offset)", [1, 1], (args, call) => number(f, args, call, 16)),
    bytes: row("packet.bytes(offset?)", [0, 1], (args, call) => packetBytes(f, args, call)),
    u32: row("packet.u32(offset)", [1, 1], (args, call) => number(f, args, call, 32)),
  };
  return {
    k: "namespace",
    name: "packet",
    member: (name) => {
      if (name === "length") return length(f);
      const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
      return method === undefined ? undefined : { k: "intrinsic", name: `packet.${name}`, row: method };
    },
    known: () => [...Object.keys(methods), "length"],
  };
}

function row(
  signature: string,
  args: readonly [number, number],
  lower: (args: Val[], call: Call | Expr) => Val,
): Intrinsic {
  return { signature, doc: "", since: "4.8", args, lower: (_f, vals, call) => lower(vals, call) };
}

function fieldsOf(f: Lowering, node: Expr): readonly [number, number] {
  const ctx = f.hook.def?.ctx ?? "";
  return PACKET_FIELDS[ctx] ??
    f.fail("no-packet", `a program of kind ${f.hook.section.split("/")[0]} has no packet`, node, [
      "xdp, tc, tcx, netkit, socket, cgroup_skb, sk_skb and lwt programs have one",
    ]);
}

function length(f: Lowering): Val {
  const ctx = f.hook.ctx(f);
  if (f.hook.def?.ctx === "__sk_buff") return f.int(f.b.load(4, ctx, 0), U32);
  const [data, end] = PACKET_FIELDS["xdp_md"]!;
  return f.int(f.b.sub(f.b.load(4, ctx, end), f.b.load(4, ctx, data)), intType(32, false));
}

function at(f: Lowering, args: Val[], call: Call | Expr): Val {
  const nodes = call.type === "Call" ? call.args : [call, call];
  const layout = layoutOf(f, args[1]!, nodes[1]!);
  return access(
    f,
    toInt(f, args[0]!, nodes[0]!),
    layout,
    nodes[0]!,
    (address, offset, memory) => memVal(layout.desc, layout.size, layout.align, address, offset, memory),
  );
}

function layoutOf(f: Lowering, type: Val, node: Expr): PlainLayout {
  if (type.k === "type") return type;
  if (type.k !== "text") return f.wrong("one of `types`, or the name of a kernel struct in quotes", type, node);
  const types = kernelTypes(f, node);
  const id = types.struct(type.text.replace(/^struct\s+/, ""));
  const layout = id === undefined ? undefined : descOfType(types, id);
  return layout ?? f.fail("unknown-type", `this kernel has no struct "${type.text}"`, node);
}

/** Numbers come in network byte order and leave in the machine's. */
function number(f: Lowering, args: Val[], call: Call | Expr, bits: 8 | 16 | 32): Val {
  const node = call.type === "Call" ? call.args[0]! : call;
  const layout: PlainLayout = {
    desc: { kind: "int", bits, signed: false, name: `u${bits}` },
    size: bits / 8,
    align: 1,
  };
  return access(f, toInt(f, args[0]!, node), layout, node, (address, offset) => {
    const word = f.b.load(bits / 8 as 1 | 2 | 4, address, offset);
    return f.int(bits === 8 ? word : f.b.bswap(word, bits), intType(bits, false));
  });
}

/** Copied by a helper, which also reaches what does not lie in linear memory. */
function packetBytes(f: Lowering, args: Val[], call: Call | Expr): FillVal {
  fieldsOf(f, call as Expr);
  const skb = f.hook.def?.ctx === "__sk_buff";
  if (!skb && !hasHelper(f, "xdp_load_bytes")) {
    f.fail("no-helper", "this kernel has no bpf_xdp_load_bytes", call, ["Linux 5.18 and later have it"]);
  }
  const node = call.type === "Call" ? call.args[0] ?? call : call;
  const offset = args[0] === undefined ? f.b.const(0n) : f.word(toInt(f, args[0], node));
  const total = skb ? f.word(length(f) as IntVal) : helper(f, "xdp_get_buff_len", [f.hook.ctx(f)]);
  const rest = f.b.sub(total, offset);
  return {
    k: "fill",
    kind: "bytes",
    length: undefined,
    partial: true,
    write: (to, at, size) => {
      f.b.zero(to, at, size);
      const target = at === 0 ? to : f.b.add(to, f.b.const(BigInt(at)));
      const [some, done] = [f.b.newBlock(), f.b.newBlock()];
      f.b.branchIf("sgt", rest, f.b.const(0n), some, done);
      f.enter(some);
      const count = atMost(f, rest, size);
      helper(f, skb ? "skb_load_bytes" : "xdp_load_bytes", [f.hook.ctx(f), offset, target, count], { writes: 4 });
      f.b.jump(done);
      f.enter(done);
    },
  };
}

function access(
  f: Lowering,
  offset: IntVal,
  layout: PlainLayout,
  node: Expr,
  make: (address: Value, offset: number, memory: Memory) => Val,
): OptVal {
  const fields = fieldsOf(f, node);
  const prog = f.hook.def?.prog ?? "";
  if (COPIES.has(prog)) return copied(f, offset, layout, make);
  if (offset.c !== undefined && (offset.c < 0n || offset.c > MAX_OFFSET)) {
    f.fail("range", `offset ${offset.c} is outside of any packet`, node);
  }
  const ctx = f.hook.ctx(f);
  const data = f.b.load(4, ctx, fields[0]);
  const end = f.b.load(4, ctx, fields[1]);
  const fixed = offset.c === undefined ? 0 : Number(offset.c);
  const start = offset.c === undefined ? f.b.add(data, f.b.and(f.word(offset), f.b.const(MAX_OFFSET))) : data;
  const inside = f.b.compare("ule", f.b.add(start, f.b.const(BigInt(fixed + layout.size))), end);
  const memory: Memory = { space: "packet", shared: false, writable: WRITERS.has(prog), unaligned: true };
  const sample = layout.desc.kind === "int"
    ? { k: "int", t: { bits: layout.desc.bits, signed: layout.desc.signed } } as const
    : typeOfVal(memVal(layout.desc, layout.size, layout.align, start, fixed, memory));
  return { k: "opt", of: sample, test: () => inside, inner: () => make(start, fixed, memory), pending: undefined };
}

function copied(
  f: Lowering,
  offset: IntVal,
  layout: PlainLayout,
  make: (address: Value, offset: number, memory: Memory) => Val,
): OptVal {
  const place = f.temporary("packet", layout.desc, layout.size);
  f.effect();
  const result = helper(f, "skb_load_bytes", [
    f.hook.ctx(f),
    f.word(offset),
    f.address(place),
    f.b.const(BigInt(layout.size)),
  ], { writes: 4 });
  const test = f.b.compare("eq", result, f.b.const(0n));
  const of = layout.desc.kind === "int"
    ? { k: "int", t: { bits: layout.desc.bits, signed: layout.desc.signed } } as const
    : typeOfVal(place);
  return {
    k: "opt",
    of,
    test: () => test,
    inner: () => make(place.base, place.offset, place.memory),
    pending: undefined,
  };
}
