/**
 * What every map has, whatever its kind: a descriptor, its facts, pins, freezing, and an end.
 */
import { bpf_map_type } from "../abi/bpf.gen.ts";
import { E2BIG, EPERM } from "../abi/errno.gen.ts";
import type { SyscallError } from "../errors.ts";
import { mapFreeze, type MapInfo, mapInfo } from "../syscall/bpf.ts";
import { pinObject, type PinOptions, unpinObject } from "../syscall/bpffs.ts";
import type { Fd } from "../syscall/fd.ts";
import { tryReadText } from "../syscall/files.ts";
import { syscallError } from "../syscall/libc.ts";
import { type MapKind, mapKind, type MapOp } from "./kinds.ts";

/** The facts of a map that its class needs; `mapInfo` has them all. */
export interface MapParams {
  /** For messages; the kernel keeps 15 bytes of it. */
  readonly name: string;
  /** BPF_MAP_TYPE_*. */
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  /** BPF_F_*. */
  readonly flags: number;
  readonly mapExtra?: bigint | undefined;
}

/** The fields of `bpf_map_info` and of the descriptor's fdinfo. */
export interface MapFacts extends MapInfo {
  /** Bytes of kernel memory, as the kernel counts or estimates it. */
  readonly memlock: number;
  readonly frozen: boolean;
}

/** The common base of all map classes. */
export abstract class MapBase implements Disposable {
  readonly params: MapParams;
  readonly #fd: Fd;
  #id: number | undefined;
  #pinPath: string | undefined;

  constructor(fd: Fd, params: MapParams) {
    this.#fd = fd;
    this.params = params;
  }

  get name(): string {
    return this.params.name;
  }

  /** The row of the table of kinds; undefined for a type newer than it. */
  get kind(): MapKind | undefined {
    return mapKind(this.params.type);
  }

  /** BPF_MAP_TYPE_*. */
  get type(): number {
    return this.params.type;
  }

  /** Bytes of a key. */
  get keySize(): number {
    return this.params.keySize;
  }

  /** Bytes of a value; of a per-CPU kind, of one slot. */
  get valueSize(): number {
    return this.params.valueSize;
  }

  get maxEntries(): number {
    return this.params.maxEntries;
  }

  /** BPF_F_* given at creation. */
  get flags(): number {
    return this.params.flags;
  }

  /** The descriptor's number. Throws `TypeError` once the map is closed. */
  get fd(): number {
    if (this.#fd.closed) throw new TypeError(`Cannot use map "${this.name}": it is closed`);
    return this.#fd.number;
  }

  /** The kernel's id of the map. */
  get id(): number {
    return this.#id ??= mapInfo(this.fd).id;
  }

  get closed(): boolean {
    return this.#fd.closed;
  }

  /** Everything the kernel tells of the map, now. */
  info(): MapFacts {
    const text = tryReadText(`/proc/self/fdinfo/${this.fd}`) ?? "";
    const field = (name: string): number => Number(new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(text)?.[1] ?? 0);
    return { ...mapInfo(this.fd), memlock: field("memlock"), frozen: field("frozen") !== 0 };
  }

  /** BPF_MAP_FREEZE (5.2): no more writes from user space; programs may go on writing. Cannot be undone. */
  freeze(): void {
    mapFreeze(this.fd);
  }

  /** The path of the last `pin` that was not taken back. */
  get pinPath(): string | undefined {
    return this.#pinPath;
  }

  /** Gives the map a name in a bpf file system, where it outlives the process. Missing directories are made. */
  pin(path: string, options: PinOptions = {}): void {
    pinObject(this.fd, path, options);
    this.#pinPath = path;
  }

  /** Removes the pin; false if there was none. */
  unpin(path: string | undefined = this.#pinPath): boolean {
    if (path === undefined) return false;
    if (path === this.#pinPath) this.#pinPath = undefined;
    return unpinObject(path);
  }

  /** Another handle of the same map, to be closed on its own. */
  protected dupFd(): Fd {
    return this.#fd.dup();
  }

  /** Closes the descriptor. The map lives on while programs, pins or other descriptors hold it. */
  close(): void {
    this.#fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Throws unless the kind has an operation, and says what to use. */
  protected need(op: MapOp, action: string): void {
    const { kind } = this;
    if (kind === undefined || kind.ops.includes(op)) return;
    const advice = kind.advice?.[op];
    throw new TypeError(
      `Cannot ${action} map "${this.name}": its kind is ${kind.name}${advice === undefined ? "" : `; ${advice}`}`,
    );
  }

  /** The error of a failed command on this map. `errno` may be negative. */
  protected error(errno: number, command: string, action: string): SyscallError {
    const { name } = this;
    const positive = Math.abs(errno);
    if (positive === E2BIG && command.includes("UPDATE")) {
      return syscallError(
        errno,
        `bpf(${command})`,
        `Cannot ${action} map "${name}": map is full (${this.maxEntries} entries)`,
        "raise max_entries, or use an LRU map, which evicts",
      );
    }
    const hint = positive === EPERM ? "the map is frozen, or opened or made for reading or writing only" : undefined;
    return syscallError(errno, `bpf(${command})`, `Cannot ${action} map "${name}"`, hint);
  }

  protected get typeName(): string {
    return this.kind?.name ?? bpf_map_type[this.type] ?? `type ${this.type}`;
  }
}
