/** What `bpf({...})` gives: a loaded object with its maps, globals and programs. Types only. */
import type { Host, Schema } from "../bytes/layout.ts";
import type { Diagnostic } from "../errors.ts";
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

/** Where to attach a program whose key does not say it all. */
export interface AttachTarget {
  /** Network device, by name or index: xdp, tc, tcx, netkit. */
  interface?: string | number;
  /** Path of a cgroup's directory, or a descriptor of it. */
  cgroup?: string | number;
  /** Only this process: uprobes, sampling. */
  pid?: number;
  /** A value the program reads back with `bpf_get_attach_cookie(ctx)`. */
  cookie?: bigint | number;
}

/** One program of a tracer. */
export interface TracerProgram {
  /** As the script wrote it. */
  readonly key: string;
  /** In the object: a C identifier. */
  readonly name: string;
  readonly fd: number;
  /** Number of instructions as compiled. */
  readonly instructions: number;
  /** Attaches this program; the result detaches it when it is disposed. The tracer holds it too. */
  attach(target?: AttachTarget): Disposable;
  /** Runs the program once (or `repeat` times) on given bytes: BPF_PROG_TEST_RUN. */
  testRun(options?: TestRunOptions): TestRunResult;
}

/** Input of a test run. */
export interface TestRunOptions {
  /** The packet, for programs that see packets. */
  data?: Uint8Array;
  /** The context's bytes, for programs that take them. */
  context?: Uint8Array;
  repeat?: number;
}

/** Output of a test run. */
export interface TestRunResult {
  readonly returned: number;
  /** The packet afterwards. */
  readonly data: Uint8Array;
  /** Nanoseconds of one run, averaged by the kernel. */
  readonly nanoseconds: number;
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
   * Attaches every program whose key says where. With `target` also those that need one: a network device, a cgroup.
   * When one fails, those before it are detached again.
   */
  attach(target?: AttachTarget): void;
  /** Detaches every program; `attach` may follow. */
  detach(): void;
  /** The lines that `print` in kernel functions made, formatted, in order for each CPU. */
  lines(options?: ReadOptions): AsyncIterableIterator<string>;
  /** Unloads everything; the same as disposing it. */
  close(): void;
}
