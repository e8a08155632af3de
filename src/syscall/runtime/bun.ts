/**
 * The runtime boundary on Bun: C calls through `bun:ffi`, which is asked for on the first call, so that this file can
 * be imported anywhere. Waiting happens in a worker, since Bun has no non-blocking FFI calls.
 */
import { NotSupportedError } from "../../errors.ts";
import { nodeHost } from "./host.ts";
import type { Runtime } from "./types.ts";

type SyscallFn = (nr: number, a: number, b: number, c: number, d: number, e: number, f: number) => number;

/** The parts of bun:ffi in use; Bun's own types are no dependency of waggle. */
interface BunFfi {
  dlopen(library: string, symbols: Record<string, { args: readonly string[]; returns: string }>): {
    symbols: Record<string, unknown>;
  };
  toArrayBuffer(address: number, byteOffset: number, byteLength: number): ArrayBuffer;
  read: { i32(address: number, byteOffset: number): number };
}

interface BunProcess {
  readonly argv: readonly string[];
  readonly arch: string;
  readonly platform: string;
  getBuiltinModule(name: string): unknown;
  on(signal: string, handler: () => void): void;
  listenerCount(signal: string): number;
  off(signal: string, handler: () => void): void;
}

interface BunFiles {
  mmap(path: string, options: { shared: boolean }): Uint8Array;
}

interface BunWorker {
  onmessage: ((event: { data: readonly [id: number, result: number] }) => void) | null;
  onerror: ((event: { message?: string }) => void) | null;
  postMessage(message: readonly number[]): void;
  ref(): void;
  unref(): void;
  terminate(): void;
}

interface Libc {
  syscall: SyscallFn;
  syscall64: SyscallFn;
  errno(): number;
}

const process = (): BunProcess => (globalThis as unknown as { process: BunProcess }).process;

// Measured on Bun 1.4.5 above a bare getpid: parameters as "ptr" 6 ns, "i64" 20 ns, "i64_fast" 50 ns.
const PARAMETERS = ["i32", "ptr", "ptr", "ptr", "ptr", "ptr", "ptr"] as const;

/** `libc.so.6` is glibc's soname, and musl's loader takes every name that starts with `libc.` for itself. */
function openLibc(): Libc & { ffi: BunFfi } {
  const { platform, arch } = process();
  if (platform !== "linux") {
    throw new NotSupportedError(`BPF on ${platform}`, { hint: "waggle loads programs on Linux only" });
  }
  if (arch !== "x64" && arch !== "arm64") throw new NotSupportedError(`the machine ${arch}`);
  // Not an import: bundlers and Deno would try to resolve it. This form survives `bun build --compile` and esbuild.
  const ffi = process().getBuiltinModule("bun:ffi") as BunFfi;
  const narrow = ffi.dlopen("libc.so.6", {
    syscall: { args: PARAMETERS, returns: "i32" },
    __errno_location: { args: [], returns: "ptr" },
  }).symbols;
  const wide = ffi.dlopen("libc.so.6", { syscall: { args: PARAMETERS, returns: "i64_fast" } }).symbols;
  // A constant of the thread, and the module lives on one thread.
  const errnoAddress = (narrow["__errno_location"] as () => number)();
  const read = ffi.read;
  return {
    ffi,
    syscall: narrow["syscall"] as SyscallFn,
    syscall64: wide["syscall"] as SyscallFn,
    errno: () => read.i32(errnoAddress, 0),
  };
}

/** What the worker runs: it blocks in epoll_pwait and posts the result, or `-errno`. Arguments come as a message. */
const WORKER = `
const { dlopen, read } = process.getBuiltinModule("bun:ffi");
const { syscall, __errno_location: location } = dlopen("libc.so.6", {
  syscall: { args: ${JSON.stringify(PARAMETERS)}, returns: "i32" },
  __errno_location: { args: [], returns: "ptr" },
}).symbols;
onmessage = ({ data: [id, nr, epfd, events, max, timeout] }) => {
  const count = syscall(nr, epfd, events, max, timeout, 0, 0);
  postMessage([id, count === -1 ? -read.i32(location(), 0) : count]);
};
`;

/** One worker and the waits given to it; it keeps the process alive only while a wait is open. */
class EpollWorker {
  #worker: BunWorker | undefined;
  #nextId = 0;
  readonly #waits: Map<number, { resolve: (count: number) => void; reject: (error: Error) => void }> = new Map();

  wait(nr: number, epfd: number, events: number, max: number, timeout: number): Promise<number> {
    const worker = this.#worker ??= this.#start();
    const id = this.#nextId++;
    worker.ref();
    return new Promise((resolve, reject) => {
      this.#waits.set(id, { resolve, reject });
      worker.postMessage([id, nr, epfd, events, max, timeout]);
    });
  }

  close(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    for (const { resolve } of this.#waits.values()) resolve(0);
    this.#waits.clear();
  }

  #start(): BunWorker {
    const url = URL.createObjectURL(new Blob([WORKER], { type: "text/javascript" }));
    const worker = new (globalThis as unknown as { Worker: new (url: string) => BunWorker }).Worker(url);
    worker.onmessage = ({ data: [id, result] }) => {
      const wait = this.#waits.get(id);
      this.#waits.delete(id);
      if (this.#waits.size === 0) worker.unref();
      wait?.resolve(result);
    };
    worker.onerror = ({ message }) => {
      const error = new NotSupportedError("waiting in a worker", { hint: message });
      for (const { reject } of this.#waits.values()) reject(error);
      this.#waits.clear();
      worker.unref();
    };
    return worker;
  }
}

/** A private mapping. What cannot be mapped (pipes, empty files) or opened is left to reading, and its errors. */
function mapFile(path: string): Uint8Array {
  const { mmap } = (globalThis as unknown as { Bun: BunFiles }).Bun;
  try {
    return mmap(path, { shared: false });
  } catch {
    return nodeHost().readFile(path);
  }
}

/** Creates the runtime; the first call opens libc. */
export function bunRuntime(epollPwait: (arch: Runtime["arch"]) => number): Runtime {
  let libc: ReturnType<typeof openLibc> | undefined;
  let waiter: EpollWorker | undefined;
  const own = { SIGINT: 0, SIGTERM: 0 };
  const arch = process().arch === "arm64" ? "aarch64" : "x86_64";
  return {
    name: "bun",
    arch,
    get args() {
      return process().argv.slice(2);
    },
    syscall(nr, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0) {
      const lib = libc ??= openLibc();
      const result = lib.syscall(nr, a, b, c, d, e, f);
      return result === -1 ? -lib.errno() : result;
    },
    syscall64(nr, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0) {
      const lib = libc ??= openLibc();
      const result = Number(lib.syscall64(nr, a, b, c, d, e, f));
      return result === -1 ? -lib.errno() : result;
    },
    view(address, length) {
      if (address === 0) throw new RangeError("Cannot view memory: the address is 0");
      return (libc ??= openLibc()).ffi.toArrayBuffer(address, 0, length);
    },
    epollWait(epfd, eventsAddress, maxEvents, timeoutMs) {
      return (waiter ??= new EpollWorker()).wait(epollPwait(arch), epfd, eventsAddress, maxEvents, timeoutMs);
    },
    onSignal(signal, handler) {
      process().on(signal, handler);
      own[signal]++;
      let isOn = true;
      return () => {
        if (isOn) own[signal]--;
        isOn = false;
        process().off(signal, handler);
      };
    },
    hasListeners(signal) {
      return process().listenerCount(signal) > own[signal];
    },
    host: nodeHost({ mapFile }),
    close() {
      waiter?.close();
      waiter = undefined;
    },
  };
}
