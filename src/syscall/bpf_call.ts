/**
 * bpf(2): builds `union bpf_attr` from the layout table (src/abi/attr.ts), calls, and reports. The typed functions,
 * one per command, are in bpf_map.ts, bpf_prog.ts, bpf_link.ts and bpf_object.ts; bpf.ts gathers them.
 */
import { SYSCALLS } from "../abi/arch.ts";
import { BPF_ATTR, BPF_ATTR_SIZE, type BpfAttr, type BpfCommand } from "../abi/attr.ts";
import { bpf_cmd } from "../abi/bpf.gen.ts";
import { EAGAIN, EINTR, EPERM } from "../abi/errno.gen.ts";
import { type Fields, type Pointee, writeStruct } from "../abi/struct.ts";
import { Fd } from "./fd.ts";
import { check } from "./libc.ts";
import { arena, type Block, type Scope } from "./memory.ts";
import { raiseMemlock } from "./process.ts";
import { type Runtime, runtime } from "./runtime/mod.ts";
import { withTokenFields } from "./token.ts";

/** Command name → number. */
export const BPF_COMMANDS: Readonly<Record<string, number>> = Object.fromEntries(
  bpf_cmd.map((name, number) => [name, number]),
);

/** The kernel tells a busy verifier by EAGAIN; libbpf tries five times as well. */
const PROG_LOAD_ATTEMPTS = 5;

/** Kernels before 5.11 charge these to RLIMIT_MEMLOCK, usually 64 KiB, and answer EPERM beyond it. */
const LOCKS_MEMORY: ReadonlySet<BpfCommand> = new Set(["BPF_MAP_CREATE", "BPF_PROG_LOAD", "BPF_BTF_LOAD"]);

const lifted: WeakSet<Runtime> = new WeakSet();

/** Raises the limit, once per process; whether a refused command is worth another try. */
function liftMemlock(): boolean {
  const rt = runtime();
  if (lifted.has(rt)) return false;
  lifted.add(rt);
  return raiseMemlock();
}

/** What a field of an attribute may be: pointers also as bytes or text, which are copied to the arena for the call. */
type Input<T> = bigint | number extends T ? T | Uint8Array | string : T;

/** The attribute of a command as callers write it. */
export type BpfInput<C extends BpfCommand> = { readonly [F in keyof BpfAttr<C>]: Input<BpfAttr<C>[F]> };

/** Where an error comes from: the action, without "Cannot". */
export type Action = string | (() => string);

/**
 * The bare call, for prepared attributes at a fixed address: the fast path of maps. Returns the result or `-errno`.
 * EINTR is retried.
 */
export function bpfRaw(command: number, attrAddress: number, size: number): number {
  const rt = runtime();
  const nr = SYSCALLS[rt.arch].bpf;
  for (;;) {
    const result = rt.syscall(nr, command, attrAddress, size);
    if (result !== -EINTR) return result;
  }
}

/** The same without a retry. */
export function bpfOnce(command: number, attrAddress: number, size: number): number {
  const rt = runtime();
  return rt.syscall(SYSCALLS[rt.arch].bpf, command, attrAddress, size);
}

/** An attribute in the arena, ready for a call. */
export interface PreparedAttr extends Block {
  /** Bytes to pass: up to the last field that is not zero. */
  used: number;
}

/** Writes an attribute. Bytes and strings go to the arena, and their address into the attribute. */
export function prepareAttr<C extends BpfCommand>(scope: Scope, command: C, input: BpfInput<C>): PreparedAttr {
  const block = scope.alloc(BPF_ATTR_SIZE);
  const fields: Fields = BPF_ATTR[command];
  const place = (pointee: Pointee): number =>
    typeof pointee === "string" ? scope.string(pointee) : scope.bytes(pointee);
  const values = withTokenFields(command, input) as Readonly<Record<string, number | bigint | Pointee | undefined>>;
  const used = writeStruct(block.view, 0, fields, values, place);
  return { ...block, used };
}

/**
 * Calls with a prepared attribute and returns the result or `-errno`. `minSize` is for commands that write to the
 * attribute only if the size covers the field.
 */
export function callPrepared(command: BpfCommand, attr: PreparedAttr, minSize = 0): number {
  const number = BPF_COMMANDS[command]!;
  const size = Math.max(attr.used, minSize);
  // A batch that was interrupted has moved its cursor and written its count: the caller goes on from there.
  if (command.endsWith("_BATCH")) return bpfOnce(number, attr.address, size);
  let result = bpfRaw(number, attr.address, size);
  if (result === -EPERM && LOCKS_MEMORY.has(command) && liftMemlock()) result = bpfRaw(number, attr.address, size);
  if (command !== "BPF_PROG_LOAD") return result;
  for (let attempt = 1; result === -EAGAIN && attempt < PROG_LOAD_ATTEMPTS; attempt++) {
    result = bpfRaw(number, attr.address, size);
  }
  return result;
}

/** Any command; returns the result or `-errno`. For probes, which expect errors. */
export function bpfTry<C extends BpfCommand>(command: C, input: BpfInput<C>): number {
  using scope = arena().scope();
  return callPrepared(command, prepareAttr(scope, command, input));
}

/** Any command; returns the result. Throws `SyscallError`: "Cannot <action>: bpf(<command>): <errno>". */
export function bpfCall<C extends BpfCommand>(command: C, input: BpfInput<C>, action: Action, hint?: string): number {
  return checkBpf(bpfTry(command, input), command, action, hint);
}

/** A command that returns a file descriptor. */
export function bpfFd<C extends BpfCommand>(command: C, input: BpfInput<C>, action: Action, hint?: string): Fd {
  return new Fd(bpfCall(command, input, action, hint));
}

/** Throws the error of a command if `result` is one. */
export function checkBpf(result: number, command: BpfCommand, action: Action, hint?: string): number {
  return check(result, `bpf(${command})`, () => `Cannot ${typeof action === "string" ? action : action()}`, hint);
}
