/**
 * Structs of route netlink: message header, link, traffic control, attribute header. The numbers are in
 * netlink.gen.ts (enumerations) and defines.ts (macros). See include/uapi/linux/{netlink,rtnetlink,if_link}.h.
 */
import type { Fields } from "./struct.ts";

/** `struct sockaddr_nl`. */
export const sockaddr_nl = {
  nl_family: [0, "u16"],
  nl_pid: [4, "u32"],
  nl_groups: [8, "u32"],
} as const satisfies Fields;

/** `struct nlmsghdr`. */
export const nlmsghdr = {
  nlmsg_len: [0, "u32"],
  nlmsg_type: [4, "u16"],
  nlmsg_flags: [6, "u16"],
  nlmsg_seq: [8, "u32"],
  nlmsg_pid: [12, "u32"],
} as const satisfies Fields;

/** `struct nlmsgerr`: a negative errno (0: acknowledgement), then the header of the message it answers. */
export const nlmsgerr = { error: [0, "s32"] } as const satisfies Fields;

/** Attributes after the header of an NLMSG_ERROR with NLM_F_ACK_TLVS: a text, and the offset of what was wrong. */
export const NLMSGERR_ATTR_MSG = 1;
export const NLMSGERR_ATTR_OFFS = 2;

/** `struct nlattr`: a length that includes these four bytes and excludes padding; attributes start at multiples of 4. */
export const nlattr = { nla_len: [0, "u16"], nla_type: [2, "u16"] } as const satisfies Fields;

/** `struct ifinfomsg`, of RTM_*LINK. */
export const ifinfomsg = {
  ifi_family: [0, "u8"],
  ifi_type: [2, "u16"],
  ifi_index: [4, "s32"],
  ifi_flags: [8, "u32"],
  ifi_change: [12, "u32"],
} as const satisfies Fields;

/** `struct tcmsg`, of RTM_*QDISC and RTM_*TFILTER; `tcm_info` of a filter is priority << 16 | protocol (big-endian). */
export const tcmsg = {
  tcm_family: [0, "u8"],
  tcm_ifindex: [4, "s32"],
  tcm_handle: [8, "u32"],
  tcm_parent: [12, "u32"],
  tcm_info: [16, "u32"],
} as const satisfies Fields;

/** `struct rtmsg`, of RTM_*ROUTE; lengths are prefix lengths in bits. */
export const rtmsg = {
  rtm_family: [0, "u8"],
  rtm_dst_len: [1, "u8"],
  rtm_table: [4, "u8"],
  rtm_protocol: [5, "u8"],
  rtm_scope: [6, "u8"],
  rtm_type: [7, "u8"],
  rtm_flags: [8, "u32"],
} as const satisfies Fields;

/** Attributes of a route. */
export const RTA_DST = 1;
export const RTA_OIF = 4;
export const RTA_GATEWAY = 5;
export const RTA_PRIORITY = 6;
export const RTA_TABLE = 15;
export const RTA_VIA = 18;
export const RTA_ENCAP_TYPE = 21;
export const RTA_ENCAP = 22;

/** `rtm_protocol` of routes that a person made, and `rtm_type` of ordinary ones. */
export const RTPROT_STATIC = 4;
export const RTN_UNICAST = 1;

/** RTA_ENCAP of LWTUNNEL_ENCAP_SEG6_LOCAL, and the action that runs a program. See include/uapi/linux/seg6_local.h */
export const SEG6_LOCAL_ACTION = 1;
export const SEG6_LOCAL_BPF = 8;
export const SEG6_LOCAL_ACTION_END_BPF = 15;
export const SEG6_LOCAL_BPF_PROG = 1;
export const SEG6_LOCAL_BPF_PROG_NAME = 2;
