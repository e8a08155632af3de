/**
 * A map used like a JavaScript `Map` that lives in the kernel: each call is one system call, iteration reads the live
 * map in batches. Keys and values go through codecs; without one they are bytes. Wrong shapes throw before any call.
 */
import {
  BPF_EXIST,
  BPF_F_LOCK,
  BPF_MAP_DELETE_BATCH,
  BPF_MAP_LOOKUP_AND_DELETE_BATCH,
  BPF_MAP_LOOKUP_AND_DELETE_ELEM,
  BPF_MAP_LOOKUP_BATCH,
  BPF_MAP_LOOKUP_ELEM,
  BPF_MAP_UPDATE_BATCH,
  BPF_MAP_UPDATE_ELEM,
  BPF_NOEXIST,
} from "../abi/bpf.gen.ts";
import { EBUSY, EEXIST, EINVAL, ENOENT, ENOTSUPP, EOPNOTSUPP } from "../abi/errno.gen.ts";
import type { Codec } from "../bytes/codec.ts";
import type { Fd } from "../syscall/fd.ts";
import { ElementAccess } from "./access.ts";
import { MapBase, type MapParams } from "./base.ts";
import { BatchBlock, type BatchPiece, type ElementSizes, NoBatchError, readBatches, writeBatch } from "./batch.ts";
import { bytesCodec } from "./codecs.ts";
import { listKeys } from "./keys.ts";
import { type Reader, WarmReader } from "./reader.ts";
import { type MapChange, watchElements, type WatchOptions } from "./watch.ts";

/** Options of `update`. */
export interface UpdateOptions {
  /** "noexist": only if the key is not there; "exist": only if it is. */
  readonly flag?: "any" | "noexist" | "exist";
  /** Hold the value's `struct bpf_spin_lock` meanwhile (5.1). */
  readonly lock?: boolean;
}

const FLAGS = { any: 0, noexist: BPF_NOEXIST, exist: BPF_EXIST } as const;

/** How often an element command is tried while a program of the same CPU holds the bucket's lock (EBUSY). */
const BUSY_ATTEMPTS = 100;

/**
 * A map of keys and values.
 *
 * @example
 * ```ts ignore
 * // ignored: needs a running kernel
 * for (const [pid, count] of map) if (count > 100n) console.log(pid, count);
 * map.set(1, 0n).delete(2);
 * ```
 */
export class BpfMap<K = unknown, V = unknown> extends MapBase implements Iterable<[K, V]> {
  protected readonly keyCodec: Codec<K>;
  protected readonly valueCodec: Codec<V>;
  readonly #keyReader: WarmReader<K>;
  readonly #valueReader: WarmReader<V>;
  #access: ElementAccess | undefined;
  /** For commands of a kind's own, where the kind has none of the common ones. */
  #spare: ElementAccess | undefined;
  /** False once the kernel has refused a batch command. */
  #batch: boolean;

  constructor(fd: Fd, params: MapParams, keyCodec: Codec<K>, valueCodec: Codec<V>) {
    super(fd, params);
    this.keyCodec = keyCodec;
    this.valueCodec = valueCodec;
    this.#keyReader = new WarmReader(keyCodec);
    this.#valueReader = new WarmReader(valueCodec);
    this.#batch = this.kind?.ops.includes("batch") ?? false;
  }

  /** The value, or undefined if the key is not there. `lock`: hold the value's spin lock while it is copied. */
  get(key: K, options?: { lock?: boolean }): V | undefined {
    const access = this.lookup(key, options?.lock);
    return access === undefined ? undefined : this.valueCodec.read(access.view, access.valueAt);
  }

  /** Whether the key is there. */
  has(key: K): boolean {
    return this.lookup(key) !== undefined;
  }

