/**
 * Which inputs of the linker are BPF objects and which are LLVM bitcode: by their first bytes, inside archives too. A
 * Rust library is an archive of bitcode, or of objects that carry bitcode in a section, with a file of metadata.
 */
import { WaggleError } from "../errors.ts";
import { isArchive, isElf, type LinkInput, readArchive, readElf } from "../object/linker.ts";

/** Bitcode or textual IR. */
export interface BitcodeInput {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Textual IR. */
  readonly text: boolean;
}

/** Inputs by what has to be done with them, in their order. */
export interface SortedInputs {
  readonly objects: LinkInput[];
  readonly bitcode: BitcodeInput[];
}

type ReadMember = (archive: string, name: string) => Uint8Array;

/** Sorts the inputs. Throws `WaggleError` for a file of unknown kind. */
export function sortInputs(inputs: readonly LinkInput[], readMember: ReadMember): SortedInputs {
  const sorted: SortedInputs = { objects: [], bitcode: [] };
  for (const input of inputs) {
    if (isArchive(input.bytes)) sortArchive(input, readMember, sorted);
    else if (!sortFile(input, sorted)) throw unknownKind(input.name);
  }
  return sorted;
}

/** An archive with bitcode is linked whole, as bpf-linker does; one of objects alone is left to the linker. */
function sortArchive(input: LinkInput, readMember: ReadMember, sorted: SortedInputs): void {
  const members = readArchive(input.bytes, input.name).members.map((member) => ({
    name: `${input.name}(${member.name})`,
    bytes: member.bytes ?? readMember(input.name, member.name),
    metadata: member.name.endsWith(".rmeta"),
  }));
  if (!members.some((member) => isBitcodeFile(member.bytes))) {
    sorted.objects.push(input);
    return;
  }
  for (const member of members) {
    if (!member.metadata && !sortFile(member, sorted)) throw unknownKind(member.name);
  }
}

function isBitcodeFile(bytes: Uint8Array): boolean {
  return isBitcode(bytes) || isIr(bytes) || (isElf(bytes) && embeddedBitcode(bytes, "") !== undefined);
}

function sortFile(input: LinkInput, sorted: SortedInputs): boolean {
  const { name, bytes } = input;
  if (isBitcode(bytes)) sorted.bitcode.push({ name, bytes, text: false });
  else if (isElf(bytes)) {
    const embedded = embeddedBitcode(bytes, name);
    if (embedded !== undefined) sorted.bitcode.push({ name, bytes: embedded, text: false });
    else sorted.objects.push({ name, bytes });
  } else if (isIr(bytes)) sorted.bitcode.push({ name, bytes, text: true });
  else return false;
  return true;
}

/** `BC 0xC0DE`, or the wrapper around it (llvm/include/llvm/Bitcode/BitcodeReader.h). */
function isBitcode(bytes: Uint8Array): boolean {
  const [a, b, c, d] = bytes;
  return (a === 0x42 && b === 0x43 && c === 0xc0 && d === 0xde) ||
    (a === 0xde && b === 0xc0 && c === 0x17 && d === 0x0b);
}

const IR_START = /^(; ModuleID|source_filename|target datalayout|target triple|define |declare |!llvm|@|%)/;

function isIr(bytes: Uint8Array): boolean {
  const head = new TextDecoder().decode(bytes.subarray(0, 256));
  return IR_START.test(head.trimStart());
}

/** What compilers put beside machine code for link-time optimisation; a section without content marks that there is none. */
function embeddedBitcode(bytes: Uint8Array, path: string): Uint8Array | undefined {
  if (!sectionNames(bytes).includes(".llvmbc\0")) return undefined; // Nearly all objects, and quicker than reading them.
  const section = readElf(bytes, path).section(".llvmbc");
  return section === undefined || !isBitcode(section.bytes) ? undefined : section.bytes;
}

/** The string table of an ELF file's section names, as far as there is one; the linker says what is wrong with it. */
function sectionNames(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 64) return "";
  const little = bytes[5] === 1;
  const row = Number(view.getBigUint64(40, little)) + 64 * view.getUint16(62, little);
  if (row + 64 > bytes.length) return "";
  const start = Number(view.getBigUint64(row + 24, little));
  return latin1.decode(bytes.subarray(start, start + Number(view.getBigUint64(row + 32, little))));
}

const latin1 = new TextDecoder("latin1");

function unknownKind(name: string): WaggleError {
  return new WaggleError(`Cannot link "${name}": it is no BPF object, archive, LLVM bitcode or textual IR`);
}
