/**
 * Traffic control through route netlink: the bpf classifier with direct action, on the clsact qdisc (Linux 4.5). The
 * kernel keeps such filters on its own, so the link takes them back, and the qdisc too if it made it and nobody else
 * uses it.
 */
import {
  NLM_F_CREATE,
  NLM_F_ECHO,
  NLM_F_EXCL,
  TC_H_CLSACT,
  TC_H_MIN_EGRESS,
  TC_H_MIN_INGRESS,
  TCA_BPF_FLAG_ACT_DIRECT,
} from "../abi/defines.ts";
import { EEXIST, EINVAL, ENODEV, ENOENT } from "../abi/errno.gen.ts";
import {
  RTM_DELQDISC,
  RTM_DELTFILTER,
  RTM_GETTFILTER,
  RTM_NEWQDISC,
  RTM_NEWTFILTER,
  TCA_BPF_CLASSID,
  TCA_BPF_FD,
  TCA_BPF_FLAGS,
  TCA_BPF_NAME,
  TCA_KIND,
  TCA_OPTIONS,
} from "../abi/netlink.gen.ts";
import { tcmsg } from "../abi/netlink.ts";
import { readStruct, structSize, type StructValue } from "../abi/struct.ts";
import { NotSupportedError } from "../errors.ts";
import { Netlink, NetlinkMessage, type NetlinkReply } from "../syscall/netlink.ts";
import { attachAction, errnoOf } from "./attempt.ts";
import type { Device } from "./device.ts";
import { Link } from "./link.ts";
import { NamespaceUndo } from "./namespace_undo.ts";
import type { AttachableProgram, TcOptions } from "./types.ts";

type Direction = NonNullable<TcOptions["direction"]>;

/** ETH_P_ALL in network byte order, the low half of a filter's `tcm_info`. */
const ALL_PROTOCOLS = 0x0300;

/** Makes a filter. Throws `SyscallError`, and leaves nothing behind then. */
export function attachFilter(prog: AttachableProgram, device: Device, direction: Direction, options: TcOptions): Link {
  const { priority = 0, handle = 0 } = options;
  const classId = options.classId === undefined ? undefined : parseClass(prog, options.classId);
  if (!Number.isInteger(priority) || priority < 0 || priority > 0xffff) {
    throw new RangeError(`Cannot attach program "${prog.name}": priority ${priority} is not between 1 and 65535`);
  }
  const what = `tc ${direction} of ${device.label}`;
  let filter: Filter;
  let madeQdisc = false;
  const undo = new NamespaceUndo(() => removeFilter(device, filter, madeQdisc));
  undo.closeUnless(() => {
    madeQdisc = addQdisc(prog, device, what);
    try {
      filter = addFilter(prog, device, { direction, priority, handle, classId }, what);
    } catch (error) {
      if (madeQdisc) removeQdiscIfUnused(device);
      throw error;
    }
  });
  return new Link({ what, kept: [undo.namespace], lasting: true, undo: () => undo.run() });
}

/** `1:10`: two hexadecimal numbers of 16 bits, major and minor. */
function parseClass(prog: AttachableProgram, text: string): number {
  const match = /^([0-9a-f]{1,4}):([0-9a-f]{0,4})$/i.exec(text);
  if (match === null) {
    throw new RangeError(`Cannot attach program "${prog.name}": class "${text}" is not of the form "1:10"`);
  }
  return ((parseInt(match[1]!, 16) << 16) | parseInt(match[2] || "0", 16)) >>> 0;
}

function parentOf(direction: Direction): number {
  // TC_H_CLSACT has a minor number itself: left in, it makes ingress (0xfff2) egress (0xfff3).
  return ((TC_H_CLSACT & 0xffff0000) | (direction === "ingress" ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS)) >>> 0;
}

/** Returns whether the qdisc is new. */
function addQdisc(prog: AttachableProgram, device: Device, what: string): boolean {
  using netlink = new Netlink();
  const message = NetlinkMessage.of(tcmsg, {
    tcm_ifindex: device.index,
    tcm_handle: (TC_H_CLSACT & 0xffff0000) >>> 0,
    tcm_parent: TC_H_CLSACT,
  }).string(TCA_KIND, "clsact");
  try {
    netlink.request(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, message, attachAction(prog, what));
    return true;
  } catch (error) {
    if (errnoOf(error) === EEXIST) return false;
    if (errnoOf(error) === ENOENT) throw missingModule("the clsact qdisc", "sch_ingress", error);
    throw error;
  }
}

