/**
 * kprobe, kretprobe, ksyscall: one function of the kernel, or a pattern of them.
 */
import { MACHINES } from "../abi/pt_regs.ts";
import { NotFoundError } from "../errors.ts";
import { isReturnSection } from "../object/section_name.ts";
import { arch } from "../syscall/libc.ts";
import { missing } from "./attempt.ts";
import { isGlob } from "./glob.ts";
import { attachKprobes } from "./kprobe_multi.ts";
import { attachSite, siteOf } from "./kprobe_site.ts";
import type { Attacher, KprobeOptions, KsyscallOptions } from "./types.ts";

export const kprobe: Attacher<KprobeOptions> = {
  options: ["symbol", "offset", "retprobe", "cookie", "mode"],
  attach(prog, target, options) {
    const named = target.kind === "kprobe" ? target : undefined;
    const symbol = options.symbol ?? named?.symbol ?? missing(prog, "symbol", '"do_sys_openat2"');
    const offset = options.offset ?? (options.symbol === undefined ? named?.offset : undefined) ?? 0;
    const retprobe = options.retprobe ?? (prog.def !== undefined && isReturnSection(prog.def));
    if (retprobe && offset !== 0) {
      throw new TypeError(`Cannot attach program "${prog.name}": a return probe takes no offset`);
    }
    if (isGlob(symbol)) {
      if (offset !== 0) throw new TypeError(`Cannot attach program "${prog.name}": a pattern takes no offset`);
      return attachKprobes(prog, symbol, { retprobe, cookie: options.cookie });
    }
    return attachSite(prog, siteOf(symbol, offset, retprobe), options.cookie, options.mode ?? "auto");
  },
};

export const ksyscall: Attacher<KsyscallOptions> = {
  options: ["syscall", "retprobe", "cookie"],
  attach(prog, target, options) {
    const named = target.kind === "ksyscall" ? target.syscall : undefined;
    const name = options.syscall ?? named ?? missing(prog, "syscall", '"openat"');
    const retprobe = options.retprobe ?? prog.def?.sec.startsWith("kret") ?? false;
    // Kernels that wrap system calls name them by machine; before 4.17 it was the plain function behind them.
    const symbols = [`${MACHINES[arch()].syscallPrefix}${name}`, `__se_sys_${name}`, `sys_${name}`];
    let first: unknown;
    for (const symbol of symbols) {
      try {
        // What is near to these names would not help, and looking takes time.
        return attachSite(prog, siteOf(symbol, 0, retprobe), options.cookie, "auto", () => []);
      } catch (error) {
        if (!(error instanceof NotFoundError)) throw error;
        first ??= error;
      }
    }
    throw new NotFoundError("system call", name, [], { cause: first, where: `this kernel (${symbols.join(", ")})` });
  },
};
