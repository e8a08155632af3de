/**
 * The arrays of `struct bpf_prog_info`: instructions, machine code, addresses, tags, and the records of functions and
 * lines. The kernel fills what it is given room for, so it is asked twice.
 */
import { bpf_prog_info } from "../abi/info.ts";
import { infoByFd, type ProgInfo, progInfo } from "../syscall/bpf_object.ts";
import { arena, type Block } from "../syscall/memory.ts";

/** Function and line records as the kernel keeps them, by instruction slot of the translated program. */
export interface ProgramArrays {
  readonly info: ProgInfo;
  /** Instructions as the verifier left them; empty if the kernel does not show them to this process. */
  readonly translated: Uint8Array;
  /** The machine code of all functions, one after the other; empty if hidden or interpreted. */
  readonly jited: Uint8Array;
  /** One per function of machine code: address, bytes, hash. */
  readonly addresses: readonly bigint[];
  readonly lengths: readonly number[];
  readonly tags: readonly Uint8Array[];
  /** Where functions begin (slot), and their types. */
  readonly functions: readonly { readonly slot: number; readonly typeId: number }[];
  /** Where source lines begin: slot, string offsets, line and column; and the address of their machine code. */
  readonly lines: readonly LineRecord[];
}

/** `struct bpf_line_info` and the machine address that goes with it. */
export interface LineRecord {
  readonly slot: number;
  readonly fileOffset: number;
  readonly textOffset: number;
  readonly line: number;
  readonly column: number;
  readonly address: bigint | undefined;
}

const TAG_BYTES = 8;
const FUNC_RECORD = 8;
const LINE_RECORD = 16;
const ADDRESS = 8;

/** Asks for all arrays. Throws `SyscallError`. */
export function programArrays(fd: number): ProgramArrays {
  const sizes = progInfo(fd);
  using scope = arena().scope();
  const jited = scope.alloc(sizes.jited_prog_len);
  const translated = scope.alloc(sizes.xlated_prog_len);
  const ksyms = scope.alloc(sizes.nr_jited_ksyms * ADDRESS);
  const lengths = scope.alloc(sizes.nr_jited_func_lens * 4);
  const tags = scope.alloc(sizes.nr_prog_tags * TAG_BYTES);
  const functions = scope.alloc(sizes.nr_func_info * FUNC_RECORD);
  const lines = scope.alloc(sizes.nr_line_info * LINE_RECORD);
  const jitedLines = scope.alloc(sizes.nr_jited_line_info * ADDRESS);
  const at = (block: Block): number => (block.length === 0 ? 0 : block.address);
  const info = infoByFd(fd, bpf_prog_info, {
    jited_prog_len: jited.length,
    jited_prog_insns: at(jited),
    xlated_prog_len: translated.length,
    xlated_prog_insns: at(translated),
    nr_jited_ksyms: sizes.nr_jited_ksyms,
    jited_ksyms: at(ksyms),
    nr_jited_func_lens: sizes.nr_jited_func_lens,
    jited_func_lens: at(lengths),
    nr_prog_tags: sizes.nr_prog_tags,
    prog_tags: at(tags),
    nr_func_info: sizes.nr_func_info,
    func_info_rec_size: sizes.nr_func_info === 0 ? 0 : FUNC_RECORD,
    func_info: at(functions),
    nr_line_info: sizes.nr_line_info,
    line_info_rec_size: sizes.nr_line_info === 0 ? 0 : LINE_RECORD,
    line_info: at(lines),
    nr_jited_line_info: sizes.nr_jited_line_info,
    jited_line_info_rec_size: sizes.nr_jited_line_info === 0 ? 0 : ADDRESS,
    jited_line_info: at(jitedLines),
  });
  return {
    info,
    // The kernel sets the address to zero where it keeps the code to itself (kptr_restrict, no CAP_SYS_ADMIN).
    translated: info.xlated_prog_insns === 0n ? new Uint8Array(0) : translated.bytes.slice(),
    jited: info.jited_prog_insns === 0n ? new Uint8Array(0) : jited.bytes.slice(),
    addresses: info.jited_ksyms === 0n ? [] : u64s(ksyms, info.nr_jited_ksyms),
    lengths: u32s(lengths, info.nr_jited_func_lens),
    tags: Array.from(
      { length: Math.min(info.nr_prog_tags, tags.length / TAG_BYTES) },
      (_, i) => tags.bytes.slice(i * TAG_BYTES, (i + 1) * TAG_BYTES),
    ),
    functions: readFunctions(functions, info.nr_func_info),
    lines: readLines(
      lines,
      info.nr_line_info,
      info.jited_line_info === 0n ? [] : u64s(jitedLines, info.nr_jited_line_info),
    ),
  };
}

function u64s(block: Block, count: number): bigint[] {
  return Array.from({ length: Math.min(count, block.length / 8) }, (_, i) => block.view.getBigUint64(i * 8, true));
}

function u32s(block: Block, count: number): number[] {
  return Array.from({ length: Math.min(count, block.length / 4) }, (_, i) => block.view.getUint32(i * 4, true));
}

function readFunctions(block: Block, count: number): { slot: number; typeId: number }[] {
  return Array.from({ length: Math.min(count, block.length / FUNC_RECORD) }, (_, i) => ({
    slot: block.view.getUint32(i * FUNC_RECORD, true),
    typeId: block.view.getUint32(i * FUNC_RECORD + 4, true),
  }));
}

function readLines(block: Block, count: number, addresses: readonly bigint[]): LineRecord[] {
  return Array.from({ length: Math.min(count, block.length / LINE_RECORD) }, (_, i) => {
    const [slot, fileOffset, textOffset, lineColumn] = [0, 4, 8, 12].map((field) =>
      block.view.getUint32(i * LINE_RECORD + field, true)
    ) as [number, number, number, number];
    return { slot, fileOffset, textOffset, line: lineColumn >>> 10, column: lineColumn & 0x3ff, address: addresses[i] };
  });
}
