/**
 * THE instruction table: every BPF instruction of ISA versions 1 to 4, one row each, from which decoder checks,
 * disassembler, assembler and builder follow. To add an instruction, add its row. Rows of one shape are written as
 * a loop over operations, operand kinds and sizes, as the instruction set itself is made.
 *
 * Spec: Documentation/bpf/standardization/instruction-set.rst (RFC 9669); text forms are those of LLVM, and where LLVM
 * writes two instructions alike (a call of a helper and of a function), a form that tells them apart.
 */

// Instruction classes: the low three bits.
export const BPF_LD = 0x00;
export const BPF_LDX = 0x01;
export const BPF_ST = 0x02;
export const BPF_STX = 0x03;
export const BPF_ALU = 0x04;
export const BPF_JMP = 0x05;
export const BPF_JMP32 = 0x06;
export const BPF_ALU64 = 0x07;

// Sizes of loads and stores.
export const BPF_W = 0x00;
export const BPF_H = 0x08;
export const BPF_B = 0x10;
export const BPF_DW = 0x18;

// Modes of loads and stores.
export const BPF_IMM = 0x00;
export const BPF_ABS = 0x20;
export const BPF_IND = 0x40;
export const BPF_MEM = 0x60;
export const BPF_MEMSX = 0x80;
export const BPF_ATOMIC = 0xc0;

// Source operand of arithmetic and jumps: immediate or register.
export const BPF_K = 0x00;
export const BPF_X = 0x08;

// Immediates of atomic instructions.
export const BPF_FETCH = 0x01;
export const BPF_XCHG = 0xe1;
export const BPF_CMPXCHG = 0xf1;
export const BPF_LOAD_ACQ = 0x100;
export const BPF_STORE_REL = 0x110;

/** `BPF_LD | BPF_DW | BPF_IMM`: the 64-bit immediate, the only instruction of two slots. */
export const LDIMM64 = 0x18;
/** `BPF_JMP | BPF_CALL`. */
export const CALL = 0x85;
/** `BPF_JMP | BPF_EXIT`. */
export const EXIT = 0x95;
/** `BPF_JMP | BPF_JA`: jump by `off`. */
export const JA = 0x05;
/** `BPF_JMP32 | BPF_JA`: jump by `imm`. */
export const GOTOL = 0x06;
/** `BPF_JMP | BPF_JCOND`. */
export const JCOND = 0xe5;

/** Arithmetic operations with two operands: high four bits, and `off` of the signed ones. */
export const ALU_OPS = {
  add: { op: 0x00, off: 0, sign: "+=", cpu: 1 },
  sub: { op: 0x10, off: 0, sign: "-=", cpu: 1 },
  mul: { op: 0x20, off: 0, sign: "*=", cpu: 1 },
  div: { op: 0x30, off: 0, sign: "/=", cpu: 1 },
  sdiv: { op: 0x30, off: 1, sign: "s/=", cpu: 4 },
  or: { op: 0x40, off: 0, sign: "|=", cpu: 1 },
  and: { op: 0x50, off: 0, sign: "&=", cpu: 1 },
  lsh: { op: 0x60, off: 0, sign: "<<=", cpu: 1 },
  rsh: { op: 0x70, off: 0, sign: ">>=", cpu: 1 },
  mod: { op: 0x90, off: 0, sign: "%=", cpu: 1 },
  smod: { op: 0x90, off: 1, sign: "s%=", cpu: 4 },
  xor: { op: 0xa0, off: 0, sign: "^=", cpu: 1 },
  mov: { op: 0xb0, off: 0, sign: "=", cpu: 1 },
  arsh: { op: 0xc0, off: 0, sign: "s>>=", cpu: 1 },
} as const;

/** An arithmetic operation. */
export type AluOp = keyof typeof ALU_OPS;

