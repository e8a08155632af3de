/**
 * LLVM bitcode to a BPF object, by the system's own `llvm-link`, `opt` and `llc`, any version found. The steps are those
 * of bpf-linker: link, internalise, optimise, generate code; files in between live in a folder that is removed.
 */
import { NotSupportedError, WaggleError } from "../errors.ts";
import { host } from "../syscall/command_line.ts";
import type { BitcodeInput } from "./link_inputs.ts";
import { exportedGlobals, withoutInlineNever, withoutStackProbe } from "./llvm_ir.ts";

/** What to write. */
export type Emit = "obj" | "asm" | "llvm-ir" | "llvm-bc";

/** What to do with bitcode; see the options of `waggle link`. */
export interface BitcodeOptions {
  readonly emit: Emit;
  /** If given, all other functions and variables become local, except those with a section of their own. */
  readonly exports: readonly string[] | undefined;
  readonly target: string | undefined;
  readonly cpu: string | undefined;
  readonly cpuFeatures: string | undefined;
  readonly optimize: string;
  readonly unrollLoops: boolean;
  readonly ignoreInlineNever: boolean;
  readonly dumpModule: string | undefined;
  readonly llvmArgs: readonly string[];
  readonly expandMemcpyInOrder: boolean;
  readonly memoryBuiltins: boolean;
  readonly allowTrap: boolean;
  /** Keep debug information, of which LLVM makes BTF. */
  readonly debugInfo: boolean;
  readonly llvmBin: string | undefined;
}

/** Compiles bitcode; returns the file's bytes. Throws `WaggleError` with what the failing tool says. */
export function compileBitcode(inputs: readonly BitcodeInput[], options: BitcodeOptions): Uint8Array {
  const folder = host().tempFolder();
  try {
    const tools = new Llvm(options.llvmBin);
    const files = inputs.map((input, i) => {
      const path = `${folder}/${i}.${input.text ? "ll" : "bc"}`;
      host().writeFile(path, input.bytes);
      return path;
    });
    const linked = prepare(tools, files, folder, options);
    const optimized = optimize(tools, linked, folder, options);
    return generate(tools, optimized, folder, options);
  } finally {
    host().removeFolder(folder);
  }
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

interface Module {
  readonly path: string;
  readonly text: string;
}

/** One module of textual IR, with what bpf-linker takes out of it. */
function prepare(tools: Llvm, files: readonly string[], folder: string, options: BitcodeOptions): Module {
  const path = `${folder}/linked.ll`;
  tools.run("llvm-link", ["-S", "-o", path, ...files]);
  let text = withoutStackProbe(decoder.decode(host().readFile(path)));
  if (options.ignoreInlineNever) text = withoutInlineNever(text);
  host().writeFile(path, encoder.encode(text));
  dump(options, "pre-opt.ll", text);
  return { path, text };
}

function dump(options: BitcodeOptions, name: string, text: string): void {
  if (options.dumpModule === undefined) return;
  host().makeFolder(options.dumpModule);
  host().writeFile(`${options.dumpModule}/${name}`, encoder.encode(text));
}

const MEMORY_BUILTINS = ["memcpy", "memmove", "memset", "memcmp", "bcmp"];

const UNROLL = [
  "--unroll-runtime",
  "--unroll-runtime-multi-exit",
  "--unroll-max-upperbound=4294967295",
  "--unroll-threshold=4294967295",
];

function optimize(tools: Llvm, module: Module, folder: string, options: BitcodeOptions): string {
  const text = options.emit !== "llvm-bc";
  const path = `${folder}/optimized.${text ? "ll" : "bc"}`;
  // The pass manager has no O0 pipeline that inlines what must be inlined: bpf-linker takes O1 as well.
  const level = options.optimize === "0" ? "1" : options.optimize;
  const passes = [`default<O${level}>`, "globaldce"];
  const args = [module.path, "-o", path, ...(text ? ["-S"] : [])];
  if (options.exports !== undefined) {
    const builtins = options.memoryBuiltins ? MEMORY_BUILTINS : [];
    const kept = [...options.exports, ...builtins, ...exportedGlobals(module.text)];
    passes.unshift("internalize");
    args.push(`--internalize-public-api-list=${[...new Set(kept)].join(",")}`);
  }
  if (!options.debugInfo) passes.unshift("strip");
  if (options.unrollLoops) args.push(...UNROLL);
  tools.run("opt", [...args, `-passes=${passes.join(",")}`, ...machine(options, module.text), ...options.llvmArgs]);
  if (text) dump(options, "post-opt.ll", decoder.decode(host().readFile(path)));
  return path;
}

function generate(tools: Llvm, path: string, folder: string, options: BitcodeOptions): Uint8Array {
  if (options.emit === "llvm-ir" || options.emit === "llvm-bc") return host().readFile(path);
  const output = `${folder}/output`;
  const text = decoder.decode(host().readFile(path));
  const level = /[sz]/.test(options.optimize) ? "2" : options.optimize;
  const args = [path, "-o", output, `-filetype=${options.emit}`, `-O${level}`, ...machine(options, text)];
  if (options.expandMemcpyInOrder) args.push("--bpf-expand-memcpy-in-order");
  // LLVM 21 made unreachable code a call of a trap, which kernels do not know.
  if (!options.allowTrap && tools.version >= 21) args.push("--bpf-disable-trap-unreachable");
  tools.run("llc", [...args, ...options.llvmArgs]);
  return host().readFile(output);
}

/** The module's own target if it is BPF; Rust may compile libraries for the host. */
function machine(options: BitcodeOptions, text: string): string[] {
  const own = /^target triple = "([^"]*)"/m.exec(text)?.[1] ?? "";
  const triple = options.target ?? (own.startsWith("bpf") ? own : "bpf");
  const args = [`-mtriple=${triple}`];
  if (options.cpu !== undefined) args.push(`-mcpu=${options.cpu}`);
  if (options.cpuFeatures !== undefined && options.cpuFeatures !== "") args.push(`-mattr=${options.cpuFeatures}`);
  return args;
}

