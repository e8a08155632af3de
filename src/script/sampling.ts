/**
 * Keys that no section name can express, as bpftrace writes them: `profile:hz:99`, `software:faults:100`,
 * `hardware:cycles:1000000`, `watchpoint:0xffff888000000000:8:w`. Gives what to open of a perf event.
 */
import { PERF_TYPE_HARDWARE, PERF_TYPE_HW_CACHE, PERF_TYPE_SOFTWARE } from "../abi/perf.gen.ts";
import { perfEventNames } from "../attach/perf_event_names.ts";
import type { Breakpoint, PerfEventOptions } from "../attach/types.ts";
import { NotFoundError, WaggleError } from "../errors.ts";

/** The kinds, with the form of their keys. */
const FORMS = {
  profile: "profile:hz:99, profile:s:1, profile:ms:10 or profile:us:500",
  software: "software:<event>:<count>",
  hardware: "hardware:<event>:<count>",
  watchpoint: "watchpoint:<address>:<1, 2, 4 or 8 bytes>:<r, w, rw or x>",
} as const;

type SamplingKind = keyof typeof FORMS;

export const SAMPLING_KINDS: readonly string[] = Object.keys(FORMS);

export function isSamplingKind(kind: string): kind is SamplingKind {
  return Object.hasOwn(FORMS, kind);
}

/** Types of events that each kind may name. */
const TYPES: Readonly<Record<"software" | "hardware", readonly number[]>> = {
  software: [PERF_TYPE_SOFTWARE],
  hardware: [PERF_TYPE_HARDWARE, PERF_TYPE_HW_CACHE],
};

/** Nanoseconds of the units that `profile` takes. */
const UNITS: Readonly<Record<string, number>> = { s: 1e9, ms: 1e6, us: 1e3 };

/** Reads a key whose kind is one of `SAMPLING_KINDS`. Throws `WaggleError`, and `NotFoundError` for unknown events. */
export function parseSampling(text: string): PerfEventOptions {
  const [kind, what, ...amounts] = text.split(":") as [SamplingKind, string | undefined, ...string[]];
  if (what === undefined) fail(text, kind);
  if (kind === "watchpoint") return { breakpoint: parseWatchpoint(text, what, amounts), period: 1 };
  const number = Number(amounts[0] ?? "1");
  if (amounts.length > 1 || !Number.isSafeInteger(number) || number < 1) fail(text, kind);
  if (kind === "profile") {
    if (what === "hz") return { event: "cpu-clock", frequency: number };
    const unit = Object.hasOwn(UNITS, what) ? UNITS[what]! : fail(text, kind);
    return { event: "cpu-clock", period: number * unit };
  }
  const events = [...perfEventNames()].filter(([, { type }]) => TYPES[kind].includes(type)).map(([name]) => name);
  if (!events.includes(what)) throw new NotFoundError(`${kind} event`, what, events);
  return { event: what, period: number };
}

function parseWatchpoint(text: string, address: string, [bytes, access, ...rest]: readonly string[]): Breakpoint {
  const isAddress = /^(0x[0-9a-fA-F]+|\d+)$/.test(address);
  if (!isAddress || !/^[1248]$/.test(bytes ?? "") || !/^(r|w|rw|x)$/.test(access ?? "") || rest.length > 0) {
    fail(text, "watchpoint");
  }
  return {
    address: BigInt(address),
    length: Number(bytes) as NonNullable<Breakpoint["length"]>,
    access: access as NonNullable<Breakpoint["access"]>,
  };
}

function fail(text: string, kind: SamplingKind): never {
  throw new WaggleError(`Cannot sample by "${text}": it does not follow the form of ${kind}`, {
    hint: `expected ${FORMS[kind]}`,
  });
}
