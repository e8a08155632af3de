/** xdp: a link on a network device (Linux 5.9), or route netlink on older kernels. */
import { BPF_XDP } from "../abi/bpf.gen.ts";
import {
  XDP_FLAGS_DRV_MODE,
  XDP_FLAGS_HW_MODE,
  XDP_FLAGS_REPLACE,
  XDP_FLAGS_SKB_MODE,
  XDP_FLAGS_UPDATE_IF_NOEXIST,
} from "../abi/defines.ts";
import { EBUSY, EEXIST, EINVAL, ENODEV } from "../abi/errno.gen.ts";
import {
  IFLA_XDP,
  IFLA_XDP_EXPECTED_FD,
  IFLA_XDP_FD,
  IFLA_XDP_FLAGS,
  IFLA_XDP_PROG_ID,
  RTM_SETLINK,
} from "../abi/netlink.gen.ts";
import { ifinfomsg } from "../abi/netlink.ts";
import { progInfo } from "../syscall/bpf.ts";
import { dupFd } from "../syscall/fd.ts";
import { netDevices, Netlink, netlinkAttributes, NetlinkMessage } from "../syscall/netlink.ts";
import { attachAction, errnoOf, linkError, tryLink } from "./attempt.ts";
import { type Device, findDevice } from "./device.ts";
import { Link } from "./link.ts";
import { NamespaceUndo } from "./namespace_undo.ts";
import type { AttachableProgram, Attacher, XdpOptions } from "./types.ts";

const MODES = {
  auto: 0,
  driver: XDP_FLAGS_DRV_MODE,
  generic: XDP_FLAGS_SKB_MODE,
  hardware: XDP_FLAGS_HW_MODE,
} as const;

export const xdp: Attacher<XdpOptions> = {
  options: ["device", "mode", "mechanism", "replace"],
  attach(prog, _target, options) {
    const { mode = "auto", mechanism = "auto", replace = false } = options;
    const flags = MODES[mode];
    if (flags === undefined) {
      throw new TypeError(`Cannot attach program "${prog.name}": XDP mode "${mode}" does not exist`);
    }
    const device = findDevice(prog, options.device);
    const what = `XDP of ${device.label}`;
    if (mechanism === "netlink" || mechanism === "auto" && replace) {
      return attachNetlink(prog, device, what, flags, replace);
    }
    const link = tryLink({ prog_fd: prog.fd, target_ifindex: device.index, attach_type: BPF_XDP, flags });
    if (typeof link !== "number") return new Link({ what, links: [link] });
    // Kernels before 5.9 do not know such links.
    if (link === -EINVAL && mechanism === "auto") return attachNetlink(prog, device, what, flags, replace);
    return linkError(prog, what, link, hint(-link));
  },
};

function hint(errno: number): string | undefined {
  if (errno === EBUSY || errno === EEXIST) {
    return "a device takes one XDP program, and another is there (see `bpftool net`): detach it, call one from the " +
      "other through a program array, or use tcx, which takes many";
  }
  if (errno === EINVAL) return "the device may not support this mode, or its MTU is too large for XDP";
  return undefined;
}

function attachNetlink(prog: AttachableProgram, device: Device, what: string, mode: number, replace: boolean): Link {
  const flags = mode | (replace ? 0 : XDP_FLAGS_UPDATE_IF_NOEXIST);
  // The program may be closed before the link is: keep what is needed to recognise it.
  const kept = dupFd(prog.fd);
  const id = progInfo(kept.number).id;
  const undo = new NamespaceUndo(() => removeProgram(device, kept.number, id, mode));
  try {
    undo.closeUnless(() => setProgram(device.index, prog.fd, flags, attachAction(prog, what)));
  } catch (error) {
    kept.close();
    throw error;
  }
  return new Link({ what, kept: [kept, undo.namespace], lasting: true, undo: () => undo.run() });
}

function setProgram(index: number, fd: number, flags: number, action: string, expected?: number): void {
  using netlink = new Netlink();
  const message = NetlinkMessage.of(ifinfomsg, { ifi_index: index }).nest(IFLA_XDP, (m) => {
    m.u32(IFLA_XDP_FD, fd).u32(IFLA_XDP_FLAGS, flags);
    if (expected !== undefined) m.u32(IFLA_XDP_EXPECTED_FD, expected);
  });
  netlink.request(RTM_SETLINK, 0, message, action);
}

/** Removes our program, and no other that has taken its place since. */
function removeProgram(device: Device, fd: number, id: number, mode: number): void {
  const action = `detach XDP of ${device.label}`;
  try {
    setProgram(device.index, 0xffffffff, mode | XDP_FLAGS_REPLACE, action, fd);
  } catch (error) {
    const errno = errnoOf(error);
    // The device is gone, or another program is there.
    if (errno === ENODEV || errno === EEXIST) return;
    // Kernels before 5.7 cannot compare.
    if (errno !== EINVAL) throw error;
    if (attachedId(device.index) === id) setProgram(device.index, 0xffffffff, mode, action);
  }
}

function attachedId(index: number): number | undefined {
  const attribute = netDevices().find((d) => d.index === index)?.attributes.get(IFLA_XDP);
  if (attribute === undefined) return undefined;
  const id = netlinkAttributes(attribute).get(IFLA_XDP_PROG_ID);
  return id === undefined ? undefined : new DataView(id.buffer, id.byteOffset).getUint32(0, true);
}
