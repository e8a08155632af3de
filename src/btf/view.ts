/**
 * Lazy records: a class made once for each struct, whose getters read from a `DataView` when they are asked. One object
 * walks over any number of records, so a reader pays for the fields it reads and for nothing else.
 */
import type { Btf } from "./btf.ts";
import { btfCodec, btfFields } from "./codec.ts";

/** A window on one record. Its other properties are the struct's fields. */
export interface BtfRecordView {
  /** Points the window at the record that starts at `offset`; the caller has checked that it is all there. */
  $at(view: DataView, offset: number): this;
  /** All fields as a plain object, which stays when the window moves on. */
  $read(): Record<string, unknown>;
  readonly [field: string]: unknown;
}

/** Makes windows of one struct. */
export interface BtfViewClass {
  new (): BtfRecordView;
  /** Bytes of a record. */
  readonly size: number;
}

const cache = new WeakMap<Btf, Map<number, BtfViewClass>>();

/**
 * The view class of a struct, union or DATASEC. Throws `FormatError` for other types.
 *
 * @example
 * ```ts ignore
 * // ignored: takes a ring buffer at hand
 * const event = new (btfView(btf, eventId))();
 * ring.consume((view, offset) => {
 *   if (event.$at(view, offset).pid === 1) count++;
 * });
 * ```
 */
export function btfView(btf: Btf, typeId: number): BtfViewClass {
  let classes = cache.get(btf);
  if (classes === undefined) cache.set(btf, classes = new Map());
  let made = classes.get(typeId);
  if (made === undefined) classes.set(typeId, made = makeClass(btf, typeId));
  return made;
}

function makeClass(btf: Btf, typeId: number): BtfViewClass {
  const codec = btfCodec(btf, typeId);
  const empty = new DataView(new ArrayBuffer(codec.size));
  class RecordView {
    static readonly size: number = codec.size;
    $view: DataView = empty;
    $offset = 0;

    $at(view: DataView, offset: number): this {
      this.$view = view;
      this.$offset = offset;
      return this;
    }

    $read(): Record<string, unknown> {
      return codec.read(this.$view, this.$offset) as Record<string, unknown>;
    }
  }
  for (const { name, offset, codec: { read } } of btfFields(btf, typeId)) {
    Object.defineProperty(RecordView.prototype, name, {
      get(this: RecordView): unknown {
        return read(this.$view, this.$offset + offset);
      },
      enumerable: true,
    });
  }
  return RecordView as unknown as BtfViewClass;
}
