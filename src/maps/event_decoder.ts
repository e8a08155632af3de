/** From the bytes of a record to an event, for ring and perf buffers. */
import type { Codec } from "../bytes/codec.ts";
import { FormatError } from "../errors.ts";
import { WarmReader } from "./reader.ts";
import type { RecordVisitor } from "./ring.ts";
import type { SizedCodec } from "./tagged.ts";

/** Decodes the records of one buffer. Without a codec events are copies of the bytes. */
export class EventDecoder<T> {
  readonly #size: number;
  /** Of codecs whose records differ in size (tagged.ts). */
  readonly #sizeAt: SizedCodec<T>["sizeAt"] | undefined;
  readonly #reader: WarmReader<T> | undefined;
  readonly #where: string;

  /** `where` names the buffer in errors. */
  constructor(codec: Codec<T> | undefined, where: string) {
    this.#size = codec?.size ?? 0;
    this.#sizeAt = codec !== undefined && "sizeAt" in codec ? (codec as SizedCodec<T>).sizeAt : undefined;
    this.#reader = codec === undefined ? undefined : new WarmReader(codec);
    this.#where = where;
  }

  /** A visitor of records that passes events on. Make one for each scan: readers get faster. */
  visitor(handler: (event: T) => boolean | void): RecordVisitor {
    const read = this.#reader?.read;
    if (read === undefined) {
      return (view, offset, length) => handler(new Uint8Array(view.buffer, offset, length).slice() as T);
    }
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
