/**
 * Program keys: `kind:target` as scripts write them, to section names as the SEC table has them. Also the sampling
 * hooks that no section name can express (`profile:hz:99`), with the perf event they stand for.
 */
import {
  PERF_COUNT_HW_BRANCH_INSTRUCTIONS,
  PERF_COUNT_HW_BRANCH_MISSES,
  PERF_COUNT_HW_BUS_CYCLES,
  PERF_COUNT_HW_CACHE_MISSES,
  PERF_COUNT_HW_CACHE_REFERENCES,
  PERF_COUNT_HW_CPU_CYCLES,
  PERF_COUNT_HW_INSTRUCTIONS,
  PERF_COUNT_HW_REF_CPU_CYCLES,
  PERF_COUNT_HW_STALLED_CYCLES_BACKEND,
  PERF_COUNT_HW_STALLED_CYCLES_FRONTEND,
  PERF_COUNT_SW_ALIGNMENT_FAULTS,
  PERF_COUNT_SW_CONTEXT_SWITCHES,
  PERF_COUNT_SW_CPU_CLOCK,
  PERF_COUNT_SW_CPU_MIGRATIONS,
  PERF_COUNT_SW_EMULATION_FAULTS,
  PERF_COUNT_SW_PAGE_FAULTS,
  PERF_COUNT_SW_PAGE_FAULTS_MAJ,
  PERF_COUNT_SW_PAGE_FAULTS_MIN,
  PERF_COUNT_SW_TASK_CLOCK,
  PERF_TYPE_HARDWARE,
  PERF_TYPE_SOFTWARE,
} from "../abi/perf.gen.ts";
import { nearestNames, NotFoundError, WaggleError } from "../errors.ts";
import { matchSection, sectionBase } from "../object/section_name.ts";
import { SECTIONS } from "../object/sections.ts";

/** A perf event to open on every CPU. */
export interface Sampling {
  /** `PERF_TYPE_*`. */
  readonly type: number;
  /** `PERF_COUNT_*`. */
  readonly config: number;
  /** Samples a second; exclusive with `period`. */
  readonly frequency: number | undefined;
  /** Events (nanoseconds for clocks) between samples. */
  readonly period: number | undefined;
}

/** What a key stands for. */
export interface Hook {
  /** As the user wrote it. */
  readonly key: string;
  /** SEC name: `tracepoint/syscalls/sys_enter_openat`. */
  readonly section: string;
  /** Valid in C, unique among `taken`. */
  readonly name: string;
  /** Only for `profile`, `software` and `hardware`. */
  readonly sampling: Sampling | undefined;
}

const SOFTWARE: Readonly<Record<string, number>> = {
  "cpu-clock": PERF_COUNT_SW_CPU_CLOCK,
  "cpu": PERF_COUNT_SW_CPU_CLOCK,
  "task-clock": PERF_COUNT_SW_TASK_CLOCK,
  "page-faults": PERF_COUNT_SW_PAGE_FAULTS,
  "faults": PERF_COUNT_SW_PAGE_FAULTS,
  "context-switches": PERF_COUNT_SW_CONTEXT_SWITCHES,
  "cs": PERF_COUNT_SW_CONTEXT_SWITCHES,
  "cpu-migrations": PERF_COUNT_SW_CPU_MIGRATIONS,
  "minor-faults": PERF_COUNT_SW_PAGE_FAULTS_MIN,
  "major-faults": PERF_COUNT_SW_PAGE_FAULTS_MAJ,
  "alignment-faults": PERF_COUNT_SW_ALIGNMENT_FAULTS,
  "emulation-faults": PERF_COUNT_SW_EMULATION_FAULTS,
};

const HARDWARE: Readonly<Record<string, number>> = {
  "cpu-cycles": PERF_COUNT_HW_CPU_CYCLES,
  "cycles": PERF_COUNT_HW_CPU_CYCLES,
  "instructions": PERF_COUNT_HW_INSTRUCTIONS,
  "cache-references": PERF_COUNT_HW_CACHE_REFERENCES,
  "cache-misses": PERF_COUNT_HW_CACHE_MISSES,
  "branch-instructions": PERF_COUNT_HW_BRANCH_INSTRUCTIONS,
  "branches": PERF_COUNT_HW_BRANCH_INSTRUCTIONS,
  "branch-misses": PERF_COUNT_HW_BRANCH_MISSES,
  "bus-cycles": PERF_COUNT_HW_BUS_CYCLES,
  "frontend-stalls": PERF_COUNT_HW_STALLED_CYCLES_FRONTEND,
  "backend-stalls": PERF_COUNT_HW_STALLED_CYCLES_BACKEND,
  "ref-cycles": PERF_COUNT_HW_REF_CPU_CYCLES,
};

