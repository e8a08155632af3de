/**
 * The verifier's log: fetched with a growing buffer, cut down to the lines that say why, and explained: markers that
 * relocation planted become the name of the type, map or function that is missing; known complaints get a hint.
 */
import { kernelVersion } from "../kernel/version.ts";
import { CORE_POISON } from "../object/core_apply.ts";
import { KFUNC_POISON, MAP_POISON } from "../object/relocate.ts";
import type { LoadResult, ProgLoadAttr } from "../syscall/bpf_prog.ts";
import { progLoadWithLog } from "../syscall/bpf_prog.ts";
import { privilegeHint } from "./privileges.ts";
import { hintsForLog } from "./verifier_hints.ts";

const FIRST_SIZE = 1 << 18;
/** The kernel accepts no more (UINT_MAX >> 2 since 5.2, UINT_MAX >> 8 before). */
const LAST_SIZE = (2 ** 32 - 1) >>> 8;
/** Lines of the log that the message shows. */
const SUMMARY_LINES = 8;

/** Loads with a log of the given level, again with more room as long as the log does not fit. */
export function loadWithLog(attr: ProgLoadAttr, level: number): LoadResult {
  for (let size = FIRST_SIZE;;) {
    const result = progLoadWithLog(attr, { level, size });
    if (!result.truncated || size >= LAST_SIZE) return result;
    result.fd?.close();
    size = Math.min(LAST_SIZE, Math.max(size * 4, (result.logSize ?? 0) + 4096));
  }
}

/** What the markers in a program stand for. */
export interface MarkerNames {
  /** What a poisoned instruction was to access, by its slot in the program. */
  core(insn: number): string | undefined;
  map(index: number): string | undefined;
  extern(index: number): string | undefined;
}

/** The log with markers explained, and the part of it that says why. */
export interface ExplainedLog {
  log: string;
  summary: string;
  hint: string | undefined;
}

/** Reads a log. `errno` is that of the failed load, `type` the program's. */
export function explainLog(raw: string, errno: number, names: MarkerNames, type = 0): ExplainedLog {
  const found: string[] = [];
  const lines = raw.replace(/\n+$/, "").split("\n");
  const explained = explainMarkers(lines, names, found);
  const log = explained.join("\n");
  const { trace, report } = splitReport(explained);
  const privilege = privilegeHint(errno, raw, type);
  const known = found[0] ?? privilege ?? hintsForLog(trace.join("\n")) ?? suggestion(report);
  return { log, summary: summarize(explained), hint: known };
}

/** Since Linux 7.3 a report in words follows the trace. */
function splitReport(lines: readonly string[]): { trace: readonly string[]; report: readonly string[] } {
  const start = lines.findIndex((line) => line.startsWith("Verification failed:"));
  return start < 0 ? { trace: lines, report: [] } : { trace: lines.slice(0, start), report: lines.slice(start) };
}

/** The lines of one part of the report, which starts at the margin and is indented. */
function reportPart(report: readonly string[], title: string): string[] {
  const start = report.indexOf(title);
  if (start < 0) return [];
  const rest = report.slice(start + 1);
  const end = rest.findIndex((line) => line !== "" && !line.startsWith(" "));
  return rest.slice(0, end < 0 ? rest.length : end).map((line) => line.trim()).filter((line) => line !== "");
}

function suggestion(report: readonly string[]): string | undefined {
  const text = reportPart(report, "Suggestion:").join(" ");
  return text === "" ? undefined : text;
}

/** `8: <call 195896080>`, `invalid func unknown#195896080`: the verifier reached an instruction that relocation poisoned. */
function explainMarkers(lines: readonly string[], names: MarkerNames, hints: string[]): string[] {
  return lines.map((line, i) => {
    const number = Number(/(?:invalid|unknown) func unknown#(\d+)/.exec(line)?.[1]);
    if (Number.isNaN(number)) return line;
    const marker = explainMarker(number, slotBefore(lines, i), names);
    if (marker === undefined) return line;
    hints.push(marker.hint);
    return marker.text;
  });
}

function explainMarker(number: number, slot: number, names: MarkerNames): { text: string; hint: string } | undefined {
  if (number === CORE_POISON) {
    const what = names.core(slot) ?? "a type";
    return {
      text: `instruction ${slot} accesses ${what}, which Linux ${kernelVersion().text} does not have in this form`,
      hint:
        `guard the access with bpf_core_field_exists() or bpf_core_type_exists(), or use the kernel's own definition`,
    };
  }
  if (number >= KFUNC_POISON && number < KFUNC_POISON + 1_000_000) {
    const name = names.extern(number - KFUNC_POISON) ?? "a kernel function";
    return {
      text: `instruction ${slot} calls kernel function "${name}", which Linux ${kernelVersion().text} does not have`,
      hint: `guard the call with bpf_ksym_exists(${name})`,
    };
  }
  if (number >= MAP_POISON && number < MAP_POISON + 1_000_000) {
    const name = names.map(number - MAP_POISON) ?? "a map";
    return {
      text: `instruction ${slot} uses map "${name}", which was not created`,
      hint: `take create: false of map "${name}" away, or do not load this program`,
    };
  }
  return undefined;
}

/** The instruction that a message is about: the verifier prints it before it complains. */
function slotBefore(lines: readonly string[], at: number): number {
  for (let i = at; i >= 0 && i > at - 10; i--) {
    const slot = /^\s*(\d+): /.exec(lines[i]!)?.[1];
    if (slot !== undefined) return Number(slot);
  }
  return -1;
}

const STATISTICS = /^(processed \d+ insns|verification time|stack depth|insns processed|max_states|mark_read)/;

/** The last lines that say something: the complaint, the instruction it is about, and the source line before it. */
export function summarize(lines: readonly string[]): string {
  const { trace, report } = splitReport(lines);
  let end = trace.length;
  while (end > 0 && (trace[end - 1]!.trim() === "" || STATISTICS.test(trace[end - 1]!))) end--;
  let start = Math.max(0, end - SUMMARY_LINES);
  // Start at a source line if one is near: "; x = y; @ file.c:12".
  for (let i = end - 1; i >= start; i--) {
    if (!trace[i]!.startsWith(";")) continue;
    start = i;
    break;
  }
  const omitted = start > 0 ? [`(${start} lines before; the error's log has all)`] : [];
  return [...omitted, ...trace.slice(start, end), ...report.slice(0, 1), ...reportPart(report, "Reason:")].join("\n");
}