type Filter = Pick<StructValue<typeof tcmsg>, "tcm_handle" | "tcm_parent" | "tcm_info">;

function addFilter(
  prog: AttachableProgram,
  device: Device,
  wanted: { direction: Direction; priority: number; handle: number; classId: number | undefined },
  what: string,
): Filter {
  const { direction, priority, handle, classId } = wanted;
  using netlink = new Netlink();
  const message = NetlinkMessage.of(tcmsg, {
    tcm_ifindex: device.index,
    tcm_handle: handle,
    tcm_parent: parentOf(direction),
    tcm_info: ((priority << 16) | ALL_PROTOCOLS) >>> 0,
  }).string(TCA_KIND, "bpf").nest(TCA_OPTIONS, (options) => {
    options.u32(TCA_BPF_FD, prog.fd).string(TCA_BPF_NAME, prog.name).u32(TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
    if (classId !== undefined) options.u32(TCA_BPF_CLASSID, classId);
  });
  // With ECHO the kernel sends the filter back, with the handle and priority that it chose.
  const flags = NLM_F_CREATE | NLM_F_EXCL | NLM_F_ECHO;
  const replies = requestFilter(netlink, flags, message, attachAction(prog, what));
  const echoed = replies.find((r) => r.type === RTM_NEWTFILTER && r.payload.length >= structSize(tcmsg));
  if (echoed === undefined) {
    throw new TypeError(`Cannot ${attachAction(prog, what)}: the kernel did not say which filter it made`);
  }
  return readStruct(new DataView(echoed.payload.buffer, echoed.payload.byteOffset), 0, tcmsg);
}

function requestFilter(netlink: Netlink, flags: number, message: NetlinkMessage, action: string): NetlinkReply[] {
  try {
    return netlink.request(RTM_NEWTFILTER, flags, message, action);
  } catch (error) {
    if (errnoOf(error) === ENOENT) throw missingModule("the bpf classifier", "cls_bpf", error);
    throw error;
  }
}

/** The kernel loads its modules by itself where modprobe works; ENOENT means that it has none. */
function missingModule(feature: string, module: string, cause: unknown): NotSupportedError {
  return new NotSupportedError(feature, { hint: `the kernel has no module ${module}, or could not load it`, cause });
}

function removeFilter(device: Device, filter: Filter, madeQdisc: boolean): void {
  const message = NetlinkMessage.of(tcmsg, {
    tcm_ifindex: device.index,
    tcm_handle: filter.tcm_handle,
    tcm_parent: filter.tcm_parent,
    tcm_info: filter.tcm_info,
  }).string(TCA_KIND, "bpf");
  try {
    using netlink = new Netlink();
    netlink.request(RTM_DELTFILTER, 0, message, `remove the filter of ${device.label}`);
  } catch (error) {
    // The device, the qdisc or the filter is gone already.
    if (![ENODEV, ENOENT, EINVAL].includes(errnoOf(error))) throw error;
  }
  if (madeQdisc) removeQdiscIfUnused(device);
}

function removeQdiscIfUnused(device: Device): void {
  const what = `remove the clsact qdisc of ${device.label}`;
  try {
    using netlink = new Netlink();
    for (const direction of ["ingress", "egress"] as const) {
      const message = NetlinkMessage.of(tcmsg, { tcm_ifindex: device.index, tcm_parent: parentOf(direction) });
      if (netlink.dump(RTM_GETTFILTER, message, what).length > 0) return;
    }
    const message = NetlinkMessage.of(tcmsg, {
      tcm_ifindex: device.index,
      tcm_handle: (TC_H_CLSACT & 0xffff0000) >>> 0,
      tcm_parent: TC_H_CLSACT,
    });
    netlink.request(RTM_DELQDISC, 0, message, what);
  } catch (error) {
    if (![ENODEV, ENOENT, EINVAL].includes(errnoOf(error))) throw error;
  }
}
