/** Formats the records that `print` in kernel functions sent: an id, then the values. Pure. */
import type { PrintFormat } from "../compiler/definitions.ts";
import { FormatError } from "../errors.ts";

/** Makes the function that turns a record into its line. Throws `FormatError` for records that no `print` made. */
export function printFormatter(formats: readonly PrintFormat[]): (record: DataView) => string {
  const byId = new Map(formats.map((format) => [format.id, format]));
  return (record) => {
    const id = record.byteLength >= 4 ? record.getUint32(0, true) : -1;
    const format = byId.get(id);
    if (format === undefined || record.byteLength < format.size) {
      throw new FormatError("print", `a record of ${record.byteLength} bytes with id ${id} has no format`);
    }
    let line = format.strings[0]!;
    format.values.forEach(({ offset, layout }, i) => {
      line += text(layout.read(record, offset)) + format.strings[i + 1]!;
    });
    return line;
  };
}

/** Numbers and strings as JavaScript prints them, bytes in hexadecimal, structs as JSON. */
function text(value: unknown): string {
  if (value instanceof Uint8Array) return Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  if (typeof value !== "object" || value === null) return String(value);
  return JSON.stringify(value, (_, inner: unknown) => typeof inner === "bigint" ? String(inner) : inner);
}
