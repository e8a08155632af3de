/** From the bytes of a record to an event, for ring and perf buffers. */
import type { Codec } from "../bytes/codec.ts";
import { FormatError } from "../errors.ts";
import { type Reader, WarmReader } from "./reader.ts";
import { type RecordWindow, recordWindow } from "./record_window.ts";
import type { RecordVisitor } from "./ring.ts";
import type { SizedCodec } from "./tagged.ts";

/** Decodes the records of one buffer. Without a codec events are copies of the bytes. */
export class EventDecoder<T> {
  readonly #size: number;
  /** Of codecs whose records differ in size (tagged.ts). */
  readonly #sizeAt: SizedCodec<T>["sizeAt"] | undefined;
  readonly #reader: WarmReader<T> | undefined;
  readonly #where: string;
  readonly #codec: Codec<T> | undefined;
  #window: RecordWindow<T> | undefined;

  /** `where` names the buffer in errors. */
  constructor(codec: Codec<T> | undefined, where: string) {
    this.#size = codec?.size ?? 0;
    this.#sizeAt = codec !== undefined && "sizeAt" in codec ? (codec as SizedCodec<T>).sizeAt : undefined;
    this.#reader = codec === undefined ? undefined : new WarmReader(codec);
    this.#where = where;
    this.#codec = codec;
  }

  /** A visitor of records that passes events on. Make one for each scan: readers get faster. */
  visitor(handler: (event: T) => boolean | void): RecordVisitor {
    const read = this.#reader?.read;
    if (read === undefined) {
      return (view, offset, length) => handler(new Uint8Array(view.buffer, offset, length).slice() as T);
    }
    return this.#visitor(handler, read);
  }

  /**
   * Scans with a visitor that passes a window on, which ends with the scan: what keeps it must not read memory that is
   * unmapped. Records that differ in size, and bytes, come as they do from `visitor`.
   */
  withWindow(handler: (event: T) => boolean | void, scan: (visit: RecordVisitor) => number): number {
    if (this.#codec === undefined || this.#sizeAt !== undefined) return this.counted(scan(this.visitor(handler)));
    const window = this.#window ?? recordWindow(this.#codec);
    this.#window = undefined; // not for scans that the handler starts
    try {
      return scan(this.#visitor(handler, window.move));
    } finally {
      window.release();
      this.#window = window;
    }
  }

  #visitor(handler: (event: T) => boolean | void, read: Reader<T>): RecordVisitor {
    const size = this.#size;
    const sizeAt = this.#sizeAt;
    if (sizeAt !== undefined) {
      return (view, offset, length) => {
        if (length < size) this.#tooShort(length, size);
        const wanted = sizeAt(view, offset);
        if (length < wanted) this.#tooShort(length, wanted);
        return handler(read(view, offset));
      };
    }
    return (view, offset, length) => {
      // Longer is fine: the kernel pads perf samples, and programs may append to a struct.
      if (length < size) this.#tooShort(length, size);
      return handler(read(view, offset));
    };
  }

  /** Tells how many records a scan had; returns it. */
  counted(count: number): number {
    this.#reader?.warm(count);
    return count;
  }

  #tooShort(length: number, size: number): never {
    throw new FormatError(this.#where, `a record has ${length} bytes, but its type has ${size}`);
  }
}
