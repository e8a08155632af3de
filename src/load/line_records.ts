/**
 * Line information of functions that were not read from a file: their file names and source lines must become strings
 * of the BTF that is loaded with them. What was read from a file has its strings there already.
 */
import type { FunctionSpec, LineRecords, ObjectSpec } from "../object/spec.ts";
import type { BtfExtras } from "./sanitize_btf.ts";

/** Longest source line kept: the kernel copies each line it prints into a log. */
const MAX_TEXT = 256;

/** Records by function, filled when `strings` is called. */
export function internLines(
  spec: ObjectSpec,
  functions: readonly FunctionSpec[],
): { records: Map<FunctionSpec, LineRecords>; strings: BtfExtras["strings"] } {
  const records = new Map<FunctionSpec, LineRecords>();
  const without = functions.filter((fn) => fn.lineRecords === undefined && fn.lines.length > 0);
  if (without.length === 0 || spec.btf === undefined) return { records, strings: undefined };
  return {
    records,
    strings(intern) {
      for (const fn of without) records.set(fn, toRecords(fn, intern));
    },
  };
}

function toRecords(fn: FunctionSpec, intern: (text: string) => number): LineRecords {
  const { lines } = fn;
  return {
    insn: Uint32Array.from(lines, (l) => l.insn),
    fileOff: Uint32Array.from(lines, (l) => intern(l.file.replaceAll("\0", ""))),
    lineOff: Uint32Array.from(lines, (l) => intern(l.text.replaceAll("\0", "").slice(0, MAX_TEXT))),
    // 22 bits of line, 10 of column.
    lineCol: Uint32Array.from(lines, (l) => ((Math.min(l.line, 0x3fffff) << 10) | Math.min(l.column, 0x3ff)) >>> 0),
  };
}
