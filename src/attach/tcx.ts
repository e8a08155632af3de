/** tcx and netkit: links in an ordered list of programs at a network device (Linux 6.6 and 6.7). */
import { BPF_NETKIT_PEER, BPF_NETKIT_PRIMARY, BPF_TCX_EGRESS, BPF_TCX_INGRESS } from "../abi/bpf.gen.ts";
import { E2BIG, EINVAL } from "../abi/errno.gen.ts";
import type { Fd } from "../syscall/fd.ts";
import { anchorFields } from "./anchor.ts";
import { createLink, missing, tryLink } from "./attempt.ts";
import { type Device, findDevice } from "./device.ts";
import { Link } from "./link.ts";
import { attachFilter } from "./tc.ts";
import type { AttachableProgram, Attacher, NetkitOptions, TcOptions } from "./types.ts";

type Direction = NonNullable<TcOptions["direction"]>;

export const tcx: Attacher<TcOptions> = {
  options: ["device", "direction", "mechanism", "priority", "handle", "classId", "before", "after", "expectedRevision"],
  attach(prog, _target, options) {
    const direction = directionOf(prog, options);
    const netlinkOnly = [options.priority, options.handle, options.classId].some((o) => o !== undefined);
    const mechanism = options.mechanism ?? "auto";
    if (mechanism === "tcx" && netlinkOnly) {
      throw new TypeError(
        `Cannot attach program "${prog.name}": priority, handle and classId are of netlink filters, not of tcx`,
      );
    }
    const anchor = anchorFields(options);
    const ordered = anchor.flags !== 0 || anchor.expected_revision !== undefined;
    if (ordered && (mechanism === "netlink" || netlinkOnly)) {
      throw new TypeError(`Cannot attach program "${prog.name}": before and after are of tcx, not of netlink filters`);
    }
    const device = findDevice(prog, options.device);
    if (mechanism === "netlink" || netlinkOnly) return attachFilter(prog, device, direction, options);
    const what = `tcx ${direction} of ${device.label}`;
    const link = linkTcx(prog, device, direction, anchor, mechanism === "tcx" || ordered ? what : undefined);
    return link === undefined ? attachFilter(prog, device, direction, options) : new Link({ what, links: [link] });
  },
};

/** `what` makes it required: without it a kernel that has no tcx is no error. */
function linkTcx(
  prog: AttachableProgram,
  device: Device,
  direction: Direction,
  anchor: ReturnType<typeof anchorFields>,
  what: string | undefined,
): Fd | undefined {
  const attr = {
    prog_fd: prog.fd,
    target_ifindex: device.index,
    attach_type: direction === "ingress" ? BPF_TCX_INGRESS : BPF_TCX_EGRESS,
    flags: anchor.flags,
    "tcx.relative_fd": anchor.relative_fd,
    "tcx.relative_id": anchor.relative_id,
    "tcx.expected_revision": anchor.expected_revision,
  };
  if (what === undefined) {
    const link = tryLink(attr);
    if (typeof link !== "number") return link;
    // Kernels before 6.6 do not know the attach type.
    if (link === -EINVAL || link === -E2BIG) return undefined;
  }
  return createLink(
    prog,
    what ?? `tcx ${direction} of ${device.label}`,
    attr,
    (errno) => errno === EINVAL ? "tcx needs Linux 6.6" : undefined,
  );
}

function directionOf(prog: AttachableProgram, options: TcOptions): Direction {
  const named = /\/(ingress|egress)$/.exec(prog.def?.sec ?? "")?.[1] as Direction | undefined;
  const direction = options.direction ?? named ?? missing(prog, "direction", '"ingress" or "egress"');
  if (direction !== "ingress" && direction !== "egress") {
    throw new TypeError(`Cannot attach program "${prog.name}": direction "${direction}" is neither ingress nor egress`);
  }
  return direction;
}

export const netkit: Attacher<NetkitOptions> = {
  options: ["device", "before", "after", "expectedRevision"],
  attach(prog, _target, options) {
    const device = findDevice(prog, options.device);
    const anchor = anchorFields(options);
    const attachType = prog.expectedAttachType;
    if (attachType !== BPF_NETKIT_PRIMARY && attachType !== BPF_NETKIT_PEER) {
      throw new TypeError(
        `Cannot attach program "${prog.name}": its section is neither netkit/primary nor netkit/peer`,
      );
    }
    const what = `netkit ${attachType === BPF_NETKIT_PEER ? "peer" : "primary"} of ${device.label}`;
    const link = createLink(
      prog,
      what,
      {
        target_ifindex: device.index,
        attach_type: attachType,
        flags: anchor.flags,
        "netkit.relative_fd": anchor.relative_fd,
        "netkit.relative_id": anchor.relative_id,
        "netkit.expected_revision": anchor.expected_revision,
      },
      (errno) =>
        errno === EINVAL ? "netkit needs Linux 6.7, and the device must be the primary end of a pair" : undefined,
    );
    return new Link({ what, links: [link] });
  },
};