/** Conditional jumps: high four bits. */
export const JMP_OPS = {
  jeq: { op: 0x10, sign: "==", cpu: 1 },
  jgt: { op: 0x20, sign: ">", cpu: 1 },
  jge: { op: 0x30, sign: ">=", cpu: 1 },
  jset: { op: 0x40, sign: "&", cpu: 1 },
  jne: { op: 0x50, sign: "!=", cpu: 1 },
  jsgt: { op: 0x60, sign: "s>", cpu: 1 },
  jsge: { op: 0x70, sign: "s>=", cpu: 1 },
  jlt: { op: 0xa0, sign: "<", cpu: 2 },
  jle: { op: 0xb0, sign: "<=", cpu: 2 },
  jslt: { op: 0xc0, sign: "s<", cpu: 2 },
  jsle: { op: 0xd0, sign: "s<=", cpu: 2 },
} as const;

/** A condition. */
export type JmpOp = keyof typeof JMP_OPS;

/** Sizes of memory accesses, in bits. */
export const SIZES = {
  8: { size: BPF_B, type: "8" },
  16: { size: BPF_H, type: "16" },
  32: { size: BPF_W, type: "32" },
  64: { size: BPF_DW, type: "64" },
} as const;

/** Bits of a memory access. */
export type Size = keyof typeof SIZES;

/** Atomic operations: the immediate. */
export const ATOMIC_OPS = {
  add: 0x00,
  or: 0x40,
  and: 0x50,
  xor: 0xa0,
  fetch_add: 0x01,
  fetch_or: 0x41,
  fetch_and: 0x51,
  fetch_xor: 0xa1,
  xchg: BPF_XCHG,
  cmpxchg: BPF_CMPXCHG,
} as const;

/** An atomic operation. */
export type AtomicOp = keyof typeof ATOMIC_OPS;

/** One instruction. */
export interface OpDef {
  readonly name: string;
  /** The opcode byte. */
  readonly code: number;
  /** Fields that must have this value; a field that is neither here nor in `syntax` must be zero. */
  readonly src?: number;
  readonly off?: number;
  readonly imm?: number;
  /**
   * Text. `$d` and `$s` are the registers (`$wd`, `$ws` their lower half, `$xd`, `$xs` read as either and printed as
   * the whole, `$ys` as the lower half), `$md` and `$ms` a register plus `off`, `$i` the immediate, `$I` the 64-bit
   * one, `$n` the immediate of the second slot, `$o` the offset, `$j` and `$J` a jump distance in `off` and `imm`, `$c` a
   * helper, `$a` two address spaces.
   */
  readonly syntax: string;
  /** ISA version as LLVM's `-mcpu` counts; memory-model instructions came with v4. */
  readonly cpu: 1 | 2 | 3 | 4;
}

let table: readonly OpDef[] | undefined;

/** The whole table; made at the first call, so that passes which only need the numbers above do not pay for it. */
export function opcodes(): readonly OpDef[] {
  table ??= [...aluRows(), ...jumpRows(), ...memoryRows(), ...atomicRows(), ...immediateRows()];
  return table;
}

