/**
 * The fast path of map elements: attributes, key and value at fixed addresses in kernel-visible memory, prepared once
 * per map, so that a lookup is encode, one system call, decode. Costs 10 to 40 ns above C.
 */
import { SYSCALLS } from "../abi/arch.ts";
import { BPF_MAP_DELETE_ELEM } from "../abi/bpf.gen.ts";
import { EINTR } from "../abi/errno.gen.ts";
import { type OwnedBlock, pool } from "../syscall/memory.ts";
import { type Runtime, runtime } from "../syscall/runtime/mod.ts";

/** Where the parts lie in the block: an element's attribute, the next-key attribute, then key, next key and value. */
const NEXT_ATTR = 32;
const ELEM_ATTR_SIZE = 32;
const DELETE_ATTR_SIZE = 16;
const NEXT_ATTR_SIZE = 24;
const KEY = 64;

/** The prepared memory of one map. */
export class ElementAccess implements Disposable {
  /** Over the whole block; keys and values are encoded straight into it. */
  readonly view: DataView;
  readonly bytes: Uint8Array;
  readonly keyAt: number = KEY;
  readonly nextKeyAt: number;
  readonly valueAt: number;
  readonly #block: OwnedBlock;
  readonly #rt: Runtime;
  readonly #nr: number;
  readonly #attr: number;
  readonly #nextAttr: number;

  constructor(fd: number, keySize: number, valueBytes: number) {
    const keyRoom = (keySize + 7) & ~7;
    this.nextKeyAt = KEY + keyRoom;
    this.valueAt = KEY + 2 * keyRoom;
    this.#block = pool().alloc(this.valueAt + valueBytes);
    this.view = this.#block.view;
    this.bytes = this.#block.bytes;
    const { address } = this.#block;
    this.#attr = address;
    this.#nextAttr = address + NEXT_ATTR;
    this.view.setUint32(0, fd, true);
    this.#pointer(8, keySize === 0 ? 0 : address + this.keyAt);
    this.#pointer(16, address + this.valueAt);
    this.view.setUint32(NEXT_ATTR, fd, true);
    this.#pointer(NEXT_ATTR + 8, address + this.keyAt);
    this.#pointer(NEXT_ATTR + 16, address + this.nextKeyAt);
    this.#rt = runtime();
    this.#nr = SYSCALLS[this.#rt.arch].bpf;
  }

  /** BPF_MAP_{LOOKUP,UPDATE,LOOKUP_AND_DELETE}_ELEM with the key and value in the block; `-errno` on failure. */
  call(command: number): number {
    const result = this.#rt.syscall(this.#nr, command, this.#attr, ELEM_ATTR_SIZE);
    return result === -EINTR ? this.call(command) : result;
  }

  /** BPF_MAP_DELETE_ELEM of the key in the block: the kernel wants nothing behind the key. */
  remove(): number {
    const result = this.#rt.syscall(this.#nr, BPF_MAP_DELETE_ELEM, this.#attr, DELETE_ATTR_SIZE);
    return result === -EINTR ? this.remove() : result;
  }

  /** The same as `call` with flags. The upper half holds a CPU number (BPF_F_CPU). */
  callWithFlags(command: number, flags: number, high = 0): number {
    this.view.setUint32(24, flags, true);
    this.view.setUint32(28, high, true);
    const result = this.call(command);
    this.view.setUint32(24, 0, true);
    this.view.setUint32(28, 0, true);
    return result;
  }

  /** BPF_MAP_GET_NEXT_KEY of the key in the block, or of none for the first; the next key lands at `nextKeyAt`. */
  nextKey(command: number, first: boolean): number {
    if (first) this.#pointer(NEXT_ATTR + 8, 0);
    const result = this.#rt.syscall(this.#nr, command, this.#nextAttr, NEXT_ATTR_SIZE);
    if (first) this.#pointer(NEXT_ATTR + 8, this.#attr + this.keyAt);
    return result === -EINTR ? this.nextKey(command, first) : result;
  }

  /** Gives the memory back. A second call does nothing. */
  close(): void {
    this.#block.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #pointer(at: number, address: number): void {
    this.view.setBigUint64(at, BigInt(address), true);
  }
}
