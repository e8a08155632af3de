/** Maps without keys: BPF_MAP_TYPE_QUEUE, BPF_MAP_TYPE_STACK (4.20) and BPF_MAP_TYPE_BLOOM_FILTER (5.16). */
import { BPF_EXIST, BPF_MAP_LOOKUP_AND_DELETE_ELEM, BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM } from "../abi/bpf.gen.ts";
import { E2BIG, ENOENT } from "../abi/errno.gen.ts";
import type { Codec } from "../bytes/codec.ts";
import type { Fd } from "../syscall/fd.ts";
import type { MapParams } from "./base.ts";
import { noCodec } from "./codecs.ts";
import { BpfMap } from "./map.ts";

/** A first-in-first-out queue, or a stack: the kind decides what `pop` gives. */
export class QueueMap<V = unknown> extends BpfMap<undefined, V> {
  constructor(fd: Fd, params: MapParams, valueCodec: Codec<V>) {
    super(fd, params, noCodec, valueCodec);
  }

  /**
   * Puts a value in. False if the map is full.
   *
   * @param options.replace if it is full, throw out the oldest value instead
   */
  push(value: V, options: { replace?: boolean } = {}): boolean {
    const access = this.access();
    this.valueCodec.write(access.view, access.valueAt, value, "value");
    const result = access.callWithFlags(BPF_MAP_UPDATE_ELEM, options.replace ? BPF_EXIST : 0);
    if (result === -E2BIG) return false;
    if (result < 0) throw this.error(result, "BPF_MAP_UPDATE_ELEM", "push to");
    return true;
  }

  /** Takes the next value out; undefined if there is none. */
  pop(): V | undefined {
    return this.#read(BPF_MAP_LOOKUP_AND_DELETE_ELEM, "pop from");
  }

  /** The next value, left where it is; undefined if there is none. */
  peek(): V | undefined {
    return this.#read(BPF_MAP_LOOKUP_ELEM, "peek into");
  }

  /** Takes values out until there is none. */
  override *drain(): IterableIterator<[undefined, V]> {
    for (let value = this.pop(); value !== undefined; value = this.pop()) yield [undefined, value];
  }

  /** Takes everything out. */
  override clear(): void {
    while (this.#read(BPF_MAP_LOOKUP_AND_DELETE_ELEM, "clear") !== undefined);
  }

  #read(command: number, action: string): V | undefined {
    const access = this.access();
    const result = access.call(command);
    if (result === -ENOENT) return undefined;
    const name = command === BPF_MAP_LOOKUP_ELEM ? "BPF_MAP_LOOKUP_ELEM" : "BPF_MAP_LOOKUP_AND_DELETE_ELEM";
    if (result < 0) throw this.error(result, name, action);
    return this.valueCodec.read(access.view, access.valueAt);
  }
}

/** A set that says "perhaps" or "no". Values cannot be taken out. */
export class BloomFilter<V = unknown> extends BpfMap<undefined, V> {
  constructor(fd: Fd, params: MapParams, valueCodec: Codec<V>) {
    super(fd, params, noCodec, valueCodec);
  }

  /** Adds a value. */
  add(value: V): this {
    const access = this.access();
    this.valueCodec.write(access.view, access.valueAt, value, "value");
    const result = access.call(BPF_MAP_UPDATE_ELEM);
    if (result < 0) throw this.error(result, "BPF_MAP_UPDATE_ELEM", "add to");
    return this;
  }

  /** False if the value was certainly never added. */
  mayHave(value: V): boolean {
    const access = this.access();
    this.valueCodec.write(access.view, access.valueAt, value, "value");
    const result = access.call(BPF_MAP_LOOKUP_ELEM);
    if (result < 0 && result !== -ENOENT) throw this.error(result, "BPF_MAP_LOOKUP_ELEM", "ask");
    return result >= 0;
  }
}
