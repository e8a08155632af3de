/**
 * Lists the keys of a map one by one, where the kernel has no batches. BPF_MAP_GET_NEXT_KEY starts over from the first
 * key when the key it is given is gone, so keys that were listed are remembered: each comes once, and a map that
 * changes all the time ends the listing with an error instead of going on for ever.
 */
import { BPF_MAP_GET_NEXT_KEY } from "../abi/bpf.gen.ts";
import { ENOENT } from "../abi/errno.gen.ts";
import { WaggleError } from "../errors.ts";
import type { ElementAccess } from "./access.ts";

/** The keys, as bytes that hold until the next one. `fail` makes the error of a failed command. */
export function* listKeys(
  access: ElementAccess,
  keySize: number,
  maxEntries: number,
  fail: (errno: number) => Error,
): Generator<Uint8Array, void, undefined> {
  const seen = new Set<string | number>();
  const next = access.bytes.subarray(access.nextKeyAt, access.nextKeyAt + keySize);
  const current = new Uint8Array(keySize);
  let first = true;
  // Every step lists a new key, or passes a listed one after a restart; a restart costs at most what was listed.
  const limit = 100 * (maxEntries + 100);
  for (let steps = 0; steps < limit; steps++) {
    access.bytes.set(current, access.keyAt);
    const result = access.nextKey(BPF_MAP_GET_NEXT_KEY, first);
    if (result === -ENOENT) return;
    if (result < 0) throw fail(result);
    first = false;
    current.set(next);
    const { size } = seen;
    if (seen.add(identity(access.view, access.nextKeyAt, keySize)).size > size) yield current;
  }
  throw new WaggleError("Cannot list the map: it changes faster than it can be read", {
    hint: "list it while the programs that write to it are detached, or on Linux 5.6, which has batches",
  });
}

/** A key as something a set can hold: numbers where it is one, which cost a third of text. */
function identity(view: DataView, at: number, keySize: number): string | number {
  if (keySize === 4) return view.getInt32(at, true);
  let text = "";
  for (let i = 0; i < keySize; i++) text += String.fromCharCode(view.getUint8(at + i));
  return text;
}
