/**
 * ObjectSpec: the blueprint of a BPF object. The ELF reader and the compiler make it, the linker and the ELF writer
 * leave from it, `load` turns it into maps and programs. It depends on the bytes given and on nothing else: no fds,
 * no facts of the running kernel. Types only.
 */
import type { Endian } from "../bytes/cursor.ts";
import type { Btf } from "../btf/btf.ts";
import type { SectionDef } from "./sections.ts";

export interface ObjectSpec {
  /** Base name without the first `.` suffix; prefixes the kernel names of data maps. */
  name: string;
  endian: Endian;
  /** From section `license`; empty if there is none. */
  license: string;
  /** From section `version`, for old kernels' kprobes; 0 if there is none. */
  kernelVersion: number;
  /** The object's own types, with DATASEC sizes and offsets already fixed up from the symbol table. */
  btf: Btf | undefined;
  /** Order: section index, then offset in it. */
  programs: ProgramSpec[];
  /** Functions that programs call or take the address of; same order. A program never appears here. */
  subprograms: FunctionSpec[];
  /** Order of creation: `.maps` by offset, data sections, `.kconfig`, struct_ops. */
  maps: MapSpec[];
  externs: ExternSpec[];
  /**
   * Sections of functions in the order of their CO-RE blocks in `.BTF.ext`. Candidates are pruned as relocations go by,
   * so order can decide which of several matches wins. Without it: order of programs, then subprograms.
   */
  coreSections?: readonly string[] | undefined;
}

/** A function of an executable section. Everything with an instruction index counts 8-byte slots from its start. */
export interface FunctionSpec {
  name: string;
  /**
   * Its ELF section, with a leading `?` already taken away: with `offset` the key that calls refer to. Should two ELF
   * sections be called alike, the later one gets `#` and its section index appended.
   */
  section: string;
  /** Byte offset in that section. */
  offset: number;
  linkage: "static" | "global" | "weak";
  /** STV_HIDDEN or STV_INTERNAL: the verifier treats it as static. */
  hidden: boolean;
  /** Raw instructions, 8 bytes a slot, in the object's byte order, not relocated. Never written to. */
  insns: Uint8Array;
  /** Sorted by `insn`. */
  relocations: Relocation[];
  /** CO-RE records, sorted by `insn`. */
  coreRelocations: CoreRelocation[];
  /** BTF id of its FUNC; 0 if unknown. */
  btfId: number;
  lines: LineInfo[];
  /** The same as in `.BTF.ext`, if the function was read from a file: what the kernel takes without making a string. */
  lineRecords?: LineRecords | undefined;
}

/** Columns of equal length; string offsets point into the strings of `ObjectSpec.btf`. */
export interface LineRecords {
  /** Slot index from the start of the function. */
  insn: Uint32Array;
  fileOff: Uint32Array;
  lineOff: Uint32Array;
  /** Line << 10 | column. */
  lineCol: Uint32Array;
}

export interface ProgramSpec extends FunctionSpec {
  /** The section name as written but for a leading `?`, for example `tracepoint/syscalls/sys_enter_openat`. */
  sectionName: string;
  /** The matching row of the section table; undefined if none matches (loading it says so). */
  def: SectionDef | undefined;
  /** What follows the pattern's prefix: `syscalls/sys_enter_openat`; empty if nothing. */
  target: string;
  /** False for sections that start with `?`. */
  autoload: boolean;
}

/** What the loader must put into an instruction. `insn` is the slot index within the function. */
export type Relocation =
  /** ldimm64 of a map's fd. */
  | { kind: "map"; insn: number; map: string }
  /** ldimm64 of an address inside the value of a data map or arena. */
  | { kind: "map_value"; insn: number; map: string; offset: number }
  /** Call of a subprogram (or of another program's function), by section and byte offset of the callee. */
  | { kind: "call"; insn: number; section: string; offset: number }
  /** ldimm64 of a function's address (callbacks). */
  | { kind: "func"; insn: number; section: string; offset: number }
  /** ldimm64 of a kconfig or ksym variable. `offset` is the addend. */
  | { kind: "extern_var"; insn: number; extern: string; offset: number }
  /** Call of a kfunc. */
  | { kind: "extern_func"; insn: number; extern: string }
  /**
   * ldimm64 of a jump table's address: the slots its entries lead to, from the start of this function. `table` tells
   * tables apart: it is the offset in `.jumptables`.
   */
  | { kind: "jump_table"; insn: number; table: number; targets: number[] };

/** `enum bpf_core_relo_kind`. */
export type CoreKind =
  | "FIELD_BYTE_OFFSET"
  | "FIELD_BYTE_SIZE"
  | "FIELD_EXISTS"
  | "FIELD_SIGNED"
  | "FIELD_LSHIFT_U64"
  | "FIELD_RSHIFT_U64"
  | "TYPE_ID_LOCAL"
  | "TYPE_ID_TARGET"
  | "TYPE_EXISTS"
  | "TYPE_SIZE"
  | "ENUMVAL_EXISTS"
  | "ENUMVAL_VALUE"
  | "TYPE_MATCHES";

export interface CoreRelocation {
  insn: number;
  /** Local BTF id of the root type. */
  typeId: number;
  /** `0:1:2`; for enums the index of the value; `0` for types. */
  access: string;
  kind: CoreKind;
}

export interface LineInfo {
  insn: number;
  file: string;
  /** The source line's text. */
  text: string;
  line: number;
  column: number;
}

export interface MapSpec {
  name: string;
  kind: "declared" | "data" | "rodata" | "bss" | "kconfig" | "struct_ops" | "arena_data";
  /** `enum bpf_map_type`. */
  type: number;
  keySize: number;
  valueSize: number;
  maxEntries: number;
  flags: number;
  mapExtra: bigint;
  numaNode: number | undefined;
  pinning: "none" | "by_name";
  /** BTF ids; 0 if unknown. */
  keyTypeId: number;
  valueTypeId: number;
  /** Template of the maps inside a map of maps. */
  inner: MapSpec | undefined;
  /** Static initialisation of `values`: slot index → name of a map or of a program. */
  slots: { index: number; kind: "map" | "program"; name: string }[];
  /** Data maps: ELF section, and its bytes (undefined: zeros, as in .bss). An arena map holds the globals of `.addr_space.1` here. */
  section: string | undefined;
  data: Uint8Array | undefined;
  /** struct_ops: type of the value, link or not, members that point to programs. */
  structOps: StructOpsSpec | undefined;
}

export interface StructOpsSpec {
  /** Local BTF id of the struct. */
  typeId: number;
  link: boolean;
  /** False for sections that start with `?`: the map is only made on demand. */
  autocreate?: boolean | undefined;
  /** Byte offset in `data` → program name. */
  programs: { offset: number; program: string }[];
}

export interface ExternSpec {
  name: string;
  kind: "kconfig" | "ksym_var" | "ksym_func";
  weak: boolean;
  /** BTF id of the VAR or FUNC. */
  btfId: number;
  /** kconfig: size, alignment and place in the `.kconfig` map's value. */
  size: number;
  offset: number;
  /** kconfig: what the value is. */
  value?: "bool" | "char" | "int" | "tristate" | "string" | undefined;
  /** kconfig integers: whether negative values fit. */
  signed?: boolean | undefined;
  /** ksym_var: `extern const void x __ksym`, resolved from kallsyms. */
  typeless: boolean;
}
