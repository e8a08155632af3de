/**
 * Layouts of network addresses: bytes in network order in the kernel, text in the script. They take what the kernel
 * keeps as byte arrays; an address that the kernel keeps as a number goes into `u32` and through `ipv4Text`.
 */
import { bytes } from "../bytes/composites.ts";
import type { Layout } from "../bytes/layout.ts";
import { formatIp, parseIp } from "../bytes/ip.ts";

/** An IPv4 address: `10.0.0.1` in the script. */
export const ipv4: Layout<string, Uint8Array> = addressLayout(
  4,
  formatIp,
  (text, path) => ofLength(4, parseIp(text, path)),
);
/** An IPv6 address in the short form of RFC 5952: `fe80::1` in the script; mapped IPv4 as `::ffff:10.0.0.1`. */
export const ipv6: Layout<string, Uint8Array> = addressLayout(
  16,
  formatIp,
  (text, path) => ofLength(16, parseIp(text, path)),
);
/** A hardware address: `02:00:5e:10:00:01` in the script. */
export const mac: Layout<string, Uint8Array> = addressLayout(6, macText, parseMac);

function addressLayout(
  length: number,
  format: (data: Uint8Array) => string,
  parse: (text: string, path: string | undefined) => Uint8Array | undefined,
): Layout<string, Uint8Array> {
  const raw = bytes(length);
  return {
    desc: raw.desc,
    size: length,
    align: 1,
    read: (view, offset) => format(new Uint8Array(view.buffer, view.byteOffset + offset, length)),
    write(view, offset, value, path) {
      const data = typeof value === "string" ? parse(value, path) : undefined;
      if (data === undefined) {
        throw new TypeError(
          `Cannot encode ${path ?? "value"}: ${JSON.stringify(value)} is no address of ${length} bytes`,
        );
      }
      raw.write(view, offset, data, path);
    },
  };
}

function ofLength(length: number, data: Uint8Array): Uint8Array | undefined {
  return data.length === length ? data : undefined;
}

/**
 * The text of an IPv4 address that the kernel keeps as a number in network byte order.
 *
 * @example
 * ```ts
 * import { ipv4Text } from "@waggle/waggle";
 *
 * const text = ipv4Text(0x0100007f); // "127.0.0.1"
 * ```
 */
export function ipv4Text(address: number): string {
  return [0, 8, 16, 24].map((shift) => address >>> shift & 0xff).join(".");
}

function macText(data: Uint8Array): string {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}

function parseMac(text: string): Uint8Array | undefined {
  const parts = text.split(":");
  if (parts.length !== 6 || !parts.every((part) => /^[0-9a-fA-F]{2}$/.test(part))) return undefined;
  return Uint8Array.from(parts, (part) => parseInt(part, 16));
}
