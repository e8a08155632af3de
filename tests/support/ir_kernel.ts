/** Runs compiled test programs in the kernel: BPF_PROG_TYPE_SYSCALL takes any bytes as context. */
import type { FunctionCode } from "../../src/compiler/codegen/codegen.ts";
import { mapCreate, mapLookup, mapUpdate, progLoad, progLoadWithLog, progTestRun } from "../../src/syscall/bpf.ts";
import type { Fd } from "../../src/syscall/fd.ts";
import { SyscallError } from "../../src/errors.ts";
import { kernelTarget, linkFunctions } from "./bpf_link.ts";
import { difference, startMemory } from "./ir_compare.ts";
import type { Outcome } from "./ir_compare.ts";
import { ARRAY_ENTRIES, ARRAY_VALUE, GLOBALS_SIZE } from "./ir_random.ts";

const BPF_PROG_TYPE_SYSCALL = 31;
const BPF_F_SLEEPABLE = 16;
const BPF_MAP_TYPE_ARRAY = 2;
const BPF_MAP_TYPE_RINGBUF = 27;

/** The maps of the test programs; load and run as many programs as wanted. */
export class KernelRunner {
  #globals: Fd;
  #array: Fd;

  constructor() {
    const array = { map_type: BPF_MAP_TYPE_ARRAY, key_size: 4 };
    this.#globals = mapCreate({ ...array, value_size: GLOBALS_SIZE, max_entries: 1 });
    this.#array = mapCreate({ ...array, value_size: ARRAY_VALUE, max_entries: ARRAY_ENTRIES });
  }

  /** Loads and runs a program; the first difference from what is wanted, or the verifier's complaint. */
  compare(seed: number, functions: ReadonlyMap<string, FunctionCode>, wanted: Outcome): string | undefined {
    // A ring of its own for each program: nobody reads it, and a full one would change what the program does.
    using ring = mapCreate({ map_type: BPF_MAP_TYPE_RINGBUF, max_entries: 4096 });
    const insns = linkFunctions(
      functions,
      kernelTarget(
        new Map([["globals", this.#globals.number], ["array", this.#array.number], ["ring", ring.number]]),
      ),
    );
    const attr = {
      prog_type: BPF_PROG_TYPE_SYSCALL,
      prog_flags: BPF_F_SLEEPABLE,
      insns,
      license: "GPL",
      prog_name: "random",
    };
    const fd = tryLoad(attr);
    if (fd === undefined) {
      const { errno, log } = progLoadWithLog(attr, { level: 1, size: 1 << 24 });
      return `the verifier refuses it (errno ${errno}): ${log.slice(-1500)}`;
    }
    using prog = fd;
    return difference(wanted, this.#run(prog.number, seed), 32);
  }

  #run(prog: number, seed: number): Outcome {
    const { ctx, globals, array } = startMemory(seed);
    mapUpdate(this.#globals.number, key(0), globals);
    for (let i = 0; i < ARRAY_ENTRIES; i++) {
      mapUpdate(this.#array.number, key(i), array.slice(i * ARRAY_VALUE, (i + 1) * ARRAY_VALUE));
    }
    // This type has no ctx_out: the kernel writes the context back into ctx_in.
    const run = progTestRun(prog, { ctx, ctxSizeOut: 0 });
    mapLookup(this.#globals.number, key(0), globals);
    const value = new Uint8Array(ARRAY_VALUE);
    for (let i = 0; i < ARRAY_ENTRIES; i++) {
      mapLookup(this.#array.number, key(i), value);
      array.set(value, i * ARRAY_VALUE);
    }
    return { result: BigInt(run.retval), ctx, globals, array, records: undefined };
  }

  [Symbol.dispose](): void {
    this.#globals[Symbol.dispose]();
    this.#array[Symbol.dispose]();
  }
}

/** A log that does not fit would make a good program fail, so the first try has none. */
function tryLoad(attr: Parameters<typeof progLoad>[0]): Fd | undefined {
  try {
    return progLoad(attr);
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}

function key(index: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, index, true);
  return bytes;
}
