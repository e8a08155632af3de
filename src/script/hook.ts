/**
 * Program keys: `kind:target` as scripts write them, to section names as the SEC table has them. Also the sampling
 * hooks that no section name can express (`profile:hz:99`), see `sampling.ts`.
 */
import type { PerfEventOptions } from "../attach/types.ts";
import { nearestNames, NotFoundError } from "../errors.ts";
import { matchSection, sectionBase } from "../object/section_name.ts";
import { SECTIONS } from "../object/sections.ts";
import { isSamplingKind, parseSampling, SAMPLING_KINDS } from "./sampling.ts";

/** What a key stands for. */
export interface Hook {
  /** As the user wrote it. */
  readonly key: string;
  /** SEC name: `tracepoint/syscalls/sys_enter_openat`. */
  readonly section: string;
  /** Valid in C, unique among `taken`. */
  readonly name: string;
  /** Only for kinds of `SAMPLING_KINDS`. */
  readonly sampling: PerfEventOptions | undefined;
}

/** Words of bpftrace for what is called something else here, or is no program in the kernel. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  BEGIN: "what runs first is written before attach()",
  begin: "what runs first is written before attach()",
  END: "what runs last is written after the loop that reads; interrupted() ends it",
  end: "what runs last is written after the loop that reads; interrupted() ends it",
  interval: "use setInterval() in the script; a program that runs on every CPU is profile:hz:99",
  i: "use setInterval() in the script; a program that runs on every CPU is profile:hz:99",
  t: "write tracepoint",
  rawtracepoint: "write raw_tp",
  rt: "write raw_tp",
  k: "write kprobe",
  kr: "write kretprobe",
  u: "write uprobe",
  ur: "write uretprobe",
  U: "write usdt",
  f: "write fentry",
  fr: "write fexit",
  kfunc: "write fentry",
  kretfunc: "write fexit",
  p: "write profile",
  s: "write software",
  h: "write hardware",
  it: "write iter",
  w: "write watchpoint",
  asyncwatchpoint: "write watchpoint",
};

/**
 * The hooks of a key: several where the key lists them, separated by commas. Each gets a name that is not in `taken`,
 * which then holds it too. Throws `NotFoundError` for a kind nobody knows and `WaggleError` for a target that does
 * not follow its kind's grammar.
 */
export function parseKey(key: string, taken: Set<string>): Hook[] {
  return key.split(",").map((part) => {
    const text = part.trim();
    const sampling = isSamplingKind(text.split(":", 1)[0]!) ? parseSampling(text) : undefined;
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
  const elsewhere = Object.hasOwn(ELSEWHERE, kind) ? ELSEWHERE[kind] : undefined;
  const didYouMean = near.length > 0 && colon >= 0
    ? `did you mean ${near.map((n) => `"${n}"`).join(" or ")}?`
    : undefined;
  const hint = elsewhere ?? didYouMean;
  throw new NotFoundError("hook", kind, known.concat(SAMPLING_KINDS), {
    where: `the key "${text}"`,
    ...(hint === undefined ? {} : { hint }),
  });
}

function isTracepoint(kind: string): boolean {
  return kind === "tracepoint" || kind === "tp";
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
