/** What the compiler asks of the machine the script runs on. Every answer is found out when it is first asked for. */
import type { TracepointField, TracepointFormat } from "../abi/tracepoint_format.ts";
import type { Btf } from "../btf/btf.ts";
import type { CompileFacts, StaticArgument } from "../compiler/definitions.ts";
import { isGlob } from "../attach/glob.ts";
import { matchingTracepoints } from "../attach/tracepoint.ts";
import { NotFoundError } from "../errors.ts";
import { tryKernelBtf } from "../kernel/btf.ts";
import { possibleCpus } from "../kernel/cpus.ts";
import { type FeatureName, FEATURES, hasFeature } from "../kernel/features.ts";
import { openTracefs, type Tracefs } from "../kernel/tracefs.ts";
import { parseTracepointFormat } from "../kernel/tracepoint_format.ts";
import { usdtTypes } from "../kernel/usdt_types.ts";
import { kernelVersion } from "../kernel/version.ts";
import { pageSize } from "../syscall/memory.ts";
import { runtime } from "../syscall/runtime/mod.ts";

/** Facts of this machine. Dispose them after compiling: a tracefs may be open. */
export class MachineFacts implements CompileFacts, Disposable {
  readonly #formats = new Map<string, TracepointFormat | undefined>();
  readonly #staticProbes = new Map<string, readonly StaticArgument[] | undefined>();
  #tracefs: Tracefs | undefined;

  readonly portable: boolean = false;

  get arch(): "x86_64" | "aarch64" {
    return runtime().arch;
  }

  get kernelBtf(): Btf | undefined {
    return tryKernelBtf();
  }

  /** ALU32 and the wide jumps came with 5.1; v4 saves little and its probe costs a program load. */
  get cpu(): 1 | 2 | 3 | 4 {
    const { major, minor } = kernelVersion();
    return major > 5 || (major === 5 && minor >= 1) ? 3 : 1;
  }

  /** Bounds of spilled values are followed since 6.8. A probe would cost a program load, and a wrong "yes" costs little. */
  get oldVerifiers(): boolean {
    const { major, minor } = kernelVersion();
    return major < 6 || (major === 6 && minor < 8);
  }

  get pageSize(): number {
    return pageSize();
  }

  get possibleCpus(): number {
    return possibleCpus();
  }

  has(feature: string): boolean {
    if (!FEATURES.some((row) => row.name === feature)) {
      throw new NotFoundError(
        "feature",
        feature,
        FEATURES.map((r) => r.name),
      );
    }
    return hasFeature(feature as FeatureName);
  }

  tracepoint(category: string, name: string): TracepointFormat | undefined {
    const key = `${category}:${name}`;
    if (!this.#formats.has(key)) this.#formats.set(key, this.#read(category, name));
    return this.#formats.get(key);
  }

  staticProbe(path: string, provider: string, name: string): readonly StaticArgument[] | undefined {
    const key = `${path}:${provider}:${name}`;
    if (!this.#staticProbes.has(key)) this.#staticProbes.set(key, usdtTypes(path, provider, name));
    return this.#staticProbes.get(key);
  }

  #read(category: string, name: string): TracepointFormat | undefined {
    const tracefs = this.#tracefs ??= openTracefs();
    try {
      if (!isGlob(category) && !isGlob(name)) return parseTracepointFormat(tracefs.format(category, name), category);
      const formats = matchingTracepoints(tracefs, category, name)
        .map((one) => parseTracepointFormat(tracefs.format(one.category, one.name), one.category));
      return formats.length === 0 ? undefined : { category, name, id: -1, fields: sharedFields(formats) };
    } catch (error) {
      if (error instanceof NotFoundError) return undefined;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#tracefs?.[Symbol.dispose]();
    this.#tracefs = undefined;
  }
}

/** A program on many tracepoints sees the fields that lie at the same place in the records of all. */
function sharedFields([first, ...others]: readonly TracepointFormat[]): TracepointField[] {
  const isSame = (a: TracepointField, b: TracepointField) =>
    a.name === b.name && a.offset === b.offset && a.size === b.size && a.type === b.type && a.dynamic === b.dynamic;
  return first!.fields.filter((field) => others.every(({ fields }) => fields.some((other) => isSame(field, other))));
}
