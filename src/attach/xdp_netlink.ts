/** The XDP program of a device by route netlink: set, replaced if it is the expected one, removed. */
import { XDP_FLAGS_REPLACE, XDP_FLAGS_UPDATE_IF_NOEXIST } from "../abi/defines.ts";
import { IFLA_XDP, IFLA_XDP_EXPECTED_FD, IFLA_XDP_FD, IFLA_XDP_FLAGS, RTM_SETLINK } from "../abi/netlink.gen.ts";
import { ifinfomsg } from "../abi/netlink.ts";
import { Netlink, NetlinkMessage } from "../syscall/netlink.ts";

const NO_PROGRAM = 0xffffffff;

/**
 * Sets a device's program, or removes it. `expected` says what may be there: `none`, a certain program (5.7), or
 * anything. `mode` is `XDP_FLAGS_*_MODE` or 0. Throws `SyscallError`.
 */
export function setXdp(
  index: number,
  fd: number | undefined,
  mode: number,
  action: string,
  expected: number | "none" | "any",
): void {
  const condition = expected === "none" ? XDP_FLAGS_UPDATE_IF_NOEXIST : expected === "any" ? 0 : XDP_FLAGS_REPLACE;
  using netlink = new Netlink();
  const message = NetlinkMessage.of(ifinfomsg, { ifi_index: index }).nest(IFLA_XDP, (m) => {
    m.u32(IFLA_XDP_FD, fd ?? NO_PROGRAM).u32(IFLA_XDP_FLAGS, mode | condition);
    if (typeof expected === "number") m.u32(IFLA_XDP_EXPECTED_FD, expected);
  });
  netlink.request(RTM_SETLINK, 0, message, action);
}
