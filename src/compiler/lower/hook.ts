/**
 * What a program may do and must return, by its hook: the row of the section table, taken further. A subprogram has the
 * hook of the program that calls it.
 */
import { matchSection, parseTarget, type SectionTarget } from "../../object/section_name.ts";
import type { SectionDef } from "../../object/sections.ts";
import type { Value } from "../ir/ir.ts";
import type { Expr } from "../syntax/ast.ts";
import type { Lowering } from "./lowering.ts";
import { describe, type Val } from "./values.ts";

export interface HookFacts {
  readonly section: string;
  readonly key: string;
  readonly def: SectionDef | undefined;
  readonly target: SectionTarget;
  /** Kernel pointers it gets have types that the verifier knows. */
  readonly typed: boolean;
  /** Large objects may go to per-CPU memory: nothing runs this program again on the CPU before it has ended. */
  readonly scratch: boolean;
  readonly defaultReturn: bigint;
  /** False in callbacks: there `ctx` reports an error, and `frameContext` gives 0. */
  readonly hasContext: boolean;
  /** The context as the function got it. */
  ctx(f: Lowering): Value;
  /** The context for those who only pass it on. */
  frameContext(f: Lowering): Value;
  checkReturn(f: Lowering, val: Val, node: Expr): void;
  jsGlobal(f: Lowering, name: string): Val | undefined;
}

/** What a program that returns nothing returns, by program type; undefined: it must return something itself. */
const DEFAULT_RETURN: Readonly<Record<string, bigint | undefined>> = {
  BPF_PROG_TYPE_XDP: undefined,
  BPF_PROG_TYPE_SOCKET_FILTER: undefined,
  BPF_PROG_TYPE_SK_LOOKUP: 1n,
  BPF_PROG_TYPE_CGROUP_SKB: 1n,
  BPF_PROG_TYPE_CGROUP_SOCK: 1n,
  BPF_PROG_TYPE_CGROUP_SOCK_ADDR: 1n,
  BPF_PROG_TYPE_CGROUP_SYSCTL: 1n,
  BPF_PROG_TYPE_CGROUP_SOCKOPT: 1n,
  BPF_PROG_TYPE_CGROUP_DEVICE: 1n,
  BPF_PROG_TYPE_SOCK_OPS: 1n,
  BPF_PROG_TYPE_NETFILTER: 1n,
  BPF_PROG_TYPE_SK_MSG: 1n,
  BPF_PROG_TYPE_SK_SKB: 1n,
  BPF_PROG_TYPE_SK_REUSEPORT: 1n,
};

/** Program types whose kernel pointers are typed for the verifier. */
const TYPED = new Set(["BPF_PROG_TYPE_TRACING", "BPF_PROG_TYPE_LSM", "BPF_PROG_TYPE_STRUCT_OPS"]);

/**
 * Program types that cannot meet themselves on one CPU: the kernel keeps count of them there (kprobes, tracepoints,
 * perf events, trampolines), or runs them with softirqs off. Programs at uprobes and at cgroups may be preempted by
 * another task that enters them, sleepable ones too.
 */
const ALONE = new Set([
  "BPF_PROG_TYPE_KPROBE",
  "BPF_PROG_TYPE_TRACEPOINT",
  "BPF_PROG_TYPE_RAW_TRACEPOINT",
  "BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE",
  "BPF_PROG_TYPE_PERF_EVENT",
  "BPF_PROG_TYPE_TRACING",
  "BPF_PROG_TYPE_LSM",
  "BPF_PROG_TYPE_XDP",
  "BPF_PROG_TYPE_SCHED_CLS",
  "BPF_PROG_TYPE_SCHED_ACT",
]);

function runsAlone(def: SectionDef): boolean {
  const preempted = def.flags?.includes("sleepable") === true || /^uprobe|^usdt/.test(def.attach) ||
    def.attach === "cgroup" || def.attach === "iter";
  return ALONE.has(def.prog) && !preempted;
}

export function hookOf(section: string, key: string, jsGlobal: HookFacts["jsGlobal"]): HookFacts {
  const match = matchSection(section);
  const prog = match?.def.prog ?? "";
  const known = Object.hasOwn(DEFAULT_RETURN, prog);
  const fallback = known ? DEFAULT_RETURN[prog] : match?.def.expected === "BPF_LSM_CGROUP" ? 1n : 0n;
  return {
    section,
    key,
    def: match?.def,
    target: match === undefined ? { kind: "none" } : parseTarget(match.def, match.target),
    typed: TYPED.has(prog),
    scratch: match !== undefined && runsAlone(match.def),
    defaultReturn: fallback ?? 0n,
    hasContext: true,
    ctx: (f) => f.b.param(0),
    frameContext: (f) => f.b.param(0),
    checkReturn(f, val, node) {
      if (val.k === "undefined") {
        if (fallback === undefined) {
          f.fail(
            "no-verdict",
            `a program of kind ${section.split("/")[0]} must return a verdict on every way out`,
            node,
            ["XDP_PASS lets the packet through, XDP_DROP drops it"],
          );
        }
        return;
      }
      if (val.k !== "int" && val.k !== "bool") {
        f.fail("type", `a program returns an integer, this is ${describe(val)}`, node);
      }
    },
    jsGlobal,
  };
}
