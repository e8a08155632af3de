/**
 * waggle: eBPF from TypeScript, on Deno and Bun, with nothing else on the machine.
 *
 * `bpf({...})` compiles kernel functions written in TypeScript; `load()` takes objects that clang, Rust or waggle made.
 * Both give maps, programs and globals to work with, and everything is given back when the scope ends. The layers below
 * are entry points of their own: `/btf`, `/asm`, `/object`, `/syscall`, `/kernel`.
 *
 * Needs root, or CAP_BPF and CAP_PERFMON (and CAP_NET_ADMIN for network hooks), and on Deno `--allow-ffi`. Importing does
 * nothing.
 *
 * @module
 */
export * from "./src/errors.ts";

// Values and their layouts
export type { Codec } from "./src/bytes/codec.ts";
export type { Host, Kernel, Layout, LayoutDesc, LayoutField, Schema } from "./src/bytes/layout.ts";
export { array, bytes, str, struct, toLayout, union } from "./src/bytes/composites.ts";
export { type KernelOwned, spinLock, timer } from "./src/bytes/kernel_owned.ts";
export { bool, enumeration, f32, f64, i16, i32, i64, i8, u16, u32, u64, u8 } from "./src/bytes/scalars.ts";

// Kernel functions in TypeScript
export { bpf, type BpfDefinition, type BpfOptions } from "./src/script/bpf.ts";
export { compile, type CompiledScript, type CompileOptions } from "./src/script/compile.ts";
export type { Ctx, KernelContext, StaticProbeArguments } from "./src/script/context.ts";
export type { Builtins, Scope } from "./src/script/scope.ts";
export type { KernelPointer, KernelStruct } from "./src/script/kernel_types.ts";
export type { Tracer, TracerProgram } from "./src/script/tracer.ts";
export type { Bucket, Histogram, Stats } from "./src/script/host_aggregations.ts";
export * from "./src/script/kinds.ts";
export { ipv4, ipv4Text, ipv6, mac } from "./src/script/addresses.ts";

// Objects
export { BpfObject, load, type OpenOptions, Program } from "./src/script/open.ts";

// Attaching
export { Link } from "./src/attach/link.ts";
export { type Probe, type ProbeArgument, probes } from "./src/attach/probes.ts";
export type * from "./src/attach/types.ts";

// Maps
export { createMap, type CreateOptions } from "./src/maps/create.ts";
export { type MapRef, openMap } from "./src/maps/open.ts";
export { kernelTime } from "./src/kernel/clock.ts";
export type { ReadOptions } from "./src/maps/events.ts";
export { BpfMap, type UpdateOptions } from "./src/maps/map.ts";
export { PerfBuffer, type PerfBufferOptions, type PerfStats } from "./src/maps/perf_buffer.ts";
export { PerfOverwriteBuffer, type PerfOverwriteOptions } from "./src/maps/perf_overwrite.ts";
export { RingBuffer, type RingStats } from "./src/maps/ringbuf.ts";

// What the system runs, whoever loaded it
export { type BtfDetails, btfDetails, listBtfs } from "./src/kernel/btf_objects.ts";
export { type Holder, listHolders, listTaskFds, type TaskFd } from "./src/kernel/holders.ts";
export { linkDetails, listLinks } from "./src/kernel/link_details.ts";
export type * from "./src/kernel/link_types.ts";
export { listMaps, type MapDetails, mapDetails } from "./src/kernel/map_details.ts";
export { listNetPrograms, type NetProgram } from "./src/kernel/net_programs.ts";
export type { ObjectRef } from "./src/kernel/object_ref.ts";
export type { XdpComponent, XdpVerdict } from "./src/kernel/xdp_dispatcher.ts";
export { listPrograms, type OffloadDevice, type ProgramDetails, programDetails } from "./src/kernel/program_details.ts";
export {
  dumpProgram,
  type JitedFunction,
  type ProgramDump,
  type SourceLine,
  type TranslatedInsn,
} from "./src/kernel/program_dump.ts";
export { jitedText, translatedText } from "./src/kernel/program_dump_text.ts";
export { type ProgramRuns, RunStats } from "./src/kernel/run_stats.ts";

// The script's own life
export { interrupted, type InterruptOptions, pause } from "./src/script/interrupt.ts";
export { systemCallName, systemCallNumber } from "./src/script/system_calls.ts";
