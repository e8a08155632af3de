/** A program of a loaded object: what the loader knows of it, and how to attach it. */
import type { Link } from "../attach/link.ts";
import { attachFromSection, attachProgram } from "../attach/registry.ts";
import type { AttachableProgram, AttachOptions } from "../attach/types.ts";
import { WaggleError } from "../errors.ts";
import type { LoadedProgram } from "../load/program.ts";
import type { SectionDef } from "../object/sections.ts";
import type { ProgInfo } from "../syscall/bpf_object.ts";
import type { TestRunInput, TestRunResult } from "../syscall/bpf_prog.ts";
import type { PinOptions } from "../syscall/bpffs.ts";
import type { Fd } from "../syscall/fd.ts";

/**
 * A program in the kernel, ready to attach.
 *
 * @example
 * ```ts ignore
 * // ignored: needs an object file
 * using bpf = load("./filter.bpf.o");
 * const { retval } = bpf.program("filter").testRun({ data: packet });
 * using link = bpf.program("filter").attach({ device: "eth0" });
 * ```
 */
export class Program implements AttachableProgram {
  /** The loader's view of it: instructions, verifier log, spec. */
  readonly loaded: LoadedProgram;
  readonly #keep: (link: Link) => void;

  /** `keep` takes over links, to close them with the object. */
  constructor(loaded: LoadedProgram, keep: (link: Link) => void) {
    this.loaded = loaded;
    this.#keep = keep;
  }

  get name(): string {
    return this.loaded.name;
  }

  /** The descriptor's number. Throws `TypeError` once the object is closed. */
  get fd(): number {
    return this.loaded.fd;
  }

  /** The kernel's id, as `bpftool prog` prints it. */
  get id(): number {
    return this.loaded.id;
  }

  /** BPF_PROG_TYPE_*. */
  get type(): number {
    return this.loaded.type;
  }

  get expectedAttachType(): number {
    return this.loaded.expectedAttachType;
  }

  get sectionName(): string {
    return this.loaded.sectionName;
  }

  get def(): SectionDef | undefined {
    return this.loaded.def;
  }

  get target(): string {
    return this.loaded.target;
  }

  get attachBtfId(): number {
    return this.loaded.attachBtfId;
  }

  /** Maps and types of the object, which static probes need. */
  get object(): LoadedProgram["object"] {
    return this.loaded.object;
  }

  /** Loads the same program once more, to take the place of a function of another one. */
  loadAsExtension(target: { readonly fd: number; readonly btfId: number }): Fd {
    return this.loaded.loadAsExtension(target);
  }

  /** What the verifier wrote, if the option `logLevel` asked for it. */
  get verifierLog(): string {
    return this.loaded.verifierLog;
  }

  /** Slots of 8 bytes, subprograms included. */
  get instructionCount(): number {
    return this.loaded.instructionCount;
  }

  /**
   * Attaches the program: to what its section name says, with options where the name does not say enough. The link ends
   * with the object, or when it is disposed.
   */
  attach(options?: AttachOptions): Link {
    const link = options === undefined ? attachFromSection(this) : attachProgram(this, options);
    if (link === undefined) {
      throw new WaggleError(`Cannot attach program "${this.name}": section "${this.sectionName}" does not say where`, {
        hint: `pass options: attach({ … }) for ${this.def?.extras ?? this.def?.attach ?? "its hook"}`,
      });
    }
    this.#keep(link);
    return link;
  }

  /** Runs the program on given data and context: BPF_PROG_TEST_RUN. Not every type can. */
  testRun(input: TestRunInput = {}): TestRunResult {
    return this.loaded.testRun(input);
  }

  /** Everything the kernel tells of the program, run time and count among it if statistics are on. */
  info(): ProgInfo {
    return this.loaded.info();
  }

  /** Gives the program a name in a bpf file system, where it outlives the process. */
  pin(path: string, options: PinOptions = {}): void {
    this.loaded.pin(path, options);
  }

  /** Removes the pin; false if there was none. */
  unpin(path?: string): boolean {
    return this.loaded.unpin(path);
  }
}
