/** What `bpf({...})` gives: a loaded object with its maps, globals and programs. Types only. */
import type { Link } from "../attach/link.ts";
import type { AttachOptions } from "../attach/types.ts";
import type { Host, Schema } from "../bytes/layout.ts";
import type { Diagnostic } from "../errors.ts";
import type { LoadedProgram } from "../load/program.ts";
import type { ReadOptions } from "../maps/events.ts";
import type { ObjectSpec } from "../object/spec.ts";
import type { MapKindDefinition } from "./kinds/define.ts";
import type { GlobalKind } from "./scope.ts";

/** The script's side of its maps. */
export type HostMaps<M> = {
  readonly [K in keyof M]: M[K] extends MapKindDefinition<unknown, infer Face> ? Face : never;
};

/** The script's side of its globals: reading and assigning go straight to the variable in kernel memory. */
export type HostGlobals<G> = {
  -readonly [K in keyof G]: G[K] extends GlobalKind<infer H, unknown> ? H : G[K] extends Schema ? Host<G[K]> : never;
};

/** One program of a tracer. */
export interface TracerProgram {
  /** As the script wrote it. */
  readonly key: string;
  /** The program in the kernel: descriptor, id, test runs, pins. The first one, where the key lists several hooks. */
  readonly program: LoadedProgram;
  /** One for each hook of the key. */
  readonly all: readonly LoadedProgram[];
  /** Attaches the program to its hooks. The links end with the tracer, or when they are disposed. */
  attach(options?: AttachOptions): Link[];
}

/** A loaded object whose programs were written in the script. Disposing it detaches and unloads everything. */
export interface Tracer<M, P extends string, G> extends Disposable {
  /** Readers and writers of the maps, by name. */
  readonly maps: HostMaps<M>;
  /** The variables, live. Constants can be read only. */
  readonly globals: HostGlobals<G>;
  /** The programs, by key. */
  readonly programs: { readonly [K in P]: TracerProgram };
  /** The object as compiled. */
  readonly spec: ObjectSpec;
  /** What the compiler noticed without refusing it. */
  readonly warnings: readonly Diagnostic[];
  /**
   * Attaches every program whose key says where, and with `options` also those whose key does not: `{ device: "eth0" }`
   * for xdp and tc, `{ cgroup: "/sys/fs/cgroup/x" }` for cgroup hooks. When one fails, all are detached again.
   */
  attach(options?: AttachOptions): void;
  /** Detaches every program; `attach` may follow. */
  detach(): void;
  /** The lines that `print` in kernel functions made, formatted, in order for each CPU. */
  lines(options?: ReadOptions): AsyncIterableIterator<string>;
  /**
   * Aborted when a kernel function calls `exit`; its `reason` is the code. Asking for it starts to listen. Loops end on
   * it: `tracer.maps.events.read({ signal: tracer.exited })`.
   */
  readonly exited: AbortSignal;
  /** Detaches and unloads everything; the same as disposing it. */
  close(): void;
}
