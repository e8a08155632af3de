/** From the bytes of a record to an event, for ring and perf buffers. */
import type { Codec } from "../bytes/codec.ts";
import { FormatError } from "../errors.ts";
import { OwnCode } from "./own_code.ts";
import { type Reader, WarmReader } from "./reader.ts";
import { type RecordWindow, recordWindow } from "./record_window.ts";
import type { SizedCodec } from "./tagged.ts";
import { type RecordVisitor, type Walk, walkRecords } from "./walk.ts";

/** Gets an event; may return false to stop. */
export type EventHandler<T> = (event: T) => boolean | void;

/** Scans a buffer; `walk` is the loop for ring buffers. Returns how many records there were. */
export type Scan = (visit: RecordVisitor, walk: Walk) => number;

/** Decodes the records of one buffer. Without a codec events are copies of the bytes. */
export class EventDecoder<T> {
  readonly #size: number;
  /** Of codecs whose records differ in size (tagged.ts). */
  readonly #sizeAt: SizedCodec<T>["sizeAt"] | undefined;
  readonly #reader: WarmReader<T> | undefined;
  readonly #where: string;
  readonly #codec: Codec<T> | undefined;
  #window: RecordWindow<T> | undefined;
  readonly #objects: Way<T> = new Way();
  readonly #windows: Way<T> = new Way();

  /** `where` names the buffer in errors. */
  constructor(codec: Codec<T> | undefined, where: string) {
    this.#size = codec?.size ?? 0;
    this.#sizeAt = codec !== undefined && "sizeAt" in codec ? (codec as SizedCodec<T>).sizeAt : undefined;
    this.#reader = codec === undefined ? undefined : new WarmReader(codec);
    this.#where = where;
    this.#codec = codec;
  }

  /** Scans with a visitor that passes events on. Returns what `scan` does. */
  consume(handler: EventHandler<T>, scan: Scan): number {
    const way = this.#objects;
    const visit = this.#visitor(way, handler, this.#reader?.read ?? (copy as Reader<T>));
    return this.#counted(way, scan(visit, way.walk));
  }

  /**
   * Scans with a visitor that passes a window on, which ends with the scan: what keeps it must not read memory that is
   * unmapped. Records that differ in size, and bytes, come as they do from `consume`.
   */
  each(handler: EventHandler<T>, scan: Scan): number {
    if (this.#codec === undefined || this.#sizeAt !== undefined) return this.consume(handler, scan);
    const window = this.#window ?? recordWindow(this.#codec);
    this.#window = undefined; // not for scans that the handler starts
    const way = this.#windows;
    try {
      return this.#counted(way, scan(this.#visitor(way, handler, window.move), way.walk));
    } finally {
      window.release();
      this.#window = window;
    }
  }

  #counted(way: Way<T>, count: number): number {
    this.#reader?.warm(count);
    way.warm(count);
    return count;
  }

  #visitor(way: Way<T>, handler: EventHandler<T>, read: Reader<T> | typeof copy): RecordVisitor {
    const sizeAt = this.#sizeAt;
    if (sizeAt === undefined) return way.visitor(handler, read as Reader<T>, this.#size, this.#tooShort);
    const size = this.#size;
    return (view, offset, length) => {
      if (length < size) this.#tooShort(length, size);
      const wanted = sizeAt(view, offset);
      if (length < wanted) this.#tooShort(length, wanted);
      return handler((read as Reader<T>)(view, offset));
    };
  }

  readonly #tooShort = (length: number, size: number): never => {
    throw new FormatError(this.#where, `a record has ${length} bytes, but its type has ${size}`);
  };
}

/** Events of buffers without a type. */
function copy(view: DataView, offset: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, offset, length).slice();
}

/** A visitor of records; for `OwnCode`, so it uses nothing but its parameters. */
function makeVisitor<T>(
  handler: EventHandler<T>,
  read: (view: DataView, offset: number, length: number) => T,
  size: number,
  tooShort: (length: number, size: number) => never,
): RecordVisitor {
  return (view, offset, length) => {
    // Longer is fine: the kernel pads perf samples, and programs may append to a struct.
    if (length < size) tooShort(length, size);
    return handler(read(view, offset, length));
  };
}

/** One way of reading a buffer: the code that is its own once it is used enough, and the visitor of the last handler. */
class Way<T> {
  readonly #walk: OwnCode<Walk> = new OwnCode(walkRecords);
  readonly #make: OwnCode<typeof makeVisitor<T>> = new OwnCode(makeVisitor<T>);
  #last: { handler: EventHandler<T>; read: Reader<T>; make: unknown; visit: RecordVisitor } | undefined;

  get walk(): Walk {
    return this.#walk.code;
  }

  warm(count: number): void {
    this.#walk.warm(count);
    this.#make.warm(count);
  }

  /** The same one for the same handler: engines inline it into the loop then. */
  visitor(
    handler: EventHandler<T>,
    read: Reader<T>,
    size: number,
    tooShort: (length: number, size: number) => never,
  ): RecordVisitor {
    const last = this.#last;
    const make = this.#make.code;
    if (last?.handler === handler && last.read === read && last.make === make) return last.visit;
    const visit = make(handler, read, size, tooShort);
    this.#last = { handler, read, make, visit };
    return visit;
  }
}
