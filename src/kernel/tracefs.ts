/**
 * tracefs: where tracepoints have their ids, and where old kernels take probes (`kprobe_events`, `uprobe_events`).
 * It need not be mounted: `openTracefs` mounts it privately if it is not (fsopen, Linux 5.2), and leaves no trace.
 * See Documentation/trace/events.rst and kprobetrace.rst.
 */
import { O_APPEND, O_WRONLY, TRACEFS_MAGIC } from "../abi/defines.ts";
import { EBUSY, ENOENT } from "../abi/errno.gen.ts";
import { NotFoundError, NotSupportedError, SyscallError } from "../errors.ts";
import { Fd } from "../syscall/fd.ts";
import { openFile, readDir, readText, tryReadText, writeAll } from "../syscall/files.ts";
import { fileSystemMagic, getpid, privateMount } from "../syscall/process.ts";

/** Places where distributions mount it. */
const PLACES = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/** A tracefs that is mounted as long as this object lives. */
export class Tracefs implements Disposable {
  /** Its root directory, without a final slash. */
  readonly root: string;
  readonly #mount: Fd | undefined;

  constructor(root: string, mount?: Fd) {
    this.root = root;
    this.#mount = mount;
  }

  /** Names of the categories of tracepoints. */
  categories(): string[] {
    return readDir(`${this.root}/events`).filter((name) => !/^(enable|filter|header_\w+)$/.test(name));
  }

  /** Names of the tracepoints of a category. Throws `NotFoundError`. */
  events(category: string): string[] {
    try {
      return readDir(`${this.root}/events/${category}`).filter((name) => name !== "enable" && name !== "filter");
    } catch (cause) {
      if (!(cause instanceof SyscallError) || cause.errno !== ENOENT) throw cause;
      throw new NotFoundError("tracepoint category", category, this.categories(), { cause });
    }
  }

  /** The number of a tracepoint for perf_event_open(2). Throws `NotFoundError`. */
  eventId(category: string, name: string): number {
    checkName(category);
    checkName(name);
    const text = tryReadText(`${this.root}/events/${category}/${name}/id`);
    const id = Number(text?.trim() || NaN);
    if (Number.isInteger(id)) return id;
    if (text === undefined) {
      const known = this.events(category).map((n) => `${category}:${n}`);
      throw new NotFoundError("tracepoint", `${category}:${name}`, known);
    }
    throw new NotSupportedError(`tracepoint ${category}:${name}`, { hint: "it has no id: it is for ftrace only" });
  }

  /** The text of a tracepoint's format file. Throws `NotFoundError`. */
  format(category: string, name: string): string {
    this.eventId(category, name);
    return readText(`${this.root}/events/${category}/${name}/format`);
  }

  /** Functions that ftrace, and so kprobe.multi, can hook; modules' ones too, without their module's name. */
  functions(): string[] {
    const text = readText(`${this.root}/available_filter_functions`);
    return text.split("\n").map((line) => line.split(/\s/, 1)[0]!).filter((name) => name !== "");
  }

  /**
   * Adds a probe event and returns its number. `definition` is what follows the name: `do_sys_open+4`, or
   * `/bin/bash:0x1234`.
   */
  addProbe(kind: "kprobe" | "uprobe", probe: ProbeEvent): number {
    const type = probe.retprobe ? "r" : "p";
    this.#control(kind, `${type}:${GROUP}/${probe.name} ${probe.definition}`);
    try {
      return this.eventId(GROUP, probe.name);
    } catch (error) {
      this.removeProbe(kind, probe.name);
      throw error;
    }
  }

  /** Removes a probe event. One that still closes (EBUSY) is tried again for a moment. */
  removeProbe(kind: "kprobe" | "uprobe", name: string): void {
    for (let tries = 1;; tries++) {
      try {
        this.#control(kind, `-:${GROUP}/${name}`);
        return;
      } catch (error) {
        // Events are freed after a grace period; the writes themselves take time enough.
        if (!(error instanceof SyscallError) || error.errno !== EBUSY || tries === 100) throw error;
      }
    }
  }

  [Symbol.dispose](): void {
    this.#mount?.close();
  }

  #control(kind: "kprobe" | "uprobe", command: string): void {
    const path = `${this.root}/${kind}_events`;
    using fd = openFile(path, O_WRONLY | O_APPEND);
    writeAll(fd.number, command, path);
  }
}

/** A probe of `kprobe_events` or `uprobe_events`. */
export interface ProbeEvent {
  readonly name: string;
  readonly definition: string;
  readonly retprobe: boolean;
}

/** The group that waggle's probes are in. */
export const GROUP = "waggle";

let probes = 0;

/** A name for a probe event: unique on the system, letters, digits and `_`, at most 63 long. */
export function probeName(symbol: string, offset: number): string {
  const tail = `_${offset.toString(16)}_${getpid()}_${probes++}`;
  return symbol.replace(/\W/g, "_").slice(0, 63 - tail.length) + tail;
}

/** The mounted tracefs, or a private one. Throws `SyscallError` if neither can be had. */
export function openTracefs(): Tracefs {
  // debugfs mounts tracefs at this place when it is looked at, so asking is enough.
  for (const path of PLACES) if (fileSystemMagic(path) === TRACEFS_MAGIC) return new Tracefs(path);
  const mount = privateMount("tracefs");
  return new Tracefs(`/proc/self/fd/${mount.number}`, mount);
}

/** A name from a script must not lead out of the directory. */
function checkName(name: string): void {
  if (name === "" || name === "." || name === ".." || name.includes("/")) {
    throw new TypeError(`Cannot look up tracepoint "${name}": not a name`);
  }
}
