/**
 * `compile({...})`: the same definition as `bpf` takes, made into an object file instead of being loaded. It has BTF and
 * CO-RE records, so waggle, libbpf and bpftool load it, also on other kernels and, for `arch`, on other machines.
 */
import type { Btf } from "../btf/btf.ts";
import type { Schema } from "../bytes/layout.ts";
import { compile as compileInput } from "../compiler/compile.ts";
import type { CompileFacts, GlobalDefinition, MapDefinition, PrintFormat } from "../compiler/definitions.ts";
import type { Diagnostic } from "../errors.ts";
import { parseBtfFile } from "../kernel/btf.ts";
import { writeObject } from "../object/object_write.ts";
import type { ObjectSpec } from "../object/spec.ts";
import { readFile, writeFile } from "../syscall/files.ts";
import type { BpfDefinition, None } from "./bpf.ts";
import { callSite } from "./call_site.ts";
import { MachineFacts } from "./facts.ts";
import { prepare, type WrittenDefinition } from "./prepare.ts";

/** What to compile for; by default this machine and a recent kernel. */
export interface CompileOptions {
  /** Registers of kprobe and uprobe arguments. */
  arch?: "x86_64" | "aarch64" | undefined;
  /** Instruction set: 3 (default, Linux 5.1), 4 (6.6), 1 for older kernels. */
  cpu?: 1 | 2 | 3 | 4 | undefined;
  /** Kernel types instead of the running kernel's: a file (raw BTF or ELF), its bytes, or parsed BTF. */
  btf?: string | Uint8Array | Btf | undefined;
  /** Features that the target kernels may lack, by the names of docs/support.md; others are taken for granted. */
  without?: readonly string[] | undefined;
}

/** A compiled definition. */
export interface CompiledScript {
  readonly spec: ObjectSpec;
  /** How to format what `print` sends, by id. */
  readonly prints: readonly PrintFormat[];
  readonly warnings: readonly Diagnostic[];
  /** The object file: relocatable ELF. */
  elf(): Uint8Array;
  /** Writes the object file. Throws `SyscallError`. */
  write(path: string): void;
}

/**
 * Compiles the kernel functions. Throws `CompileError` with every message and its place in the script. Loads nothing and
 * needs no privilege, except that formats of tracepoints are read from this machine's tracefs.
 *
 * @example
 * ```ts
 * import { compile, counter, u32 } from "@waggle/waggle";
 *
 * const object = compile({
 *   maps: { switches: counter(u32) },
 *   programs: {
 *     "tp_btf:sched_switch"(ctx, { switches }) {
 *       switches.count(ctx.next.tgid);
 *     },
 *   },
 * });
 * const bytes = object.elf(); // or object.write("switches.bpf.o")
 * ```
 */
export function compile<
  const M extends Readonly<Record<string, MapDefinition>> = None,
  P extends string = string,
  const G extends Readonly<Record<string, Schema | GlobalDefinition>> = None,
  const T extends Readonly<Record<string, Schema>> = None,
  A extends Readonly<Record<string, readonly unknown[]>> = None,
>(definition: BpfDefinition<M, P, G, T, A>, options: CompileOptions = {}): CompiledScript {
  // The stack is taken here, in this function's own frame: see call_site.ts.
  const { stack } = new Error();
  using machine = new MachineFacts();
  const { input } = prepare(
    definition as WrittenDefinition,
    callSite(stack, Object.keys(definition.programs)),
    targetFacts(machine, options),
  );
  const { spec, prints, warnings } = compileInput(input);
  const elf = () => writeObject(spec);
  return { spec, prints, warnings, elf, write: (path) => writeFile(path, elf()) };
}

/** The facts of the target: this machine's, changed by the options. */
function targetFacts(machine: MachineFacts, options: CompileOptions): CompileFacts {
  const { arch, cpu = 3, btf, without = [] } = options;
  const types = typeof btf === "string"
    ? parseBtfFile(readFile(btf), btf)
    : btf instanceof Uint8Array
    ? parseBtfFile(btf, "btf")
    : btf;
  return {
    get arch() {
      return arch ?? machine.arch;
    },
    get kernelBtf() {
      return types ?? machine.kernelBtf;
    },
    get pageSize() {
      return machine.pageSize;
    },
    get possibleCpus() {
      return machine.possibleCpus;
    },
    cpu,
    portable: true,
    oldVerifiers: true,
    has: (feature) => !without.includes(feature),
    tracepoint: (category, name) => machine.tracepoint(category, name),
  };
}
