/** The changes of a map, found by reading it again and again and comparing bytes. */
import type { Codec } from "../bytes/codec.ts";
import type { ReadOptions } from "./events.ts";

/** One element that is new, has another value, or is gone. */
export interface MapChange<K, V> {
  readonly kind: "set" | "delete";
  readonly key: K;
  /** The value now; undefined if it is gone. */
  readonly value: V | undefined;
  /** The value before; undefined if it is new. */
  readonly previous: V | undefined;
}

/** Options of `watch`. */
export interface WatchOptions extends Pick<ReadOptions, "signal"> {
  /** Pause between two readings, in ms. */
  readonly everyMs: number;
}

/** The elements of a map as bytes. */
export type RawElements = Iterable<readonly [key: Uint8Array, value: Uint8Array]>;

/**
 * Yields the changes since the last reading, if there are any; first everything that is there. What changes and changes
 * back between two readings is not seen.
 */
export async function* watchElements<K, V>(
  read: () => RawElements,
  keyCodec: Codec<K>,
  valueCodec: Codec<V>,
  { everyMs, signal }: WatchOptions,
): AsyncGenerator<MapChange<K, V>[], void, undefined> {
  if (!(everyMs >= 1)) throw new RangeError(`Cannot watch a map every ${everyMs} ms`);
  let before = new Map<string, readonly [Uint8Array, Uint8Array]>();
  while (!signal?.aborted) {
    const now = new Map<string, readonly [Uint8Array, Uint8Array]>();
    for (const element of read()) now.set(String.fromCharCode(...element[0]), element);
    const changes = compare(before, now, keyCodec, valueCodec);
    before = now;
    if (changes.length > 0) yield changes;
    await pause(everyMs, signal);
  }
}

function compare<K, V>(
  before: ReadonlyMap<string, readonly [Uint8Array, Uint8Array]>,
  now: ReadonlyMap<string, readonly [Uint8Array, Uint8Array]>,
  keyCodec: Codec<K>,
  valueCodec: Codec<V>,
): MapChange<K, V>[] {
  const changes: MapChange<K, V>[] = [];
  for (const [id, [key, value]] of now) {
    const old = before.get(id)?.[1];
    if (old !== undefined && equal(old, value)) continue;
    const previous = old === undefined ? undefined : decode(valueCodec, old);
    changes.push({ kind: "set", key: decode(keyCodec, key), value: decode(valueCodec, value), previous });
  }
  for (const [id, [key, value]] of before) {
    if (now.has(id)) continue;
    changes.push({ kind: "delete", key: decode(keyCodec, key), value: undefined, previous: decode(valueCodec, value) });
  }
  return changes;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function decode<T>(codec: Codec<T>, bytes: Uint8Array): T {
  return codec.read(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);
}

/** Sleeps; an abort ends it. */
function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
  });
}
