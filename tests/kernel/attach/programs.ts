/** Programs made with our own assembler, loaded without the loader: each counts its runs in an array map. */
import { BPF_MAP_TYPE_ARRAY } from "../../../src/abi/bpf.gen.ts";
import { BPF_F_SLEEPABLE } from "../../../src/abi/defines.ts";
import { Builder, r0, r1, r2 } from "../../../src/asm/build.ts";
import type { AttachableProgram } from "../../../src/attach/types.ts";
import { Btf } from "../../../src/btf/btf.ts";
import { matchSection } from "../../../src/object/section_name.ts";
import { hasSectionFlag, sectionAttachType, sectionProgType } from "../../../src/object/sections.ts";
import { mapCreate, mapLookup, progLoadWithLog } from "../../../src/syscall/bpf.ts";
import type { Fd } from "../../../src/syscall/fd.ts";
import { readFile } from "../../../src/syscall/files.ts";

/** A loaded program and the map that it counts in. */
export class CountingProgram implements AttachableProgram, Disposable {
  readonly name: string;
  readonly type: number;
  readonly expectedAttachType: number;
  readonly sectionName: string;
  readonly def: AttachableProgram["def"];
  readonly target: string;
  readonly attachBtfId: number;
  readonly #fd: Fd;
  readonly #map: Fd;

  constructor(sectionName: string, options: ProgramOptions = {}) {
    const match = matchSection(sectionName);
    this.sectionName = sectionName;
    this.name = options.name ?? "count";
    this.def = match?.def;
    this.target = match?.target ?? "";
    this.type = options.type ?? (match === undefined ? 0 : sectionProgType(match.def));
    this.expectedAttachType = options.expectedAttachType ?? (match === undefined ? 0 : sectionAttachType(match.def));
    this.attachBtfId = options.attachBtfId ?? 0;
    this.#map = mapCreate({
      map_type: BPF_MAP_TYPE_ARRAY,
      key_size: 4,
      value_size: 16,
      max_entries: 1,
      map_name: "counts",
    });
    try {
      this.#fd = this.#load(options);
    } catch (error) {
      this.#map.close();
      throw error;
    }
  }

  get fd(): number {
    return this.#fd.number;
  }

  /** How often it ran. */
  get count(): number {
    return Number(this.#value(0));
  }

  /** What `extra` left in the second half of the value. */
  get seen(): bigint {
    return this.#value(8);
  }

  /** Runs of the program while `fn` runs. */
  during(fn: () => void): number {
    const before = this.count;
    fn();
    return this.count - before;
  }

  [Symbol.dispose](): void {
    this.#fd.close();
    this.#map.close();
  }

  #value(offset: number): bigint {
    const value = new Uint8Array(16);
    mapLookup(this.#map.number, new Uint8Array(4), value);
    return new DataView(value.buffer).getBigUint64(offset, true);
  }

  #load(options: ProgramOptions): Fd {
    const builder = new Builder();
    options.before?.(builder, this.#map.number);
    builder.mapValue(r1, this.#map.number, 0).mov(r2, 1).atomic("add", 64, r1, 0, r2);
    builder.mov(r0, options.result ?? 0).exit();
    const result = progLoadWithLog({
      insns: builder.bytes(),
      license: "GPL",
      prog_type: this.type,
      prog_name: this.name,
      expected_attach_type: this.expectedAttachType,
      attach_btf_id: this.attachBtfId,
      prog_flags: this.def !== undefined && hasSectionFlag(this.def, "sleepable") ? BPF_F_SLEEPABLE : 0,
    }, { level: 1, size: 1 << 16 });
    if (result.fd === undefined) {
      throw new Error(`Cannot load ${this.sectionName}: errno ${result.errno}\n${result.log}`);
    }
    return result.fd;
  }
}

export interface ProgramOptions {
  name?: string;
  /** r0 at the end. */
  result?: number;
  type?: number;
  expectedAttachType?: number;
  attachBtfId?: number;
  /** Instructions at the start; r1 is the context. */
  before?: (builder: Builder, mapFd: number) => void;
}

/** Stores the cookie in the map, where `seen` reads it. */
export function storeCookie(builder: Builder, mapFd: number): void {
  builder.call("get_attach_cookie").mapValue(r1, mapFd, 8).store(64, r1, 0, r0);
}

let parsed: Btf | undefined;

/** A BTF id of the running kernel. */
export function kernelTypeId(name: string, kind: "FUNC" | "TYPEDEF"): number {
  parsed ??= Btf.parse(readFile("/sys/kernel/btf/vmlinux"));
  const id = parsed.find(name, kind);
  if (id === undefined) throw new Error(`this kernel's BTF has no ${kind} ${name}`);
  return id;
}