  /** Brings the value into the prepared memory; undefined if the key is not there. */
  protected lookup(key: K, lock?: boolean): ElementAccess | undefined {
    const access = this.#access ?? this.#open("get", "read");
    this.keyCodec.write(access.view, access.keyAt, key, "key");
    const result = lock ? access.callWithFlags(BPF_MAP_LOOKUP_ELEM, BPF_F_LOCK) : access.call(BPF_MAP_LOOKUP_ELEM);
    if (result >= 0) return access;
    if (result === -ENOENT) return undefined;
    throw this.#getError(result);
  }

  /** Writes a value, whether the key was there or not. */
  set(key: K, value: V): this {
    const access = this.#access ?? this.#open("set", "write");
    this.keyCodec.write(access.view, access.keyAt, key, "key");
    this.valueCodec.write(access.view, access.valueAt, value, "value");
    const result = access.call(BPF_MAP_UPDATE_ELEM);
    if (result < 0) this.#retryBusy(result, 0);
    return this;
  }

  /** Writes a value under a condition; false if the condition did not hold. */
  update(key: K, value: V, options: UpdateOptions = {}): boolean {
    const access = this.#access ?? this.#open("set", "write");
    this.keyCodec.write(access.view, access.keyAt, key, "key");
    this.valueCodec.write(access.view, access.valueAt, value, "value");
    const { flag = "any", lock = false } = options;
    if (!(flag in FLAGS)) throw new TypeError(`Cannot write map "${this.name}": there is no flag "${flag}"`);
    const flags = FLAGS[flag] | (lock ? BPF_F_LOCK : 0);
    const result = access.callWithFlags(BPF_MAP_UPDATE_ELEM, flags);
    if (result >= 0) return true;
    if (result === -EEXIST && flag === "noexist") return false;
    if (result === -ENOENT && flag === "exist") return false;
    this.#retryBusy(result, flags);
    return true;
  }

  /** Removes an element; false if the key was not there. */
  delete(key: K): boolean {
    const access = this.#access ?? this.#open("delete", "delete from");
    this.keyCodec.write(access.view, access.keyAt, key, "key");
    let result = access.remove();
    for (let i = 0; result === -EBUSY && i < BUSY_ATTEMPTS; i++) result = access.remove();
    if (result === -ENOENT) return false;
    if (result < 0) throw this.#refused(result, "BPF_MAP_DELETE_ELEM", "delete", "delete from");
    return true;
  }

  /**
   * Reads and removes an element; undefined if the key was not there. One step for hash maps from Linux 5.14 on, else
   * two, between which a program may write.
   */
  take(key: K): V | undefined {
    const access = this.#access ?? this.#open("delete", "take from");
    this.keyCodec.write(access.view, access.keyAt, key, "key");
    const result = access.call(BPF_MAP_LOOKUP_AND_DELETE_ELEM);
    if (result === -ENOENT) return undefined;
    if (result === -EINVAL || result === -ENOTSUPP || result === -EOPNOTSUPP) {
      this.need("delete", "take from");
      const value = this.get(key);
      return value !== undefined && this.delete(key) ? value : undefined;
    }
    if (result < 0) throw this.#refused(result, "BPF_MAP_LOOKUP_AND_DELETE_ELEM", "delete", "take from");
    return this.valueCodec.read(access.view, access.valueAt);
  }

