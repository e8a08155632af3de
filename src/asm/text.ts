/**
 * Disassembler and assembler, both driven by the opcode table. The text is LLVM's (`llvm-objdump`, BPF inline
 * assembly), so what one prints the other reads; the `kernel` style writes as the verifier's log and bpftool do.
 *
 * Assembler: one instruction a line, `name:` makes a label, `goto name` uses it, `//` and `#` start comments, helpers may
 * be called by name. An instruction that the table does not know prints as `.insn code dst src off imm` and is read back.
 */
import { FormatError } from "../errors.ts";
import { type Insn, opDef, slotCount } from "./insn.ts";
import { helperId, helperNames } from "./helpers.ts";
import { LDIMM64, opcodes, type OpDef } from "./opcodes.ts";

export interface DisassembleOptions {
  /** `llvm` (default) reads back with `assemble`; `kernel` is for people who know the verifier's log. */
  style?: "llvm" | "kernel";
}

let names: (string | undefined)[] | undefined;

function helperName(id: number): string | undefined {
  return (names ??= helperNames())[id];
}

/** One instruction as text. */
export function formatInsn(insn: Insn, options: DisassembleOptions = {}): string {
  const row = opDef(insn);
  if (row === undefined) return rawText(insn);
  const kernel = options.style === "kernel";
  return row.syntax.replace(/\$(?:[wxym]?[ds]|[iInojJca])/g, (token) => formatToken(token.slice(1), insn, kernel));
}

/** Instructions as text, one a line, each after its slot number as the verifier counts them. */
export function disassemble(insns: readonly Insn[], options: DisassembleOptions = {}): string {
  let slot = 0;
  let text = "";
  for (const insn of insns) {
    const code = options.style === "kernel" ? `(${insn.code.toString(16).padStart(2, "0")}) ` : "";
    text += `${slot}: ${code}${formatInsn(insn, options)}\n`;
    slot += slotCount(insn);
  }
  return text;
}

function rawText(insn: Insn): string {
  const next = insn.imm64 === undefined ? "" : ` 0x${insn.imm64.toString(16)}`;
  return `.insn 0x${insn.code.toString(16)} ${insn.dst} ${insn.src} ${insn.off} ${insn.imm}${next}`;
}

function formatToken(token: string, insn: Insn, kernel: boolean): string {
  switch (token) {
    case "d":
    case "xd":
      return `r${insn.dst}`;
    case "s":
    case "xs":
      return `r${insn.src}`;
    case "wd":
      return `w${insn.dst}`;
    case "ws":
    case "ys":
      return `w${insn.src}`;
    case "md":
      return memory(insn.dst, insn.off, kernel);
    case "ms":
      return memory(insn.src, insn.off, kernel);
    case "i":
      return kernel ? `${insn.imm}` : hex(insn.imm);
    case "I":
      return `0x${(insn.imm64 ?? BigInt(insn.imm >>> 0)).toString(16)}`;
    case "n":
      return hex(Number(BigInt.asIntN(32, (insn.imm64 ?? 0n) >> 32n)));
    case "o":
      return `${insn.off}`;
    case "j":
      return kernel ? `pc${signed(insn.off)}` : signedHex(insn.off);
    case "J":
      return kernel ? `pc${signed(insn.imm)}` : signedHex(insn.imm);
    case "a":
      return `${hex(insn.imm >>> 16)}, ${hex(insn.imm & 0xffff)}`;
    default:
      return callee(insn.imm, kernel);
  }
}

function callee(id: number, kernel: boolean): string {
  const name = kernel ? helperName(id) : undefined;
  return name === undefined ? hex(id) : `bpf_${name}#${id}`;
}

function memory(reg: number, off: number, kernel: boolean): string {
  if (kernel) return `r${reg} ${signed(off)}`;
  return `r${reg} ${off < 0 ? "-" : "+"} 0x${Math.abs(off).toString(16)}`;
}

function signed(value: number): string {
  return value < 0 ? `${value}` : `+${value}`;
}

function signedHex(value: number): string {
  return `${value < 0 ? "-" : "+"}0x${Math.abs(value).toString(16)}`;
}

function hex(value: number): string {
  return `${value < 0 ? "-" : ""}0x${Math.abs(value).toString(16)}`;
}

