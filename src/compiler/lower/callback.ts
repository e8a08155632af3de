/**
 * The script's functions as callbacks of timers: the kernel calls them with the map, the key and the value, outside of
 * any program, so there is no context, and scratch memory may be in use by the program they interrupt.
 */
import type { Call } from "../syntax/ast.ts";
import { ERROR, type MapVal } from "./values.ts";
import { freshName, parsedFunction } from "./instance.ts";
import type { Lowering } from "./lowering.ts";
import { entryOf } from "./map_loop.ts";
import { bindParameter, lowerRounds } from "./program.ts";
import { scopeOf } from "./scope.ts";

export function callbackOf(f: Lowering, name: string, map: MapVal, call: Call): string {
  const { module } = f;
  const key = `callback|${name}|${map.name}|${f.hook.def?.prog}`;
  // A callback may start its own timer again.
  const known = module.instances.get(key);
  if (known !== undefined) return known.name;
  const parsed = parsedFunction(f, name);
  if (parsed === undefined) return name;
  const { func } = parsed;
  if (func.params.length > 3) {
    f.fail("arguments", `${name} is called with the scope, the key and the value`, call.args[2]!);
  }
  const instance = { name: freshName(module, name), result: { k: "undefined" } as const, done: true };
  module.instances.set(key, instance);
  const noContext = (g: Lowering): never =>
    g.fail("no-context", "a timer's callback has no context, which this needs", g.node, [
      "do it in the program, and hand over what the callback needs in the value",
    ]);
  const hook = {
    ...f.hook,
    key: "",
    defaultReturn: 0n,
    hasContext: false,
    scratch: false,
    ctx: noContext,
    frameContext: (g: Lowering) => g.b.const(0n),
    checkReturn: () => {},
  };
  const scope = (g: Lowering): void => bindParameter(g, func, func.params[0], () => scopeOf(g));
  const { fn } = lowerRounds(module, parsed, {
    name: instance.name,
    params: 3,
    linkage: "static",
    hook,
    restart: scope,
    // The verifier wants 0 of it.
    exit: (g) => g.b.ret(g.b.const(0n)),
  }, (g) => {
    scope(g);
    const entry = entryOf(g, map.def.key!, map.def.value!, map.def.kind);
    const parts = entry.k === "tuple" ? entry.elements : [];
    [1, 2].forEach((i) => bindParameter(g, func, func.params[i], () => parts[i - 1] ?? ERROR));
  });
  module.functions.push(fn);
  return instance.name;
}
