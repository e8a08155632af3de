/**
 * The map commands of bpf(2). Keys and values are bytes; src/maps adds types and a faster path for elements.
 * https://docs.kernel.org/userspace-api/ebpf/syscall.html
 */
import { EFAULT, EINTR, ENOENT, ENOSPC } from "../abi/errno.gen.ts";
import { type Action, bpfCall, bpfFd, type BpfInput, bpfTry, callPrepared, checkBpf, prepareAttr } from "./bpf_call.ts";
import type { Fd } from "./fd.ts";
import { arena } from "./memory.ts";

/** BPF_MAP_CREATE. */
export function mapCreate(attr: BpfInput<"BPF_MAP_CREATE">): Fd {
  return bpfFd("BPF_MAP_CREATE", attr, () => `create map${attr.map_name ? ` "${attr.map_name}"` : ""}`);
}

/** BPF_MAP_LOOKUP_ELEM into `value`; false if there is no such element. */
export function mapLookup(fd: number, key: Uint8Array, value: Uint8Array, flags: number | bigint = 0): boolean {
  return lookup("BPF_MAP_LOOKUP_ELEM", fd, key, value, flags, "look up a map element");
}

/** BPF_MAP_LOOKUP_AND_DELETE_ELEM into `value`; false if there is no such element. Queues and stacks take no key. */
export function mapLookupAndDelete(
  fd: number,
  key: Uint8Array | undefined,
  value: Uint8Array,
  flags: number | bigint = 0,
): boolean {
  return lookup("BPF_MAP_LOOKUP_AND_DELETE_ELEM", fd, key, value, flags, "take a map element");
}

function lookup(
  command: "BPF_MAP_LOOKUP_ELEM" | "BPF_MAP_LOOKUP_AND_DELETE_ELEM",
  fd: number,
  key: Uint8Array | undefined,
  value: Uint8Array,
  flags: number | bigint,
  action: Action,
): boolean {
  using scope = arena().scope();
  const out = scope.alloc(value.length);
  // A bloom filter is asked by value, and a BPF_F_LOCK lookup keeps the lock's own bytes: both see what is there.
  out.bytes.set(value);
  const attr = prepareAttr(scope, command, { map_fd: fd, key: scope.bytes(key), value: out.address, flags });
  const result = callPrepared(command, attr);
  if (result === -ENOENT) return false;
  checkBpf(result, command, action);
  value.set(out.bytes);
  return true;
}

/** BPF_MAP_UPDATE_ELEM. `flags`: BPF_ANY, BPF_NOEXIST, BPF_EXIST, BPF_F_LOCK. */
export function mapUpdate(
  fd: number,
  key: Uint8Array | undefined,
  value: Uint8Array,
  flags: number | bigint = 0,
): void {
  bpfCall("BPF_MAP_UPDATE_ELEM", { map_fd: fd, key: key ?? 0, value, flags }, "update a map element");
}

/** BPF_MAP_DELETE_ELEM; false if there was no such element. */
export function mapDelete(fd: number, key: Uint8Array): boolean {
  const result = bpfTry("BPF_MAP_DELETE_ELEM", { map_fd: fd, key });
  if (result === -ENOENT) return false;
  checkBpf(result, "BPF_MAP_DELETE_ELEM", "delete a map element");
  return true;
}

/** BPF_MAP_GET_NEXT_KEY into `next`; the first key if `key` is undefined or gone; false after the last. */
export function mapNextKey(fd: number, key: Uint8Array | undefined, next: Uint8Array): boolean {
  using scope = arena().scope();
  const out = scope.alloc(next.length);
  const attr = prepareAttr(scope, "BPF_MAP_GET_NEXT_KEY", {
    map_fd: fd,
    key: scope.bytes(key),
    next_key: out.address,
  });
  const result = callPrepared("BPF_MAP_GET_NEXT_KEY", attr);
  if (result === -ENOENT) return false;
  checkBpf(result, "BPF_MAP_GET_NEXT_KEY", "list map keys");
  next.set(out.bytes);
  return true;
}

