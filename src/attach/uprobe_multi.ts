/** uprobe.multi, uretprobe.multi, uprobe.session: one link for many functions of a file (Linux 6.6). */
import { BPF_F_UPROBE_MULTI_RETURN, BPF_TRACE_UPROBE_MULTI, BPF_TRACE_UPROBE_SESSION } from "../abi/bpf.gen.ts";
import { EINVAL } from "../abi/errno.gen.ts";
import { functionOffset, matchingFunctions } from "../kernel/file_functions.ts";
import { findBinaryOf } from "../kernel/process_files.ts";
import { isReturnSection, isSessionSection } from "../object/section_name.ts";
import { arena } from "../syscall/memory.ts";
import { getpid } from "../syscall/process.ts";
import { createLink, missing } from "./attempt.ts";
import { globToRegExp, isGlob } from "./glob.ts";
import { Link } from "./link.ts";
import type { AttachableProgram, Attacher, Cookie, UprobeMultiOptions } from "./types.ts";

export const uprobeMulti: Attacher<UprobeMultiOptions> = {
  options: ["path", "pattern", "symbols", "offsets", "refCtrOffsets", "cookies", "pid", "retprobe", "session"],
  attach(prog, target, options) {
    const named = target.kind === "uprobe_multi" ? target : undefined;
    const path = findBinaryOf(options.path ?? named?.path ?? missing(prog, "path", '"libc.so.6"'), options.pid);
    const offsets = options.offsets ?? findOffsets(prog, path, options.symbols, options.pattern ?? named?.pattern);
    const { refCtrOffsets, cookies } = options;
    if (offsets.length === 0) throw new TypeError(`Cannot attach program "${prog.name}": no function is given`);
    for (const [name, list] of Object.entries({ refCtrOffsets, cookies })) {
      if (list === undefined || list.length === offsets.length) continue;
      throw new RangeError(`Cannot attach program "${prog.name}": ${list.length} ${name} for ${offsets.length} places`);
    }
    const session = options.session ?? (prog.def !== undefined && isSessionSection(prog.def));
    const retprobe = options.retprobe ?? (prog.def !== undefined && isReturnSection(prog.def));
    return linkUprobes(prog, `${offsets.length} places in "${path}"`, {
      path,
      offsets,
      refCtrOffsets,
      cookies,
      pid: options.pid,
      retprobe,
      session,
    });
  },
};

/** What one link of many uprobes takes. Lists are empty or as long as `offsets`. */
export interface UprobeList {
  readonly path: string;
  readonly offsets: readonly number[];
  readonly refCtrOffsets?: readonly number[] | undefined;
  readonly cookies?: readonly Cookie[] | undefined;
  readonly pid?: number | undefined;
  readonly retprobe?: boolean;
  readonly session?: boolean;
}

/** Makes the link. Throws `SyscallError`. */
export function linkUprobes(prog: AttachableProgram, what: string, list: UprobeList): Link {
  const { path, offsets, refCtrOffsets = [], cookies = [], pid, retprobe = false, session = false } = list;
  using scope = arena().scope();
  const link = createLink(prog, what, {
    attach_type: session ? BPF_TRACE_UPROBE_SESSION : BPF_TRACE_UPROBE_MULTI,
    "uprobe_multi.path": path,
    "uprobe_multi.offsets": scope.u64s(offsets),
    "uprobe_multi.ref_ctr_offsets": refCtrOffsets.length === 0 ? 0 : scope.u64s(refCtrOffsets),
    "uprobe_multi.cookies": cookies.length === 0 ? 0 : scope.u64s(cookies),
    "uprobe_multi.cnt": offsets.length,
    "uprobe_multi.flags": retprobe ? BPF_F_UPROBE_MULTI_RETURN : 0,
    // 0 means any process to the kernel, this one to people who know perf_event_open(2).
    "uprobe_multi.pid": pid === 0 ? getpid() : pid,
  }, (errno) => {
    if (errno !== EINVAL) return undefined;
    return session ? "uprobe.session needs Linux 6.13" : "uprobe.multi needs Linux 6.6";
  });
  return new Link({ what, links: [link] });
}

function findOffsets(
  prog: AttachableProgram,
  path: string,
  symbols: readonly string[] | undefined,
  pattern: string | undefined,
): number[] {
  if (symbols !== undefined) return symbols.map((symbol) => functionOffset(path, symbol));
  if (pattern === undefined) missing(prog, "pattern", '"malloc*"');
  if (!isGlob(pattern)) return [functionOffset(path, pattern)];
  return matchingFunctions(path, globToRegExp(pattern), pattern).map((place) => place.offset);
}
