/** tracepoint, tp: a perf event of the tracepoint's number (Linux 4.7). */
import { PERF_TYPE_TRACEPOINT } from "../abi/perf.gen.ts";
import { openTracefs } from "../kernel/tracefs.ts";
import type { Fd } from "../syscall/fd.ts";
import { perfEventOpen } from "../syscall/perf_event.ts";
import { missing } from "./attempt.ts";
import { attachPerfEvents } from "./perf_link.ts";
import type { Attacher, TracepointOptions } from "./types.ts";

/** An event of a tracepoint. A program on it runs on every CPU, whatever CPU the event is of. */
export function openTracepoint(id: number, what: string): Fd {
  return perfEventOpen({ type: PERF_TYPE_TRACEPOINT, config: id, sample_period: 1 }, { pid: -1, cpu: 0 }, what);
}

export const tracepoint: Attacher<TracepointOptions> = {
  options: ["category", "name", "cookie"],
  attach(prog, target, options) {
    const named = target.kind === "tracepoint" ? target : undefined;
    const category = options.category ?? named?.category ?? missing(prog, "category", '"syscalls"');
    const name = options.name ?? named?.name ?? missing(prog, "name", '"sys_enter_openat"');
    const what = `tracepoint "${category}:${name}"`;
    using tracefs = openTracefs();
    const event = openTracepoint(tracefs.eventId(category, name), what);
    return attachPerfEvents(prog, [event], { what, cookie: options.cookie });
  },
};
