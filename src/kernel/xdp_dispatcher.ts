/**
 * Several XDP programs on one device, as libxdp arranges them: the device has a dispatcher, which calls the programs in
 * turn; a read-only map of it says how, and pins below a bpf file system keep and name the programs. Here is what is
 * read of it. The protocol: lib/libxdp/protocol.org of xdp-tools.
 */
import { BPF_F_RDONLY_PROG } from "../abi/bpf.gen.ts";
import { BPF_F_XDP_HAS_FRAGS } from "../abi/defines.ts";
import { ENOENT, EPERM } from "../abi/errno.gen.ts";
import { array, struct } from "../bytes/composites.ts";
import { u32, u8 } from "../bytes/scalars.ts";
import { NotSupportedError, SyscallError } from "../errors.ts";
import { fdById, mapInfo, objGet, type ProgInfo, progInfo, progMapIds } from "../syscall/bpf_object.ts";
import { mapLookup } from "../syscall/bpf_map.ts";
import type { Fd } from "../syscall/fd.ts";
import { tryReadText } from "../syscall/files.ts";

/** Programs that a dispatcher has room for. */
export const DISPATCHER_SLOTS = 10;
/** The dispatcher's name, by which libxdp knows it. */
export const DISPATCHER_NAME = "xdp_dispatcher";
export const DISPATCHER_MAGIC = 236;
export const DISPATCHER_VERSION = 2;
/** What a slot without program returns; its bit is set in all masks, so that the next program is called. */
export const EMPTY_SLOT_VERDICT = 31;

/** `struct xdp_dispatcher_config`, version 2: the value of the dispatcher's map. */
export const dispatcherConfig = struct({
  magic: u8,
  dispatcher_version: u8,
  num_progs_enabled: u8,
  is_xdp_frags: u8,
  chain_call_actions: array(u32, DISPATCHER_SLOTS),
  run_prios: array(u32, DISPATCHER_SLOTS),
  program_flags: array(u32, DISPATCHER_SLOTS),
}, "xdp_dispatcher_config");

const VERDICTS = ["aborted", "drop", "pass", "tx", "redirect"] as const;

/** A verdict of an XDP program. */
export type XdpVerdict = (typeof VERDICTS)[number];

/** A program that a dispatcher calls. */
export interface XdpComponent {
  readonly programId: number;
  readonly name: string;
  /** Order: lowest first. */
  readonly runPriority: number;
  /** After these verdicts the next program is called; any other one ends it. */
  readonly chainCallActions: readonly XdpVerdict[];
  /** Takes packets of several buffers. */
  readonly frags: boolean;
}

/** A component with the program held open. */
export interface OpenComponent extends XdpComponent, Disposable {
  readonly fd: Fd;
  readonly info: ProgInfo;
}

/** The mask of verdicts, without the bit of empty slots. */
export function verdictMask(verdicts: readonly XdpVerdict[]): number {
  return verdicts.reduce((mask, verdict) => mask | 1 << VERDICTS.indexOf(verdict), 0);
}

/** Names of verdicts, in the kernel's order. */
export function xdpVerdicts(): readonly XdpVerdict[] {
  return VERDICTS;
}

/** The folder of pins. libxdp takes the file system from this variable, so whoever sets it means both. */
export function dispatcherFolder(): string {
  const environment = tryReadText("/proc/self/environ")?.split("\0") ?? [];
  const base = environment.find((entry) => entry.startsWith("LIBXDP_BPFFS="))?.slice("LIBXDP_BPFFS=".length);
  return `${base || "/sys/fs/bpf"}/xdp`;
}

/** Where the programs of a dispatcher are pinned. */
export function dispatcherPath(ifindex: number, dispatcherId: number): string {
  return `${dispatcherFolder()}/dispatch-${ifindex}-${dispatcherId}`;
}

/** The configuration of a dispatcher; undefined if the program is none. Throws `NotSupportedError` for newer ones. */
export function readDispatcherConfig(progFd: number): ReturnType<typeof dispatcherConfig.read> | undefined {
  const [mapId, ...more] = progInfo(progFd).name === DISPATCHER_NAME ? progMapIds(progFd) : [];
  if (mapId === undefined || more.length > 0) return undefined;
  using map = fdById("map", mapId);
  const { key_size, value_size, max_entries, map_flags } = mapInfo(map.number);
  if (key_size !== 4 || max_entries !== 1 || (map_flags & BPF_F_RDONLY_PROG) === 0) return undefined;
  const value = new Uint8Array(value_size);
  if (value_size < 2 || !mapLookup(map.number, new Uint8Array(4), value) || value[0] !== DISPATCHER_MAGIC) {
    // Version 1 has no magic number.
    return undefined;
  }
  if (value[1] !== DISPATCHER_VERSION || value_size !== dispatcherConfig.size) {
    throw new NotSupportedError("an XDP dispatcher", {
      message: `Cannot use the XDP dispatcher that is there: it is of version ${value[1]}, not ${DISPATCHER_VERSION}`,
      hint: "detach its programs by the tool that attached them (`xdp-loader unload --all`)",
    });
  }
  return dispatcherConfig.read(new DataView(value.buffer), 0);
}

/** The programs of a dispatcher in the order of their calls, open; undefined if their pins are not there. */
export function openComponents(
  ifindex: number,
  dispatcherId: number,
  config: ReturnType<typeof dispatcherConfig.read>,
): OpenComponent[] | undefined {
  const path = dispatcherPath(ifindex, dispatcherId);
  const open: OpenComponent[] = [];
  try {
    for (let slot = 0; slot < config.num_progs_enabled; slot++) {
      const fd = objGet(`${path}/prog${slot}-prog`);
      const info = progInfo(fd.number);
      open.push({
        fd,
        info,
        programId: info.id,
        name: info.name,
        runPriority: config.run_prios[slot]!,
        chainCallActions: VERDICTS.filter((_, i) => (config.chain_call_actions[slot]! & 1 << i) !== 0),
        frags: (config.program_flags[slot]! & BPF_F_XDP_HAS_FRAGS) !== 0,
        [Symbol.dispose]: () => fd.close(),
      });
    }
    return open;
  } catch (error) {
    for (const { fd } of open) fd.close();
    if (error instanceof SyscallError && error.errno === ENOENT) return undefined;
    throw error;
  }
}

/** The programs that an attached program calls, if it is a dispatcher whose pins can be read. */
export function dispatchedPrograms(ifindex: number, programId: number): XdpComponent[] | undefined {
  using program = tryProgram(programId);
  const config = program === undefined ? undefined : readDispatcherConfig(program.number);
  const open = config === undefined ? undefined : openComponents(ifindex, programId, config);
  return open?.map(({ fd, programId, name, runPriority, chainCallActions, frags }) => {
    fd.close();
    return { programId, name, runPriority, chainCallActions, frags };
  });
}

/** Undefined for a program that has gone meanwhile, and for those who may not open programs by id. */
function tryProgram(id: number): Fd | undefined {
  try {
    return fdById("prog", id);
  } catch (error) {
    if (error instanceof SyscallError && [ENOENT, EPERM].includes(error.errno)) return undefined;
    throw error;
  }
}
