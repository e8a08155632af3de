/** Everything a script declares maps and globals with. */
export * from "./kinds/aggregations.ts";
export { DEFAULT_ENTRIES, type MapKindDefinition, type MapOptions } from "./kinds/define.ts";
export { constant, global } from "./kinds/globals.ts";
export * from "./kinds/keyed.ts";
export * from "./kinds/special.ts";
export * from "./kinds/streams.ts";
