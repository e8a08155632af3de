/**
 * xdp: a link on a network device (Linux 5.9), or route netlink on older kernels; or one of several programs of the
 * device, which a dispatcher calls.
 */
import { BPF_XDP } from "../abi/bpf.gen.ts";
import { XDP_FLAGS_DRV_MODE, XDP_FLAGS_HW_MODE, XDP_FLAGS_SKB_MODE } from "../abi/defines.ts";
import { EBUSY, EEXIST, EINVAL, ENODEV } from "../abi/errno.gen.ts";
import { NotFoundError } from "../errors.ts";
import { xdpOf } from "../kernel/net_programs.ts";
import { xdpVerdicts } from "../kernel/xdp_dispatcher.ts";
import { hasSectionFlag } from "../object/sections.ts";
import { progInfo } from "../syscall/bpf.ts";
import { dupFd } from "../syscall/fd.ts";
import { attachAction, errnoOf, linkError, tryLink } from "./attempt.ts";
import { type Device, findDevice } from "./device.ts";
import { Link } from "./link.ts";
import { NamespaceUndo } from "./namespace_undo.ts";
import type { AttachableProgram, Attacher, XdpOptions } from "./types.ts";
import { joinDispatcher, type Joined, leaveDispatcher, type Part, runConfig } from "./xdp_dispatcher.ts";
import { setXdp } from "./xdp_netlink.ts";

const MODES = {
  auto: 0,
  driver: XDP_FLAGS_DRV_MODE,
  generic: XDP_FLAGS_SKB_MODE,
  hardware: XDP_FLAGS_HW_MODE,
} as const;

export const xdp: Attacher<XdpOptions> = {
  options: ["device", "mode", "mechanism", "replace", "runPriority", "chainCallActions"],
  attach(prog, _target, options) {
    const { mode = "auto", mechanism = "auto", replace = false } = options;
    const flags = MODES[mode];
    if (flags === undefined) {
      throw new TypeError(`Cannot attach program "${prog.name}": XDP mode "${mode}" does not exist`);
    }
    const device = findDevice(prog, options.device);
    if (mechanism === "dispatcher") return attachDispatched(prog, device, flags, options);
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
    return "a device takes one XDP program, and another is there (see `bpftool net`): attach both with " +
      'mechanism "dispatcher", or use tcx, which takes many';
  }
  if (errno === EINVAL) return "the device may not support this mode, or its MTU is too large for XDP";
  return undefined;
}

function attachNetlink(prog: AttachableProgram, device: Device, what: string, mode: number, replace: boolean): Link {
  // The program may be closed before the link is: keep what is needed to recognise it.
  const kept = dupFd(prog.fd);
  const id = progInfo(kept.number).id;
  const undo = new NamespaceUndo(() => removeProgram(device, kept.number, id, mode));
  try {
    undo.closeUnless(() => setXdp(device.index, prog.fd, mode, attachAction(prog, what), replace ? "any" : "none"));
  } catch (error) {
    kept.close();
    throw error;
  }
  return new Link({ what, kept: [kept, undo.namespace], lasting: true, undo: () => undo.run() });
}

/** Removes our program, and no other that has taken its place since. */
function removeProgram(device: Device, fd: number, id: number, mode: number): void {
  const action = `detach XDP of ${device.label}`;
  try {
    setXdp(device.index, undefined, mode, action, fd);
  } catch (error) {
    const errno = errnoOf(error);
    // The device is gone, or another program is there.
    if (errno === ENODEV || errno === EEXIST) return;
    // Kernels before 5.7 cannot compare.
    if (errno !== EINVAL) throw error;
    if (xdpOf(device.index)?.programId === id) setXdp(device.index, undefined, mode, action, "any");
  }
}

function attachDispatched(prog: AttachableProgram, device: Device, mode: number, options: XdpOptions): Link {
  const part = partOf(prog, options);
  const undo = new NamespaceUndo(() => leaveDispatcher(prog, device, joined.programId));
  const joined: Joined = undo.closeUnless(() => joinDispatcher(prog, device, mode, part));
  return new Link({
    what: `the XDP dispatcher of ${device.label}`,
    kept: [joined.program, undo.namespace],
    lasting: true,
    undo: () => undo.run(),
  });
}

/** What options say, else the object, else libxdp's defaults. */
function partOf(prog: AttachableProgram, { runPriority, chainCallActions }: XdpOptions): Part {
  const config = runConfig(prog.object?.btf, prog.name);
  const declared = xdpVerdicts().filter((verdict) => (config[`XDP_${verdict.toUpperCase()}`] ?? 0) !== 0);
  const actions = chainCallActions ?? (declared.length > 0 ? declared : ["pass" as const]);
  const wrong = actions.find((action) => !xdpVerdicts().includes(action));
  if (wrong !== undefined) {
    throw new NotFoundError("XDP verdict", wrong, xdpVerdicts());
  }
  const priority = runPriority ?? config["priority"] ?? 50;
  if (!Number.isInteger(priority) || priority < 0 || priority > 0xffffffff) {
    throw new RangeError(`Cannot attach program "${prog.name}": priority ${priority} is no 32-bit number`);
  }
  const frags = prog.def !== undefined && hasSectionFlag(prog.def, "xdpFrags");
  return { runPriority: priority, chainCallActions: actions, frags };
}
