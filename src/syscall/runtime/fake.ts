/**
 * A runtime without a kernel, for tests: system calls are answered by a script and recorded with the bytes their
 * pointers name. mmap and munmap work on ordinary buffers, everything else returns what the script says.
 *
 * @example
 * ```ts ignore
 * // ignored: a part of a test
 * const fake = new FakeRuntime();
 * fake.bpf("BPF_MAP_CREATE", () => 7);
 * withRuntime(fake, () => createMap({ type: "hash", key: u32, value: u64, maxEntries: 8 }));
 * assertEquals(fake.calls.at(-1)?.attr?.map_type, 1);
 * ```
 */
import { type Arch, type SyscallName, SYSCALLS } from "../../abi/arch.ts";
import { BPF_ATTR, BPF_ATTR_SIZE, type BpfCommand } from "../../abi/attr.ts";
import { bpf_cmd } from "../../abi/bpf.gen.ts";
import { EFAULT, EINVAL, ENOSYS } from "../../abi/errno.gen.ts";
import { type Fields, readStruct } from "../../abi/struct.ts";
import { nodeHost } from "./host.ts";
import type { Host, Runtime } from "./types.ts";

/** One recorded call. */
export interface FakeCall {
  readonly name: SyscallName;
  readonly args: readonly number[];
  /** bpf(2): the command, its attribute's bytes, and the fields by name. */
  readonly command: BpfCommand | undefined;
  readonly attrBytes: Uint8Array | undefined;
  readonly attr: Readonly<Record<string, number | bigint | string | Uint8Array>> | undefined;
  /** What was returned. */
  result: number;
}

/** Answers a call; may read and write its memory. Returns a result or `-errno`. */
export type FakeHandler = (call: FakeCall, memory: FakeRuntime) => number;

const FIRST_ADDRESS = 0x1000_0000;
const PAGE = 4096;

/** A scripted runtime. Calls without a script fail with ENOSYS, `close` succeeds. */
export class FakeRuntime implements Runtime {
  readonly name = "fake";
  readonly arch: Arch;
  args: readonly string[] = [];
  /** The real one, unless a test puts another here. */
  host: Host = nodeHost();
  /** Every call but mmap and munmap, in order. */
  readonly calls: FakeCall[] = [];
  /** Descriptors handed out by `fd()` and not closed yet. */
  readonly openFds: Set<number> = new Set();
  readonly #handlers: Map<string, FakeHandler> = new Map();
  readonly #regions: Map<number, ArrayBuffer> = new Map();
  readonly #names: Map<number, SyscallName>;
  readonly #signals: Map<string, Set<() => void>> = new Map();
  #nextAddress = FIRST_ADDRESS;
  #nextFd = 100;
  #waits: ((count: number) => void)[] = [];

  constructor(arch: Arch = "x86_64") {
    this.arch = arch;
    this.#names = new Map(Object.entries(SYSCALLS[arch]).map(([name, nr]) => [nr, name as SyscallName]));
    this.on("close", ({ args }) => (this.openFds.delete(args[0] ?? -1), 0));
  }

  /** Scripts a system call. */
  on(name: SyscallName, handler: FakeHandler): this {
    this.#handlers.set(name, handler);
    return this;
  }

  /** Scripts a command of bpf(2). */
  bpf(command: BpfCommand, handler: FakeHandler): this {
    this.#handlers.set(command, handler);
    return this;
  }

