/**
 * BTF: read and write it, look types up, make codecs, print C and TypeScript, deduplicate. Pure: needs no permission.
 *
 * @module
 */
export { Btf, type BtfOptions } from "./btf.ts";
export { btfCodec } from "./codec.ts";
export { dedupBtf, type DedupResult } from "./dedup.ts";
export { type BtfExt, parseBtfExt, validateBtfExt, writeBtfExt } from "./ext.ts";
export { declareC, printC, type PrintCOptions } from "./print_c.ts";
export { printTs, type PrintTsOptions, typeTs } from "./print_ts.ts";
export type * from "./types.ts";
export { type BtfRecordView, btfView, type BtfViewClass } from "./view.ts";
export { alignOf, essentialName, resolve, resolveId, sizeOf, skipModifiers } from "./walk.ts";
export { BtfBuilder } from "./write.ts";