const NUMBER = "[+-]?(?:0[xX][0-9a-fA-F]+|\\d+)";
const LABEL = "[A-Za-z_.][\\w.]*";

/** What each token of a row's syntax reads. Named groups would collide where a register is written twice. */
const TOKENS: Record<string, string> = {
  d: "r(\\d+)",
  s: "r(\\d+)",
  wd: "w(\\d+)",
  ws: "w(\\d+)",
  xd: "[rw](\\d+)",
  xs: "[rw](\\d+)",
  ys: "[rw](\\d+)",
  md: `r(\\d+) ?([+-] ?(?:0[xX][0-9a-fA-F]+|\\d+))`,
  ms: `r(\\d+) ?([+-] ?(?:0[xX][0-9a-fA-F]+|\\d+))`,
  i: `(${NUMBER})`,
  I: `(${NUMBER})`,
  n: `(${NUMBER})`,
  o: `(${NUMBER})`,
  j: `(${NUMBER}|${LABEL})`,
  J: `(${NUMBER}|${LABEL})`,
  c: `(${NUMBER}|${LABEL})`,
  a: `(${NUMBER}), (${NUMBER})`,
};

interface Rule {
  row: OpDef;
  pattern: RegExp;
  tokens: string[];
}

let rules: Rule[] | undefined;

function compileRule(row: OpDef): Rule {
  const tokens: string[] = [];
  const source = row.syntax.split(/(\$(?:[wxym]?[ds]|[iInojJca]))/).map((part) => {
    if (!part.startsWith("$")) return part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    tokens.push(part.slice(1));
    return TOKENS[part.slice(1)]!;
  }).join("");
  return { row, pattern: new RegExp(`^${source}$`), tokens };
}

interface PendingJump {
  insn: Insn;
  /** Slot of the instruction. */
  slot: number;
  label: string;
  field: "off" | "imm";
  line: number;
}

/** Text → instructions. Throws `FormatError` with the line's number for what it cannot read. */
export function assemble(text: string, path = ""): Insn[] {
  const insns: Insn[] = [];
  const labels = new Map<string, number>();
  const pending: PendingJump[] = [];
  let slot = 0;
  for (const [index, raw] of text.split("\n").entries()) {
    const where = `${path}${path === "" ? "" : ": "}line ${index + 1}`;
    const line = cleanLine(raw);
    if (line === "") continue;
    const label = new RegExp(`^(${LABEL}):$`).exec(line)?.[1];
    if (label !== undefined) {
      if (labels.has(label)) throw new FormatError(where, `label "${label}" is defined twice`);
      labels.set(label, slot);
      continue;
    }
    const insn = parseLine(
      line,
      where,
      (name, field, of) => pending.push({ insn: of, slot, label: name, field, line: index + 1 }),
    );
    insns.push(insn);
    slot += slotCount(insn);
  }
  for (const jump of pending) resolveJump(jump, labels, path);
  return insns;
}

