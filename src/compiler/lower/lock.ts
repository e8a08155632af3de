/**
 * `lock(value, () => { … })`: runs the function in place while the value's spin lock is held. The verifier allows no call
 * meanwhile, not even of most helpers, and wants the lock given back on every way; both follow from the form.
 */
import { ownedName } from "../../bytes/kernel_owned.ts";
import type { Call, Expr, Func } from "../syntax/ast.ts";
import { helper } from "./helpers.ts";
import type { Lowering } from "./lowering.ts";
import { fieldPlace } from "./memory.ts";
import { type MemVal, UNDEFINED, type Val } from "./values.ts";

/** kernel/bpf/verifier.c, is_tracing_prog_type and check_map_prog_compatibility. */
const WITHOUT = new Set([
  "BPF_PROG_TYPE_KPROBE",
  "BPF_PROG_TYPE_TRACEPOINT",
  "BPF_PROG_TYPE_PERF_EVENT",
  "BPF_PROG_TYPE_RAW_TRACEPOINT",
  "BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE",
]);

/** The place of the value's lock or timer. */
export function ownedPlace(f: Lowering, val: Val, which: "bpf_spin_lock" | "bpf_timer", node: Expr): MemVal {
  const prog = f.hook.def?.prog ?? "";
  const what = which === "bpf_timer" ? "timer" : "spin lock";
  if (WITHOUT.has(prog) || (what === "spin lock" && prog === "BPF_PROG_TYPE_SOCKET_FILTER")) {
    f.fail("kernel-owned", `a program of kind ${f.hook.section.split("/")[0]} can have no ${what}s`, node, [
      "tp_btf, fentry, lsm, network and cgroup programs can",
    ]);
  }
  if (val.k !== "mem" || val.memory.space !== "map") return f.wrong(`a value of a map that has a ${what}`, val, node);
  const fields = val.desc.kind === "struct" ? val.desc.fields : [];
  const field = fields.find((candidate) => ownedName(candidate.layout.desc) === which);
  if (field !== undefined) return fieldPlace(val, field);
  return f.fail("kernel-owned", `this value has no ${what}`, node, [
    which === "bpf_timer" ? "add a field `expiry: timer` to the map" : "add a field `guard: spinLock` to the map",
  ]);
}

export function lowerLock(f: Lowering, call: Call | Expr): Val {
  const [target, body] = call.type === "Call" ? call.args : [];
  if (target === undefined || body?.type !== "Func") {
    return f.fail("closure", "the second argument is a function, written in place", body ?? call, [
      "lock(value, () => { value.count++; })",
    ]);
  }
  const place = ownedPlace(f, f.settle(f.rules.lower(f, target)), "bpf_spin_lock", target);
  f.effect();
  helper(f, "spin_lock", [f.address(place)], { returns: false, writes: 1 });
  const before = f.b.beforeCall;
  f.b.beforeCall = (name) =>
    f.fail("locked", `nothing can be called while a lock is held, and this calls ${name}`, f.node, [
      "do it before or after, and keep the result in a variable",
    ]);
  try {
    runInPlace(f, body);
  } finally {
    f.b.beforeCall = before;
  }
  helper(f, "spin_unlock", [f.address(place)], { returns: false, writes: 1 });
  return UNDEFINED;
}

/** The statements of a function that is called at once and only here. */
function runInPlace(f: Lowering, func: Func): void {
  const end = f.b.newBlock();
  const outer = f.closure;
  const jumps = f.jumps.splice(0);
  const closure = f.closure = { end, flows: [] as ReturnType<Lowering["snapshot"]>[] };
  try {
    for (const stmt of func.body.body) f.rules.statement(f, stmt, undefined);
  } finally {
    f.closure = outer;
    f.jumps.push(...jumps);
  }
  if (f.b.reachable) {
    f.flush();
    closure.flows.push(f.snapshot());
  }
  f.b.jump(end);
  f.enter(end);
  f.meet(closure.flows);
}
