/**
 * A codec: how one value lies in memory. Map keys and values, globals, events and kernel structures all go through
 * it, whether it was made from a schema (`layout.ts`) or from BTF (`btf/codec.ts`). Little-endian, like the machines.
 */
export interface Codec<T> {
  /** Bytes. */
  readonly size: number;
  /** A power of two. */
  readonly align: number;
  /** Of records: the fields `read` makes an object of, in order, so that a faster reader can be generated. */
  readonly fields?: readonly { readonly name: string; readonly offset: number; readonly codec: Codec<unknown> }[];
  /** Reads the value at `offset`. The caller has checked that `size` bytes are there. */
  read(view: DataView, offset: number): T;
  /**
   * Writes the value at `offset`, every byte of it, padding as zeros. Throws `TypeError` (wrong shape) or
   * `RangeError` (does not fit) that name the field by `path`, before anything reaches the kernel.
   */
  write(view: DataView, offset: number, value: T, path?: string): void;
}
