/**
 * BPF_MAP_TYPE_PERF_EVENT_ARRAY: one perf event per CPU, which programs write events to with bpf_perf_event_output, or
 * read hardware counters from. `open()` makes the events and reads them.
 */
import type { Codec } from "../bytes/codec.ts";
import type { Fd } from "../syscall/fd.ts";
import type { MapParams } from "./base.ts";
import { FdMap } from "./fd_map.ts";
import { PerfBuffer, type PerfBufferOptions } from "./perf_buffer.ts";
import { PerfOverwriteBuffer, type PerfOverwriteOptions } from "./perf_overwrite.ts";

/** A perf event array. Values are perf event descriptors, keys CPU numbers. */
export class PerfEventArray<T = Uint8Array> extends FdMap<number> {
  readonly #codec: Codec<T> | undefined;

  constructor(fd: Fd, params: MapParams, codec?: Codec<T>) {
    super(fd, params);
    this.#codec = codec;
  }

  /**
   * Opens an event on each online CPU, puts them into the array, and returns their reader. Programs can write from
   * then on. The array must outlive the reader.
   */
  open(options: PerfBufferOptions = {}): PerfBuffer<T> {
    return new PerfBuffer<T>(this, this.#codec, options);
  }

  /**
   * Opens events whose rings keep the newest samples and lose the oldest: nothing waits for a reader, and `snapshot()`
   * gives what is there (4.7).
   */
  openOverwrite(options: PerfOverwriteOptions = {}): PerfOverwriteBuffer<T> {
    return new PerfOverwriteBuffer<T>(this, this.#codec, options);
  }
}