function aluRows(): OpDef[] {
  const rows: OpDef[] = [];
  for (const [name, { op, off, sign, cpu }] of Object.entries(ALU_OPS)) {
    rows.push(
      { name: `${name}64_imm`, code: BPF_ALU64 | op | BPF_K, off, syntax: `$d ${sign} $i`, cpu },
      { name: `${name}64_reg`, code: BPF_ALU64 | op | BPF_X, off, syntax: `$d ${sign} $s`, cpu },
      { name: `${name}32_imm`, code: BPF_ALU | op | BPF_K, off, syntax: `$wd ${sign} $i`, cpu },
      { name: `${name}32_reg`, code: BPF_ALU | op | BPF_X, off, syntax: `$wd ${sign} $ws`, cpu },
    );
  }
  rows.push(
    { name: "neg64", code: 0x87, syntax: "$d = -$d", cpu: 1 },
    { name: "neg32", code: 0x84, syntax: "$wd = -$wd", cpu: 1 },
    { name: "addr_space_cast", code: 0xbf, off: 1, syntax: "$d = addr_space_cast($s, $a)", cpu: 4 },
  );
  for (const bits of [8, 16, 32]) {
    rows.push({ name: `movsx64_${bits}`, code: 0xbf, off: bits, syntax: `$d = (s${bits})$s`, cpu: 4 });
    if (bits < 32) rows.push({ name: `movsx32_${bits}`, code: 0xbc, off: bits, syntax: `$wd = (s${bits})$ws`, cpu: 4 });
  }
  for (const bits of [16, 32, 64]) {
    rows.push(
      { name: `le${bits}`, code: 0xd4, imm: bits, syntax: `$d = le${bits} $d`, cpu: 1 },
      { name: `be${bits}`, code: 0xdc, imm: bits, syntax: `$d = be${bits} $d`, cpu: 1 },
      { name: `bswap${bits}`, code: 0xd7, imm: bits, syntax: `$d = bswap${bits} $d`, cpu: 4 },
    );
  }
  return rows;
}

function jumpRows(): OpDef[] {
  const rows: OpDef[] = [];
  for (const [name, { op, sign, cpu }] of Object.entries(JMP_OPS)) {
    rows.push(
      { name: `${name}_imm`, code: BPF_JMP | op | BPF_K, syntax: `if $d ${sign} $i goto $j`, cpu },
      { name: `${name}_reg`, code: BPF_JMP | op | BPF_X, syntax: `if $d ${sign} $s goto $j`, cpu },
      { name: `${name}32_imm`, code: BPF_JMP32 | op | BPF_K, syntax: `if $wd ${sign} $i goto $j`, cpu: 3 },
      { name: `${name}32_reg`, code: BPF_JMP32 | op | BPF_X, syntax: `if $wd ${sign} $ws goto $j`, cpu: 3 },
    );
  }
  rows.push(
    { name: "goto", code: JA, syntax: "goto $j", cpu: 1 },
    { name: "gotol", code: GOTOL, syntax: "gotol $J", cpu: 4 },
    // Linux 6.19, LLVM 22: jump through a table made of instruction pointers.
    { name: "gotox", code: 0x0d, syntax: "gotox $d", cpu: 4 },
    { name: "may_goto", code: JCOND, src: 0, syntax: "may_goto $j", cpu: 4 },
    { name: "goto_or_nop", code: JCOND, src: 1, syntax: "goto_or_nop $j", cpu: 4 },
    { name: "call", code: CALL, src: 0, syntax: "call $c", cpu: 1 },
    { name: "call_pc", code: CALL, src: 1, syntax: "call pc $J", cpu: 1 },
    // `off` is the index of the module's BTF in fd_array.
    { name: "call_kfunc", code: CALL, src: 2, off: 0, syntax: "call kfunc $i", cpu: 1 },
    { name: "call_kfunc_module", code: CALL, src: 2, syntax: "call kfunc $i from $o", cpu: 1 },
    { name: "callx", code: 0x8d, syntax: "callx $d", cpu: 1 },
    { name: "exit", code: EXIT, syntax: "exit", cpu: 1 },
  );
  return rows;
}

