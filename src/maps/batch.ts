/**
 * Reading and writing many elements with one system call (Linux 5.6; per-CPU arrays 5.13). Readers and writers own
 * their memory, so a loop over a map may use the map in its body, or loop over it again.
 */
import { SYSCALLS } from "../abi/arch.ts";
import { EFAULT, EINTR, ENOENT, ENOSPC } from "../abi/errno.gen.ts";
import { type OwnedBlock, pool } from "../syscall/memory.ts";
import { type Runtime, runtime } from "../syscall/runtime/mod.ts";

/** Room for elements of one call: large enough that the call's cost vanishes, small enough to stay in the L2 cache. */
const ROOM = 192 << 10;
const ATTR_SIZE = 56;
const CURSOR = 64;
const COUNT = 32;

/** Sizes of a map's elements as the kernel copies them. */
export interface ElementSizes {
  readonly keySize: number;
  /** For per-CPU kinds all slots together. */
  readonly valueBytes: number;
  readonly maxEntries: number;
}

/** Memory for `capacity` keys and values, and the attribute of the batch commands that points to them. */
export class BatchBlock implements Disposable {
  readonly view: DataView;
  readonly bytes: Uint8Array;
  readonly capacity: number;
  readonly keysAt: number;
  readonly valuesAt: number;
  readonly #block: OwnedBlock;
  readonly #rt: Runtime;

  constructor(fd: number, sizes: ElementSizes, capacity?: number) {
    const each = sizes.keySize + sizes.valueBytes;
    this.capacity = capacity ?? Math.max(16, Math.min(Math.floor(ROOM / each), sizes.maxEntries));
    this.keysAt = CURSOR + Math.max(8, (sizes.keySize + 7) & ~7);
    this.valuesAt = this.keysAt + ((this.capacity * sizes.keySize + 7) & ~7);
    this.#block = pool().alloc(this.valuesAt + this.capacity * sizes.valueBytes, { zero: false });
    this.view = this.#block.view;
    this.bytes = this.#block.bytes;
    this.bytes.fill(0, 0, this.keysAt);
    const { address } = this.#block;
    this.view.setBigUint64(8, BigInt(address + CURSOR), true);
    this.view.setBigUint64(16, BigInt(address + this.keysAt), true);
    this.view.setBigUint64(24, BigInt(address + this.valuesAt), true);
    this.view.setUint32(36, fd, true);
    this.#rt = runtime();
  }

  /** Runs a batch command for `count` elements. Returns 0 or `-errno`, not retried: see `count`. */
  call(command: number, count: number, options: { next?: boolean; elemFlags?: number } = {}): number {
    this.view.setBigUint64(0, options.next ? this.view.getBigUint64(8, true) : 0n, true);
    this.view.setUint32(COUNT, count, true);
    this.view.setUint32(40, options.elemFlags ?? 0, true);
    return this.#rt.syscall(SYSCALLS[this.#rt.arch].bpf, command, this.#block.address, ATTR_SIZE);
  }

  /** How many elements the last call copied, unless it failed with EFAULT. */
  get count(): number {
    return this.view.getUint32(COUNT, true);
  }

  /** Takes over the cursor of a smaller block. */
  copyCursor(from: BatchBlock): void {
    this.bytes.set(from.bytes.subarray(CURSOR, from.keysAt), CURSOR);
  }

  close(): void {
    this.#block.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A piece of a map: `count` keys and values at these offsets of the view, until the next piece. */
export interface BatchPiece {
  readonly view: DataView;
  readonly keysAt: number;
  readonly valuesAt: number;
  readonly count: number;
}

/** Thrown inside when the kernel has no batch commands for this map; callers go element by element. */
export class NoBatchError extends Error {
  readonly errno: number;

  constructor(errno: number) {
    super("no batch commands");
    this.errno = errno;
  }
}

/**
 * Reads (or reads and deletes) a whole map in pieces. Hash maps are copied bucket by bucket, each under its lock, so no
 * element that stays is missed or seen twice, whatever else changes. Throws `NoBatchError` on the first call if the
 * kernel cannot, and passes other errors to `fail`.
 */
export function* readBatches(
  fd: number,
  sizes: ElementSizes,
  command: number,
  fail: (errno: number) => never,
  elemFlags = 0,
): Generator<BatchPiece, void, undefined> {
  let block = new BatchBlock(fd, sizes);
  let started = false;
  try {
    for (;;) {
      const result = block.call(command, block.capacity, { next: started, elemFlags });
      if (result === -ENOSPC && block.capacity < 1 << 24) {
        // A bucket holds more than fits: ask for it again with more room.
        const larger = new BatchBlock(fd, sizes, block.capacity * 2);
        larger.copyCursor(block);
        block.close();
        block = larger;
        continue;
      }
      const done = result === -ENOENT;
      if (result < 0 && !done && result !== -EINTR) {
        if (!started) throw new NoBatchError(-result);
        fail(result);
      }
      const { count } = block;
      started = true;
      if (count > 0) yield { view: block.view, keysAt: block.keysAt, valuesAt: block.valuesAt, count };
      if (done) return;
      // Interrupted with nothing read: elements vanish faster than the kernel can list them.
      if (count === 0 && result === -EINTR) throw new NoBatchError(EINTR);
    }
  } finally {
    block.close();
  }
}

/** The result of writing a batch: how many elements were done, and 0 or the errno that stopped it. */
export interface BatchWritten {
  readonly count: number;
  readonly errno: number;
}

/** Runs BPF_MAP_UPDATE_BATCH or BPF_MAP_DELETE_BATCH on the first `count` elements of a block. */
export function writeBatch(block: BatchBlock, command: number, count: number, elemFlags = 0): BatchWritten {
  const result = block.call(command, count, { elemFlags });
  if (result >= 0) return { count, errno: 0 };
  // After EFAULT, and where the command does not exist, the kernel has not written the count.
  const done = result === -EFAULT || block.count >= count ? 0 : block.count;
  return { count: done, errno: -result };
}
