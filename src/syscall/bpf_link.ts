/** The link commands of bpf(2), and what attaches without one. */
import { ENOSPC } from "../abi/errno.gen.ts";
import { bpfCall, bpfFd, type BpfInput, callPrepared, checkBpf, prepareAttr } from "./bpf_call.ts";
import type { Fd } from "./fd.ts";
import { arena } from "./memory.ts";

/** BPF_LINK_CREATE (5.7). Fields of a kind are spelt with a dot: `"kprobe_multi.cnt"`. */
export function linkCreate(attr: BpfInput<"BPF_LINK_CREATE">): Fd {
  return bpfFd("BPF_LINK_CREATE", attr, "create the link");
}

/** BPF_LINK_UPDATE: puts another program (or struct_ops map) behind a link, atomically. */
export function linkUpdate(attr: BpfInput<"BPF_LINK_UPDATE">): void {
  bpfCall("BPF_LINK_UPDATE", attr, "update the link");
}

/** BPF_LINK_DETACH (5.9): ends the attachment although the link stays open. */
export function linkDetach(fd: number): void {
  bpfCall("BPF_LINK_DETACH", { link_fd: fd }, "detach the link");
}

/** BPF_RAW_TRACEPOINT_OPEN (4.17): also how tp_btf, fentry, fexit and LSM programs (no name) attach. */
export function rawTracepointOpen(progFd: number, name?: string, cookie?: bigint | number): Fd {
  return bpfFd(
    "BPF_RAW_TRACEPOINT_OPEN",
    { prog_fd: progFd, name: name ?? 0, cookie },
    () => `attach to ${name === undefined ? "the program's target" : `raw tracepoint "${name}"`}`,
  );
}

/** BPF_ITER_CREATE (5.8): a descriptor whose reads run the iterator. */
export function iterCreate(linkFd: number): Fd {
  return bpfFd("BPF_ITER_CREATE", { link_fd: linkFd }, "create the iterator");
}

/** What a perf event or raw tracepoint descriptor of a process runs. */
export interface TaskFdQueryResult {
  progId: number;
  /** A BPF_FD_TYPE_*. */
  fdType: number;
  /** Tracepoint, function or path. */
  name: string;
  probeOffset: bigint;
  probeAddr: bigint;
}

const decoder = new TextDecoder();

/** BPF_TASK_FD_QUERY (4.18). */
export function taskFdQuery(pid: number, fd: number): TaskFdQueryResult {
  using scope = arena().scope();
  const size = 4096;
  const name = scope.alloc(size);
  const attr = prepareAttr(scope, "BPF_TASK_FD_QUERY", { pid, fd, buf: name.address, buf_len: size });
  const result = callPrepared("BPF_TASK_FD_QUERY", attr);
  if (result !== -ENOSPC) checkBpf(result, "BPF_TASK_FD_QUERY", `query file descriptor ${fd} of process ${pid}`);
  const end = name.bytes.indexOf(0);
  return {
    progId: attr.view.getUint32(24, true),
    fdType: attr.view.getUint32(28, true),
    name: decoder.decode(name.bytes.slice(0, end < 0 ? size : end)),
    probeOffset: attr.view.getBigUint64(32, true),
    probeAddr: attr.view.getBigUint64(40, true),
  };
}
