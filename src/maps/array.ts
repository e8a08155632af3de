/**
 * BPF_MAP_TYPE_ARRAY: values at the indexes 0 to length - 1, which always exist. With BPF_F_MMAPABLE (5.5) it can be
 * mapped and used as a typed array that programs see at once.
 */
import { BPF_F_MMAPABLE } from "../abi/bpf.gen.ts";
import { PROT_READ, PROT_WRITE } from "../abi/defines.ts";
import type { Codec } from "../bytes/codec.ts";
import type { Fd } from "../syscall/fd.ts";
import { Mapping } from "../syscall/memory.ts";
import type { MapParams } from "./base.ts";
import { u32Codec } from "./codecs.ts";
import { BpfMap, type UpdateOptions } from "./map.ts";

/** An array map. */
export class ArrayMap<V = unknown> extends BpfMap<number, V> {
  constructor(fd: Fd, params: MapParams, valueCodec: Codec<V>) {
    super(fd, params, u32Codec, valueCodec);
  }

  /** How many elements there are: always the same. */
  get length(): number {
    return this.maxEntries;
  }

  override get size(): number {
    return this.maxEntries;
  }

  /** The value at an index. Throws `RangeError` outside the array. */
  override get(index: number, options?: { lock?: boolean }): V {
    this.#check(index);
    return super.get(index, options) as V;
  }

  /** Whether the index is inside the array. */
  override has(index: number): boolean {
    return Number.isInteger(index) && index >= 0 && index < this.maxEntries;
  }

  /** Writes the value at an index. Throws `RangeError` outside the array. */
  override set(index: number, value: V): this {
    this.#check(index);
    return super.set(index, value);
  }

  override update(index: number, value: V, options?: UpdateOptions): boolean {
    this.#check(index);
    return super.update(index, value, options);
  }

  /** Bytes from one element to the next in `mmap()`: the value's size, rounded up to 8. */
  get stride(): number {
    return (this.valueSize + 7) & ~7;
  }

  /**
   * Maps the elements: writes are seen by programs at once, without a system call. Needs BPF_F_MMAPABLE. The caller
   * closes the mapping; `new Uint32Array(mapping.buffer)` and its like work while it is open.
   */
  mmap(options: { readOnly?: boolean } = {}): Mapping {
    if (!(this.flags & BPF_F_MMAPABLE)) {
      throw new TypeError(`Cannot mmap map "${this.name}": it was created without BPF_F_MMAPABLE`);
    }
    const prot = options.readOnly ? PROT_READ : PROT_READ | PROT_WRITE;
    return Mapping.ofFd(this.fd, this.stride * this.maxEntries, { prot, what: `map "${this.name}"` });
  }

  #check(index: number): void {
    if (!this.has(index)) {
      throw new RangeError(`Cannot use index ${index} of map "${this.name}": it has ${this.maxEntries} elements`);
    }
  }
}
