/**
 * Where the arguments of a static probe (USDT) are: `-4@%edi 8@-16(%rbp)`, in the notation of the machine's assembler,
 * each with its size before the `@`, negative for signed ones. Pure: takes the text of a note, returns registers as
 * offsets in `struct pt_regs`.
 */
import { MACHINES } from "../abi/pt_regs.ts";
import { FormatError, NotSupportedError } from "../errors.ts";

/** The value of one argument. Memory is at register + index register << shift + offset. */
export interface UsdtArgument {
  /** Bytes: 1, 2, 4 or 8. */
  readonly size: number;
  readonly signed: boolean;
  readonly place:
    | { readonly kind: "constant"; readonly value: bigint }
    | { readonly kind: "register"; readonly register: number }
    | { readonly kind: "memory"; readonly register: number; readonly offset: bigint }
    | {
      readonly kind: "indexed";
      readonly register: number;
      readonly index: number;
      readonly shift: number;
      readonly offset: bigint;
    };
}

type Arch = keyof typeof MACHINES;
type Place = UsdtArgument["place"];

/** The most arguments that a probe may have, as <sys/sdt.h> and `usdt.bpf.h` have it. */
export const MAX_USDT_ARGUMENTS = 12;

/**
 * Parses the arguments of a probe. Throws `FormatError` for what no assembler writes, and `NotSupportedError` for
 * places that BPF cannot read (vector registers, addresses by symbol).
 */
export function parseUsdtArguments(text: string, arch: Arch): UsdtArgument[] {
  const found: UsdtArgument[] = [];
  // Only arm64 has spaces in an operand, and only within brackets.
  const one = /\s*(-?\d+)(f?)@((?:[^\s[(]|\[[^\]]*\]|\([^)]*\))+)(?=\s|$)/y;
  const trimmed = text.trimEnd();
  while (one.lastIndex < trimmed.length) {
    const at = one.lastIndex;
    const match = one.exec(trimmed);
    if (match === null) {
      throw new FormatError("arguments of a static probe", `cannot read "${trimmed.slice(at).trim()}"`);
    }
    const [whole, size, float, operand] = match;
    found.push(argument(whole.trim(), Number(size), float === "f", operand!, arch));
  }
  if (found.length > MAX_USDT_ARGUMENTS) {
    throw new NotSupportedError(`a static probe with ${found.length} arguments`, {
      hint: `at most ${MAX_USDT_ARGUMENTS} can be read`,
    });
  }
  return found;
}

function argument(text: string, size: number, float: boolean, operand: string, arch: Arch): UsdtArgument {
  if (![1, 2, 4, 8].includes(Math.abs(size))) {
    throw new FormatError(`argument "${text}" of a static probe`, `a size of ${size} bytes is none`);
  }
  const place = float ? undefined : arch === "x86_64" ? parseX86(operand) : parseArm64(operand);
  if (place === undefined) {
    throw new NotSupportedError(`argument "${text}" of a static probe`, {
      message: `Cannot read argument "${text}" of a static probe: BPF cannot reach ${
        float ? "floating point numbers" : "such a place"
      }`,
    });
  }
  return { size: Math.abs(size), signed: size < 0, place };
}

const NUMBER = String.raw`[+-]?(?:0[xX][0-9a-fA-F]+|\d+)`;
const X86_MEMORY = new RegExp(String.raw`^(${NUMBER})?\(%(\w+)(?:,%(\w+)(?:,([1248]))?)?\)$`);

function parseX86(operand: string): Place | undefined {
  if (operand.startsWith("$")) return constant(operand.slice(1));
  if (operand.startsWith("%")) {
    const register = x86Register(operand.slice(1));
    return register === undefined ? undefined : { kind: "register", register };
  }
  const match = X86_MEMORY.exec(operand);
  if (match === null) return undefined;
  const [, displacement, base, index, scale] = match;
  const offset = displacement === undefined ? 0n : integer(displacement);
  const register = x86Register(base!);
  if (register === undefined) return undefined;
  if (index === undefined) return { kind: "memory", register, offset };
  const second = x86Register(index);
  return second === undefined
    ? undefined
    : { kind: "indexed", register, index: second, shift: Math.log2(Number(scale ?? 1)), offset };
}

/** `rax`, `eax`, `ax` and `al` are one register of `pt_regs`; `r8d`, `r8w`, `r8b` another. */
function x86Register(name: string): number | undefined {
  const { regs } = MACHINES.x86_64;
  const numbered = /^(r(?:[89]|1[0-5]))[dwb]?$/.exec(name)?.[1];
  if (numbered !== undefined) return regs[numbered];
  const full = /^[re]?([abcd]x|[sd]i|[bs]p|ip)$/.exec(name)?.[1] ??
    /^([sd]i|[bs]p)l$/.exec(name)?.[1];
  const low = /^([abcd])l$/.exec(name)?.[1];
  const plain = full ?? (low === undefined ? undefined : `${low}x`);
  return plain === undefined ? undefined : regs[plain];
}

const ARM64_MEMORY = /^\[(\w+)(?:,\s*([^,]+?))?(?:,\s*(?:lsl|LSL)\s*#?(\d+))?\s*\]$/;

function parseArm64(operand: string): Place | undefined {
  if (/^#?[+-]?\d/.test(operand)) return constant(operand.replace("#", ""));
  const match = ARM64_MEMORY.exec(operand);
  if (match === null) {
    const register = arm64Register(operand);
    return register === undefined ? undefined : { kind: "register", register };
  }
  const [, base, second, shift] = match;
  const register = arm64Register(base!);
  if (register === undefined) return undefined;
  if (second === undefined) return { kind: "memory", register, offset: 0n };
  const offset = tryInteger(second.replace("#", ""));
  if (offset !== undefined) return shift === undefined ? { kind: "memory", register, offset } : undefined;
  const index = arm64Register(second);
  return index === undefined ? undefined : { kind: "indexed", register, index, shift: Number(shift ?? 0), offset: 0n };
}

function arm64Register(name: string): number | undefined {
  const { regs } = MACHINES.aarch64;
  const number = /^[xw]([12]?\d|30)$/.exec(name)?.[1];
  return number !== undefined ? regs[`x${number}`] : name === "sp" || name === "pc" ? regs[name] : undefined;
}

function constant(text: string): Place | undefined {
  const value = tryInteger(text);
  return value === undefined ? undefined : { kind: "constant", value };
}

function tryInteger(text: string): bigint | undefined {
  return new RegExp(`^${NUMBER}$`).test(text) ? integer(text) : undefined;
}

function integer(text: string): bigint {
  const negative = text.startsWith("-");
  const value = BigInt(text.replace(/^[+-]/, ""));
  return negative ? -value : value;
}
