/**
 * Kernel functions that can be hooked, by pattern: what ftrace offers (`available_filter_functions`), as far as
 * /proc/kallsyms tells which function a name means.
 */
import { readFile } from "../syscall/files.ts";
import { openTracefs } from "./tracefs.ts";

/** A function of the kernel or of a module. */
export interface TraceableFunction {
  readonly name: string;
  /** 0 where the kernel hides addresses. */
  readonly address: bigint;
}

const decoder = new TextDecoder();

/**
 * The functions whose name matches. A name that several functions have is left out where only some of them can be
 * hooked, because nothing says which; the others come once for each address.
 */
export function traceableFunctions(pattern: RegExp): TraceableFunction[] {
  const offered = new Map<string, number>();
  {
    using tracefs = openTracefs();
    for (const name of tracefs.functions()) {
      if (pattern.test(name)) offered.set(name, (offered.get(name) ?? 0) + 1);
    }
  }
  if (offered.size === 0) return [];
  const known = functionAddresses(offered);
  const found: TraceableFunction[] = [];
  for (const [name, count] of offered) {
    const addresses = known.get(name) ?? [];
    if (addresses.length === count) { for (const address of addresses) found.push({ name, address }); }
  }
  return found;
}

/** Addresses of functions by name; a name may have several. */
function functionAddresses(names: ReadonlyMap<string, unknown>): Map<string, bigint[]> {
  const found = new Map<string, bigint[]>();
  // "ffffffff81000000 t name\t[module]"
  for (const line of decoder.decode(readFile("/proc/kallsyms")).split("\n")) {
    const start = line.indexOf(" ") + 3;
    const type = line[start - 2];
    if (type !== "t" && type !== "T" && type !== "w" && type !== "W") continue;
    const tab = line.indexOf("\t", start);
    const name = tab < 0 ? line.slice(start) : line.slice(start, tab);
    if (!names.has(name)) continue;
    const address = BigInt(`0x${line.slice(0, start - 3)}`);
    const list = found.get(name);
    if (list === undefined) found.set(name, [address]);
    else list.push(address);
  }
  return found;
}