  /** How many elements there are now. Hash maps are read for it: it costs what a loop over the keys costs. */
  get size(): number {
    this.need("list", "count");
    let count = 0;
    for (const piece of this.#pieces(BPF_MAP_LOOKUP_BATCH)) count += piece.count;
    return count;
  }

  /** Keys and values, each once. An element that comes or goes meanwhile may be seen or not. */
  *entries(): IterableIterator<[K, V]> {
    this.need("list", "list");
    const keySize = this.keyCodec.size;
    const valueBytes = this.valueCodec.size;
    for (const { view, keysAt, valuesAt, count } of this.#pieces(BPF_MAP_LOOKUP_BATCH)) {
      const [readKey, readValue] = this.#warm(count);
      for (let i = 0; i < count; i++) {
        yield [readKey(view, keysAt + i * keySize), readValue(view, valuesAt + i * valueBytes)];
      }
    }
  }

  /** The keys, each once. */
  *keys(): IterableIterator<K> {
    this.need("list", "list");
    const keySize = this.keyCodec.size;
    for (const { view, keysAt, count } of this.#pieces(BPF_MAP_LOOKUP_BATCH)) {
      const [readKey] = this.#warm(count);
      for (let i = 0; i < count; i++) yield readKey(view, keysAt + i * keySize);
    }
  }

  /** The values. */
  *values(): IterableIterator<V> {
    this.need("list", "list");
    const valueBytes = this.valueCodec.size;
    for (const { view, valuesAt, count } of this.#pieces(BPF_MAP_LOOKUP_BATCH)) {
      const [, readValue] = this.#warm(count);
      for (let i = 0; i < count; i++) yield readValue(view, valuesAt + i * valueBytes);
    }
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.entries();
  }

  /** Calls `fn` for each element: the fastest way to read a whole map. Returns how many there were. */
  forEach(fn: (value: V, key: K) => void): number {
    this.need("list", "list");
    const keySize = this.keyCodec.size;
    const valueBytes = this.valueCodec.size;
    let total = 0;
    for (const { view, keysAt, valuesAt, count } of this.#pieces(BPF_MAP_LOOKUP_BATCH)) {
      const [readKey, readValue] = this.#warm(count);
      for (let i = 0; i < count; i++) {
        fn(readValue(view, valuesAt + i * valueBytes), readKey(view, keysAt + i * keySize));
      }
      total += count;
    }
    return total;
  }

  /** Reads elements and removes them, each taken by exactly one reader where the kernel has batches (5.6). */
  *drain(): IterableIterator<[K, V]> {
    this.need("delete", "drain");
    const keySize = this.keyCodec.size;
    const valueBytes = this.valueCodec.size;
    for (const { view, keysAt, valuesAt, count } of this.#pieces(BPF_MAP_LOOKUP_AND_DELETE_BATCH)) {
      const [readKey, readValue] = this.#warm(count);
      for (let i = 0; i < count; i++) {
        yield [readKey(view, keysAt + i * keySize), readValue(view, valuesAt + i * valueBytes)];
      }
    }
  }

  /** Removes every element; arrays become zero. */
  clear(): void {
    if (this.kind?.indexed && !this.kind.ops.includes("delete")) return this.#zero();
    this.need("list", "clear");
    this.need("delete", "clear");
    if (this.#batch && this.kind?.ops.includes("take")) {
      for (const _piece of this.#pieces(BPF_MAP_LOOKUP_AND_DELETE_BATCH));
      return;
    }
    this.deleteAll(this.keys());
  }

  /** Writes many elements, in batches where the kernel has them. Returns how many. */
  setAll(entries: Iterable<readonly [K, V]>): number {
    this.need("set", "write");
    if (!this.#batch) return this.#setEach(entries);
    using block = new BatchBlock(this.fd, this.#sizes);
    const { keyCodec, valueCodec } = this;
    let filled = 0;
    let total = 0;
    const flush = (): void => {
      if (filled > 0) this.#flushSet(block, filled, total);
      total += filled;
      filled = 0;
    };
    for (const [key, value] of entries) {
      const path = `entry ${total + filled}`;
      keyCodec.write(block.view, block.keysAt + filled * keyCodec.size, key, `${path} key`);
      valueCodec.write(block.view, block.valuesAt + filled * valueCodec.size, value, `${path} value`);
      if (++filled === block.capacity) flush();
    }
    flush();
    return total;
  }

  /** Removes many elements, in batches where the kernel has them. Returns how many were there. */
  deleteAll(keys: Iterable<K>): number {
    this.need("delete", "delete from");
    let deleted = 0;
    if (!this.#batch) {
      for (const key of keys) if (this.delete(key)) deleted++;
      return deleted;
    }
    using block = new BatchBlock(this.fd, this.#sizes);
    let filled = 0;
    for (const key of keys) {
      this.keyCodec.write(block.view, block.keysAt + filled * this.keyCodec.size, key, "key");
      if (++filled < block.capacity) continue;
      deleted += this.#flushDelete(block, filled);
      filled = 0;
    }
    return deleted + this.#flushDelete(block, filled);
  }

  /**
   * The changes of the map, read every `everyMs`: arrays of elements that are new, changed or gone, first of all that are
   * there. Programs notice nothing of it; what changes back between two readings is not seen.
   */
  async *watch(options: WatchOptions): AsyncGenerator<MapChange<K, V>[], void, undefined> {
    this.need("list", "watch");
    const { keyCodec, valueCodec } = this;
    using raw = new BpfMap(this.dupFd(), this.params, bytesCodec(keyCodec.size), bytesCodec(valueCodec.size));
    yield* watchElements(() => raw, keyCodec, valueCodec, options);
  }

  /** The elements as an array of `{key, value}`, for `console.table`. */
  toTable(): { key: K; value: V }[] {
    return Array.from(this, ([key, value]) => ({ key, value }));
  }

  /** The elements as pairs that JSON can carry: bigints as numbers where exact, else as text. */
  toJSON(): unknown {
    return jsonValue([...this]);
  }

  override close(): void {
    this.#access?.close();
    this.#spare?.close();
    this.#access = undefined;
    this.#spare = undefined;
    super.close();
  }

  /** The prepared memory, for the classes of kinds with commands of their own. */
  protected access(): ElementAccess {
    return this.#access ?? (this.#spare ??= this.#prepare());
  }

  /** On the first use of a common operation: refuses it if the kind has it not. The kernel's errno tells later ones. */
  #open(op: "get" | "set" | "delete", action: string): ElementAccess {
    this.need(op, action);
    return this.#access ??= this.#prepare();
  }

  #prepare(): ElementAccess {
    return new ElementAccess(this.fd, this.keyCodec.size, this.valueCodec.size);
  }

  /** The readers of keys and values, for `count` more of them. */
  #warm(count: number): [Reader<K>, Reader<V>] {
    this.#keyReader.warm(count);
    this.#valueReader.warm(count);
    return [this.#keyReader.read, this.#valueReader.read];
  }

  get #sizes(): ElementSizes {
    return { keySize: this.keyCodec.size, valueBytes: this.valueCodec.size, maxEntries: this.maxEntries };
  }

  #getError(errno: number): Error {
    return this.#refused(errno, "BPF_MAP_LOOKUP_ELEM", "get", "read");
  }

  /** Prefers the kind's advice to the kernel's errno where the kind does not have the operation. */
  #refused(errno: number, command: string, op: "get" | "set" | "delete", action: string): Error {
    this.need(op, action);
    return this.error(errno, command, action);
  }

