/**
 * The least bpf(2) that the guards in `needs.ts` need, on its own FFI binding: what decides whether a test may be
 * skipped must not stand on the code under test.
 */
import { readFileSync } from "node:fs";
import process from "node:process";

type Syscall = (nr: number, ...args: (number | Uint8Array)[]) => number;

const NR: Readonly<Record<string, { bpf: number; close: number }>> = {
  x64: { bpf: 321, close: 3 },
  arm64: { bpf: 280, close: 57 },
};

const BPF_PROG_LOAD = 5;
const BPF_RAW_TRACEPOINT_OPEN = 17;
const BPF_PROG_TYPE_SOCKET_FILTER = 1;
const BPF_PROG_TYPE_TRACING = 26;
const BPF_TRACE_FENTRY = 24;
const BPF_TRACE_ITER = 28;
const BTF_KIND_FUNC = 12;

interface BunFfi {
  dlopen(
    name: string,
    symbols: object,
  ): { symbols: Record<string, (...args: unknown[]) => number | bigint> };
  ptr(bytes: Uint8Array): number;
}

let opened: { call: Syscall; address(bytes: Uint8Array): number } | undefined;

async function bunFfi(): Promise<BunFfi> {
  const name = "bun:ffi"; // not a literal, so that Deno's graph does not try to resolve it
  return await import(name) as BunFfi;
}

const bun: BunFfi | undefined = "Bun" in globalThis ? await bunFfi() : undefined;

function libc(): NonNullable<typeof opened> {
  return opened ??= bun === undefined ? openDeno() : openBun(bun);
}

function openDeno(): NonNullable<typeof opened> {
  const { symbols } = Deno.dlopen("libc.so.6", {
    syscall: { parameters: ["i64", "i64", "i64", "i64"], result: "i64" },
  });
  return {
    call: (nr, ...args) => {
      const [a = 0, b = 0, c = 0] = args.map((
        arg,
      ) => (typeof arg === "number" ? arg : addressDeno(arg)));
      return Number(
        symbols.syscall(BigInt(nr), BigInt(a), BigInt(b), BigInt(c)),
      );
    },
    address: addressDeno,
  };
}

function addressDeno(bytes: Uint8Array): number {
  return Number(
    Deno.UnsafePointer.value(
      Deno.UnsafePointer.of(bytes as Uint8Array<ArrayBuffer>),
    ),
  );
}

function openBun(ffi: BunFfi): NonNullable<typeof opened> {
  const { symbols } = ffi.dlopen("libc.so.6", {
    syscall: { args: ["i64", "i64", "i64", "i64"], returns: "i64" },
  });
  const address = (bytes: Uint8Array) => ffi.ptr(bytes);
  return {
    call: (nr, ...args) => {
      const [a = 0, b = 0, c = 0] = args.map((
        arg,
      ) => (typeof arg === "number" ? arg : address(arg)));
      return Number(
        symbols["syscall"]!(BigInt(nr), BigInt(a), BigInt(b), BigInt(c)),
      );
    },
    address,
  };
}

function bpf(cmd: number, attr: Uint8Array): number {
  return libc().call(
    (NR[process.arch] ?? NR["x64"]!).bpf,
    cmd,
    attr,
    attr.length,
  );
}

function close(fd: number): void {
  libc().call((NR[process.arch] ?? NR["x64"]!).close, fd);
}

/** Loads `r0 = 0; exit` with the given type; returns the fd or -1. */
function loadReturnZero(type: number, expected: number, btfId: number): number {
  const insns = new Uint8Array([
    0xb7,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0x95,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
  ]);
  const license = new TextEncoder().encode("GPL\0");
  const attr = new Uint8Array(120);
  const view = new DataView(attr.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, 2, true);
  view.setBigUint64(8, BigInt(libc().address(insns)), true);
  view.setBigUint64(16, BigInt(libc().address(license)), true);
  view.setUint32(68, expected, true); // expected_attach_type
  view.setUint32(108, btfId, true); // attach_btf_id
  const fd = bpf(BPF_PROG_LOAD, attr);
  return insns.length + license.length > 0 ? fd : -1; // both arrays stay reachable until here
}

/** Whether the kernel loads a socket filter for this process. */
export function canLoadSocketFilter(): boolean {
  const fd = loadReturnZero(BPF_PROG_TYPE_SOCKET_FILTER, 0, 0);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

/** Whether a program can be loaded and attached to the entry of a kernel function (needs BTF and a trampoline). */
export function canAttachFentry(): boolean {
  const id = btfFunctionId("bpf_fentry_test1");
  if (id === 0) return false;
  const prog = loadReturnZero(BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, id);
  if (prog < 0) return false;
  const attr = new Uint8Array(16);
  new DataView(attr.buffer).setUint32(8, prog, true);
  const link = bpf(BPF_RAW_TRACEPOINT_OPEN, attr);
  if (link >= 0) close(link);
  close(prog);
  return link >= 0;
}

/** Whether an iterator over the elements of a map can be loaded. */
export function canIterateMaps(): boolean {
  const id = btfFunctionId("bpf_iter_bpf_map_elem");
  const prog = id === 0 ? -1 : loadReturnZero(BPF_PROG_TYPE_TRACING, BPF_TRACE_ITER, id);
  if (prog >= 0) close(prog);
  return prog >= 0;
}

/** The id of a FUNC in the kernel's BTF, or 0. */
function btfFunctionId(name: string): number {
  const data = readFileSync("/sys/kernel/btf/vmlinux");
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const header = view.getUint32(4, true);
  const types = header + view.getUint32(8, true);
  const typesEnd = types + view.getUint32(12, true);
  const strings = header + view.getUint32(16, true);
  const nameOffset = data.indexOf(`\0${name}\0`, strings, "latin1") + 1 -
    strings;
  if (nameOffset <= 0) return 0;
  // Bytes after the 12-byte type, by kind: [fixed, per vlen entry]; kinds without a row have none.
  const tail: Readonly<Record<number, readonly [number, number]>> = {
    1: [4, 0],
    3: [12, 0],
    4: [0, 12],
    5: [0, 12],
    6: [0, 8],
    13: [0, 8],
    14: [4, 0],
    15: [0, 12],
    17: [4, 0],
    19: [0, 12],
  };
  for (let at = types, id = 1; at < typesEnd; id++) {
    const info = view.getUint32(at + 4, true);
    const kind = (info >>> 24) & 31;
    if (kind === BTF_KIND_FUNC && view.getUint32(at, true) === nameOffset) {
      return id;
    }
    const [fixed, each] = tail[kind] ?? [0, 0];
    at += 12 + fixed + each * (info & 0xffff);
  }
  return 0;
}
