/**
 * Programs on the network of the current namespace: XDP and tc of each device, from route netlink; tcx and netkit by
 * BPF_PROG_QUERY (Linux 6.6); the flow dissector; netfilter hooks. What bpftool shows as `net list`.
 */
import {
  BPF_FLOW_DISSECTOR,
  BPF_NETKIT_PEER,
  BPF_NETKIT_PRIMARY,
  BPF_TCX_EGRESS,
  BPF_TCX_INGRESS,
} from "../abi/bpf.gen.ts";
import { TC_H_CLSACT, TC_H_MIN_EGRESS, TC_H_MIN_INGRESS } from "../abi/defines.ts";
import {
  IFLA_XDP,
  IFLA_XDP_ATTACHED,
  IFLA_XDP_DRV_PROG_ID,
  IFLA_XDP_HW_PROG_ID,
  IFLA_XDP_PROG_ID,
  IFLA_XDP_SKB_PROG_ID,
  RTM_GETQDISC,
  RTM_GETTCLASS,
  RTM_GETTFILTER,
  TCA_BPF_CLASSID,
  TCA_BPF_FLAGS,
  TCA_BPF_ID,
  TCA_BPF_NAME,
  TCA_KIND,
  TCA_OPTIONS,
} from "../abi/netlink.gen.ts";
import { tcmsg } from "../abi/netlink.ts";
import { readStruct, structSize, type StructValue } from "../abi/struct.ts";
import { SyscallError } from "../errors.ts";
import { progQuery } from "../syscall/bpf_prog.ts";
import { openFile } from "../syscall/files.ts";
import {
  type NetDevice,
  netDevices,
  Netlink,
  netlinkAttributes,
  NetlinkMessage,
  netlinkString,
} from "../syscall/netlink.ts";
import { dispatchedPrograms, type XdpComponent } from "./xdp_dispatcher.ts";
import { listLinks } from "./link_details.ts";

/** A program on the network. */
export interface NetProgram {
  readonly programId: number;
  /** `xdp`, `tc`, `tcx`, `netkit`, `flow_dissector`, `netfilter`. */
  readonly hook: "xdp" | "tc" | "tcx" | "netkit" | "flow_dissector" | "netfilter";
  /** The device; undefined for what belongs to the whole namespace. */
  readonly device: string | undefined;
  readonly ifindex: number | undefined;
  /**
   * Where on the hook: the mode of XDP (`generic`, `driver`, `hardware`), `ingress` or `egress`, `primary` or `peer`, a
   * class of a qdisc (`1:10`), the protocol and hook number of netfilter (`2/1`).
   */
  readonly place: string;
  /** The link that holds it, if the kernel tells. */
  readonly linkId: number | undefined;
  /** xdp: the programs that this one, a dispatcher of libxdp's kind, calls. */
  readonly dispatched?: readonly XdpComponent[];
  /** tc: the filter's name, priority, handle, and whether its result is the verdict. */
  readonly filter?: {
    readonly name: string;
    readonly priority: number;
    readonly handle: number;
    readonly direct: boolean;
    /** The class of packets, `1:10`; undefined if the filter has none. */
    readonly classId: string | undefined;
  };
}

/** Every program on the network of the current namespace. */
export function listNetPrograms(): NetProgram[] {
  const devices = netDevices();
  using netlink = new Netlink();
  return [
    ...devices.flatMap(xdpPrograms),
    ...devices.flatMap((device) => tcPrograms(netlink, device)),
    ...devices.flatMap(queriedPrograms),
    ...flowDissectors(),
    ...netfilterPrograms(),
  ];
}

/** Modes in the order of `XDP_ATTACHED_*`, and the attribute with the program where several are attached. */
const XDP_MODES = [
  [1, "driver", IFLA_XDP_DRV_PROG_ID],
  [2, "generic", IFLA_XDP_SKB_PROG_ID],
  [3, "hardware", IFLA_XDP_HW_PROG_ID],
] as const;

function xdpPrograms(device: NetDevice): NetProgram[] {
  return attachedXdp(device).map(({ programId, mode }) => {
    const dispatched = dispatchedPrograms(device.index, programId);
    return { ...onDevice(device, "xdp", mode), programId, ...(dispatched !== undefined && { dispatched }) };
  });
}

/** An XDP program and the mode it is attached in. */
interface AttachedXdp {
  readonly programId: number;
  readonly mode: (typeof XDP_MODES)[number][1];
}

function attachedXdp(device: NetDevice): AttachedXdp[] {
  const nest = device.attributes.get(IFLA_XDP);
  if (nest === undefined) return [];
  const attributes = netlinkAttributes(nest);
  const attached = attributes.get(IFLA_XDP_ATTACHED)?.[0] ?? 0;
  return XDP_MODES.flatMap(([number, mode, attribute]) => {
    const value = attributes.get(attribute) ?? (attached === number ? attributes.get(IFLA_XDP_PROG_ID) : undefined);
    return value === undefined ? [] : [{ programId: u32(value), mode }];
  });
}

/** The XDP program of a device; undefined if there is none, or no such device in the current namespace. */
export function xdpOf(ifindex: number): AttachedXdp | undefined {
  const device = netDevices().find(({ index }) => index === ifindex);
  return device === undefined ? undefined : attachedXdp(device)[0];
}

function onDevice<H extends NetProgram["hook"]>(
  device: NetDevice,
  hook: H,
  place: string,
): Omit<NetProgram, "programId"> {
  return { hook, device: device.name, ifindex: device.index, place, linkId: undefined };
}

function u32(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
}