  /** A new descriptor number, for handlers to return. */
  fd(): number {
    this.openFds.add(this.#nextFd);
    return this.#nextFd++;
  }

  /** The recorded calls of one command. */
  bpfCalls(command: BpfCommand): FakeCall[] {
    return this.calls.filter((call) => call.command === command);
  }

  /** Memory of the fake process. Throws `RangeError` for what was not mapped. */
  memory(address: number | bigint, length: number): Uint8Array<ArrayBuffer> {
    const at = Number(address);
    for (const [start, buffer] of this.#regions) {
      if (at >= start && at + length <= start + buffer.byteLength) return new Uint8Array(buffer, at - start, length);
    }
    throw new RangeError(`Cannot access ${length} bytes at 0x${at.toString(16)}: nothing is mapped there`);
  }

  /** Text up to its zero byte. */
  string(address: number | bigint): string {
    let text = "";
    for (let at = Number(address);; at++) {
      const byte = this.memory(at, 1)[0]!;
      if (byte === 0) return text;
      text += String.fromCharCode(byte);
    }
  }

  syscall(nr: number, ...args: number[]): number {
    const name = this.#names.get(nr);
    if (name === undefined) return -ENOSYS;
    if (name === "munmap") return this.#regions.delete(args[0] ?? 0) ? 0 : -EINVAL;
    const call = this.#record(name, args);
    const handler = this.#handlers.get(call.command ?? name);
    call.result = handler === undefined ? -ENOSYS : handler(call, this);
    this.calls.push(call);
    return call.result;
  }

  syscall64(nr: number, ...args: number[]): number {
    if (this.#names.get(nr) !== "mmap") return this.syscall(nr, ...args);
    const [, length = 0, , , fd = -1] = args;
    if (length === 0) return -EINVAL;
    const handler = this.#handlers.get("mmap");
    if (fd >= 0 && handler !== undefined) {
      const call = this.#record("mmap", args);
      call.result = handler(call, this);
      this.calls.push(call);
      return call.result;
    }
    return this.map(length);
  }

  /** Maps zeroed memory and returns its address. */
  map(length: number): number {
    const address = this.#nextAddress;
    const size = Math.ceil(length / PAGE) * PAGE;
    this.#nextAddress += size + PAGE;
    this.#regions.set(address, new ArrayBuffer(size));
    return address;
  }

  view(address: number, length: number): ArrayBuffer {
    const buffer = this.#regions.get(address);
    if (buffer === undefined || buffer.byteLength < length) {
      throw new RangeError(`Cannot view ${length} bytes at 0x${address.toString(16)}: nothing is mapped there`);
    }
    return buffer;
  }

  epollWait(): Promise<number> {
    return new Promise((resolve) => this.#waits.push(resolve));
  }

  /** Ends the oldest open wait with `count` events, which the test has written. */
  wake(count: number): void {
    this.#waits.shift()?.(count);
  }

  onSignal(signal: "SIGINT" | "SIGTERM", handler: () => void): () => void {
    let handlers = this.#signals.get(signal);
    if (handlers === undefined) this.#signals.set(signal, handlers = new Set());
    handlers.add(handler);
    return () => handlers.delete(handler);
  }

  /** Set by tests: signals that the script handles itself. */
  readonly foreign: Set<string> = new Set();

  hasListeners(signal: "SIGINT" | "SIGTERM"): boolean {
    return this.foreign.has(signal);
  }

  /** Runs the handlers of a signal; returns how many there were. */
  raise(signal: "SIGINT" | "SIGTERM"): number {
    const handlers = [...(this.#signals.get(signal) ?? [])];
    for (const handler of handlers) handler();
    return handlers.length;
  }

  close(): void {
    for (const resolve of this.#waits.splice(0)) resolve(0);
  }

  #record(name: SyscallName, args: readonly number[]): FakeCall {
    const [number = 0, address = 0, size = 0] = args;
    const command = name === "bpf" ? bpf_cmd[number] as BpfCommand | undefined : undefined;
    if (command === undefined || !(command in BPF_ATTR)) {
      return { name, args, command: undefined, attrBytes: undefined, attr: undefined, result: -ENOSYS };
    }
    // A copy, padded as the kernel pads it: the arena's memory is used again.
    const attrBytes = new Uint8Array(BPF_ATTR_SIZE);
    attrBytes.set(this.memory(address, size));
    const fields: Fields = BPF_ATTR[command];
    return {
      name,
      args,
      command,
      attrBytes,
      attr: readStruct(new DataView(attrBytes.buffer), 0, fields),
      result: -EFAULT,
    };
  }
}
