/** From a loaded map and its definition to what the script uses: a map class, a stream, an aggregation. */
import { BPF_MAP_TYPE_PERF_EVENT_ARRAY } from "../abi/bpf.gen.ts";
import { isAggregation, type MapDefinition } from "../compiler/definitions.ts";
import { possibleCpus } from "../kernel/cpus.ts";
import type { LoadedMap } from "../load/map.ts";
import type { MapParams } from "../maps/base.ts";
import { PerfEventArray } from "../maps/perf_event_array.ts";
import type { PerfBuffer } from "../maps/perf_buffer.ts";
import { wrapMap } from "../maps/wrap.ts";
import { dupFd } from "../syscall/fd.ts";
import { AggregationReader } from "./aggregation.ts";
import { StackTraces } from "./stacks.ts";

/** The map's facts as its class needs them. */
function paramsOf({ name, spec }: LoadedMap): MapParams {
  const { type, keySize, valueSize, maxEntries, flags, mapExtra } = spec;
  return { name, type, keySize, valueSize, maxEntries, flags, mapExtra };
}

/** The host side of a map, over a descriptor of its own. Whoever gets it disposes it. */
export function hostMap(map: LoadedMap, definition: MapDefinition): Disposable {
  const params = paramsOf(map);
  const fd = dupFd(map.fd.number);
  if (isAggregation(definition.kind)) return new AggregationReader(fd, params, definition, possibleCpus());
  if (definition.kind === "stack_trace") return new StackTraces(fd, params);
  if (params.type === BPF_MAP_TYPE_PERF_EVENT_ARRAY) {
    return new PerfStream(new PerfEventArray(fd, params, definition.value));
  }
  return wrapMap(fd, params, { key: definition.key, value: definition.value });
}

/** A perf event array read like a ring buffer. Its events are opened at once: programs lose what they send before. */
class PerfStream implements Disposable {
  readonly #array: PerfEventArray<unknown>;
  readonly #buffer: PerfBuffer<unknown>;
  readonly read: PerfBuffer<unknown>["read"];
  readonly batches: PerfBuffer<unknown>["batches"];
  readonly next: PerfBuffer<unknown>["next"];
  readonly consume: PerfBuffer<unknown>["consume"];

  constructor(array: PerfEventArray<unknown>) {
    this.#array = array;
    const buffer = this.#buffer = array.open();
    this.read = (options) => buffer.read(options);
    this.batches = (options) => buffer.batches(options);
    this.next = (timeoutMs) => buffer.next(timeoutMs);
    this.consume = (handler, limit) => buffer.consume(handler, limit);
  }

  /** Records lost because a buffer was full. */
  get lost(): number {
    return this.#buffer.lost;
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<unknown> {
    return this.#buffer.read();
  }

  [Symbol.dispose](): void {
    this.#buffer.close();
    this.#array.close();
  }
}
