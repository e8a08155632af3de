/**
 * BPF_MAP_TYPE_HASH and BPF_MAP_TYPE_LRU_HASH (and 7.1's resizable RHASH): all of `BpfMap`, nothing else. An LRU map
 * evicts its least used elements instead of being full.
 */
import { BpfMap } from "./map.ts";

/** A hash map. */
export class HashMap<K = unknown, V = unknown> extends BpfMap<K, V> {}
