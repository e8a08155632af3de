/** Codecs that map kinds need beside those of schemas and BTF: raw bytes, indexes, one value per CPU. */
import type { Codec } from "../bytes/codec.ts";
import { describeValue } from "../bytes/layout.ts";

/** Bytes as they are: a copy when read; when written, exactly `size` of them. */
export function bytesCodec(size: number): Codec<Uint8Array> {
  return {
    size,
    align: 1,
    read: (view, offset) => new Uint8Array(view.buffer, view.byteOffset + offset, size).slice(),
    write(view, offset, value, path = "value") {
      if (!(value instanceof Uint8Array)) {
        throw new TypeError(`Cannot encode ${path}: ${size} bytes are a Uint8Array, not ${describeValue(value)}`);
      }
      if (value.length !== size) {
        throw new RangeError(`Cannot encode ${path}: takes ${size} bytes, not ${value.length}`);
      }
      new Uint8Array(view.buffer, view.byteOffset + offset, size).set(value);
    },
  };
}

/** An unsigned 32-bit number: array indexes, descriptors, ids. */
export const u32Codec: Codec<number> = {
  size: 4,
  align: 4,
  read: (view, offset) => view.getUint32(offset, true),
  write(view, offset, value, path = "value") {
    if (typeof value !== "number") {
      throw new TypeError(`Cannot encode ${path}: takes a number, not ${describeValue(value)}`);
    }
    if (value >>> 0 !== value) throw new RangeError(`Cannot encode ${path}: ${value} does not fit 32 bits unsigned`);
    view.setUint32(offset, value, true);
  },
};

/** No key at all. */
export const noCodec: Codec<undefined> = { size: 0, align: 1, read: () => undefined, write: () => {} };

/**
 * One value for each possible CPU, an array in the script. The kernel gives every slot a multiple of 8 bytes.
 */
export function perCpuCodec<T>(codec: Codec<T>, cpus: number): Codec<T[]> {
  const stride = (codec.size + 7) & ~7;
  return {
    size: stride * cpus,
    align: 8,
    read(view, offset) {
      const values = new Array<T>(cpus);
      for (let cpu = 0; cpu < cpus; cpu++) values[cpu] = codec.read(view, offset + cpu * stride);
      return values;
    },
    write(view, offset, value, path = "value") {
      if (!Array.isArray(value)) {
        throw new TypeError(
          `Cannot encode ${path}: takes an array of ${cpus} values, one per CPU, not ${describeValue(value)}`,
        );
      }
      if (value.length !== cpus) {
        throw new RangeError(`Cannot encode ${path}: takes ${cpus} values, one per CPU, not ${value.length}`);
      }
      for (let cpu = 0; cpu < cpus; cpu++) codec.write(view, offset + cpu * stride, value[cpu] as T, `${path}[${cpu}]`);
    },
  };
}

/** The same value on every CPU. */
export function writeEverywhere<T>(
  codec: Codec<T>,
  cpus: number,
  view: DataView,
  offset: number,
  value: T,
  path = "value",
): void {
  const stride = (codec.size + 7) & ~7;
  for (let cpu = 0; cpu < cpus; cpu++) codec.write(view, offset + cpu * stride, value, path);
}

/**
 * Adds up values of the same shape: numbers and bigints are added, arrays and objects field by field; what cannot be
 * added (strings, booleans, bytes) is taken from the first.
 */
export function sumValues<T>(values: readonly T[]): T | undefined {
  if (values.length === 0) return undefined;
  return values.reduce((a, b) => add(a, b) as T);
}

/** Sums of unsigned integers wrap as in the kernel; those of signed ones may be negative. */
function wrap64(sum: bigint): bigint {
  return sum < 0n ? BigInt.asIntN(64, sum) : BigInt.asUintN(64, sum);
}

function add(a: unknown, b: unknown): unknown {
  if (typeof a === "number" && typeof b === "number") return a + b;
  if (typeof a === "bigint" && typeof b === "bigint") return wrap64(a + b);
  if (Array.isArray(a) && Array.isArray(b)) return a.map((item, i) => add(item, b[i]));
  if (a instanceof Uint8Array || typeof a !== "object" || a === null || typeof b !== "object" || b === null) return a;
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  return Object.fromEntries(Object.keys(left).map((key) => [key, add(left[key], right[key])]));
}