type Tool = "llvm-link" | "opt" | "llc";

const NEWEST = 30;
const OLDEST = 14;

/** The tools of one LLVM, the newest there is: bitcode can be read by its own version and later ones. */
class Llvm {
  readonly #name: (tool: Tool) => string;
  readonly version: number;

  constructor(folder: string | undefined) {
    const prefix = folder === undefined ? "" : `${folder.replace(/\/$/, "")}/`;
    const plain = versionOf(prefix, "");
    for (let number = NEWEST; number >= OLDEST && number > (plain ?? 0); number--) {
      const version = versionOf(prefix, `-${number}`);
      if (version === undefined) continue;
      this.#name = (tool) => `${prefix}${tool}-${number}`;
      this.version = version;
      return;
    }
    if (plain !== undefined) {
      this.#name = (tool) => `${prefix}${tool}`;
      this.version = plain;
      return;
    }
    throw new NotSupportedError("linking LLVM bitcode", {
      message: `Cannot link LLVM bitcode: llvm-link, opt and llc are not ${
        folder === undefined ? "installed" : `in "${folder}"`
      }`,
      hint: "install LLVM (Debian, Ubuntu: apt install llvm; Fedora: dnf install llvm; macOS: brew install llvm)",
    });
  }

  run(tool: Tool, args: readonly string[]): void {
    const name = this.#name(tool);
    const result = host().run(name, args);
    if (result !== undefined && result.status === 0) return;
    const said = result?.stderr.trim() ?? "";
    const newer = /Invalid|Unknown attribute|Producer: '?LLVM/.test(said);
    throw new WaggleError(
      `Cannot link LLVM bitcode: ${name} failed${said === "" ? "" : `:\n${said.replace(/^/gm, "  ")}`}`,
      {
        hint: newer
          ? `bitcode of a newer LLVM than ${this.version} cannot be read: install that version, or give --llvm-bin`
          : undefined,
      },
    );
  }
}

/** The version of the tools with a suffix; undefined unless all three are there. */
function versionOf(prefix: string, suffix: string): number | undefined {
  let version: number | undefined;
  for (const tool of ["llvm-link", "opt", "llc"] as const) {
    const result = host().run(`${prefix}${tool}${suffix}`, ["--version"]);
    if (result === undefined || result.status !== 0) return undefined;
    version = Number(/LLVM version (\d+)/.exec(decoder.decode(result.stdout))?.[1] ?? 0);
  }
  return version;
}
