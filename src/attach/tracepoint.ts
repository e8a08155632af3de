/** tracepoint, tp: a perf event of the tracepoint's number (Linux 4.7). */
import { PERF_TYPE_TRACEPOINT } from "../abi/perf.gen.ts";
import { openTracefs, type Tracefs } from "../kernel/tracefs.ts";
import type { Fd } from "../syscall/fd.ts";
import { perfEventOpen } from "../syscall/perf_event.ts";
import { NotFoundError } from "../errors.ts";
import { missing } from "./attempt.ts";
import { globToRegExp, isGlob } from "./glob.ts";
import { Link } from "./link.ts";
import { attachPerfEvents } from "./perf_link.ts";
import type { AttachableProgram, Attacher, Cookie, TracepointOptions } from "./types.ts";

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
    using tracefs = openTracefs();
    if (!isGlob(category) && !isGlob(name)) return attachOne(prog, tracefs, category, name, options.cookie);
    const found = matchingTracepoints(tracefs, category, name);
    if (found.length === 0) throw new NotFoundError("tracepoint", `${category}:${name}`, []);
    const links: Link[] = [];
    try {
      for (const one of found) links.push(attachOne(prog, tracefs, one.category, one.name, options.cookie));
    } catch (error) {
      for (const link of links) link.close();
      throw error;
    }
    return Link.group(`tracepoints "${category}:${name}"`, links);
  },
};

function attachOne(
  prog: AttachableProgram,
  tracefs: Tracefs,
  category: string,
  name: string,
  cookie: Cookie | undefined,
): Link {
  const what = `tracepoint "${category}:${name}"`;
  const event = openTracepoint(tracefs.eventId(category, name), what);
  return attachPerfEvents(prog, [event], { what, cookie });
}

/** Tracepoints by glob patterns. The category `ftrace` has formats, but nothing that can be attached to. */
export function matchingTracepoints(
  tracefs: Tracefs,
  category: string,
  name: string,
): { category: string; name: string }[] {
  const categories = globToRegExp(category);
  const names = globToRegExp(name);
  return tracefs.categories().filter((category) => category !== "ftrace" && categories.test(category))
    .flatMap((category) =>
      tracefs.events(category).filter((name) => names.test(name)).map((name) => ({ category, name }))
    );
}
