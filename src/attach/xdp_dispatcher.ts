/**
 * Adds XDP programs to a device that has others, and takes them away, by libxdp's protocol: a new dispatcher is made
 * with the new list of programs, pinned, and put in the place of the old one in one step; when somebody else was
 * faster, the list is read again. Programs of xdp-loader, bpfman and waggle share a device so. Needs Linux 5.10, which
 * can attach one program in two dispatchers.
 */
import { EINVAL } from "../abi/errno.gen.ts";
import { LOCK_EX, XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE } from "../abi/defines.ts";
import type { Btf } from "../btf/btf.ts";
import { NotSupportedError, WaggleError } from "../errors.ts";
import { hasFeature } from "../kernel/features.ts";
import { xdpOf } from "../kernel/net_programs.ts";
import {
  DISPATCHER_SLOTS,
  dispatcherFolder,
  dispatcherPath,
  type OpenComponent,
  openComponents,
  readDispatcherConfig,
  type XdpComponent,
  type XdpVerdict,
} from "../kernel/xdp_dispatcher.ts";
import { fdById, objPin, progInfo } from "../syscall/bpf_object.ts";
import { Fd } from "../syscall/fd.ts";
import { exists, mkdir, openFile, rmdir, unlink } from "../syscall/files.ts";
import { call, check } from "../syscall/libc.ts";
import { attachAction, createLink } from "./attempt.ts";
import type { Device } from "./device.ts";
import type { AttachableProgram } from "./types.ts";
import { loadDispatcher, type LoadedDispatcher } from "./xdp_dispatcher_program.ts";
import { setXdp } from "./xdp_netlink.ts";

/** Somebody else may be faster this often. */
const TRIES = 10;
const FLAGS = { driver: XDP_FLAGS_DRV_MODE, generic: XDP_FLAGS_SKB_MODE, hardware: 0 } as const;

/** What is on a device now. */
interface Present extends Disposable {
  readonly fd: Fd;
  readonly id: number;
  /** Of netlink: the mode it is attached in. */
  readonly flags: number;
  readonly components: readonly OpenComponent[];
}

/** A program to call: one that is there already, or a new one. */
interface Entry extends Pick<XdpComponent, "name" | "runPriority" | "chainCallActions" | "frags"> {
  readonly info?: OpenComponent["info"];
  /** Attaches it in the place of a function. */
  attach(dispatcher: LoadedDispatcher, slot: number): { program: Fd; link: Fd };
}

/** How a program takes part. */
export interface Part {
  readonly runPriority: number;
  readonly chainCallActions: readonly XdpVerdict[];
  readonly frags: boolean;
}

/** A program that a dispatcher calls now. */
export interface Joined {
  readonly programId: number;
  /** Keeps the program, so that its id stays its own. */
  readonly program: Fd;
}

/** Adds a program to the device. `flags` are the mode's, for the first one. Throws `SyscallError` and others. */
export function joinDispatcher(prog: AttachableProgram, device: Device, flags: number, part: Part): Joined {
  const action = attachAction(prog, `the XDP dispatcher of ${device.label}`);
  const { loadAsExtension } = prog;
  if (loadAsExtension === undefined) throw new TypeError(`Cannot ${action}: the program was not loaded from an object`);
  if (!hasFeature("btf_func")) throw new NotSupportedError("an XDP dispatcher", { since: "5.10" });
  let program: Fd | undefined;
  const fresh: Entry = {
    ...part,
    name: prog.name.slice(0, 15),
    attach(dispatcher, slot) {
      const target = { fd: dispatcher.fd.number, btfId: dispatcher.slots[slot]! };
      program ??= loadAsExtension.call(prog, target);
      return { program, link: linkTo(prog, device, program, target) };
    },
  };
  try {
    retry(action, () => {
      using present = readPresent(device, action);
      if (present !== undefined && present.components.length >= DISPATCHER_SLOTS) {
        throw new WaggleError(`Cannot ${action}: it has ${DISPATCHER_SLOTS} programs already`);
      }
      const entries = [...(present?.components ?? []).map((component) => entryOf(prog, device, component)), fresh];
      exchange(device, present, entries.sort(byOrder), present?.flags ?? flags, action);
    });
    return { programId: progInfo(program!.number).id, program: program! };
  } catch (error) {
    program?.close();
    throw error;
  }
}

