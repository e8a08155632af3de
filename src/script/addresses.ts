/**
 * Layouts of network addresses: bytes in network order in the kernel, text in the script. They take what the kernel
 * keeps as byte arrays; an address that the kernel keeps as a number goes into `u32` and through `ipv4Text`.
 */
import { bytes } from "../bytes/composites.ts";
import type { Layout } from "../bytes/layout.ts";

/** An IPv4 address: `10.0.0.1` in the script. */
export const ipv4: Layout<string, Uint8Array> = addressLayout(4, (data) => data.join("."), parseIpv4);
/** An IPv6 address in the short form of RFC 5952: `fe80::1` in the script; mapped IPv4 as `::ffff:10.0.0.1`. */
export const ipv6: Layout<string, Uint8Array> = addressLayout(16, ipv6Text, parseIpv6);
/** A hardware address: `02:00:5e:10:00:01` in the script. */
export const mac: Layout<string, Uint8Array> = addressLayout(6, macText, parseMac);

function addressLayout(
  length: number,
  format: (data: Uint8Array) => string,
  parse: (text: string) => Uint8Array | undefined,
): Layout<string, Uint8Array> {
  const raw = bytes(length);
  return {
    desc: raw.desc,
    size: length,
    align: 1,
    read: (view, offset) => format(new Uint8Array(view.buffer, view.byteOffset + offset, length)),
    write(view, offset, value, path) {
      const data = typeof value === "string" ? parse(value) : undefined;
      if (data === undefined) {
        throw new TypeError(
          `Cannot encode ${path ?? "value"}: ${JSON.stringify(value)} is no address of ${length} bytes`,
        );
      }
      raw.write(view, offset, data, path);
    },
  };
}

/** The text of an IPv4 address that the kernel keeps as a number in network byte order. */
export function ipv4Text(address: number): string {
  return [0, 8, 16, 24].map((shift) => address >>> shift & 0xff).join(".");
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) {
    return undefined;
  }
  return Uint8Array.from(parts, Number);
}

/** Lower-case hexadecimal groups, the longest run of at least two zero groups shortened. */
function ipv6Text(data: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => data[2 * i]! << 8 | data[2 * i + 1]!);
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${data.slice(12).join(".")}`;
  }
  let [from, length] = [0, 1];
  for (let start = 0; start < 8; start++) {
    let end = start;
    while (end < 8 && groups[end] === 0) end++;
    if (end - start > length) [from, length] = [start, end - start];
  }
  const text = (list: number[]) => list.map((group) => group.toString(16)).join(":");
  return length === 1 ? text(groups) : `${text(groups.slice(0, from))}::${text(groups.slice(from + length))}`;
}

function parseIpv6(text: string): Uint8Array | undefined {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const last = dotted === null ? undefined : parseIpv4(dotted[2]!);
  if (dotted !== null && last === undefined) return undefined;
  const hex = last === undefined
    ? text
    : `${dotted![1]}${(last[0]! << 8 | last[1]!).toString(16)}:${(last[2]! << 8 | last[3]!).toString(16)}`;
  const halves = hex.split("::").map((half) => half === "" ? [] : half.split(":"));
  const given = halves.flat();
  if (halves.length > 2 || !given.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  if (halves.length === 1 ? given.length !== 8 : given.length > 7) return undefined;
  const groups = [...halves[0]!, ...Array<string>(8 - given.length).fill("0"), ...halves[1] ?? []];
  return Uint8Array.from(groups.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]));
}

function macText(data: Uint8Array): string {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}

function parseMac(text: string): Uint8Array | undefined {
  const parts = text.split(":");
  if (parts.length !== 6 || !parts.every((part) => /^[0-9a-fA-F]{2}$/.test(part))) return undefined;
  return Uint8Array.from(parts, (part) => parseInt(part, 16));
}
