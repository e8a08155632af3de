/** A program of a tracer: what the key stands for, loaded, and how it is attached. */
import type { Link } from "../attach/link.ts";
import { attachFromSection, attachProgram } from "../attach/registry.ts";
import type { AttachOptions } from "../attach/types.ts";
import { WaggleError } from "../errors.ts";
import type { LoadedProgram } from "../load/program.ts";
import type { Hook } from "./hook.ts";
import type { TracerProgram } from "./tracer.ts";

/** One hook with the program that runs at it. */
export interface HookedProgram {
  readonly hook: Hook;
  readonly program: LoadedProgram;
}

/** The programs of one key. `keep` takes over the links. */
export class ScriptProgram implements TracerProgram {
  readonly key: string;
  readonly #hooked: readonly HookedProgram[];
  readonly #keep: (link: Link) => void;

  constructor(key: string, hooked: readonly HookedProgram[], keep: (link: Link) => void) {
    this.key = key;
    this.#hooked = hooked;
    this.#keep = keep;
  }

  get program(): LoadedProgram {
    return this.#hooked[0]!.program;
  }

  get all(): readonly LoadedProgram[] {
    return this.#hooked.map(({ program }) => program);
  }

  attach(options?: AttachOptions): Link[] {
    const links: Link[] = [];
    try {
      for (const hooked of this.#hooked) {
        links.push(attachHook(hooked, options) ?? needsOptions(this.key, hooked.program));
      }
    } catch (error) {
      for (const link of links) link.close();
      throw error;
    }
    for (const link of links) this.#keep(link);
    return links;
  }

  /**
   * Attaches as far as the key says where. Options are for those whose key does not; a program that nothing attaches
   * (the target of a tail call, for example) is left alone.
   */
  attachByKey(options: AttachOptions | undefined, isJumpTarget: boolean): void {
    for (const hooked of this.#hooked) {
      const { hook, program } = hooked;
      // The kernel takes the whole struct, see tracer_object.ts.
      if (program.def?.attach === "struct_ops") continue;
      const link = hook.sampling === undefined ? attachFromSection(program) : attachHook(hooked, undefined);
      if (link !== undefined) this.#keep(link);
      else if (program.def?.attach === "none" || isJumpTarget) continue;
      else if (options === undefined) needsOptions(this.key, program);
      else this.#keep(attachProgram(program, options));
    }
  }
}

function attachHook({ hook, program }: HookedProgram, options: AttachOptions | undefined): Link | undefined {
  if (hook.sampling !== undefined) return attachProgram(program, { ...hook.sampling, ...options });
  return options === undefined ? attachFromSection(program) : attachProgram(program, options);
}

/** What the options are for each kind of hook whose key cannot say it. */
const OPTIONS: Readonly<Record<string, string>> = {
  xdp: `{ device: "eth0" }`,
  tc: `{ device: "eth0" }`,
  tcx: `{ device: "eth0" }`,
  netkit: `{ device: "nk0" }`,
  cgroup: `{ cgroup: "/sys/fs/cgroup/name" }`,
  socket_filter: "{ socketFd: fd }",
  sk_reuseport: "{ socketFd: fd }",
  sockmap: "{ mapFd: map.fd }",
  perf_event: `{ event: "cycles", period: 1000000 }`,
};

function needsOptions(key: string, program: LoadedProgram): never {
  const options = OPTIONS[program.def?.attach ?? ""];
  throw new WaggleError(`Cannot attach program "${key}": its key does not say where`, {
    hint: options === undefined ? undefined : `say it: attach(${options})`,
  });
}
