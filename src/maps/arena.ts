/**
 * BPF_MAP_TYPE_ARENA (6.9): memory that programs and the script share, up to 4 GiB, pages allocated as they are used.
 * Pointers that programs store in it are addresses of this process's mapping.
 */
import { MAP_FIXED_NOREPLACE, MAP_SHARED, PROT_READ, PROT_WRITE } from "../abi/defines.ts";
import { Mapping, pageSize } from "../syscall/memory.ts";
import type { Fd } from "../syscall/fd.ts";
import { MapBase, type MapParams } from "./base.ts";

/** An arena. Mapped on first use, at `map_extra` if that is set. */
export class ArenaMap extends MapBase {
  #mapping: Mapping | undefined;

  /** `mapping`: the arena's memory, if the loader mapped it already; the kernel allows one address only. */
  constructor(fd: Fd, params: MapParams, mapping?: Mapping) {
    super(fd, params);
    this.#mapping = mapping;
  }

  /** Bytes: max_entries pages. */
  get byteLength(): number {
    return this.maxEntries * pageSize();
  }

  /** The address of its first byte, the same for the programs. */
  get address(): number {
    return this.#open().address;
  }

  /** The memory. A page that no program allocated appears when it is touched, unless BPF_F_SEGV_ON_FAULT is set. */
  get buffer(): ArrayBuffer {
    return this.#open().buffer;
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.buffer, 0, this.byteLength);
  }

  /** The offset in `buffer` of a pointer that a program stored. Throws `RangeError` if it points elsewhere. */
  offsetOf(pointer: bigint | number): number {
    const offset = Number(pointer) - this.address;
    if (!(offset >= 0 && offset < this.byteLength)) {
      throw new RangeError(`Cannot follow pointer 0x${pointer.toString(16)}: it is outside arena "${this.name}"`);
    }
    return offset;
  }

  override close(): void {
    this.#mapping?.close();
    super.close();
  }

  #open(): Mapping {
    if (this.#mapping !== undefined && !this.#mapping.closed) return this.#mapping;
    const wanted = Number(this.params.mapExtra ?? 0n);
    return this.#mapping = Mapping.ofFd(this.fd, this.byteLength, {
      prot: PROT_READ | PROT_WRITE,
      flags: MAP_SHARED | (wanted === 0 ? 0 : MAP_FIXED_NOREPLACE),
      address: wanted,
      what: `arena "${this.name}"`,
    });
  }
}
