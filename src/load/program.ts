/** A loaded program: its descriptor, what it is, and what the verifier said. Attaching takes it as it is. */
import { BPF_PROG_TYPE_EXT } from "../abi/bpf.gen.ts";
import { BPF_F_XDP_HAS_FRAGS } from "../abi/defines.ts";
import type { Btf } from "../btf/btf.ts";
import type { AttachTarget } from "./attach_target.ts";
import type { LoadedMap } from "./map.ts";
import type { ProgramSpec } from "../object/spec.ts";
import type { SectionDef } from "../object/sections.ts";
import { fdById, type ProgInfo, progInfo } from "../syscall/bpf_object.ts";
import { progLoad, type ProgLoadAttr, type TestRunInput, type TestRunResult } from "../syscall/bpf_prog.ts";
import { pinObject, type PinOptions, unpinObject } from "../syscall/bpffs.ts";
import type { Fd } from "../syscall/fd.ts";
import { runProgram } from "./test_run.ts";

/** What the loader knows of a program. */
export interface LoadedProgramInit {
  spec: ProgramSpec;
  fd: Fd;
  type: number;
  expectedAttachType: number;
  target: AttachTarget;
  log: string;
  /** As it was loaded. */
  attr: ProgLoadAttr;
  object: ProgramObject;
}

/** The object that a program is part of, as attaching sees it. */
export interface ProgramObject {
  readonly btf: Btf | undefined;
  map(name: string): LoadedMap | undefined;
}

/** A program in the kernel. */
export class LoadedProgram implements Disposable {
  readonly spec: ProgramSpec;
  /** BPF_PROG_TYPE_*. */
  readonly type: number;
  /** BPF_* attach type it was loaded with, or 0. */
  readonly expectedAttachType: number;
  /** BTF id of what it attaches to, for fentry and kin; 0 otherwise. */
  readonly attachBtfId: number;
  /** What the verifier wrote, if `logLevel` asked for it. */
  readonly verifierLog: string;
  /** The instructions as they were handed to the kernel, subprograms included. */
  readonly insns: Uint8Array;
  readonly #attr: ProgLoadAttr;
  /** Maps and types of the object it is part of. */
  readonly object: ProgramObject;
  readonly #fd: Fd;
  #id: number | undefined;
  #pinPath: string | undefined;

  constructor(init: LoadedProgramInit) {
    this.spec = init.spec;
    this.type = init.type;
    this.expectedAttachType = init.expectedAttachType;
    this.attachBtfId = init.target.attachBtfId;
    this.verifierLog = init.log;
    this.insns = init.attr.insns;
    this.#attr = init.attr;
    this.object = init.object;
    this.#fd = init.fd;
  }

  get name(): string {
    return this.spec.name;
  }

  /** As in the object, without a leading `?`. */
  get sectionName(): string {
    return this.spec.sectionName;
  }

  /** Row of the section table. */
  get def(): SectionDef | undefined {
    return this.spec.def;
  }

  /** What follows the section's base: `syscalls/sys_enter_openat`. */
  get target(): string {
    return this.spec.target;
  }

  /** The descriptor's number. Throws `TypeError` once the program is closed. */
  get fd(): number {
    if (this.#fd.closed) throw new TypeError(`Cannot use program "${this.name}": it is closed`);
    return this.#fd.number;
  }

  /** The kernel's id of the program. */
  get id(): number {
    return this.#id ??= progInfo(this.fd).id;
  }

  /** Instructions that the verifier looked at, all paths counted (5.16); 0 on older kernels. */
  get verifiedInsns(): number {
    return progInfo(this.fd).verified_insns;
  }

  /** Slots of 8 bytes. */
  get instructionCount(): number {
    return this.insns.length / 8;
  }

  /** Everything the kernel tells of the program. */
  info(): ProgInfo {
    return progInfo(this.fd);
  }

  /** Runs the program on given data and context, once or often: BPF_PROG_TEST_RUN. Not every type can. */
  testRun(input: TestRunInput = {}): TestRunResult {
    return runProgram(this, input);
  }

  /**
   * Loads the same program once more, to take the place of a function of another program (BPF_PROG_TYPE_EXT, Linux 5.6):
   * the function with BTF id `btfId` of program `fd`. Throws `SyscallError`.
   */
  loadAsExtension(target: { readonly fd: number; readonly btfId: number }): Fd {
    const { btf_id } = progInfo(this.fd);
    using btf = btf_id === 0 ? undefined : fdById("btf", btf_id);
    return progLoad({
      ...this.#attr,
      prog_type: BPF_PROG_TYPE_EXT,
      expected_attach_type: 0,
      prog_flags: (this.#attr.prog_flags ?? 0) & ~BPF_F_XDP_HAS_FRAGS,
      attach_prog_fd: target.fd,
      attach_btf_id: target.btfId,
      ...(btf !== undefined && { prog_btf_fd: btf.number }),
    });
  }

  /** Gives the program a name in a bpf file system, where it outlives the process. */
  pin(path: string, options: PinOptions = {}): void {
    pinObject(this.fd, path, options);
    this.#pinPath = path;
  }

  /** Removes the pin; false if there was none. */
  unpin(path: string | undefined = this.#pinPath): boolean {
    if (path === undefined) return false;
    if (path === this.#pinPath) this.#pinPath = undefined;
    return unpinObject(path);
  }

  get closed(): boolean {
    return this.#fd.closed;
  }

  /** Closes the descriptor; the program lives on while links, pins or program arrays hold it. */
  close(): void {
    this.#fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
