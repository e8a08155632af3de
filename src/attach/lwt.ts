/**
 * lwt_in, lwt_out, lwt_xmit (Linux 4.10) and lwt_seg6local (4.18): programs of a route, through route netlink. There is
 * no link: the route is made, and removed again. See net/core/lwt_bpf.c and net/ipv6/seg6_local.c
 */
import { AF_INET, AF_INET6, NLM_F_CREATE, NLM_F_EXCL } from "../abi/defines.ts";
import {
  BPF_PROG_TYPE_LWT_IN,
  BPF_PROG_TYPE_LWT_OUT,
  BPF_PROG_TYPE_LWT_SEG6LOCAL,
  BPF_PROG_TYPE_LWT_XMIT,
} from "../abi/bpf.gen.ts";
import { EEXIST, ENETUNREACH, ENODEV, EOPNOTSUPP, ESRCH } from "../abi/errno.gen.ts";
import {
  LWT_BPF_IN,
  LWT_BPF_OUT,
  LWT_BPF_PROG_FD,
  LWT_BPF_PROG_NAME,
  LWT_BPF_XMIT,
  LWT_BPF_XMIT_HEADROOM,
  LWTUNNEL_ENCAP_BPF,
  LWTUNNEL_ENCAP_SEG6_LOCAL,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_MAIN,
  RTM_DELROUTE,
  RTM_NEWROUTE,
} from "../abi/netlink.gen.ts";
import {
  RTA_DST,
  RTA_ENCAP,
  RTA_ENCAP_TYPE,
  RTA_GATEWAY,
  RTA_OIF,
  RTA_PRIORITY,
  RTA_TABLE,
  rtmsg,
  RTN_UNICAST,
  RTPROT_STATIC,
  SEG6_LOCAL_ACTION,
  SEG6_LOCAL_ACTION_END_BPF,
  SEG6_LOCAL_BPF,
  SEG6_LOCAL_BPF_PROG,
  SEG6_LOCAL_BPF_PROG_NAME,
} from "../abi/netlink.ts";
import { NotSupportedError, SyscallError } from "../errors.ts";
import { parseIp } from "../bytes/ip.ts";
import { Netlink, NetlinkMessage } from "../syscall/netlink.ts";
import { attachAction, errnoOf, missing } from "./attempt.ts";
import { findDevice } from "./device.ts";
import { Link } from "./link.ts";
import { NamespaceUndo } from "./namespace_undo.ts";
import type { AttachableProgram, Attacher, RouteOptions } from "./types.ts";

/** Where in a route a program of each type runs. */
const PLACES: Readonly<Record<number, number | undefined>> = {
  [BPF_PROG_TYPE_LWT_IN]: LWT_BPF_IN,
  [BPF_PROG_TYPE_LWT_OUT]: LWT_BPF_OUT,
  [BPF_PROG_TYPE_LWT_XMIT]: LWT_BPF_XMIT,
};

export const lwt: Attacher<RouteOptions> = {
  options: ["to", "via", "device", "table", "metric", "headroom"],
  attach(prog, _target, options) {
    const { headroom = 0 } = options;
    if (!Number.isInteger(headroom) || headroom < 0 || headroom > 256) {
      throw new RangeError(`Cannot attach program "${prog.name}": headroom ${headroom} is not between 0 and 256`);
    }
    if (headroom > 0 && prog.type !== BPF_PROG_TYPE_LWT_XMIT) {
      throw new TypeError(`Cannot attach program "${prog.name}": only lwt_xmit takes headroom`);
    }
    const to = options.to ?? missing(prog, "to", '"10.1.0.0/16"');
    const what = `route "${to}"`;
    const route = routeOf(prog, to, options);
    const undo = new NamespaceUndo(() => removeRoute(route(), what));
    const message = route().nest(RTA_ENCAP, (encap) => addProgram(encap, prog, headroom))
      .u16(RTA_ENCAP_TYPE, isSeg6(prog) ? LWTUNNEL_ENCAP_SEG6_LOCAL : LWTUNNEL_ENCAP_BPF);
    undo.closeUnless(() => addRoute(prog, what, message));
    return new Link({ what, kept: [undo.namespace], lasting: true, undo: () => undo.run() });
  },
};

function isSeg6(prog: AttachableProgram): boolean {
  return prog.type === BPF_PROG_TYPE_LWT_SEG6LOCAL;
}