  /** Tries an update again whose bucket was locked; throws what else it was. The element is still in the block. */
  #retryBusy(first: number, flags: number): void {
    const access = this.access();
    let result = first;
    for (let i = 0; result === -EBUSY && i < BUSY_ATTEMPTS; i++) {
      result = access.callWithFlags(BPF_MAP_UPDATE_ELEM, flags);
    }
    if (result < 0) throw this.#refused(result, "BPF_MAP_UPDATE_ELEM", "set", "write");
  }

  *#pieces(command: number): Generator<BatchPiece, void, undefined> {
    if (this.#batch) {
      try {
        const action = command === BPF_MAP_LOOKUP_BATCH ? "read" : "drain";
        yield* readBatches(this.fd, this.#sizes, command, (errno) => {
          throw this.error(errno, "BPF_MAP_LOOKUP_BATCH", action);
        });
        return;
      } catch (error) {
        if (!(error instanceof NoBatchError)) throw error;
        this.#batch = false;
      }
    }
    yield* this.#single(command === BPF_MAP_LOOKUP_AND_DELETE_BATCH);
  }

  /** The same, element by element, for kinds and kernels without batches. */
  *#single(remove: boolean): Generator<BatchPiece, void, undefined> {
    const keySize = this.keyCodec.size;
    const valueBytes = this.valueCodec.size;
    using access = new ElementAccess(this.fd, keySize, valueBytes);
    const piece = { view: access.view, keysAt: access.keyAt, valuesAt: access.valueAt, count: 1 };
    const readable = this.kind?.ops.includes("get") ?? true;
    for (
      const key of listKeys(
        access,
        keySize,
        this.maxEntries,
        (errno) => this.error(errno, "BPF_MAP_GET_NEXT_KEY", "list"),
      )
    ) {
      access.bytes.set(key, access.keyAt);
      if (readable) {
        const result = access.call(BPF_MAP_LOOKUP_ELEM);
        if (result === -ENOENT) continue; // gone meanwhile, or an empty slot of an array of descriptors
        if (result < 0) throw this.error(result, "BPF_MAP_LOOKUP_ELEM", "read");
      }
      if (remove && access.remove() < 0) continue;
      yield piece;
    }
  }

  #setEach(entries: Iterable<readonly [K, V]>): number {
    let count = 0;
    for (const [key, value] of entries) {
      this.set(key, value);
      count++;
    }
    return count;
  }

  #flushSet(block: BatchBlock, filled: number, before: number): void {
    const { count, errno } = writeBatch(block, BPF_MAP_UPDATE_BATCH, filled);
    if (errno === 0) return;
    if (count === 0 && [EINVAL, ENOTSUPP, EOPNOTSUPP].includes(errno)) {
      // No such command for this map: write what is in the block one by one.
      this.#batch = false;
      this.#eachOf(block, filled, (key, value) => this.set(key, value));
      return;
    }
    throw this.error(errno, "BPF_MAP_UPDATE_BATCH", `write entry ${before + count} to`);
  }

  /** BPF_MAP_DELETE_BATCH stops at the first key that is not there; goes on after it. */
  #flushDelete(block: BatchBlock, filled: number): number {
    let deleted = 0;
    for (let from = 0; from < filled;) {
      const keySize = this.keyCodec.size;
      if (from > 0) {
        block.bytes.copyWithin(block.keysAt, block.keysAt + from * keySize, block.keysAt + filled * keySize);
      }
      filled -= from;
      const { count, errno } = writeBatch(block, BPF_MAP_DELETE_BATCH, filled);
      deleted += count;
      if (errno === 0) break;
      if (count === 0 && [EINVAL, ENOTSUPP, EOPNOTSUPP].includes(errno)) {
        this.#batch = false;
        this.#eachOf(block, filled, (key) => {
          if (this.delete(key)) deleted++;
        });
        break;
      }
      if (errno !== ENOENT) throw this.error(errno, "BPF_MAP_DELETE_BATCH", "delete from");
      from = count + 1;
    }
    return deleted;
  }

  #eachOf(block: BatchBlock, count: number, fn: (key: K, value: V) => void): void {
    const { keyCodec, valueCodec } = this;
    for (let i = 0; i < count; i++) {
      const key = keyCodec.read(block.view, block.keysAt + i * keyCodec.size);
      fn(key, valueCodec.read(block.view, block.valuesAt + i * valueCodec.size));
    }
  }

  #zero(): void {
    const access = this.access();
    access.bytes.fill(0, access.valueAt, access.valueAt + this.valueCodec.size);
    for (let index = 0; index < this.maxEntries; index++) {
      access.view.setUint32(access.keyAt, index, true);
      const result = access.call(BPF_MAP_UPDATE_ELEM);
      if (result < 0) throw this.error(result, "BPF_MAP_UPDATE_ELEM", "clear");
    }
  }
}

function jsonValue(value: unknown): unknown {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value.toString();
  }
  if (value instanceof Uint8Array) return Array.from(value);
  if (Array.isArray(value)) return value.map(jsonValue);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, jsonValue(item)]));
}
