/**
 * Timers in values of maps (Linux 5.15): made ready, given their callback and started in one method, since doing the first
 * two again is harmless. Without a callback the timer keeps the one it has.
 */
import { I64 } from "../check/int_types.ts";
import type { Value } from "../ir/ir.ts";
import type { Call } from "../syntax/ast.ts";
import { hasHelper, helper } from "./helpers.ts";
import { ownedPlace } from "./lock.ts";
import type { Lowering } from "./lowering.ts";
import type { BoolVal, IntVal, MapVal, Val } from "./values.ts";

/** CLOCK_MONOTONIC, that of `nsecs()`. */
const CLOCK = 1n;

function timerOf(f: Lowering, value: Val, call: Call): Value {
  if (!hasHelper(f, "timer_init")) {
    f.fail("no-helper", "this kernel has no bpf_timer_init", call, ["Linux 5.15 and later have it"]);
  }
  return f.address(ownedPlace(f, value, "bpf_timer", call.args[0]!));
}

export function startTimer(
  f: Lowering,
  map: MapVal,
  value: Val,
  nsecs: IntVal,
  callback: Val | undefined,
  call: Call,
): Val {
  if (callback !== undefined && callback.k !== "function") {
    return f.fail("type", "the third argument is one of `functions`", call.args[2] ?? call, [
      "startTimer(value, nanoseconds, expire), where expire($, key, value) is a function under `functions`",
    ]);
  }
  const timer = timerOf(f, value, call);
  const delay = f.word(nsecs);
  const name = callback === undefined ? undefined : f.rules.callback(f, callback.name, map, call);
  f.effect();
  if (name !== undefined) {
    helper(f, "timer_init", [timer, f.b.mapFd(map.name), f.b.const(CLOCK)], { writes: 1 });
    helper(f, "timer_set_callback", [timer, f.b.funcAddr(name)], { writes: 1 });
  }
  return f.int(helper(f, "timer_start", [timer, delay, f.b.const(0n)], { writes: 1 }), I64);
}

/** 1 if it was running, 0 if not, or a negative errno: in its own callback, or when it was never started. */
export function cancelTimer(f: Lowering, value: Val, call: Call): BoolVal {
  const timer = timerOf(f, value, call);
  f.effect();
  const result = f.b.sext(helper(f, "timer_cancel", [timer], { writes: 1 }), 32);
  return { k: "bool", ir: f.b.compare("eq", result, f.b.const(1n)), c: undefined };
}
