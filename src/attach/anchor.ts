/** Places in the order of programs at one hook: tcx, netkit (Linux 6.6) and cgroups (6.17). */
import { BPF_F_LINK } from "../abi/bpf.gen.ts";
import { BPF_F_AFTER, BPF_F_BEFORE, BPF_F_ID } from "../abi/defines.ts";
import type { Anchor } from "./types.ts";

/** What BPF_LINK_CREATE takes for an anchor; the last three go below `tcx.`, `netkit.` or `cgroup.`. */
export interface AnchorFields {
  flags: number;
  relative_fd: number | undefined;
  relative_id: number | undefined;
  expected_revision: bigint | undefined;
}

/** Whether the options name a place. */
export function hasAnchor(options: Anchor): boolean {
  return options.before !== undefined || options.after !== undefined || options.expectedRevision !== undefined;
}

/** Throws `TypeError` if more than one place is named. */
export function anchorFields(options: Anchor): AnchorFields {
  const { before, after, expectedRevision } = options;
  if (before !== undefined && after !== undefined) {
    throw new TypeError("Cannot attach: only one of before and after may be given");
  }
  const place = before ?? after;
  const fields: AnchorFields = {
    flags: before !== undefined ? BPF_F_BEFORE : after !== undefined ? BPF_F_AFTER : 0,
    relative_fd: undefined,
    relative_id: undefined,
    expected_revision: expectedRevision,
  };
  if (place === undefined || place === true) return fields;
  const named = Object.values(place).filter((v) => v !== undefined).length;
  if (named !== 1) throw new TypeError("Cannot attach: an anchor names one of progFd, progId, linkFd and linkId");
  if (place.linkFd !== undefined || place.linkId !== undefined) fields.flags |= BPF_F_LINK;
  if (place.progId !== undefined || place.linkId !== undefined) fields.flags |= BPF_F_ID;
  fields.relative_fd = place.progFd ?? place.linkFd;
  fields.relative_id = place.progId ?? place.linkId;
  return fields;
}
