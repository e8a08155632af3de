/**
 * Programs on perf events: kprobe, uprobe, tracepoint and sampling all end here. A BPF link where the kernel has one
 * (5.15), else an ioctl, which lasts as long as the event's descriptor.
 */
import { BPF_PERF_EVENT } from "../abi/bpf.gen.ts";
import { PERF_EVENT_IOC_SET_BPF } from "../abi/perf.ts";
import { E2BIG, EACCES, EBADF, EEXIST, EINVAL, ENOTSUPP, EOPNOTSUPP } from "../abi/errno.gen.ts";
import { NotSupportedError } from "../errors.ts";
import type { Fd } from "../syscall/fd.ts";
import { call, syscallError } from "../syscall/libc.ts";
import { perfEnable } from "../syscall/perf_event.ts";
import { type Runtime, runtime } from "../syscall/runtime/mod.ts";
import { attachAction, linkError, makeAll, tryLink } from "./attempt.ts";
import { Link } from "./link.ts";
import type { AttachableProgram, Cookie, ProbeMode } from "./types.ts";

export interface PerfLinkOptions {
  readonly what: string;
  readonly cookie?: Cookie | undefined;
  /** `perf` and `legacy`: by ioctl. */
  readonly mode?: ProbeMode | undefined;
  /** Takes back what lies under the event (a probe in tracefs). */
  readonly undo?: (() => void) | undefined;
}

/**
 * Attaches the program to events that this call takes over: they are closed when it throws and when the link is
 * disposed. Throws `SyscallError`, and `NotSupportedError` for a cookie on a kernel without perf links.
 */
export function attachPerfEvents(prog: AttachableProgram, events: readonly Fd[], options: PerfLinkOptions): Link {
  const { mode = "auto", undo } = options;
  const lasting = undo !== undefined;
  let links: Fd[] = [];
  try {
    const linked = mode === "auto" || mode === "link" ? linkEvents(prog, events, options) : undefined;
    if (linked !== undefined) {
      links = linked;
      // The link holds the event; the descriptor is no longer needed once it is enabled.
      for (const event of events) perfEnable(event.number);
      for (const event of events) event.close();
      return new Link({ what: options.what, links, lasting, undo: undoAfter(links, undo) });
    }
    for (const event of events) {
      setProgram(prog, event, options.what);
      perfEnable(event.number);
    }
    return new Link({ what: options.what, kept: events, lasting, undo: undoAfter(events, undo) });
  } catch (error) {
    for (const fd of [...links, ...events]) fd.close();
    undo?.();
    throw error;
  }
}

/** From `perf_event_attach_bpf_prog` of kernel/trace/bpf_trace.c and `perf_event_set_bpf_prog` of kernel/events/core.c. */
const HINTS: Readonly<Record<number, string>> = {
  [EACCES]: "the program reads past the last field of this tracepoint's record",
  [EEXIST]: "this program is attached there already",
  [E2BIG]: "64 programs are attached there already, which is all the kernel takes",
};

function setProgram(prog: AttachableProgram, event: Fd, what: string): void {
  const result = call("ioctl", event.number, PERF_EVENT_IOC_SET_BPF, prog.fd);
  if (result < 0) {
    throw syscallError(result, "ioctl(PERF_EVENT_IOC_SET_BPF)", `Cannot ${attachAction(prog, what)}`, HINTS[-result]);
  }
}

/** The kernel does not remove a probe in tracefs while an event uses it. */
function undoAfter(fds: readonly Fd[], undo: (() => void) | undefined): (() => void) | undefined {
  if (undo === undefined) return undefined;
  return () => {
    for (const fd of fds) fd.close();
    undo();
  };
}

/** Undefined if the kernel has no perf links. */
function linkEvents(prog: AttachableProgram, events: readonly Fd[], options: PerfLinkOptions): Fd[] | undefined {
  if (!hasPerfLink(prog)) {
    if (options.cookie === undefined && options.mode !== "link") return undefined;
    throw new NotSupportedError(options.cookie === undefined ? "a link of a perf event" : "a cookie of a perf event", {
      since: "5.15",
    });
  }
  return makeAll(events, (event) => {
    const link = tryLink({
      prog_fd: prog.fd,
      target_fd: event.number,
      attach_type: BPF_PERF_EVENT,
      "perf_event.bpf_cookie": options.cookie,
    });
    return typeof link === "number" ? linkError(prog, options.what, link, HINTS[-link]) : link;
  });
}

const answers: WeakMap<Runtime, boolean> = new WeakMap();

/**
 * A kernel that knows BPF_PERF_EVENT goes on to look at the event's descriptor (EBADF); one that does not refuses the
 * attach type first (EINVAL). Both look at the program before, so it must be a real one.
 */
function hasPerfLink(prog: AttachableProgram): boolean {
  const known = answers.get(runtime());
  if (known !== undefined) return known;
  const result = tryLink({ prog_fd: prog.fd, target_fd: 0x7fffffff, attach_type: BPF_PERF_EVENT });
  if (typeof result !== "number") throw new TypeError("Cannot probe for perf links: a link of nothing was made");
  const answer = result === -EBADF;
  if (answer || [EINVAL, ENOTSUPP, EOPNOTSUPP].includes(-result)) answers.set(runtime(), answer);
  return answer;
}
