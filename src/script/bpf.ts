/** `bpf({...})`: kernel functions written in the script become a loaded object. */
import type { Schema } from "../bytes/layout.ts";
import type { GlobalDefinition } from "../compiler/definitions.ts";
import type { Ctx } from "./context.ts";
import type { MapDefinition } from "../compiler/definitions.ts";
import type { Scope } from "./scope.ts";

/** What a script hands to `bpf` and `compile`. */
export interface BpfDefinition<
  M extends Readonly<Record<string, MapDefinition>>,
  P extends string,
  G extends Readonly<Record<string, Schema | GlobalDefinition>>,
  T extends Readonly<Record<string, Schema>>,
  A extends Readonly<Record<string, readonly unknown[]>>,
> {
  license?: string;
  name?: string;
  maps?: M;
  globals?: G;
  types?: T;
  functions?: { [K in keyof A]: ($: Scope<M, G, T, unknown>, ...args: A[K]) => number | void };
  programs: { [K in P]: (ctx: Ctx<K>, $: Scope<M, G, T, A>) => number | void };
}

export declare function bpf<
  const M extends Readonly<Record<string, MapDefinition>>,
  P extends string,
  const G extends Readonly<Record<string, Schema | GlobalDefinition>>,
  const T extends Readonly<Record<string, Schema>>,
  A extends Readonly<Record<string, readonly unknown[]>>,
>(definition: BpfDefinition<M, P, G, T, A>): { maps: M };