/** Takes a program away. Does nothing if it is not there any more. */
export function leaveDispatcher(prog: AttachableProgram, device: Device, programId: number): void {
  const action = `detach program "${prog.name}" from the XDP dispatcher of ${device.label}`;
  retry(action, () => {
    using present = readPresent(device, action, "others");
    if (present === undefined || !present.components.some((c) => c.programId === programId)) return;
    const rest = present.components.filter((component) => component.programId !== programId);
    exchange(device, present, rest.map((component) => entryOf(prog, device, component)), present.flags, action);
  });
}

function entryOf(prog: AttachableProgram, device: Device, component: OpenComponent): Entry {
  return {
    ...component,
    attach: (dispatcher, slot) => {
      const target = { fd: dispatcher.fd.number, btfId: dispatcher.slots[slot]! };
      return { program: component.fd, link: linkTo(prog, device, component.fd, target) };
    },
  };
}

function linkTo(prog: AttachableProgram, device: Device, program: Fd, target: { fd: number; btfId: number }): Fd {
  return createLink(prog, `the XDP dispatcher of ${device.label}`, {
    prog_fd: program.number,
    target_fd: target.fd,
    target_btf_id: target.btfId,
  }, (errno) => errno === EINVAL ? "it needs Linux 5.10, and a program that returns int" : undefined);
}

/** libxdp's order: priority, name, programs that are there before new ones, tag, age. */
function byOrder(a: Entry, b: Entry): number {
  if (a.runPriority !== b.runPriority) return a.runPriority - b.runPriority;
  if (a.name !== b.name) return a.name < b.name ? -1 : 1;
  if (a.info === undefined || b.info === undefined) return a.info === undefined ? 1 : -1;
  for (let i = 0; i < a.info.tag.length; i++) {
    if (a.info.tag[i] !== b.info.tag[i]) return a.info.tag[i]! - b.info.tag[i]!;
  }
  return a.info.load_time < b.info.load_time ? -1 : 1;
}

/** Runs `attempt` again when the device's program was changed meanwhile. */
function retry(action: string, attempt: () => void): void {
  for (let left = TRIES;; left--) {
    try {
      return attempt();
    } catch (error) {
      if (!(error instanceof Raced)) throw error;
      if (left === 0) throw new WaggleError(`Cannot ${action}: others keep changing it`, { cause: error.cause });
    }
  }
}

/** The device's program was changed while a new one was made. */
class Raced extends WaggleError {}

/** What is on the device; undefined if nothing. Throws unless it is a dispatcher; with "others" that is nothing too. */
function readPresent(device: Device, action: string, others?: "others"): Present | undefined {
  const attached = xdpOf(device.index);
  if (attached === undefined) return undefined;
  const fd = fdById("prog", attached.programId);
  try {
    const config = readDispatcherConfig(fd.number);
    const components = config === undefined
      ? undefined
      : locked(() => openComponents(device.index, attached.programId, config));
    if (components === undefined) {
      fd.close();
      if (others !== undefined) return undefined;
      throw new WaggleError(`Cannot ${action}: an XDP program that is no dispatcher is there`, {
        hint: `detach program ${attached.programId} first (see \`bpftool net\`)`,
      });
    }
    return {
      fd,
      id: attached.programId,
      flags: FLAGS[attached.mode],
      components,
      [Symbol.dispose]() {
        for (const component of components) component.fd.close();
        fd.close();
      },
    };
  } catch (error) {
    fd.close();
    throw error;
  }
}

