/** Small programs that write to the maps under test, run by BPF_PROG_TEST_RUN. */
import { Builder, r0, r1, r10, r2, r3, r4, r5, r6, r7 } from "../../../src/asm/build.ts";
import { BPF_PROG_TYPE_SCHED_CLS } from "../../../src/abi/bpf.gen.ts";
import { u64 } from "../../../src/bytes/scalars.ts";
import type { ArrayMap } from "../../../src/maps/array.ts";
import { createMap } from "../../../src/maps/create.ts";
import { progInfo, progLoad, progLoadWithLog, progTestRun } from "../../../src/syscall/bpf.ts";
import type { Fd } from "../../../src/syscall/fd.ts";
import { SyscallError } from "../../../src/errors.ts";

/** Loads a tc program; the verifier's log is in the error. */
export function loadTc(builder: Builder): Fd {
  const attr = { prog_type: BPF_PROG_TYPE_SCHED_CLS, insns: builder.bytes(), license: "GPL" };
  try {
    return progLoad(attr);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new Error(`${error.message}\n${progLoadWithLog(attr, { level: 1, size: 1 << 16 }).log}`);
  }
}

const PACKET = new Uint8Array(64);

/** Runs a program `times` times on an empty packet. */
export function run(prog: Fd, times = 1): number {
  return progTestRun(prog.number, { data: PACKET, repeat: times }).retval;
}

/** The bytes of a producer's event: a 64-bit number that counts up from 0, then zeros. */
export interface ProducerOptions {
  readonly size?: number;
  /** Flags of bpf_ringbuf_output or bpf_perf_event_output. */
  readonly flags?: number;
}

/** A program that writes one event each time it runs, and counts what it could not write. */
export class Producer implements Disposable {
  readonly #counters: ArrayMap<{ tried: bigint; refused: bigint }>;
  readonly #prog: Fd;

  /** `output` leaves the result of writing the event at r10-256 in r0. */
  constructor(output: (builder: Builder) => Builder, size: number) {
    this.#counters = createMap({ type: "array", value: { tried: u64, refused: u64 }, maxEntries: 1 });
    const b = new Builder().mov(r6, r1);
    for (let at = 0; at < 256; at += 8) b.store(64, r10, at - 256, 0);
    b.store(32, r10, -260, 0).mapFd(r1, this.#counters.fd).mov(r2, r10).alu("add", r2, -260);
    b.call("map_lookup_elem").jmp("jeq", r0, 0, "out").mov(r7, r0);
    b.load(64, r1, r7, 0).store(64, r10, -256, r1).alu("add", r1, 1).store(64, r7, 0, r1);
    output(b);
    b.jmp("jeq", r0, 0, "out").load(64, r1, r7, 8).alu("add", r1, 1).store(64, r7, 8, r1);
    b.label("out").mov(r0, 0).exit();
    this.#prog = loadTc(b);
    this.size = size;
  }

  readonly size: number;

  static ring(ring: { fd: number }, { size = 48, flags = 0 }: ProducerOptions = {}): Producer {
    return new Producer(
      (b) => b.mapFd(r1, ring.fd).mov(r2, r10).alu("add", r2, -256).mov(r3, size).mov(r4, flags).call("ringbuf_output"),
      size,
    );
  }

  static perf(array: { fd: number }, { size = 48 }: ProducerOptions = {}): Producer {
    return new Producer(
      (b) =>
        b.mov(r1, r6).mapFd(r2, array.fd).mov32(r3, -1).mov(r4, r10).alu("add", r4, -256).mov(r5, size)
          .call("perf_event_output"),
      size,
    );
  }

  /** Writes `count` events. */
  emit(count = 1): void {
    run(this.#prog, count);
  }

  /** The program's id, for other processes. */
  get id(): number {
    return progInfo(this.#prog.number).id;
  }

  /** Events it tried to write, and could not. */
  get counts(): { tried: number; refused: number } {
    const { tried, refused } = this.#counters.get(0);
    return { tried: Number(tried), refused: Number(refused) };
  }

  [Symbol.dispose](): void {
    this.#prog.close();
    this.#counters.close();
  }
}
