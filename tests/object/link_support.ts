/** What the linker's tests share: objects of C text, and the comparison with `bpftool gen object`. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assertEquals } from "@std/assert";
import { Btf } from "../../src/btf/btf.ts";
import type { ElfFile } from "../../src/object/elf.ts";
import { readElf } from "../../src/object/elf.ts";
import type { LinkInput } from "../../src/object/link.ts";
import { compileBpf, inFolder, run } from "../btf/support.ts";

export const PRELUDE = `
typedef unsigned int u32; typedef unsigned long long u64;
#define SEC(n) __attribute__((section(n), used))
#define __noinline __attribute__((noinline))
#define __weak __attribute__((weak))
#define __hidden __attribute__((visibility("hidden")))
#define __ksym __attribute__((section(".ksyms")))
#define __uint(name, val) int (*name)[val]
#define __type(name, val) typeof(val) *name
static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_trace_printk)(const char *fmt, u32 size, ...) = (void *)6;
`;

/** An object of C text behind the prelude. */
export function object(name: string, source: string, flags: readonly string[] = []): LinkInput {
  return { name, bytes: compileBpf(PRELUDE + source, ["-w", ...flags]) };
}

/** `bpftool gen object` of the same inputs; its error text if it refuses. */
export function bpftoolLink(inputs: readonly LinkInput[]): Uint8Array | string {
  return inFolder((folder) => {
    const files = inputs.map(({ bytes }, i) => {
      const file = join(folder, `${i}.o`);
      writeFileSync(file, bytes);
      return file;
    });
    const output = join(folder, "out.o");
    try {
      run("bpftool", "gen", "object", output, ...files);
    } catch (error) {
      return String((error as { stderr?: unknown }).stderr ?? error);
    }
    return new Uint8Array(readFileSync(output));
  });
}

/** Everything of an object that decides what it does, without the order of symbols and types. */
export function meaning(bytes: Uint8Array): Record<string, unknown> {
  const elf = readElf(bytes, "object");
  const content = elf.sections.filter((s) => s.name !== "" && !/^\.(BTF|symtab|strtab|rel)/.test(s.name));
  const btf = elf.section(".BTF") === undefined ? undefined : Btf.parse(elf.section(".BTF")!.bytes).validate();
  return {
    sections: content.map((s) => [s.name, s.type, s.flags, s.align, s.size, hex(s.bytes)]),
    symbols: [...elf.symbols].map((s) => describeSymbol(elf, s.index)).sort(),
    relocations: elf.relocationSections().flatMap(({ section, target }) =>
      [...elf.relocations(section)].map((r) => `${target.name}+${r.offset} ${r.type} ${describeSymbol(elf, r.symbol)}`)
    ).sort(),
    datasecs: btf === undefined ? [] : Array.from(btf.ids("DATASEC"), (id) => describeDatasec(btf, id)).sort(),
  };
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function describeSymbol(elf: ElfFile, index: number): string {
  const s = elf.symbols.get(index);
  const section = s.section > 0 && s.section < 0xff00 ? elf.sections[s.section]!.name : s.section;
  return `${s.type === 3 ? "" : s.name}@${section}+${s.value}/${s.size} ${s.bind} ${s.type} ${s.visibility}`;
}

function describeDatasec(btf: Btf, id: number): string {
  const type = btf.type(id);
  if (type.kind !== "DATASEC") return "";
  // libbpf leaves the order in which it met them.
  const vars = [...type.vars].sort((a, b) => a.offset - b.offset).map((v) => {
    const t = btf.type(v.type);
    return `${t.kind} ${t.name} ${"linkage" in t ? t.linkage : ""} ${v.offset} ${v.size}`;
  });
  return `${type.name} ${type.size}: ${vars.join(", ")}`;
}

/** Fails unless both linkers make the same of the inputs. */
export function assertSameAsBpftool(inputs: readonly LinkInput[], linked: Uint8Array): void {
  const theirs = bpftoolLink(inputs);
  if (typeof theirs === "string") throw new Error(`bpftool refuses: ${theirs}`);
  assertEquals(meaning(linked), meaning(theirs));
  const types = (bytes: Uint8Array): number => Btf.parse(readElf(bytes, "o").section(".BTF")!.bytes).typeCount;
  if (types(linked) > types(theirs)) throw new Error(`${types(linked)} types where bpftool has ${types(theirs)}`);
}
