/**
 * BTF: read and write it, look types up, make codecs, print C and TypeScript, deduplicate. Pure: needs no permission.
 *
 * @module
 */
export { Btf, type BtfOptions } from "./btf.ts";
export { btfCodec, btfFields } from "./codec.ts";
export type { BtfField } from "./codec_fields.ts";
export { appendBtf } from "./concat.ts";
export { dedupBtf, type DedupResult } from "./dedup.ts";
export { type BtfExt, parseBtfExt, validateBtfExt, writeBtfExt } from "./ext.ts";
export { declareC, printC, type PrintCOptions } from "./print_c.ts";
export { printTs, type PrintTsOptions, typeTs } from "./print_ts.ts";
export { BTF_KIND, BTF_KINDS, type BtfKindDef } from "./kinds.ts";
export { pruneBtf, type PruneEdit, type PruneResult } from "./prune.ts";
export type * from "./types.ts";
export { type BtfRecordView, btfView, type BtfViewClass } from "./view.ts";
export { alignOf, childIds, essentialName, mapChildIds, resolve, resolveId, sizeOf, skipModifiers } from "./walk.ts";
export { BtfBuilder, type BtfBuilderOptions, rewriteBtf } from "./write.ts";
