/** Network devices by name or index. */
import { NotFoundError } from "../errors.ts";
import { netDevices } from "../syscall/netlink.ts";
import { missing } from "./attempt.ts";
import type { AttachableProgram } from "./types.ts";

/** A device of the current network namespace. */
export interface Device {
  readonly index: number;
  /** As errors print it. */
  readonly label: string;
}

/** Finds a device. Throws `NotFoundError` for a name that is not there, `TypeError` if none is given. */
export function findDevice(prog: AttachableProgram, device: string | number | undefined): Device {
  if (device === undefined) missing(prog, "device", '"eth0"');
  if (typeof device === "number") {
    if (!Number.isInteger(device) || device <= 0) throw new RangeError(`Cannot use network device ${device}: no index`);
    return { index: device, label: `device ${device}` };
  }
  const devices = netDevices();
  const found = devices.find((d) => d.name === device);
  if (found === undefined) throw new NotFoundError("network device", device, devices.map((d) => d.name));
  return { index: found.index, label: `device "${device}"` };
}
