/** `bpf({...})`: kernel functions written in the script become a loaded object. */
import type { Schema } from "../bytes/layout.ts";
import type { GlobalDefinition, MapDefinition, StructOpsValues } from "../compiler/definitions.ts";
import { compile } from "../compiler/compile.ts";
import { loadObject } from "../load/load.ts";
import type { LoadOptions } from "../load/options.ts";
import { callSite } from "./call_site.ts";
import type { Ctx } from "./context.ts";
import { MachineFacts } from "./facts.ts";
import { prepare, type WrittenDefinition } from "./prepare.ts";
import type { Scope } from "./scope.ts";
import type { Tracer } from "./tracer.ts";
import { TracerObject } from "./tracer_object.ts";

/** How to load: as for object files, but for the globals, which the definition has. */
export type BpfOptions = Omit<LoadOptions, "globals">;

/** The type of a part that is left out. */
export type None = Record<never, never>;

/** What a script hands to `bpf` and `compile`. */
export interface BpfDefinition<
  M extends Readonly<Record<string, MapDefinition>>,
  P extends string,
  G extends Readonly<Record<string, Schema | GlobalDefinition>>,
  T extends Readonly<Record<string, Schema>>,
  A extends Readonly<Record<string, readonly unknown[]>>,
> {
  /** The programs' license: many helpers want `GPL` (default) or a license compatible with it. */
  license?: string;
  /** Name of the object, the prefix of its data maps in the kernel; by default that of the script's file. */
  name?: string;
  /** Maps: memory that kernel functions and script share. */
  maps?: M;
  /** Variables that kernel functions and script share. */
  globals?: G;
  /** Layouts that kernel functions may name: `user(ptr, Header)`, `packet.at(0, Header)`. */
  types?: T;
  /** Functions that kernel functions may call. Their first parameter is the scope, the others are the arguments. */
  functions?: { [K in keyof A]: ($: Scope<M, G, T, unknown>, ...args: A[K]) => number | void };
  /**
   * The kernel functions, by the hook they run at. They become BPF programs: they may use their two parameters, the
   * context and the scope, and nothing else.
   */
  programs: { [K in P]: (ctx: Ctx<K>, $: Scope<M, G, T, A>) => number | void };
  /**
   * For programs with keys `struct_ops:<struct>:<member>`: the other members of those structs, such as
   * `{ tcp_congestion_ops: { name: "mine" } }`.
   */
  structOps?: { readonly [struct: string]: StructOpsValues };
}

/**
 * Compiles the kernel functions and loads them. Nothing runs until `attach()`.
 *
 * Throws `CompileError` (with every message and its place in the script), `VerifierError`, `NotSupportedError` or
 * `SyscallError`; nothing is left behind then.
 *
 * @example
 * ```ts
 * import { bpf, ringbuf, str, u32 } from "@waggle/waggle";
 *
 * using tracer = bpf({
 *   maps: { execs: ringbuf({ pid: u32, path: str(128) }) },
 *   programs: {
 *     "tracepoint:syscalls:sys_enter_execve"(ctx, { execs, pid, userString }) {
 *       execs.emit({ pid: pid(), path: userString(ctx.filename) });
 *     },
 *   },
 * });
 * tracer.attach();
 * ```
 */
export function bpf<
  const M extends Readonly<Record<string, MapDefinition>> = None,
  P extends string = string,
  const G extends Readonly<Record<string, Schema | GlobalDefinition>> = None,
  const T extends Readonly<Record<string, Schema>> = None,
  A extends Readonly<Record<string, readonly unknown[]>> = None,
>(definition: BpfDefinition<M, P, G, T, A>, options: BpfOptions = {}): Tracer<M, P, G> {
  // The stack is taken here, in this function's own frame: see call_site.ts.
  const { stack } = new Error();
  using facts = new MachineFacts();
  const { input, hooks } = prepare(
    definition as WrittenDefinition,
    callSite(stack, Object.keys(definition.programs)),
    facts,
  );
  const output = compile(input);
  const object = loadObject(output.spec, options);
  try {
    return new TracerObject({ input, hooks, output, object }) as unknown as Tracer<M, P, G>;
  } catch (error) {
    object.close();
    throw error;
  }
}
