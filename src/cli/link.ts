/**
 * `waggle link`: BPF objects, archives of them and LLVM bitcode into one object. Takes bpf-linker's options, so that it
 * can be the `linker` of a Rust build; options that only its way of working needs are accepted and do nothing.
 */
import { WaggleError } from "../errors.ts";
import { link, type LinkInput } from "../object/linker.ts";
import { commandFiles } from "../syscall/command_line.ts";
import type { Emit } from "./bitcode.ts";
import type { Command } from "./command.ts";
import { sortInputs } from "./link_inputs.ts";
import { type Parsed, parseOptions, UsageError } from "./options.ts";
import { printError } from "./output.ts";

export const LINK_OPTIONS = {
  output: { also: ["-o"], value: "FILE", doc: "where to write the result (required)" },
  export: {
    value: "NAME,...",
    list: true,
    doc: "symbols that others look for; everything else becomes local,\nexcept programs, maps, license and struct_ops",
  },
  "export-symbols": { value: "FILE", doc: "the same, one name a line in a file" },
  "gc-sections": { doc: "remove functions, data, maps and types that nothing needs" },
  "whole-archive": {
    doc: "link all members of the archives that follow;\n--no-whole-archive: those that are needed (default)",
  },
  btf: { doc: "write BTF (default); --no-btf leaves it out" },
  "minimize-core": { doc: "of types that only CO-RE needs keep what relocations look at" },
  "merge-strings": { doc: "merge equal strings and constants (default);\n--no-merge-strings keeps them" },
  "strip-debug": { also: ["-s"], doc: "leave out DWARF; always so, BTF stays" },
  target: { value: "TRIPLE", doc: "bitcode: bpf, bpfel or bpfeb; by default what the bitcode says" },
  cpu: {
    value: "CPU",
    oneOf: ["generic", "probe", "v1", "v2", "v3", "v4"],
    doc: "bitcode: instruction set: generic, probe, v1 to v4",
  },
  "cpu-features": { value: "LIST", doc: "bitcode: as in +alu32,-dwarfris" },
  optimize: {
    also: ["-O"],
    value: "LEVEL",
    oneOf: ["0", "1", "2", "3", "s", "z"],
    doc: "bitcode: 0 to 3, s or z; 2 if left out",
  },
  emit: {
    value: "KIND",
    list: true,
    oneOf: ["obj", "asm", "llvm-ir", "llvm-bc"],
    doc: "bitcode: what to write: obj (default), asm, llvm-ir, llvm-bc",
  },
  "unroll-loops": { doc: "bitcode: unroll loops as far as they go" },
  "ignore-inline-never": { doc: "bitcode: inline functions marked as never to be inlined" },
  "dump-module": { value: "DIR", doc: "bitcode: write pre-opt.ll and post-opt.ll there" },
  "llvm-args": { value: "ARG,...", list: true, doc: "bitcode: passed on to opt and llc" },
  "disable-expand-memcpy-in-order": { doc: "bitcode: let LLVM copy memory in any order" },
  "disable-memory-builtins": { doc: "bitcode: do not keep memcpy, memmove, memset, memcmp, bcmp" },
  "allow-bpf-trap": { doc: "bitcode: keep traps where code cannot go on" },
  "llvm-bin": { value: "DIR", doc: "where llvm-link, opt and llc are; by default the newest in PATH" },
  "library-path": { also: ["-L"], value: "DIR", list: true, doc: "accepted, as compilers pass it; not used" },
  "log-level": { value: "LEVEL", doc: "accepted; problems are printed as errors and warnings" },
  "log-file": { value: "FILE", doc: "accepted; not used" },
  "fatal-errors": { value: "BOOL", oneOf: ["true", "false"], doc: "accepted; errors always end the link" },
  flavor: { also: ["-flavor"], value: "NAME", doc: "accepted, as compilers pass it; not used" },
  debug: { also: ["-g"], doc: "accepted; not used" },
} as const;

type LinkArgs = Parsed<typeof LINK_OPTIONS>;

