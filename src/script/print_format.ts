/** Decodes the records that `print` in kernel functions sent: an id, then the values. Pure. */
import type { Codec } from "../bytes/codec.ts";
import type { PrintFormat } from "../compiler/definitions.ts";
import { FormatError } from "../errors.ts";

/** Bytes every record has: the id and its padding. */
const HEADER = 8;

/** A codec that reads a record as its line. Throws `FormatError` for records that no `print` made. */
export function printCodec(formats: readonly PrintFormat[]): Codec<string> {
  const byId = new Map(formats.map((format) => [format.id, format]));
  return {
    size: HEADER,
    align: 8,
    read(view, offset) {
      const id = view.getUint32(offset, true);
      const format = byId.get(id);
      if (format === undefined) throw new FormatError("print", `a record with id ${id} has no format`);
      let line = format.strings[0]!;
      format.values.forEach((value, i) => {
        line += text(value.layout.read(view, offset + value.offset)) + format.strings[i + 1]!;
      });
      return line;
    },
    write: () => {
      throw new TypeError("Cannot write a printed line: only kernel functions print");
    },
  };
}

/** Numbers and strings as JavaScript prints them, bytes in hexadecimal, structs as JSON. */
function text(value: unknown): string {
  if (value instanceof Uint8Array) return Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  if (typeof value !== "object" || value === null) return String(value);
  return JSON.stringify(value, (_, inner: unknown) => typeof inner === "bigint" ? String(inner) : inner);
}