/** Without comments, slot numbers, LLVM's target notes and superfluous spaces. */
function cleanLine(raw: string): string {
  return raw.replace(/(?:\/\/|#|;).*$/, "").replace(/<[^<>]*>\s*$/, "").trim()
    .replace(/^\d+:\s+/, "").replace(/\s+/g, " ");
}

function resolveJump(jump: PendingJump, labels: Map<string, number>, path: string): void {
  const where = `${path}${path === "" ? "" : ": "}line ${jump.line}`;
  const target = labels.get(jump.label);
  if (target === undefined) throw new FormatError(where, `label "${jump.label}" is not defined`);
  const distance = target - jump.slot - 1;
  if (jump.field === "off" && (distance < -0x8000 || distance > 0x7fff)) {
    throw new FormatError(where, `label "${jump.label}" is too far away for a 16-bit jump`);
  }
  jump.insn[jump.field] = distance;
  if (jump.insn.imm64 !== undefined) {
    jump.insn.imm64 = jump.insn.imm64 & ~0xffffffffn | BigInt.asUintN(32, BigInt(distance));
  }
}

type OnLabel = (name: string, field: "off" | "imm", insn: Insn) => void;

function parseLine(line: string, where: string, onLabel: OnLabel): Insn {
  if (line.startsWith(".insn ")) return parseRaw(line, where);
  rules ??= opcodes().map(compileRule);
  for (const rule of rules) {
    const match = rule.pattern.exec(line);
    const insn = match === null ? undefined : readRule(rule, match, where, onLabel);
    if (insn !== undefined) return insn;
  }
  throw new FormatError(where, `cannot read instruction "${line}"`);
}

function parseRaw(line: string, where: string): Insn {
  const [code, dst, src, off, imm, imm64, ...rest] = line.split(" ").slice(1);
  if (imm === undefined || rest.length > 0) throw new FormatError(where, ".insn takes code dst src off imm");
  const insn: Insn = {
    code: integer(code!, where),
    dst: integer(dst!, where),
    src: integer(src!, where),
    off: integer(off!, where),
    imm: integer(imm, where),
  };
  if (imm64 !== undefined) insn.imm64 = BigInt(imm64);
  return insn;
}

/** Undefined if the text fits the pattern but one register is written in two ways (`r1 = -r2`). */
function readRule(rule: Rule, match: RegExpExecArray, where: string, onLabel: OnLabel): Insn | undefined {
  const { row } = rule;
  const insn: Insn = { code: row.code, dst: 0, src: row.src ?? 0, off: row.off ?? 0, imm: row.imm ?? 0 };
  const written: Record<"dst" | "src", number | undefined> = { dst: undefined, src: undefined };
  const setReg = (field: "dst" | "src", text: string): boolean => {
    const reg = Number(text);
    if (reg > 10) throw new FormatError(where, `there is no register ${reg}`);
    if (written[field] !== undefined && written[field] !== reg) return false;
    written[field] = reg;
    insn[field] = reg;
    return true;
  };
  let low = 0n;
  let group = 1;
  for (const token of rule.tokens) {
    const text = match[group++]!;
    if (/[ds]$/.test(token)) {
      if (!setReg(token.endsWith("d") ? "dst" : "src", text)) return undefined;
      if (token.startsWith("m")) insn.off = ranged(integer(match[group++]!.replace(" ", ""), where), 16, where);
    } else if (token === "j" || token === "J") {
      const field = token === "j" ? "off" : "imm";
      if (/^[+-]?\d/.test(text)) insn[field] = ranged(integer(text, where), token === "j" ? 16 : 32, where);
      else onLabel(text, field, insn);
    } else if (token === "c") insn.imm = /^[+-]?\d/.test(text) ? immediate(text, where) : helperByName(text, where);
    else if (token === "a") insn.imm = integer(text, where) << 16 | integer(match[group++]!, where) & 0xffff;
    else if (token === "o") insn.off = ranged(integer(text, where), 16, where);
    else if (token === "n") low = BigInt(integer(text, where));
    else if (token === "I") insn.imm64 = wide(text, where);
    else insn.imm = immediate(text, where);
  }
  if (row.code === LDIMM64) {
    insn.imm64 ??= BigInt.asUintN(32, BigInt(insn.imm)) | BigInt.asUintN(32, low) << 32n;
    insn.imm = Number(BigInt.asIntN(32, insn.imm64));
  }
  return insn;
}

function integer(text: string, where: string): number {
  const magnitude = Number(text.replace(/^[+-]/, ""));
  if (!Number.isSafeInteger(magnitude)) throw new FormatError(where, `"${text}" is no number`);
  return text.startsWith("-") ? -magnitude : magnitude;
}

function wide(text: string, where: string): bigint {
  const magnitude = BigInt(text.replace(/^[+-]/, ""));
  if (magnitude >= 1n << 64n) throw new FormatError(where, `${text} does not fit 64 bits`);
  return BigInt.asUintN(64, text.startsWith("-") ? -magnitude : magnitude);
}

function ranged(value: number, bits: number, where: string): number {
  const limit = 2 ** (bits - 1);
  if (value < -limit || value >= limit) throw new FormatError(where, `${value} does not fit ${bits} bits`);
  return value;
}

/** Signed 32 bits; unsigned spellings of the same bits are accepted. */
function immediate(text: string, where: string): number {
  const value = integer(text, where);
  if (value < -0x80000000 || value > 0xffffffff) throw new FormatError(where, `${text} does not fit 32 bits`);
  return value | 0;
}

function helperByName(name: string, where: string): number {
  try {
    return helperId(name);
  } catch (cause) {
    throw new FormatError(where, `there is no helper "${name}"`, { cause });
  }
}