/** The upper half of TC_H_CLSACT with a minor number. */
const CLSACT = (TC_H_CLSACT & 0xffff_0000) >>> 0;
const CLSACT_PLACES: Readonly<Record<number, string>> = {
  [CLSACT + TC_H_MIN_INGRESS]: "ingress",
  [CLSACT + TC_H_MIN_EGRESS]: "egress",
};

function tcPrograms(netlink: Netlink, device: NetDevice): NetProgram[] {
  return filterParents(netlink, device).flatMap((parent) => {
    const message = NetlinkMessage.of(tcmsg, { tcm_ifindex: device.index, tcm_parent: parent });
    const filters = tryDump(netlink, RTM_GETTFILTER, message);
    return filters.flatMap((payload) => {
      const program = bpfFilter(payload, device);
      return program === undefined ? [] : [program];
    });
  });
}

/** What filters can hang on: both sides of clsact, every qdisc and every class. */
function filterParents(netlink: Netlink, device: NetDevice): number[] {
  const parents = new Set<number>();
  for (const type of [RTM_GETQDISC, RTM_GETTCLASS]) {
    for (const payload of tryDump(netlink, type, NetlinkMessage.of(tcmsg, { tcm_ifindex: device.index }))) {
      const { tcm_ifindex, tcm_handle, tcm_parent } = header(payload);
      if (tcm_ifindex !== device.index) continue;
      if (tcm_parent === TC_H_CLSACT) { for (const place in CLSACT_PLACES) parents.add(Number(place)); }
      else if (tcm_handle !== 0) parents.add(tcm_handle);
    }
  }
  return [...parents];
}

/** Nothing where the kernel was built without traffic control. */
function tryDump(netlink: Netlink, type: number, message: NetlinkMessage): Uint8Array[] {
  try {
    const replies = netlink.dump(type, message, "list traffic control filters");
    return replies.map((reply) => reply.payload).filter((payload) => payload.length >= structSize(tcmsg));
  } catch (error) {
    if (error instanceof SyscallError) return [];
    throw error;
  }
}

function header(payload: Uint8Array): StructValue<typeof tcmsg> {
  return readStruct(new DataView(payload.buffer, payload.byteOffset, payload.byteLength), 0, tcmsg);
}

function bpfFilter(payload: Uint8Array, device: NetDevice): NetProgram | undefined {
  const attributes = netlinkAttributes(payload, structSize(tcmsg));
  const kind = attributes.get(TCA_KIND);
  const options = attributes.get(TCA_OPTIONS);
  if (kind === undefined || netlinkString(kind) !== "bpf" || options === undefined) return undefined;
  const bpf = netlinkAttributes(options);
  const id = bpf.get(TCA_BPF_ID);
  if (id === undefined) return undefined; // a priority without filters, or classic BPF
  const { tcm_parent, tcm_info, tcm_handle } = header(payload);
  const place = CLSACT_PLACES[tcm_parent] ?? className(tcm_parent);
  const classId = bpf.get(TCA_BPF_CLASSID);
  const name = bpf.get(TCA_BPF_NAME);
  const flags = bpf.get(TCA_BPF_FLAGS);
  return {
    ...onDevice(device, "tc", place),
    programId: u32(id),
    filter: {
      name: name === undefined ? "" : netlinkString(name),
      priority: tcm_info >>> 16,
      handle: tcm_handle,
      direct: flags !== undefined && (u32(flags) & 1) === 1,
      classId: classId === undefined ? undefined : className(u32(classId)),
    },
  };
}

function className(number: number): string {
  return `${(number >>> 16).toString(16)}:${(number & 0xffff).toString(16)}`;
}

const QUERIED = [
  [BPF_TCX_INGRESS, "tcx", "ingress"],
  [BPF_TCX_EGRESS, "tcx", "egress"],
  [BPF_NETKIT_PRIMARY, "netkit", "primary"],
  [BPF_NETKIT_PEER, "netkit", "peer"],
] as const;

function queriedPrograms(device: NetDevice): NetProgram[] {
  return QUERIED.flatMap(([attachType, hook, place]) => {
    const found = tryQuery({ target_ifindex: device.index, attach_type: attachType }, "links");
    return found.progIds.map((programId, i) => ({
      ...onDevice(device, hook, place),
      programId,
      linkId: found.linkIds[i] || undefined,
    }));
  });
}

function flowDissectors(): NetProgram[] {
  using netns = openFile("/proc/thread-self/ns/net");
  const { progIds } = tryQuery({ target_fd: netns.number, attach_type: BPF_FLOW_DISSECTOR });
  return progIds.map((programId) => ({
    programId,
    hook: "flow_dissector",
    device: undefined,
    ifindex: undefined,
    place: "",
    linkId: undefined,
  }));
}

/** No programs where the hook is older or newer than the kernel, or the device of another kind. */
function tryQuery(
  attr: Parameters<typeof progQuery>[0],
  lists?: "links",
): Pick<ReturnType<typeof progQuery>, "progIds" | "linkIds"> {
  try {
    return progQuery(attr, lists === undefined ? {} : { lists });
  } catch (error) {
    if (error instanceof SyscallError && error.errnoName !== "EPERM") return { progIds: [], linkIds: [] };
    throw error;
  }
}

function netfilterPrograms(): NetProgram[] {
  return listLinks().flatMap((link) =>
    link.type !== "netfilter" ? [] : [{
      programId: link.programId,
      hook: "netfilter",
      device: undefined,
      ifindex: undefined,
      place: `${link.protocol}/${link.hook}`,
      linkId: link.id,
    }]
  );
}
