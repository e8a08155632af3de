/** What the command prints: lines, tables, JSON. */

/** Prints text; a last line feed is not doubled. */
export function print(text: string): void {
  console.log(text.endsWith("\n") ? text.slice(0, -1) : text);
}

/** Prints to standard error. */
export function printError(text: string): void {
  console.error(text);
}

/** Columns padded to their widest cell; two spaces between. */
export function table(head: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const cells = [head, ...rows.map((row) => row.map((cell) => cell === undefined ? "" : String(cell)))];
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  return cells.map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)).join("  ").trimEnd()).join("\n");
}

/** `name: value` lines of an object; what is undefined is left out. */
export function fields(record: object): string {
  const shown = Object.entries(record).filter(([, value]) => value !== undefined);
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${name.padEnd(width)}  ${typeof value === "string" ? value : json(value)}`).join(
    "\n",
  );
}

/** JSON in which 64-bit integers are numbers where those are exact and else strings, and bytes hexadecimal digits. */
export function json(value: unknown, indent?: number): string {
  return JSON.stringify(value, (_, item: unknown) => plain(item), indent);
}

function plain(item: unknown): unknown {
  if (typeof item === "bigint") {
    return item <= BigInt(Number.MAX_SAFE_INTEGER) && item >= -BigInt(Number.MAX_SAFE_INTEGER)
      ? Number(item)
      : `${item}`;
  }
  if (item instanceof Uint8Array) return Array.from(item, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (item instanceof Map) return Object.fromEntries(item);
  return item;
}