/** `waggle link`. */
export const linkCommand: Command = {
  summary: "Links BPF objects, archives and LLVM bitcode into one object; or shows the links in the kernel.",
  usage: "FILE... -o OUTPUT [options]\nlist [-j]\nshow LINK [-j]",
  help:
    "FILE is a BPF object, an archive (also thin, or a Rust library), LLVM bitcode or textual IR. Bitcode is compiled\n" +
    "by the system's llvm-link, opt and llc; plain objects need none of them.",
  options: LINK_OPTIONS,
  async run(args) {
    if (args[0] === "list" || args[0] === "show") return (await import("./objects.ts")).links(args);
    return await runLinker(parseOptions(LINK_OPTIONS, withDefaults(args)));
  },
};

/** Flags that are on unless a `--no-` turns them off. */
function withDefaults(args: readonly string[]): string[] {
  return ["--btf", "--merge-strings", ...args];
}

async function runLinker({ options, positional, flagsAt }: LinkArgs): Promise<number> {
  const { output } = options;
  if (positional.length === 0) throw new UsageError("Cannot link: there are no input files");
  if (output === undefined) throw new UsageError("Cannot link: no output file is given", { hint: "add -o FILE" });
  const { read, map, write } = await commandFiles();
  // A thin archive names its members relative to itself.
  const readMember = (archive: string, name: string): Uint8Array =>
    map(name.startsWith("/") ? name : `${archive.replace(/[^/]*$/, "")}${name}`);
  const files = positional.map((path, i) => ({
    name: path,
    bytes: map(path),
    wholeArchive: flagsAt[i]!.has("whole-archive"),
  }));
  const { objects, bitcode } = sortInputs(files, readMember);
  const emit = emitKind(options.emit, objects);
  const exports = exportNames(options, read);
  const compiled = bitcode.length === 0
    ? undefined
    : (await import("./bitcode.ts")).compileBitcode(bitcode, { ...bitcodeOptions(options, exports), emit });
  if (compiled !== undefined && emit !== "obj") {
    write(output, compiled);
    return 0;
  }
  const inputs: LinkInput[] = compiled === undefined
    ? objects
    : [...objects, { name: "LLVM bitcode", bytes: compiled }];
  const result = link(inputs, {
    exports,
    gcSections: options["gc-sections"],
    mergeStrings: options["merge-strings"],
    btf: options.btf,
    minimizeCore: options["minimize-core"],
    readMember,
  });
  write(output, result.bytes);
  for (const name of result.unresolved) printError(`waggle link: warning: extern "${name}" is not defined anywhere`);
  return 0;
}

/** The first wins, as with bpf-linker: rustc appends its own. */
function emitKind(kinds: readonly string[], objects: readonly LinkInput[]): Emit {
  const emit = (kinds[0] ?? "obj") as Emit;
  const [object] = objects;
  if (emit !== "obj" && object !== undefined) {
    throw new WaggleError(`Cannot write ${emit}: "${object.name}" is an object, not bitcode`, {
      hint: "leave out --emit, or link bitcode only",
    });
  }
  return emit;
}

function exportNames(options: LinkArgs["options"], read: (path: string) => Uint8Array): string[] | undefined {
  const file = options["export-symbols"];
  if (file === undefined && options.export.length === 0) return undefined;
  const listed = file === undefined ? "" : new TextDecoder().decode(read(file));
  return [...options.export, ...listed.split("\n").map((line) => line.trim()).filter((line) => line !== "")];
}

function bitcodeOptions(options: LinkArgs["options"], exports: readonly string[] | undefined) {
  return {
    exports,
    target: options.target,
    cpu: options.cpu,
    cpuFeatures: options["cpu-features"],
    optimize: options.optimize ?? "2",
    unrollLoops: options["unroll-loops"],
    ignoreInlineNever: options["ignore-inline-never"],
    dumpModule: options["dump-module"],
    llvmArgs: options["llvm-args"],
    expandMemcpyInOrder: !options["disable-expand-memcpy-in-order"],
    memoryBuiltins: !options["disable-memory-builtins"],
    allowTrap: options["allow-bpf-trap"],
    debugInfo: options.btf,
    llvmBin: options["llvm-bin"],
  };
}
