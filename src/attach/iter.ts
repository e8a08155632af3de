/** iter: a link whose reads run the program once for every object of a kind (Linux 5.8). */
import { bpf_iter_link_info } from "../abi/attr.ts";
import {
  BPF_CGROUP_ITER_ANCESTORS_UP,
  BPF_CGROUP_ITER_DESCENDANTS_POST,
  BPF_CGROUP_ITER_DESCENDANTS_PRE,
  BPF_CGROUP_ITER_SELF_ONLY,
  BPF_TRACE_ITER,
} from "../abi/bpf.gen.ts";
import { type StructInput, structSize, writeStruct } from "../abi/struct.ts";
import { iterCreate } from "../syscall/bpf.ts";
import { readAll } from "../syscall/files.ts";
import { createLink } from "./attempt.ts";
import { Link } from "./link.ts";
import type { AttachableProgram, Attacher, IterOptions } from "./types.ts";

const decoder = new TextDecoder();

/** The link of an iterator. */
export class IterLink extends Link {
  /** Runs the iterator and returns what the program wrote with `bpf_seq_write`. Throws `SyscallError`. */
  bytes(): Uint8Array<ArrayBuffer> {
    const fd = this.fd;
    if (fd === undefined) throw new TypeError(`Cannot read ${this.what}: the link is closed`);
    using iterator = iterCreate(fd);
    return readAll(iterator.number, this.what);
  }

  /** Runs the iterator and returns what the program wrote with `bpf_seq_printf`. Throws `SyscallError`. */
  text(): string {
    return decoder.decode(this.bytes());
  }
}

const ORDERS = {
  self: BPF_CGROUP_ITER_SELF_ONLY,
  descendants_pre: BPF_CGROUP_ITER_DESCENDANTS_PRE,
  descendants_post: BPF_CGROUP_ITER_DESCENDANTS_POST,
  ancestors_up: BPF_CGROUP_ITER_ANCESTORS_UP,
} as const;

/** Attaches an iterator. */
export function attachIter(prog: AttachableProgram, options: IterOptions = {}): IterLink {
  const what = `iterator "${prog.target}"`;
  const info = iterInfo(prog, options);
  const extra = info === undefined ? {} : { iter_info: info, iter_info_len: info.length };
  const link = createLink(prog, what, { attach_type: BPF_TRACE_ITER, ...extra });
  return new IterLink({ what, links: [link] });
}

/** `union bpf_iter_link_info`, or undefined if the iterator goes over everything. */
function iterInfo(prog: AttachableProgram, { mapFd, cgroup, task }: IterOptions): Uint8Array | undefined {
  const given = [mapFd, cgroup, task].filter((o) => o !== undefined).length;
  if (given === 0) return undefined;
  if (given > 1) {
    throw new TypeError(`Cannot attach program "${prog.name}": only one of "mapFd", "cgroup" and "task" may be given`);
  }
  const values: StructInput<typeof bpf_iter_link_info> = mapFd !== undefined
    ? { "map.map_fd": mapFd }
    : cgroup !== undefined
    ? {
      "cgroup.order": ORDERS[cgroup.order ?? "descendants_pre"],
      "cgroup.cgroup_fd": cgroup.fd,
      "cgroup.cgroup_id": cgroup.id,
    }
    : { "task.tid": task?.tid, "task.pid": task?.pid, "task.pid_fd": task?.pidFd };
  const bytes = new Uint8Array(structSize(bpf_iter_link_info));
  writeStruct(new DataView(bytes.buffer), 0, bpf_iter_link_info, values);
  return bytes;
}

export const iter: Attacher<IterOptions> = {
  options: ["mapFd", "cgroup", "task"],
  attach: (prog, _target, options) => attachIter(prog, options),
};
