/**
 * `for (const [key, value] of map)`: the body becomes a function that bpf_for_each_map_elem (Linux 5.13) calls for each
 * entry.
 */
import type { Layout } from "../../bytes/layout.ts";
import type { MapKind } from "../definitions.ts";
import type { ForOf } from "../syntax/ast.ts";
import { declareName, destructure } from "./assign.ts";
import { hasHelper, helper } from "./helpers.ts";
import type { Lowering } from "./lowering.ts";
import { isPerCpu } from "./maps.ts";
import { memVal, readMemory } from "./memory.ts";
import { outlineLoop } from "./outline.ts";
import type { MapVal, Val } from "./values.ts";

/** Kinds whose entries bpf_for_each_map_elem visits. */
const ITERABLE: ReadonlySet<MapKind> = new Set([
  "hash",
  "lru_hash",
  "percpu_hash",
  "lru_percpu_hash",
  "array",
  "percpu_array",
]);

/** Entries of a map, by a function that the kernel calls for each. */
export function overMap(f: Lowering, stmt: ForOf, map: MapVal, label: string | undefined): void {
  const { kind, key, value } = map.def;
  if (!ITERABLE.has(kind)) {
    f.fail("for-of", `entries of a ${kind} cannot be visited`, stmt.iterable, [
      `${[...ITERABLE].join(", ")} can; the script can read all kinds`,
    ]);
  }
  if (!hasHelper(f, "for_each_map_elem")) {
    f.fail("no-helper", "this kernel has no bpf_for_each_map_elem", stmt.iterable, ["Linux 5.13 and later have it"]);
  }
  f.module.usedMaps.add(map.name);
  const entry = (g: Lowering): Val => entryOf(g, key!, value!, kind);
  outlineLoop(f, {
    stmt,
    label,
    test: undefined,
    testFirst: true,
    begin: (g) =>
      destructure(g, stmt.target, entry(g), stmt.iterable, (ident, val) => declareName(g, ident, val, stmt.iterable)),
    body: (g) => g.rules.statement(g, stmt.body, undefined),
    update: undefined,
    caller: {
      params: 4,
      frame: 3,
      // The key's memory may be given to another entry meanwhile: it is read once.
      unknown: (g) => g.b.load(1, g.b.param(1), 0),
      call: (callback, frame) =>
        void helper(f, "for_each_map_elem", [f.b.mapFd(map.name), callback, frame, f.b.const(0n)], { writes: 0b100 }),
    },
  });
}

/** `[key, value]` of a callback that gets the map, the key and the value. */
export function entryOf(g: Lowering, key: Layout<unknown>, value: Layout<unknown>, kind: MapKind): Val {
  const memory = { space: "map", shared: !isPerCpu(kind), writable: true } as const;
  const place = memVal(key.desc, key.size, key.align, g.b.param(1), 0, { ...memory, writable: false });
  return {
    k: "tuple",
    elements: [
      readMemory(g, place),
      readMemory(g, memVal(value.desc, value.size, value.align, g.b.param(2), 0, memory)),
    ],
  };
}
