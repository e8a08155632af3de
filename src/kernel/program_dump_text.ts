/** Dumps of programs as text: `translatedText` for instructions, `jitedText` for machine code as hexadecimal bytes. */
import type { JitedFunction, ProgramDump, SourceLine } from "./program_dump.ts";

/** Instructions, one a line, below their functions and source lines. */
export function translatedText(dump: ProgramDump): string {
  let text = "";
  for (const insn of dump.translated) {
    if (insn.function !== undefined) text += `${text === "" ? "" : "\n"}${insn.function}:\n`;
    if (insn.source !== undefined) text += `${sourceText(insn.source)}\n`;
    const code = insn.insn.code.toString(16).padStart(2, "0");
    text += `${String(insn.slot).padStart(5)}: (${code}) ${insn.text}\n`;
  }
  return text;
}

/** Functions with their addresses; the bytes between two source lines below the first. */
export function jitedText(dump: ProgramDump): string {
  return dump.jited.map(functionText).join("\n");
}

const BYTES_PER_LINE = 16;

function functionText(fn: JitedFunction): string {
  let text = `${hexText(fn.address)} ${fn.name} (${fn.code.length} bytes, tag ${fn.tag}):\n`;
  // Bytes before the first line are the function's entry.
  const starts = fn.lines.map((line) => line.offset);
  if (starts[0] !== 0) text += bytesText(fn.code, 0, starts[0] ?? fn.code.length);
  fn.lines.forEach(({ offset, source }, i) => {
    text += `${sourceText(source)}\n${bytesText(fn.code, offset, starts[i + 1] ?? fn.code.length)}`;
  });
  return text;
}

function bytesText(code: Uint8Array, from: number, to: number): string {
  let text = "";
  for (let at = from; at < to; at += BYTES_PER_LINE) {
    const bytes = code.subarray(at, Math.min(at + BYTES_PER_LINE, to));
    text += `${at.toString(16).padStart(6)}: ${Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join(" ")}\n`;
  }
  return text;
}

function sourceText(source: SourceLine): string {
  return `; ${source.text} [${source.file}:${source.line}:${source.column}]`;
}

function hexText(address: bigint): string {
  return `0x${address.toString(16).padStart(16, "0")}`;
}
