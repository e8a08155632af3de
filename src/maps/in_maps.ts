/**
 * Maps of maps: BPF_MAP_TYPE_ARRAY_OF_MAPS and BPF_MAP_TYPE_HASH_OF_MAPS (4.12). All inner maps are alike; `set` puts one
 * in while programs run, `open` opens the one that is there.
 */
import type { Codec } from "../bytes/codec.ts";
import { fdById } from "../syscall/bpf.ts";
import type { Fd } from "../syscall/fd.ts";
import type { MapBase, MapParams } from "./base.ts";
import { FdMap } from "./fd_map.ts";

/** A map of maps: `get` gives the inner map's id, `open` the map. `M` is the class of the inner maps. */
export class MapOfMaps<K = unknown, M extends MapBase = MapBase> extends FdMap<K> {
  readonly #wrap: (fd: Fd) => M;

  /** Use `wrapMap`. `wrap` makes an object of an inner map's descriptor. */
  constructor(fd: Fd, params: MapParams, keyCodec: Codec<K>, wrap: (fd: Fd) => M) {
    super(fd, params, keyCodec);
    this.#wrap = wrap;
  }

  /** Opens the inner map at a key, for the caller to close; undefined if there is none. */
  open(key: K): M | undefined {
    const id = this.get(key);
    return id === undefined ? undefined : this.#wrap(fdById("map", id));
  }
}