/** Puts a dispatcher with these programs in the place of what is there. */
function exchange(device: Device, old: Present | undefined, entries: readonly Entry[], flags: number, action: string) {
  if (entries.length === 0) {
    attachOver(device, undefined, old, flags, action);
  } else {
    using dispatcher = new PinnedDispatcher(device, entries);
    attachOver(device, dispatcher.fd, old, flags, action);
    dispatcher.keep();
  }
  if (old !== undefined) locked(() => removePins(dispatcherPath(device.index, old.id), old.components.length));
}

/** Replaces only what was read. Throws `Raced` if it is something else by now. */
function attachOver(device: Device, fd: Fd | undefined, old: Present | undefined, flags: number, action: string): void {
  try {
    setXdp(device.index, fd?.number, flags, action, old === undefined ? "none" : old.fd.number);
  } catch (error) {
    const current = xdpOf(device.index)?.programId;
    if (current === old?.id) throw error;
    throw new Raced(`Cannot ${action}: another program came in between`, { cause: error });
  }
}

/** A new dispatcher and its pins, which go with it unless it is kept. */
class PinnedDispatcher implements Disposable {
  readonly fd: Fd;
  readonly #path: string;
  #pins = 0;
  #kept = false;

  constructor(device: Device, entries: readonly Entry[]) {
    const dispatcher = loadDispatcher(entries);
    this.fd = dispatcher.fd;
    this.#path = dispatcherPath(device.index, progInfo(dispatcher.fd.number).id);
    const links: Fd[] = [];
    try {
      const programs = entries.map((entry, slot) => {
        const { program, link } = entry.attach(dispatcher, slot);
        links.push(link);
        return program;
      });
      locked(() => this.#pin(programs, links));
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    } finally {
      // The pins hold them.
      for (const link of links) link.close();
    }
  }

  #pin(programs: readonly Fd[], links: readonly Fd[]): void {
    mkdir(this.#path, { mode: 0o700 });
    this.#pins = programs.length;
    programs.forEach((program, slot) => {
      objPin(links[slot]!.number, `${this.#path}/prog${slot}-link`);
      objPin(program.number, `${this.#path}/prog${slot}-prog`);
    });
  }

  keep(): void {
    this.#kept = true;
  }

  [Symbol.dispose](): void {
    this.fd.close();
    if (!this.#kept && this.#pins > 0) locked(() => removePins(this.#path, this.#pins));
  }
}

function removePins(path: string, count: number): void {
  for (let slot = 0; slot < count; slot++) {
    for (const kind of ["link", "prog"]) {
      const pin = `${path}/prog${slot}-${kind}`;
      if (exists(pin)) unlink(pin);
    }
  }
  if (exists(path)) rmdir(path);
}

/** All who use the folder lock it while they read or change it. */
function locked<T>(action: () => T): T {
  const folder = dispatcherFolder();
  if (!exists(folder)) mkdir(folder, { mode: 0o700 });
  using lock = openFile(folder);
  check(call("flock", lock.number, LOCK_EX), "flock", `Cannot lock "${folder}"`);
  return action();
}

/** Priority and verdicts that the object gives a program, in `.xdp_run_config` (XDP_RUN_CONFIG of <xdp/xdp_helpers.h>). */
export function runConfig(btf: Btf | undefined, program: string): Readonly<Record<string, number>> {
  const id = btf?.find(`_${program}`, "VAR");
  const variable = id === undefined ? undefined : btf!.type(id);
  const section = btf?.find(".xdp_run_config", "DATASEC");
  if (btf === undefined || section === undefined || variable?.kind !== "VAR") return {};
  const sectionType = btf.type(section);
  const struct = btf.type(variable.type);
  if (sectionType.kind !== "DATASEC" || !sectionType.vars.some((v) => v.type === id)) return {};
  if (struct.kind !== "STRUCT") return {};
  // Numbers are lengths of arrays: `int (*priority)[10]`.
  return Object.fromEntries(struct.members.flatMap(({ name, type }) => {
    const pointer = btf.type(type);
    const array = pointer.kind === "PTR" ? btf.type(pointer.type) : undefined;
    return array?.kind === "ARRAY" ? [[name, array.nelems]] : [];
  }));
}
