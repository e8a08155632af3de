/**
 * The runtime boundary on Deno: C calls through `Deno.dlopen`. Needs `--allow-ffi` and nothing else, and opens libc on
 * the first call, not on import.
 */
import { NotSupportedError } from "../../errors.ts";
import { nodeHost } from "./host.ts";
import type { CommandResult, Runtime } from "./types.ts";

/**
 * `syscall(2)` is declared three times, because V8's fast call path (5 ns above C) takes a JavaScript number for a
 * 32-bit parameter but only a BigInt for a 64-bit one; a number for a 64-bit parameter costs 200 ns more. Arguments
 * below 2^32 are nearly all there are, since the arena (memory.ts) asks for low addresses.
 */
const SYMBOLS = {
  // long syscall(long number, ...)
  narrow: { name: "syscall", parameters: ["u32", "u32", "u32", "u32", "u32", "u32", "u32"], result: "i32" },
  wide: { name: "syscall", parameters: ["i64", "i64", "i64", "i64", "i64", "i64", "i64"], result: "i64" },
  blocking: {
    name: "syscall",
    parameters: ["i64", "i64", "i64", "i64", "i64", "i64", "i64"],
    result: "i32",
    nonblocking: true,
  },
  // int *__errno_location(void)
  errnoLocation: { name: "__errno_location", parameters: [], result: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

type Libc = Deno.StaticForeignLibraryInterface<typeof SYMBOLS>;

/** `libc.so.6` is glibc's soname, and musl's loader takes every name that starts with `libc.` for itself. */
function openLibc(): Libc {
  if (Deno.build.os !== "linux") {
    throw new NotSupportedError(`BPF on ${Deno.build.os}`, { hint: "waggle loads programs on Linux only" });
  }
  if (Deno.build.arch !== "x86_64" && Deno.build.arch !== "aarch64") {
    throw new NotSupportedError(`the machine ${Deno.build.arch}`);
  }
  return Deno.dlopen("libc.so.6", SYMBOLS).symbols;
}

/** Creates the runtime; the first call opens libc. */
export function denoRuntime(epollPwait: (arch: Runtime["arch"]) => number): Runtime {
  let libc: Libc | undefined;
  let errnoView: Deno.UnsafePointerView | undefined;
  const arch = Deno.build.arch === "aarch64" ? "aarch64" : "x86_64";

  /**
   * The address of errno is a constant of the thread, and the module lives on one thread, so it is asked for once:
   * after a failing call nothing runs but one load.
   */
  const open = (): Libc => {
    libc = openLibc();
    const address = libc.errnoLocation();
    if (address === null) throw new NotSupportedError("errno");
    errnoView = new Deno.UnsafePointerView(address);
    return libc;
  };

  const syscallWide = (nr: number, a: number, b: number, c: number, d: number, e: number, f: number): number => {
    const lib = libc ?? open();
    const result = Number(lib.wide(BigInt(nr), BigInt(a), BigInt(b), BigInt(c), BigInt(d), BigInt(e), BigInt(f)));
    return result === -1 ? -errnoView!.getInt32() : result;
  };

  return {
    name: "deno",
    arch,
    get args() {
      return Deno.args;
    },
    syscall(nr, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0) {
      if (
        a >>> 0 !== a || b >>> 0 !== b || c >>> 0 !== c || d >>> 0 !== d || e >>> 0 !== e || f >>> 0 !== f
      ) {
        return syscallWide(nr, a, b, c, d, e, f);
      }
      const lib = libc ?? open();
      const result = lib.narrow(nr, a, b, c, d, e, f);
      return result === -1 ? -errnoView!.getInt32() : result;
    },
    syscall64(nr, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0) {
      return syscallWide(nr, a, b, c, d, e, f);
    },
    view(address, length) {
      const pointer = Deno.UnsafePointer.create(BigInt(address));
      if (pointer === null) throw new RangeError("Cannot view memory: the address is 0");
      return Deno.UnsafePointerView.getArrayBuffer(pointer, length);
    },
    async epollWait(epfd, eventsAddress, maxEvents, timeoutMs) {
      const nr = epollPwait(arch);
      const [fd, events, max] = [BigInt(epfd), BigInt(eventsAddress), BigInt(maxEvents)];
      const count = await (libc ?? open()).blocking(BigInt(nr), fd, events, max, BigInt(timeoutMs), 0n, 0n);
      // errno belongs to the thread that waited: asking again without waiting gives the same answer here.
      return count >= 0 ? count : this.syscall(nr, epfd, eventsAddress, maxEvents, 0);
    },
    onSignal(signal, handler) {
      Deno.addSignalListener(signal, handler);
      return () => Deno.removeSignalListener(signal, handler);
    },
    hasListeners(signal) {
      // Those of Deno.addSignalListener cannot be counted.
      const { process } = globalThis as { process?: { listenerCount(signal: string): number } };
      return (process?.listenerCount(signal) ?? 0) > 0;
    },
    host: nodeHost({ run }),
    close() {},
  };
}

/** `node:child_process` hands the environment on, which takes a permission to read it; this does not. */
function run(command: string, args: readonly string[]): CommandResult | undefined {
  try {
    const { code, signal, stdout, stderr } = new Deno.Command(command, { args: [...args], stdin: "null" }).outputSync();
    return { status: signal === null ? code : 128, stdout, stderr: new TextDecoder().decode(stderr) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