/** BPF_MAP_FREEZE: no more writes from user space (5.2). */
export function mapFreeze(fd: number): void {
  bpfCall("BPF_MAP_FREEZE", { map_fd: fd }, "freeze the map");
}

/** A batch read so far: how many elements, where to go on, whether that was all. */
export interface BatchResult {
  /** Elements in `keys` and `values`. */
  count: number;
  /** Nothing follows. */
  done: boolean;
  /** 0, or the errno that stopped it: ENOSPC if a hash bucket is larger than the room given, EINTR to go on. */
  errno: number;
}

/**
 * BPF_MAP_LOOKUP_BATCH or BPF_MAP_LOOKUP_AND_DELETE_BATCH (5.6) into `keys` and `values`, as many as fit. `cursor`
 * holds the position, at least 4 bytes and at least a key long, and is updated; `first` starts from the beginning.
 */
export function mapLookupBatch(
  fd: number,
  command: "BPF_MAP_LOOKUP_BATCH" | "BPF_MAP_LOOKUP_AND_DELETE_BATCH",
  room: { cursor: Uint8Array; keys: Uint8Array; values: Uint8Array; count: number },
  options: { first: boolean; elemFlags?: number | bigint },
): BatchResult {
  using scope = arena().scope();
  const cursor = scope.alloc(room.cursor.length);
  const keys = scope.alloc(room.keys.length);
  const values = scope.alloc(room.values.length);
  cursor.bytes.set(room.cursor);
  const attr = prepareAttr(scope, command, {
    map_fd: fd,
    in_batch: options.first ? 0 : cursor.address,
    out_batch: cursor.address,
    keys: keys.address,
    values: values.address,
    count: room.count,
    elem_flags: options.elemFlags ?? 0,
  });
  const result = callPrepared(command, attr);
  if (result < 0 && ![-ENOENT, -ENOSPC, -EINTR].includes(result)) checkBpf(result, command, "read the map in batches");
  const count = attr.view.getUint32(32, true);
  room.cursor.set(cursor.bytes);
  room.keys.set(keys.bytes);
  room.values.set(values.bytes);
  return { count: result === -ENOSPC ? 0 : count, done: result === -ENOENT, errno: -result };
}

/** BPF_MAP_UPDATE_BATCH (5.6); returns how many were written before an error, which is thrown if `count` fell short. */
export function mapUpdateBatch(
  fd: number,
  keys: Uint8Array,
  values: Uint8Array,
  count: number,
  elemFlags: number | bigint = 0,
): number {
  return writeBatch("BPF_MAP_UPDATE_BATCH", fd, { keys, values }, count, elemFlags);
}

/** BPF_MAP_DELETE_BATCH (5.6); stops at the first key that does not exist and returns how many were deleted. */
export function mapDeleteBatch(fd: number, keys: Uint8Array, count: number): number {
  return writeBatch("BPF_MAP_DELETE_BATCH", fd, { keys }, count, 0);
}

function writeBatch(
  command: "BPF_MAP_UPDATE_BATCH" | "BPF_MAP_DELETE_BATCH",
  fd: number,
  data: { keys: Uint8Array; values?: Uint8Array },
  count: number,
  elemFlags: number | bigint,
): number {
  using scope = arena().scope();
  const attr = prepareAttr(scope, command, { map_fd: fd, ...data, count, elem_flags: elemFlags });
  const result = callPrepared(command, attr);
  if (result === 0) return count;
  // EFAULT is the one error after which the kernel has not written the count.
  const done = result === -EFAULT ? 0 : attr.view.getUint32(32, true);
  if (result === -ENOENT && command === "BPF_MAP_DELETE_BATCH") return done;
  checkBpf(result, command, `write the map in batches (${done} of ${count} written)`);
  return done;
}
