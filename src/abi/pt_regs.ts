/**
 * `struct pt_regs` of both machines as BPF programs see it (kprobe, uprobe): byte offset of each register, which
 * registers carry arguments, and how the machine names its system call functions. From
 * arch/x86/include/asm/ptrace.h and arch/arm64/include/uapi/asm/ptrace.h; arguments follow the C calling conventions.
 */

/** What BPF code needs to know of one machine. */
export interface Machine {
  /** Byte offset of every register in the context of a kprobe or uprobe. */
  readonly regs: Readonly<Record<string, number>>;
  /** Size of the context in bytes. */
  readonly size: number;
  /** Registers of the first arguments of a C function, in order. */
  readonly args: readonly string[];
  /** Registers of the arguments of a system call in the `pt_regs` that its wrapper gets. */
  readonly syscallArgs: readonly string[];
  /** Register of a C function's result. */
  readonly result: string;
  /** Instruction pointer, stack pointer, frame pointer. */
  readonly ip: string;
  readonly sp: string;
  readonly fp: string;
  /** System calls are functions called this + name since Linux 4.17 (x86-64) and 4.19 (arm64). */
  readonly syscallPrefix: string;
}

/** By the runtime's name of the machine. */
export const MACHINES: Readonly<Record<"x86_64" | "aarch64", Machine>> = {
  x86_64: {
    regs: {
      r15: 0,
      r14: 8,
      r13: 16,
      r12: 24,
      bp: 32,
      bx: 40,
      r11: 48,
      r10: 56,
      r9: 64,
      r8: 72,
      ax: 80,
      cx: 88,
      dx: 96,
      si: 104,
      di: 112,
      orig_ax: 120,
      ip: 128,
      cs: 136,
      flags: 144,
      sp: 152,
      ss: 160,
    },
    size: 168,
    args: ["di", "si", "dx", "cx", "r8", "r9"],
    syscallArgs: ["di", "si", "dx", "r10", "r8", "r9"],
    result: "ax",
    ip: "ip",
    sp: "sp",
    fp: "bp",
    syscallPrefix: "__x64_sys_",
  },
  // BPF sees `struct user_pt_regs`, the head of the kernel's pt_regs; `orig_x0` follows it and is read by CO-RE only.
  aarch64: {
    regs: {
      x0: 0,
      x1: 8,
      x2: 16,
      x3: 24,
      x4: 32,
      x5: 40,
      x6: 48,
      x7: 56,
      x8: 64,
      x9: 72,
      x10: 80,
      x11: 88,
      x12: 96,
      x13: 104,
      x14: 112,
      x15: 120,
      x16: 128,
      x17: 136,
      x18: 144,
      x19: 152,
      x20: 160,
      x21: 168,
      x22: 176,
      x23: 184,
      x24: 192,
      x25: 200,
      x26: 208,
      x27: 216,
      x28: 224,
      x29: 232,
      x30: 240,
      sp: 248,
      pc: 256,
      pstate: 264,
    },
    size: 272,
    args: ["x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7"],
    syscallArgs: ["x0", "x1", "x2", "x3", "x4", "x5"],
    result: "x0",
    ip: "pc",
    sp: "sp",
    fp: "x29",
    syscallPrefix: "__arm64_sys_",
  },
};
