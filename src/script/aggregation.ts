/**
 * Reads aggregations back: the per-CPU cells of `aggregationStorage`, added up over the CPUs, one result for each key.
 * Takes the loaded map; gives what `host_aggregations.ts` describes.
 */
import { struct } from "../bytes/composites.ts";
import type { Codec } from "../bytes/codec.ts";
import type { Layout } from "../bytes/layout.ts";
import { u32 } from "../bytes/scalars.ts";
import { type AggregationStorage, aggregationStorage, type MapDefinition } from "../compiler/definitions.ts";
import { BpfMap } from "../maps/map.ts";
import type { MapParams } from "../maps/base.ts";
import type { Fd } from "../syscall/fd.ts";
import { accumulate, type Accumulated, average, toStats } from "./accumulate.ts";
import { makeHistogram } from "./histogram.ts";
import type { AggregationDefinition } from "./kinds/aggregations.ts";

/** How each kind turns what was added up into its result. */
const RESULTS = {
  counter: (total: Accumulated) => total.count,
  topK: (total: Accumulated) => total.count,
  sum: (total: Accumulated) => total.sum,
  min: (total: Accumulated) => total.count === 0n ? undefined : total.min,
  max: (total: Accumulated) => total.count === 0n ? undefined : total.max,
  avg: (total: Accumulated) => ({ count: total.count, sum: total.sum, average: average(total) }),
  stats: toStats,
} as const;

/** All cells of one key of the map: 64-bit numbers, CPU after CPU. */
function cellsCodec(fields: number, cpus: number): Codec<BigInt64Array> {
  const size = fields * 8 * cpus;
  return {
    size,
    align: 8,
    read: (view, offset) =>
      new BigInt64Array(view.buffer.slice(view.byteOffset + offset, view.byteOffset + offset + size)),
    write: (view, offset, value) => new BigInt64Array(view.buffer, view.byteOffset + offset, fields * cpus).set(value),
  };
}

/** Codec of the map's keys: the slot alone, the key alone, or both. */
function keyCodec(key: Layout<unknown> | undefined, slots: number): Codec<unknown> {
  if (key === undefined) return u32 as Codec<unknown>;
  return slots === 1 ? key : struct({ key, slot: u32 }) as unknown as Codec<unknown>;
}

/** The reader of one aggregation. */
export class AggregationReader implements Disposable {
  readonly #definition: MapDefinition & Partial<AggregationDefinition<unknown, unknown>>;
  readonly #storage: AggregationStorage;
  readonly #map: BpfMap<unknown, BigInt64Array>;

  constructor(fd: Fd, params: MapParams, definition: MapDefinition, cpus: number) {
    this.#definition = definition;
    this.#storage = aggregationStorage(definition);
    const { fields, slots } = this.#storage;
    this.#map = new BpfMap(fd, params, keyCodec(definition.key, slots), cellsCodec(fields.length, cpus));
  }

  /** The single result of an aggregation without a key. */
  read(): unknown {
    const cells = new Map<number, Accumulated>();
    for (let slot = 0; slot < this.#storage.slots; slot++) {
      const values = this.#map.get(slot);
      if (values !== undefined) cells.set(slot, accumulate(this.#storage.fields, values));
    }
    return this.#result(cells);
  }

  /** The result of one key. */
  get(key: unknown): unknown {
    if (this.#storage.slots > 1) return this.#histogramOf(key);
    const values = this.#map.get(key);
    return values === undefined ? undefined : this.#result(new Map([[0, accumulate(this.#storage.fields, values)]]));
  }

  /** Every key with its result, largest count (or sum) first. */
  entries(): [unknown, unknown][] {
    return this.#collect(this.#map);
  }

  /** The same, taking each entry out of the map as it is read. */
  take(): [unknown, unknown][] {
    return this.#collect(this.#map.drain());
  }

  /** topK: the most frequent keys. */
  top(rows: number = this.#definition.rows ?? 10): [unknown, unknown][] {
    return this.entries().slice(0, rows);
  }

  /** topK: the most frequent keys, starting again from nothing. */
  takeTop(rows: number = this.#definition.rows ?? 10): [unknown, unknown][] {
    return this.take().slice(0, rows);
  }

  [Symbol.iterator](): Iterator<[unknown, unknown]> {
    return this.entries()[Symbol.iterator]();
  }

  /** Starts again from nothing. */
  clear(): void {
    this.#map.clear();
  }

  close(): void {
    this.#map.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** The histogram of one key: its buckets are entries of their own. */
  #histogramOf(key: unknown): unknown {
    const cells = new Map<number, Accumulated>();
    for (let slot = 0; slot < this.#storage.slots; slot++) {
      const values = this.#map.get({ key, slot });
      if (values !== undefined) cells.set(slot, accumulate(this.#storage.fields, values));
    }
    return cells.size === 0 ? undefined : this.#result(cells);
  }

  /** Groups the cells by key. Keys are compared by their bytes, since structs decode to fresh objects. */
  #collect(source: Iterable<[unknown, BigInt64Array]>): [unknown, unknown][] {
    const keyed = this.#storage.slots > 1;
    const groups = new Map<string, { key: unknown; cells: Map<number, Accumulated>; weight: bigint }>();
    for (const [mapKey, values] of source) {
      const { key, slot } = keyed ? mapKey as { key: unknown; slot: number } : { key: mapKey, slot: 0 };
      const name = keyText(this.#definition.key!, key);
      let group = groups.get(name);
      if (group === undefined) groups.set(name, group = { key, cells: new Map(), weight: 0n });
      const total = accumulate(this.#storage.fields, values);
      group.cells.set(slot, total);
      group.weight += this.#weight(total);
    }
    const ordered = [...groups.values()].sort((a, b) => a.weight < b.weight ? 1 : a.weight > b.weight ? -1 : 0);
    return ordered.map(({ key, cells }) => [key, this.#result(cells)]);
  }

  /** What entries are ordered by. */
  #weight(total: Accumulated): bigint {
    switch (this.#definition.kind) {
      case "sum":
        return total.sum;
      case "min":
        return total.min;
      case "max":
        return total.max;
      default:
        return total.count;
    }
  }

  #result(cells: Map<number, Accumulated>): unknown {
    const { kind, linear, unit } = this.#definition;
    if (kind === "histogram" || kind === "linearHistogram") {
      const counts = Array.from({ length: this.#storage.slots }, (_, slot) => cells.get(slot)?.count ?? 0n);
      return makeHistogram(counts, kind === "histogram" ? undefined : linear, unit);
    }
    const result = RESULTS[kind as keyof typeof RESULTS];
    return result(cells.get(0) ?? { count: 0n, sum: 0n, min: 0n, max: 0n });
  }
}

const scratch = new Map<number, DataView>();

/** A key's bytes as text. */
function keyText(layout: Layout<unknown>, key: unknown): string {
  let view = scratch.get(layout.size);
  if (view === undefined) scratch.set(layout.size, view = new DataView(new ArrayBuffer(layout.size)));
  layout.write(view, 0, key);
  return String.fromCharCode(...new Uint8Array(view.buffer));
}
