/**
 * The dispatcher of several XDP programs: a program with ten functions that do nothing until others replace them
 * (freplace), and a loop over as many as its configuration enables. Its form is fixed by libxdp's protocol, version 2;
 * the configuration is constant for the verifier, which therefore drops the calls of slots without program.
 */
import { BPF_F_RDONLY_PROG, BPF_MAP_TYPE_ARRAY, BPF_PROG_TYPE_XDP, BPF_XDP } from "../abi/bpf.gen.ts";
import { BPF_F_XDP_HAS_FRAGS } from "../abi/defines.ts";
import { Builder, r0, r1, r10, r2, r6, r7, r8 } from "../asm/build.ts";
import { BtfBuilder } from "../btf/write.ts";
import {
  DISPATCHER_MAGIC,
  DISPATCHER_NAME,
  DISPATCHER_SLOTS,
  DISPATCHER_VERSION,
  dispatcherConfig,
  EMPTY_SLOT_VERDICT,
  verdictMask,
  type XdpComponent,
} from "../kernel/xdp_dispatcher.ts";
import { mapCreate, mapFreeze, mapUpdate } from "../syscall/bpf_map.ts";
import { btfLoad, progLoad } from "../syscall/bpf_prog.ts";
import type { Fd } from "../syscall/fd.ts";

const XDP_PASS = 2;
/** Offsets in the configuration. */
const ENABLED = 2;
const ACTIONS = 4;

/** A dispatcher in the kernel. */
export interface LoadedDispatcher {
  readonly fd: Fd;
  /** BTF ids of the functions that programs replace. */
  readonly slots: readonly number[];
}

/** Loads a dispatcher for these programs, in this order. Throws `SyscallError`. */
export function loadDispatcher(components: readonly Omit<XdpComponent, "programId" | "name">[]): LoadedDispatcher {
  // All of them must take packets of several buffers before one of them may be given some.
  const frags = components.length > 0 && components.every((component) => component.frags);
  const perSlot = (value: (component: Omit<XdpComponent, "programId" | "name">) => number): number[] =>
    Array.from({ length: DISPATCHER_SLOTS }, (_, i) => components[i] === undefined ? 0 : value(components[i]));
  const value = new Uint8Array(dispatcherConfig.size);
  dispatcherConfig.write(new DataView(value.buffer), 0, {
    magic: DISPATCHER_MAGIC,
    dispatcher_version: DISPATCHER_VERSION,
    num_progs_enabled: components.length,
    is_xdp_frags: frags ? 1 : 0,
    chain_call_actions: perSlot((c) => (verdictMask(c.chainCallActions) | 1 << EMPTY_SLOT_VERDICT) >>> 0),
    run_prios: perSlot((c) => c.runPriority),
    program_flags: perSlot((c) => c.frags ? BPF_F_XDP_HAS_FRAGS : 0),
  });
  const types = describe();
  using btf = btfLoad(types.blob);
  using config = mapCreate({
    map_type: BPF_MAP_TYPE_ARRAY,
    key_size: 4,
    value_size: value.length,
    max_entries: 1,
    map_flags: BPF_F_RDONLY_PROG,
    map_name: "xdp_disp.rodata",
    btf_fd: btf.number,
    btf_value_type_id: types.config,
  });
  mapUpdate(config.number, new Uint8Array(4), value);
  mapFreeze(config.number);
  const { insns, starts } = assemble(config.number);
  const funcInfo = new Uint32Array([0, types.main, ...starts.flatMap((slot, i) => [slot, types.slots[i]!])]);
  const fd = progLoad({
    insns,
    license: "GPL",
    prog_type: BPF_PROG_TYPE_XDP,
    expected_attach_type: BPF_XDP,
    prog_name: DISPATCHER_NAME,
    prog_flags: frags ? BPF_F_XDP_HAS_FRAGS : 0,
    prog_btf_fd: btf.number,
    func_info: new Uint8Array(funcInfo.buffer),
  });
  return { fd, slots: types.slots };
}

