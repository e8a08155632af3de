/**
 * The attachers by attach kind, and the way in: `attachProgram` with options, `attachFromSection` by the section name
 * alone. To add a hook, add its row to the section table; this registry then does not compile until its attacher is
 * here.
 */
import { NotFoundError, NotSupportedError } from "../errors.ts";
import { parseTarget, sectionBase, type SectionTarget } from "../object/section_name.ts";
import type { AttachKind } from "../object/sections.ts";
import { cgroup } from "./cgroup.ts";
import { iter } from "./iter.ts";
import { kprobe, ksyscall } from "./kprobe.ts";
import { kprobeMulti } from "./kprobe_multi.ts";
import type { Link } from "./link.ts";
import { lirc } from "./lirc.ts";
import { lwt } from "./lwt.ts";
import { netfilter } from "./netfilter.ts";
import { netns } from "./netns.ts";
import { perfEvent } from "./perf_event.ts";
import { rawTracepoint } from "./raw_tracepoint.ts";
import { skReuseport, socketFilter } from "./socket.ts";
import { sockmap } from "./sockmap.ts";
import { structOps } from "./struct_ops.ts";
import { netkit, tcx } from "./tcx.ts";
import { freplace, trace } from "./trace.ts";
import { traceMulti } from "./trace_multi.ts";
import { tracepoint } from "./tracepoint.ts";
import type { AttachableProgram, Attacher, AttachOptions } from "./types.ts";
import { uprobe } from "./uprobe.ts";
import { uprobeMulti } from "./uprobe_multi.ts";
import { usdt } from "./usdt.ts";
import { xdp } from "./xdp.ts";

/** Every kind that attaches. */
const ATTACHERS = {
  kprobe,
  kprobe_multi: kprobeMulti,
  ksyscall,
  uprobe,
  uprobe_multi: uprobeMulti,
  usdt,
  tracepoint,
  raw_tracepoint: rawTracepoint,
  trace,
  trace_multi: traceMulti,
  freplace,
  iter,
  perf_event: perfEvent,
  xdp,
  tc: tcx,
  tcx,
  netkit,
  cgroup,
  netns,
  netfilter,
  sockmap,
  sk_reuseport: skReuseport,
  socket_filter: socketFilter,
  lwt,
  lirc,
  struct_ops: structOps,
} as const satisfies Record<Exclude<AttachKind, "none">, Attacher<never>>;

/** A kind that attaches. */
export type AttachableKind = keyof typeof ATTACHERS;

/** Names of the options that a kind takes. */
export function attacherOptions(kind: AttachableKind): readonly string[] {
  return ATTACHERS[kind].options;
}

/**
 * Attaches a program. What the section name does not say comes from the options; `options.kind` chooses another hook
 * that the program's type allows (a `kprobe.multi` program for example has none). Throws `TypeError` for wrong options,
 * `NotFoundError`, `NotSupportedError` and `SyscallError`; nothing is left behind when it throws.
 */
export function attachProgram(prog: AttachableProgram, options: AttachOptions = {}): Link {
  const { kind: wanted, ...rest } = options;
  const kind = wanted ?? prog.def?.attach ?? "none";
  if (!Object.hasOwn(ATTACHERS, kind)) return notAttachable(prog, kind);
  const attacher: Attacher<never> = ATTACHERS[kind as AttachableKind];
  checkOptions(prog, kind, attacher.options, rest);
  const sameKind = prog.def !== undefined && prog.def.attach === kind;
  const target: SectionTarget = sameKind ? parseTarget(prog.def, prog.target) : { kind: "none" };
  return attacher.attach(prog, target, rest as never);
}

/**
 * Attaches a program to what its section name says. Undefined if the name alone does not say enough (`xdp`, or `kprobe`
 * without a function): such programs are attached with options.
 */
export function attachFromSection(prog: AttachableProgram): Link | undefined {
  const { def } = prog;
  if (def === undefined || !def.auto) return undefined;
  // fentry, lsm and kin know their target since they were loaded; a bare probe section has none.
  if (prog.target === "" && def.sec.endsWith("+")) return undefined;
  return attachProgram(prog);
}

function checkOptions(prog: AttachableProgram, kind: string, known: readonly string[], options: object): void {
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const { hint } = new NotFoundError("option", name, known);
    throw new TypeError(
      `Cannot attach program "${prog.name}": ${kind} has no option "${name}"` +
        (hint !== undefined ? ` (${hint})` : known.length > 0 ? ` (it has ${known.join(", ")})` : ""),
    );
  }
}

function notAttachable(prog: AttachableProgram, kind: string): never {
  if (kind !== "none") throw new NotFoundError("attach kind", kind, Object.keys(ATTACHERS));
  const where = prog.def === undefined
    ? `section "${prog.sectionName}" is not in the table of sections`
    : `programs of section "${sectionBase(prog.def)}" are not attached`;
  throw new NotSupportedError(`attaching program "${prog.name}"`, {
    message: `Cannot attach program "${prog.name}": ${where}`,
    hint: prog.def === undefined ? 'say how with option "kind"' : prog.def.doc,
  });
}
