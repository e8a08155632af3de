/**
 * Maps with one value per CPU: BPF_MAP_TYPE_PERCPU_HASH, LRU_PERCPU_HASH and PERCPU_ARRAY. In the script a value is an
 * array over the possible CPUs (not only those online); `sum` adds it up.
 */
import { BPF_MAP_UPDATE_ELEM } from "../abi/bpf.gen.ts";
import type { Codec } from "../bytes/codec.ts";
import type { LayoutDesc } from "../bytes/layout.ts";
import { possibleCpus } from "../kernel/cpus.ts";
import type { Fd } from "../syscall/fd.ts";
import type { MapParams } from "./base.ts";
import { perCpuCodec, sumValues, writeEverywhere } from "./codecs.ts";
import { BpfMap } from "./map.ts";

function isInt64(codec: Codec<unknown>): boolean {
  const desc = "desc" in codec ? codec.desc as LayoutDesc : undefined;
  return desc?.kind === "int" && desc.bits === 64;
}

/** A map with one value per CPU. */
export class PerCpuMap<K = unknown, V = unknown> extends BpfMap<K, V[]> {
  /** How many values an element has. */
  readonly cpus: number;
  readonly #one: Codec<V>;

  constructor(fd: Fd, params: MapParams, keyCodec: Codec<K>, valueCodec: Codec<V>, cpus: number = possibleCpus()) {
    super(fd, params, keyCodec, perCpuCodec(valueCodec, cpus));
    this.cpus = cpus;
    this.#one = valueCodec;
  }

  /** The value of one CPU. */
  getCpu(key: K, cpu: number): V | undefined {
    if (!Number.isInteger(cpu) || cpu < 0 || cpu >= this.cpus) {
      throw new RangeError(`Cannot read CPU ${cpu} of map "${this.name}": there are ${this.cpus}`);
    }
    return this.get(key)?.[cpu];
  }

  /** Writes the same value for every CPU. */
  setEvery(key: K, value: V): this {
    this.need("set", "write");
    const access = this.access();
    this.keyCodec.write(access.view, access.keyAt, key, "key");
    writeEverywhere(this.#one, this.cpus, access.view, access.valueAt, value);
    const result = access.call(BPF_MAP_UPDATE_ELEM);
    if (result < 0) throw this.error(result, "BPF_MAP_UPDATE_ELEM", "write");
    return this;
  }

  /** The values of all CPUs added up: numbers, bigints, and structs of them field by field. */
  sum(key: K): V | undefined {
    const access = this.lookup(key);
    return access === undefined ? undefined : this.#sumAt(access.view, access.valueAt);
  }

  /** The sum of the values at `at`. Those of 64-bit integers are added by halves: one BigInt instead of one for each CPU. */
  #sumAt(view: DataView, at: number): V | undefined {
    if (!isInt64(this.#one)) return sumValues(this.valueCodec.read(view, at));
    let low = 0;
    let high = 0;
    for (let cpu = 0; cpu < this.cpus; cpu++) {
      low += view.getUint32(at + 8 * cpu, true);
      high += view.getUint32(at + 8 * cpu + 4, true);
    }
    view.setUint32(at, low, true);
    view.setUint32(at + 4, high + Math.floor(low / 2 ** 32), true);
    return this.#one.read(view, at);
  }

  /** The values of all CPUs put together by `fn`. */
  reduce<A>(key: K, fn: (total: A, value: V, cpu: number) => A, initial: A): A | undefined {
    return this.get(key)?.reduce(fn, initial);
  }

  /** Keys and sums. */
  *sums(): IterableIterator<[K, V]> {
    for (const [key, values] of this) yield [key, sumValues(values) as V];
  }
}
