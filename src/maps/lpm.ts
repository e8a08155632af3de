/**
 * BPF_MAP_TYPE_LPM_TRIE (4.11): the value of the longest prefix that matches. Keys without a codec of their own are
 * prefixes: text for the sizes of IPv4 and IPv6 addresses ("10.0.0.0/8"), bytes for others.
 */
import type { Codec } from "../bytes/codec.ts";
import { describeValue } from "../bytes/layout.ts";
import { formatIp, parseIp } from "../bytes/ip.ts";

/** A prefix of any length: the bits of `data` that count. */
export interface Prefix {
  readonly prefixLength: number;
  readonly data: Uint8Array;
}

/** What a key may be when written; read back it is text for 4 and 16 bytes of data, a `Prefix` otherwise. */
export type PrefixKey = string | Prefix;

/** struct bpf_lpm_trie_key: u32 prefixlen, then the data, most significant byte first. */
export function prefixCodec(keySize: number): Codec<PrefixKey> {
  const dataSize = keySize - 4;
  const isIp = dataSize === 4 || dataSize === 16;
  return {
    size: keySize,
    align: 4,
    read(view, offset) {
      const prefixLength = view.getUint32(offset, true);
      const data = new Uint8Array(view.buffer, view.byteOffset + offset + 4, dataSize).slice();
      return isIp ? `${formatIp(data)}/${prefixLength}` : { prefixLength, data };
    },
    write(view, offset, value, path = "key") {
      const { prefixLength, data } = toPrefix(value, dataSize, path);
      if (data.length !== dataSize) {
        throw new RangeError(`Cannot encode ${path}: takes ${dataSize} bytes of data, not ${data.length}`);
      }
      if (!Number.isInteger(prefixLength) || prefixLength < 0 || prefixLength > dataSize * 8) {
        throw new RangeError(`Cannot encode ${path}: a prefix has 0 to ${dataSize * 8} bits, not ${prefixLength}`);
      }
      view.setUint32(offset, prefixLength, true);
      new Uint8Array(view.buffer, view.byteOffset + offset + 4, dataSize).set(data);
    },
  };
}

function toPrefix(value: PrefixKey, dataSize: number, path: string): Prefix {
  if (typeof value === "string") {
    const [address = "", length, ...rest] = value.split("/");
    if (rest.length > 0 || (length !== undefined && !/^\d{1,3}$/.test(length))) {
      throw new TypeError(`Cannot encode ${path}: ${JSON.stringify(value)} is no prefix`);
    }
    const data = parseIp(address, path);
    return { prefixLength: length === undefined ? dataSize * 8 : Number(length), data };
  }
  if (typeof value !== "object" || value === null || !(value.data instanceof Uint8Array)) {
    throw new TypeError(`Cannot encode ${path}: takes a prefix ("10.0.0.0/8" or bytes), not ${describeValue(value)}`);
  }
  return value;
}