/** Nanoseconds of the units that `profile` takes. */
const UNITS: Readonly<Record<string, number>> = { s: 1e9, ms: 1e6, us: 1e3 };

/**
 * The hooks of a key: several where the key lists them, separated by commas. Each gets a name that is not in `taken`,
 * which then holds it too. Throws `NotFoundError` for a kind nobody knows and `WaggleError` for a target that does
 * not follow its kind's grammar.
 */
export function parseKey(key: string, taken: Set<string>): Hook[] {
  return key.split(",").map((part) => {
    const text = part.trim();
    const sampling = parseSampling(text);
    const section = sampling === undefined ? sectionOf(text) : "perf_event";
    return { key, section, name: nameFor(text, taken), sampling };
  });
}

/** The SEC name of one hook. What follows a name that takes no target is only a label: `xdp:ipv4` is section `xdp`. */
function sectionOf(text: string): string {
  const colon = text.indexOf(":");
  const kind = colon < 0 ? text : text.slice(0, colon);
  const target = colon < 0 ? "" : text.slice(colon + 1);
  const section = target === "" ? kind : `${kind}/${isTracepoint(kind) ? target.replace(":", "/") : target}`;
  if (matchSection(section) !== undefined) return section;
  if (matchSection(kind) !== undefined) return kind;
  const known = SECTIONS.map((def) => sectionBase(def).replace("/", ":"));
  const near = nearestNames(text, known);
  throw new NotFoundError("hook", kind, known.concat("profile", "software", "hardware"), {
    where: `the key "${text}"`,
    ...(near.length > 0 && colon >= 0 ? { hint: `did you mean ${near.map((n) => `"${n}"`).join(" or ")}?` } : {}),
  });
}

function isTracepoint(kind: string): boolean {
  return kind === "tracepoint" || kind === "tp";
}

/** `profile:hz:99`, `profile:ms:10`, `software:faults:100`, `hardware:cycles:1000000`. */
function parseSampling(text: string): Sampling | undefined {
  const [kind, what, amount, ...rest] = text.split(":");
  if (kind !== "profile" && kind !== "software" && kind !== "hardware") return undefined;
  const number = Number(amount ?? "1");
  if (what === undefined || rest.length > 0 || !Number.isSafeInteger(number) || number < 1) fail(text, kind);
  if (kind !== "profile") {
    const events = kind === "software" ? SOFTWARE : HARDWARE;
    const config = Object.hasOwn(events, what) ? events[what] : undefined;
    if (config === undefined) throw new NotFoundError(`${kind} event`, what, Object.keys(events));
    const type = kind === "software" ? PERF_TYPE_SOFTWARE : PERF_TYPE_HARDWARE;
    return { type, config, frequency: undefined, period: number };
  }
  const clock = { type: PERF_TYPE_SOFTWARE, config: PERF_COUNT_SW_CPU_CLOCK };
  if (what === "hz") return { ...clock, frequency: number, period: undefined };
  const unit = Object.hasOwn(UNITS, what) ? UNITS[what] : undefined;
  if (unit === undefined) fail(text, kind);
  return { ...clock, frequency: undefined, period: number * unit };
}

function fail(text: string, kind: "profile" | "software" | "hardware"): never {
  const grammar = kind === "profile"
    ? "profile:hz:99, profile:s:1, profile:ms:10 or profile:us:500"
    : `${kind}:<event>:<count>`;
  throw new WaggleError(`Cannot sample by "${text}": it does not follow the form of ${kind}`, {
    hint: `expected ${grammar}`,
  });
}

/** The last part of the key says most, and kernel names hold only 15 bytes; the whole key where that is taken. */
function nameFor(text: string, taken: Set<string>): string {
  const parts = text.split(":");
  const numeric = /^\d+$/.test(parts.at(-1)!);
  const wanted = [numeric ? text : parts.at(-1)!, text].map(identifier);
  let name = wanted.find((candidate) => !taken.has(candidate));
  for (let n = 2; name === undefined; n++) {
    if (!taken.has(`${wanted[1]}_${n}`)) name = `${wanted[1]}_${n}`;
  }
  taken.add(name);
  return name;
}

function identifier(text: string): string {
  const name = text.replace(/\W+/g, "_").replace(/^_+|_+$/g, "");
  return /^[A-Za-z]/.test(name) ? name : `p_${name}`;
}