function assemble(config: number): { insns: Uint8Array; starts: number[] } {
  const builder = new Builder().mov(r6, r1).mapValue(r7, config, 0).load(8, r8, r7, ENABLED);
  const names = Array.from({ length: DISPATCHER_SLOTS }, (_, i) => `prog${i}`);
  names.forEach((name, i) => {
    builder.jmp("jle", r8, i, "pass").mov(r1, r6).callFunc(name);
    // Whether the verdict's bit is set in the mask.
    builder.load(32, r2, r7, ACTIONS + 4 * i).mov32(r1, 1).alu32("lsh", r1, r0).alu32("and", r1, r2);
    builder.jmp32("jeq", r1, 0, "end");
  });
  builder.label("pass").mov(r0, XDP_PASS).label("end").exit();
  for (const name of names) {
    builder.label(name).mov(r2, EMPTY_SLOT_VERDICT).store(32, r10, -4, r2).mov(r0, 0);
    builder.jmp("jeq", r1, 0, `${name} end`).load(32, r0, r10, -4).label(`${name} end`).exit();
  }
  return { insns: builder.bytes(), starts: names.map((name) => builder.slotOf(name)) };
}

interface Types {
  readonly blob: Uint8Array;
  readonly main: number;
  readonly slots: readonly number[];
  readonly config: number;
}

let described: Types | undefined;

/** Functions `int prog0(struct xdp_md *ctx)`, the configuration, and the version where version 1 has it. */
function describe(): Types {
  if (described !== undefined) return described;
  const builder = new BtfBuilder();
  const int = (name: string, size: number, signed: boolean): number =>
    builder.add({ kind: "INT", name, size, bits: size * 8, bitOffset: 0, signed, char: false, bool: false });
  const [s32, u32, u8] = [int("int", 4, true), int("unsigned int", 4, false), int("unsigned char", 1, false)];
  const fields = (list: readonly (readonly [string, number, number])[]) =>
    list.map(([name, type, offset]) => ({ name, type, bitOffset: offset * 8, bitSize: 0 }));
  const context = ["data", "data_end", "data_meta", "ingress_ifindex", "rx_queue_index", "egress_ifindex"];
  const xdpMd = builder.add({
    kind: "STRUCT",
    name: "xdp_md",
    size: 24,
    members: fields(context.map((name, i) => [name, u32, i * 4])),
    kflag: false,
  });
  const pointer = builder.add({ kind: "PTR", name: "", type: xdpMd });
  const proto = builder.add({ kind: "FUNC_PROTO", name: "", type: s32, params: [{ name: "ctx", type: pointer }] });
  const func = (name: string): number => builder.add({ kind: "FUNC", name, type: proto, linkage: "global" });
  const slots = Array.from({ length: DISPATCHER_SLOTS }, (_, i) => func(`prog${i}`));
  const main = func(DISPATCHER_NAME);
  const words = builder.add({ kind: "ARRAY", name: "", type: u32, indexType: u32, nelems: DISPATCHER_SLOTS });
  const { desc } = dispatcherConfig;
  const struct = builder.add({
    kind: "STRUCT",
    name: "xdp_dispatcher_config",
    size: dispatcherConfig.size,
    members: fields(
      desc.kind === "struct" ? desc.fields.map((f) => [f.name, f.layout.size === 1 ? u8 : words, f.offset]) : [],
    ),
    kflag: false,
  });
  const section = (name: string, variable: string, type: number, size: number): number => {
    const entry = { type: builder.add({ kind: "VAR", name: variable, type, linkage: "global" }), offset: 0, size };
    return builder.add({ kind: "DATASEC", name, size, vars: [entry] });
  };
  const config = section(".rodata", "conf", struct, dispatcherConfig.size);
  const version = builder.add({ kind: "ARRAY", name: "", type: s32, indexType: u32, nelems: DISPATCHER_VERSION });
  section("xdp_metadata", "dispatcher_version", builder.add({ kind: "PTR", name: "", type: version }), 8);
  return described = { blob: builder.build(DISPATCHER_NAME).bytes, main, slots, config };
}