function memoryRows(): OpDef[] {
  const rows: OpDef[] = [];
  for (const [bits, { size, type }] of Object.entries(SIZES)) {
    // LLVM writes `w1 = *(u32 *)(r2 + 0)` for what it chose as a 32-bit value; the instruction is the same.
    rows.push(
      { name: `ldx${bits}`, code: BPF_LDX | BPF_MEM | size, syntax: `$xd = *(u${type} *)($ms)`, cpu: 1 },
      { name: `stx${bits}`, code: BPF_STX | BPF_MEM | size, syntax: `*(u${type} *)($md) = $xs`, cpu: 1 },
      { name: `st${bits}`, code: BPF_ST | BPF_MEM | size, syntax: `*(u${type} *)($md) = $i`, cpu: 1 },
    );
    if (bits === "64") continue;
    rows.push(
      { name: `ldsx${bits}`, code: BPF_LDX | BPF_MEMSX | size, syntax: `$d = *(s${type} *)($ms)`, cpu: 4 },
      { name: `ldabs${bits}`, code: BPF_LD | BPF_ABS | size, syntax: `r0 = *(u${type} *)skb[$i]`, cpu: 1 },
      { name: `ldind${bits}`, code: BPF_LD | BPF_IND | size, imm: 0, syntax: `r0 = *(u${type} *)skb[$s]`, cpu: 1 },
      { name: `ldind${bits}_imm`, code: BPF_LD | BPF_IND | size, syntax: `r0 = *(u${type} *)skb[$s + $i]`, cpu: 1 },
    );
  }
  return rows;
}

function atomicRows(): OpDef[] {
  const rows: OpDef[] = [];
  const signs = { add: "+=", or: "|=", and: "&=", xor: "^=" };
  for (const bits of [32, 64] as const) {
    const code = BPF_STX | BPF_ATOMIC | SIZES[bits].size;
    const [s, r0, suffix] = bits === 32 ? ["$ws", "w0", "32_32"] : ["$s", "r0", "_64"];
    const at = `(u${bits} *)($md)`;
    for (const [name, sign] of Object.entries(signs)) {
      const imm = ATOMIC_OPS[name as keyof typeof signs];
      const value = bits === 32 ? "$ys" : "$xs";
      rows.push(
        // The first three of these came with Linux 5.12, as did every fetch; `add` is as old as BPF.
        {
          name: `atomic${bits}_${name}`,
          code,
          imm,
          syntax: `lock *${at} ${sign} ${value}`,
          cpu: name === "add" ? 1 : 3,
        },
        {
          name: `atomic${bits}_fetch_${name}`,
          code,
          imm: imm | BPF_FETCH,
          syntax: `${s} = atomic_fetch_${name}(${at}, ${s})`,
          cpu: 3,
        },
      );
    }
    rows.push(
      { name: `atomic${bits}_xchg`, code, imm: BPF_XCHG, syntax: `${s} = xchg${suffix}($md, ${s})`, cpu: 3 },
      {
        name: `atomic${bits}_cmpxchg`,
        code,
        imm: BPF_CMPXCHG,
        syntax: `${r0} = cmpxchg${suffix}($md, ${r0}, ${s})`,
        cpu: 3,
      },
    );
  }
  for (const [bits, { size }] of Object.entries(SIZES)) {
    const code = BPF_STX | BPF_ATOMIC | size;
    const [d, s] = bits === "64" ? ["$d", "$s"] : ["$wd", "$ws"];
    rows.push(
      { name: `load_acq${bits}`, code, imm: BPF_LOAD_ACQ, syntax: `${d} = load_acquire((u${bits} *)($ms))`, cpu: 4 },
      { name: `store_rel${bits}`, code, imm: BPF_STORE_REL, syntax: `store_release((u${bits} *)($md), ${s})`, cpu: 4 },
    );
  }
  return rows;
}

/** The 64-bit immediate, by what `src` makes of it (BPF_PSEUDO_*). */
function immediateRows(): OpDef[] {
  const row = (name: string, src: number, syntax: string): OpDef => ({ name, code: LDIMM64, src, syntax, cpu: 1 });
  return [
    row("ldimm64", 0, "$d = $I ll"),
    row("ldimm64_map_fd", 1, "$d = map_fd $i $n ll"),
    row("ldimm64_map_value", 2, "$d = map_value $i $n ll"),
    row("ldimm64_btf_id", 3, "$d = btf_id $i $n ll"),
    row("ldimm64_func", 4, "$d = func $J $n ll"),
    row("ldimm64_map_idx", 5, "$d = map_idx $i $n ll"),
    row("ldimm64_map_idx_value", 6, "$d = map_idx_value $i $n ll"),
  ];
}
