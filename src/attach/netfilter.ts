/** netfilter: packets at a hook of the firewall (Linux 6.4). */
import { BPF_NETFILTER } from "../abi/bpf.gen.ts";
import { BPF_F_NETFILTER_IP_DEFRAG } from "../abi/defines.ts";
import { EINVAL } from "../abi/errno.gen.ts";
import {
  NF_INET_FORWARD,
  NF_INET_LOCAL_IN,
  NF_INET_LOCAL_OUT,
  NF_INET_POST_ROUTING,
  NF_INET_PRE_ROUTING,
  NFPROTO_IPV4,
  NFPROTO_IPV6,
} from "../abi/netlink.gen.ts";
import { createLink, missing } from "./attempt.ts";
import { Link } from "./link.ts";
import type { Attacher, NetfilterOptions } from "./types.ts";

const HOOKS = {
  prerouting: NF_INET_PRE_ROUTING,
  input: NF_INET_LOCAL_IN,
  forward: NF_INET_FORWARD,
  output: NF_INET_LOCAL_OUT,
  postrouting: NF_INET_POST_ROUTING,
} as const;

export const netfilter: Attacher<NetfilterOptions> = {
  options: ["protocol", "hook", "priority", "defragment"],
  attach(prog, _target, options) {
    const { protocol = "ipv4", priority = 0, defragment = false } = options;
    const hook = options.hook ?? missing(prog, "hook", '"input"');
    if (HOOKS[hook] === undefined) {
      throw new TypeError(`Cannot attach program "${prog.name}": hook "${hook}" does not exist`);
    }
    const what = `netfilter ${protocol} ${hook}`;
    const link = createLink(prog, what, {
      attach_type: BPF_NETFILTER,
      "netfilter.pf": protocol === "ipv6" ? NFPROTO_IPV6 : NFPROTO_IPV4,
      "netfilter.hooknum": HOOKS[hook],
      "netfilter.priority": priority,
      "netfilter.flags": defragment ? BPF_F_NETFILTER_IP_DEFRAG : 0,
    }, (errno) => errno === EINVAL ? "netfilter programs need Linux 6.4 and CONFIG_NETFILTER_BPF_LINK" : undefined);
    return new Link({ what, links: [link] });
  },
};
