/** Size and sign of the arguments of a static probe, from the notes of a file: what the compiler types `ctx.arg0` by. */
import { FormatError, NotFoundError, NotSupportedError, SyscallError } from "../errors.ts";
import { arch } from "../syscall/libc.ts";
import { findBinary } from "./binary_path.ts";
import { withElf } from "./elf_symbols.ts";
import { parseUsdtArguments } from "./usdt_args.ts";
import { usdtNotes } from "./usdt_notes.ts";

/** An argument as all places of the probe have it. */
export interface UsdtType {
  /** Bytes: 1, 2, 4 or 8. */
  readonly size: number;
  readonly signed: boolean;
}

/**
 * The arguments of a probe. Undefined if the file, the probe or a place of an argument cannot be read: attaching then
 * says why; also for patterns, and if places of the probe have different numbers of arguments.
 */
export function usdtTypes(path: string, provider: string, name: string): UsdtType[] | undefined {
  try {
    const notes = withElf(findBinary(path), usdtNotes).filter((n) => n.provider === provider && n.name === name);
    const [first, ...more] = notes.map((note) => parseUsdtArguments(note.args, arch()));
    if (first === undefined || more.some((args) => args.length !== first.length)) return undefined;
    return first.map((argument, i) => common([argument, ...more.map((args) => args[i]!)]));
  } catch (error) {
    const unreadable = [FormatError, NotFoundError, NotSupportedError, SyscallError].some((c) => error instanceof c);
    if (unreadable) return undefined;
    throw error;
  }
}

/** Values come extended to 64 bits, so a type that holds all of them is right. */
function common(all: readonly UsdtType[]): UsdtType {
  const same = all.every(({ size, signed }) => size === all[0]!.size && signed === all[0]!.signed);
  return same ? { size: all[0]!.size, signed: all[0]!.signed } : { size: 8, signed: all.some(({ signed }) => signed) };
}
