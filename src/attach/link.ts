/**
 * An attachment. Behind it is a BPF link, or what older kernels have instead: perf events, a netlink filter, a program
 * attached to a cgroup. All of them end when the object is disposed; what the kernel would keep is taken back then.
 */
import { bpf_link_type } from "../abi/bpf.gen.ts";
import { NotSupportedError } from "../errors.ts";
import { linkDetailsOf } from "../kernel/link_details.ts";
import type { LinkDetails } from "../kernel/link_types.ts";
import { bpfCall, linkDetach, type LinkInfo, linkInfo, objGet, objPin } from "../syscall/bpf.ts";
import type { Fd } from "../syscall/fd.ts";
import { unlink } from "../syscall/files.ts";
import { beforeDeath } from "../syscall/signals.ts";

/** What a link is made of. */
export interface LinkParts {
  /** What it is attached to, as errors print it: `kprobe "do_sys_openat2"`. */
  readonly what: string;
  /** The BPF links; more than one where one hook needs several (a perf event on each CPU). */
  readonly links?: readonly Fd[];
  /** Descriptors that keep it attached besides: perf events, a copy of the program's. */
  readonly kept?: readonly Fd[];
  /** Takes back what closing descriptors does not. Runs once, before they are closed. */
  readonly undo?: (() => void) | undefined;
  /** The kernel keeps it when the process dies, so `undo` also runs before a signal ends the process. */
  readonly lasting?: boolean;
}

/**
 * A program attached to something, until it is disposed. A link that is not disposed ends with the process, unless it
 * is pinned. Where `fd` is undefined there is no BPF link, and the kernel keeps the attachment: tc and XDP by netlink,
 * cgroups and sockmaps by BPF_PROG_ATTACH, routes, probes made in tracefs. Such ones are also taken back when SIGINT or
 * SIGTERM would end the process; only one that is killed (SIGKILL) leaves them behind.
 *
 * @example
 * ```ts ignore
 * // ignored: needs an object file
 * import { load } from "@waggle/waggle";
 *
 * using bpf = load("./count.bpf.o");
 * {
 *   using link = bpf.program("count").attach({ device: "eth0" });
 *   console.log(link.id, link.type);
 * } // detached here
 * ```
 */
export class Link implements Disposable {
  /** What it is attached to: `tracepoint "syscalls:sys_enter_openat"`. */
  readonly what: string;
  readonly #links: readonly Fd[];
  readonly #kept: readonly Fd[];
  #undo: (() => void) | undefined;
  /** Takes back the action before death. */
  #forget: (() => void) | undefined;
  #pins = 0;
  #closed = false;

  constructor(parts: LinkParts) {
    this.what = parts.what;
    this.#links = parts.links ?? [];
    this.#kept = parts.kept ?? [];
    this.#undo = parts.undo;
    if (parts.lasting) this.#forget = beforeDeath(() => this.close());
  }

  /** Opens a pinned link. Throws `SyscallError`. */
  static open(path: string): Link {
    return new Link({ what: `pin "${path}"`, links: [objGet(path)] });
  }

  /** One link of many, which are not used any more: a pattern that stands for several places. */
  static group(what: string, members: readonly Link[]): Link {
    const undos = members.flatMap((member) => member.#undo ?? []);
    const isLasting = members.some((member) => member.#forget !== undefined);
    for (const member of members) member.#forget?.();
    return new Link({
      lasting: isLasting,
      what,
      links: members.flatMap((member) => member.#links),
      kept: members.flatMap((member) => member.#kept),
      undo: undos.length === 0 ? undefined : () => undoAll(undos),
    });
  }

  /** The BPF link's file descriptor; undefined if this kernel attached in another way. */
  get fd(): number | undefined {
    return this.#closed ? undefined : this.#links[0]?.number;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** What the kernel says of the link. Throws `NotSupportedError` if it is no BPF link. */
  get info(): LinkInfo {
    return linkInfo(this.#only("show information of"));
  }

  /** The same as typed fields of the link's kind. Throws `NotSupportedError` if it is no BPF link. */
  get details(): LinkDetails {
    return linkDetailsOf(this.#only("show information of"));
  }

  /** The link's number, as `bpftool link` prints it. */
  get id(): number {
    return this.info.id;
  }

  /** Its type in the kernel's spelling without prefix: `KPROBE_MULTI`; a number if it is newer than waggle. */
  get type(): string {
    const { type } = this.info;
    return bpf_link_type[type]?.replace("BPF_LINK_TYPE_", "") ?? String(type);
  }

  /**
   * Pins the link below a bpf file system, so that it outlives the process. Throws `NotSupportedError` if it is no BPF
   * link, and `SyscallError`.
   */
  pin(path: string): void {
    objPin(this.#only("pin"), path);
    this.#pins++;
  }

  /** Removes a pin. The attachment lives on while this object does. */
  unpin(path: string): void {
    unlink(path);
    this.#pins = Math.max(0, this.#pins - 1);
  }

  /**
   * Puts another program of the same type in place, without a moment in between. `old` makes it fail if that program is
   * not the one there now. Throws `NotSupportedError` if it is no BPF link, and `SyscallError`.
   */
  update(program: { readonly fd: number }, old?: { readonly fd: number }): void {
    const fd = this.#only("update");
    const BPF_F_REPLACE = 4;
    const replaced = old === undefined ? {} : { old_prog_fd: old.fd, flags: BPF_F_REPLACE };
    bpfCall("BPF_LINK_UPDATE", { link_fd: fd, new_prog_fd: program.fd, ...replaced }, `update ${this.what}`);
  }

  /**
   * Ends the attachment, also for other holders of the link. The kernel can do that for cgroup, network namespace, XDP,
   * tcx and a few more; links of other kinds end when the last holder closes them: use `close`.
   */
  detach(): void {
    if (this.#closed) return;
    if (this.#links.length === 0) return this.close();
    for (const link of this.#links) linkDetach(link.number);
  }

  /** Ends the attachment, unless it is pinned or held elsewhere. A second call does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#forget?.();
    // What lies under a pinned link (a probe in tracefs) must stay with it.
    const undo = this.#pins > 0 ? undefined : this.#undo;
    this.#undo = undefined;
    try {
      undo?.();
    } finally {
      for (const fd of this.#links) fd.close();
      for (const fd of this.#kept) fd.close();
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #only(action: string): number {
    if (this.#closed) throw new TypeError(`Cannot ${action} ${this.what}: the link is closed`);
    const [link, ...more] = this.#links;
    if (link === undefined || more.length > 0) {
      throw new NotSupportedError(`${action} ${this.what}`, {
        message: `Cannot ${action} ${this.what}: ${
          more.length > 0 ? `it has ${more.length + 1} links` : "it is no BPF link"
        }`,
        hint: more.length > 0 ? undefined : "this kernel or hook attaches without a link",
      });
    }
    return link.number;
  }
}

/** Runs all of them, also when one throws; then throws the first error. */
function undoAll(undos: readonly (() => void)[]): void {
  const errors: unknown[] = [];
  for (const undo of undos) {
    try {
      undo();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
