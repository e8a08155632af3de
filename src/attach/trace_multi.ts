/**
 * fentry.multi, fexit.multi, fsession.multi: one link for many kernel functions, by their BTF ids (Linux 7.2). An
 * older kernel refuses such a program when it is loaded, and nothing can stand in for it: its fentry programs are bound
 * to one function each.
 */
import { EINVAL } from "../abi/errno.gen.ts";
import { BTF_KIND } from "../btf/kinds.ts";
import { NotFoundError } from "../errors.ts";
import { kernelBtf, moduleBtfs } from "../kernel/btf.ts";
import { openTracefs } from "../kernel/tracefs.ts";
import { arena } from "../syscall/memory.ts";
import { linkError, missing, tryLink } from "./attempt.ts";
import { globToRegExp, isGlob } from "./glob.ts";
import { Link } from "./link.ts";
import type { Attacher, TraceMultiOptions } from "./types.ts";

export const traceMulti: Attacher<TraceMultiOptions> = {
  options: ["pattern", "symbols", "module", "cookies"],
  attach(prog, target, options) {
    const named = target.kind === "trace_multi" ? target : undefined;
    const pattern = options.pattern ?? named?.pattern;
    const module = options.module ?? named?.module;
    if (options.symbols === undefined && pattern === undefined) missing(prog, "pattern", '"tcp_*"');
    const ids = options.symbols === undefined ? matchingIds(pattern!, module) : idsOf(options.symbols, module);
    const { cookies } = options;
    if (cookies !== undefined && cookies.length !== ids.length) {
      throw new RangeError(
        `Cannot attach program "${prog.name}": ${cookies.length} cookies for ${ids.length} functions`,
      );
    }
    const what = ids.length === 1 ? `function "${options.symbols?.[0] ?? pattern}"` : `${ids.length} functions`;
    using scope = arena().scope();
    const link = tryLink({
      prog_fd: prog.fd,
      attach_type: prog.expectedAttachType,
      "tracing_multi.ids": scope.u32s(ids),
      "tracing_multi.cookies": cookies === undefined ? 0 : scope.u64s(cookies),
      "tracing_multi.cnt": ids.length,
    });
    if (typeof link !== "number") return new Link({ what, links: [link] });
    return linkError(
      prog,
      what,
      link,
      link === -EINVAL ? "it needs Linux 7.2, and functions whose arguments the kernel can pass on" : undefined,
    );
  },
};

/** Functions of BTF that fit and that ftrace can hook. Throws `NotFoundError`. */
function matchingIds(pattern: string, module: string | undefined): number[] {
  if (!isGlob(pattern)) return idsOf([pattern], module);
  const expression = globToRegExp(pattern);
  using tracefs = openTracefs();
  const traceable = new Set(tracefs.functions().filter((name) => expression.test(name)));
  const ids = [...functionIds(module).entries()].filter(([name]) => traceable.has(name)).map(([, id]) => id);
  if (ids.length === 0) throw new NotFoundError("kernel function", pattern, traceable);
  return ids;
}

function idsOf(symbols: readonly string[], module: string | undefined): number[] {
  const known = functionIds(module);
  return symbols.map((symbol) => {
    const id = known.get(symbol);
    if (id === undefined) throw new NotFoundError("kernel function", symbol, known.keys());
    return id;
  });
}

function functionIds(module: string | undefined): Map<string, number> {
  const isModule = module !== undefined && module !== "vmlinux";
  const found = isModule ? moduleBtfs().find((m) => m.name === module) : undefined;
  if (isModule && found === undefined) {
    throw new NotFoundError(
      "kernel module",
      module,
      moduleBtfs().map((m) => m.name),
    );
  }
  const btf = found?.btf ?? kernelBtf();
  const first = found?.btf.firstId ?? 0;
  const ids = new Map<string, number>();
  const several = new Set<string>();
  for (const id of btf.ids(BTF_KIND.FUNC)) {
    if (id < first) continue;
    const name = btf.nameOf(id);
    if (ids.has(name)) several.add(name);
    ids.set(name, id);
  }
  // The kernel finds the address by name: of two functions that share one, nothing says which was meant.
  for (const name of several) ids.delete(name);
  return ids;
}
