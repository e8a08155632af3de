/**
 * Several kinds of events in one ring: each record begins with (or has at a fixed place) a number that says which struct
 * it is. Decodes to the struct's object with the kind's name as `type`.
 */
import type { Codec } from "../bytes/codec.ts";
import { toLayout } from "../bytes/composites.ts";
import { at, describeValue, type Host, type Schema } from "../bytes/layout.ts";
import { FormatError } from "../errors.ts";

/** A codec whose values differ in size: `size` is the least, `sizeAt` tells for one that is there. */
export interface SizedCodec<T> extends Codec<T> {
  sizeAt(view: DataView, offset: number): number;
}

/** The kinds of events: name → the number that marks it, and its struct, which includes the mark. */
export type TaggedEvents = Readonly<Record<string, readonly [tag: number, schema: Schema]>>;

/** An event of one of the kinds. */
export type TaggedEvent<E extends TaggedEvents> = {
  [N in keyof E & string]: { type: N } & Host<E[N][1]>;
}[keyof E & string];

/** Where the mark is: an unsigned integer of 1, 2 or 4 bytes. */
export interface TagPlace {
  /** Bytes from the start of the record; 0 by default. */
  readonly offset?: number;
  /** Bytes; 4 by default. */
  readonly size?: 1 | 2 | 4;
}

/**
 * The codec of a ring with several kinds of events.
 *
 * @example
 * ```ts ignore
 * // ignored: needs a running kernel
 * const events = tagged({
 *   exec: [1, { kind: u32, pid: u32, comm: str(16) }],
 *   exit: [2, { kind: u32, pid: u32, code: i32 }],
 * });
 * using ring = openMap({ name: "events" }, { value: events });
 * for await (const event of ring) if (event.type === "exit") console.log(event.code);
 * ```
 */
export function tagged<const E extends TaggedEvents>(events: E, place: TagPlace = {}): SizedCodec<TaggedEvent<E>> {
  const { offset: tagAt = 0, size: tagSize = 4 } = place;
  const kinds = new Map<number, { name: string; codec: Codec<unknown> }>();
  for (const [name, [tag, schema]] of Object.entries(events)) {
    if (tag >>> 0 !== tag || kinds.has(tag)) throw new TypeError(`Cannot tag event "${name}" with ${tag}`);
    const codec = toLayout(schema);
    if (codec.size < tagAt + tagSize) throw new TypeError(`Cannot tag event "${name}": it has no room for its mark`);
    kinds.set(tag, { name, codec });
  }
  const find = (view: DataView, offset: number): { name: string; codec: Codec<unknown> } => {
    const tag = readTag(view, offset + tagAt, tagSize);
    const kind = kinds.get(tag);
    if (kind === undefined) throw new FormatError("event", `has the unknown mark ${tag}`);
    return kind;
  };
  return {
    size: tagAt + tagSize,
    align: 8,
    sizeAt: (view, offset) => find(view, offset).codec.size,
    read(view, offset) {
      const { name, codec } = find(view, offset);
      return { type: name, ...codec.read(view, offset) as object } as TaggedEvent<E>;
    },
    write(_view, _offset, value, path) {
      throw new TypeError(`Cannot encode ${at(path)}: tagged events are read only, not ${describeValue(value)}`);
    },
  };
}

function readTag(view: DataView, at: number, size: 1 | 2 | 4): number {
  return size === 4 ? view.getUint32(at, true) : size === 2 ? view.getUint16(at, true) : view.getUint8(at);
}