/** The part of the message that adding and removing share. */
function routeOf(prog: AttachableProgram, to: string, options: RouteOptions): () => NetlinkMessage {
  const { address, length } = parsePrefix(prog, to);
  const gateway = options.via === undefined ? undefined : parseIp(options.via, 'option "via"');
  if (gateway !== undefined && gateway.length !== address.length) {
    throw new TypeError(`Cannot attach program "${prog.name}": "to" and "via" are of different IP versions`);
  }
  const device = gateway === undefined || options.device !== undefined
    ? findDevice(prog, options.device).index
    : undefined;
  const { table = RT_TABLE_MAIN, metric } = options;
  return () => {
    const message = NetlinkMessage.of(rtmsg, {
      rtm_family: address.length === 4 ? AF_INET : AF_INET6,
      rtm_dst_len: length,
      // Numbers over 255 fit only the attribute.
      rtm_table: table < 256 ? table : 0,
      rtm_protocol: RTPROT_STATIC,
      rtm_scope: address.length === 4 && gateway === undefined ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
      rtm_type: RTN_UNICAST,
    }).bytes(RTA_DST, address).u32(RTA_TABLE, table);
    if (device !== undefined) message.u32(RTA_OIF, device);
    if (gateway !== undefined) message.bytes(RTA_GATEWAY, gateway);
    if (metric !== undefined) message.u32(RTA_PRIORITY, metric);
    return message;
  };
}

function parsePrefix(prog: AttachableProgram, to: string): { address: Uint8Array; length: number } {
  const [text = "", bits, ...more] = to.split("/");
  const address = parseIp(text, 'option "to"');
  const length = bits === undefined ? address.length * 8 : Number(bits);
  if (more.length > 0 || !Number.isInteger(length) || length < 0 || length > address.length * 8) {
    throw new TypeError(`Cannot attach program "${prog.name}": "${to}" is no destination, like "10.1.0.0/16"`);
  }
  return { address, length };
}

function addProgram(encap: NetlinkMessage, prog: AttachableProgram, headroom: number): void {
  if (isSeg6(prog)) {
    encap.u32(SEG6_LOCAL_ACTION, SEG6_LOCAL_ACTION_END_BPF).nest(SEG6_LOCAL_BPF, (bpf) => {
      bpf.u32(SEG6_LOCAL_BPF_PROG, prog.fd).string(SEG6_LOCAL_BPF_PROG_NAME, prog.name);
    });
    return;
  }
  const place = PLACES[prog.type];
  if (place === undefined) {
    throw new TypeError(
      `Cannot attach program "${prog.name}" to a route: section "${prog.sectionName}" is not for routes`,
    );
  }
  encap.nest(place, (bpf) => {
    bpf.u32(LWT_BPF_PROG_FD, prog.fd).string(LWT_BPF_PROG_NAME, prog.name);
  });
  if (headroom > 0) encap.u32(LWT_BPF_XMIT_HEADROOM, headroom);
}

function addRoute(prog: AttachableProgram, what: string, message: NetlinkMessage): void {
  using netlink = new Netlink();
  try {
    netlink.request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, message, attachAction(prog, what));
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === EOPNOTSUPP) {
      const option = isSeg6(prog) ? "CONFIG_IPV6_SEG6_BPF" : "CONFIG_LWTUNNEL_BPF";
      throw new NotSupportedError("programs of routes", { hint: `the kernel needs ${option}`, cause: error });
    }
    const hint = HINTS[errno];
    if (hint === undefined || !(error instanceof SyscallError)) throw error;
    const { call, errnoName } = error;
    throw new SyscallError(`Cannot ${attachAction(prog, what)}`, { call, errno, errnoName, hint, cause: error });
  }
}

const HINTS: Readonly<Record<number, string>> = {
  [EEXIST]: 'there is a route to this destination already: give option "metric" to stand beside it',
  [ENETUNREACH]: 'option "via" is not reachable',
};

function removeRoute(message: NetlinkMessage, what: string): void {
  using netlink = new Netlink();
  try {
    netlink.request(RTM_DELROUTE, 0, message, `remove ${what}`);
  } catch (error) {
    // Routes go with their device.
    if (![ESRCH, ENODEV].includes(errnoOf(error))) throw error;
  }
}
