/**
 * usdt: the static probes that a program or library declares. Each place of a probe gets a uprobe whose cookie says
 * where its arguments are: one link for all of them where the kernel has uprobe.multi (6.6), else one for each. Kernels
 * before 5.15 have no cookies; there a second map of the object leads from the instruction's address to the arguments.
 */
import { BPF_TRACE_UPROBE_MULTI } from "../abi/bpf.gen.ts";
import { ET_EXEC } from "../abi/elf.ts";
import { ENXIO } from "../abi/errno.gen.ts";
import { NotFoundError, NotSupportedError, WaggleError } from "../errors.ts";
import { readPmu } from "../kernel/pmu.ts";
import { hasFeature } from "../kernel/features.ts";
import { withElf } from "../kernel/elf_symbols.ts";
import { addressInProcess, findBinaryOf } from "../kernel/process_files.ts";
import { type UsdtNote, usdtNotes } from "../kernel/usdt_notes.ts";
import type { ElfFile } from "../object/elf.ts";
import { mapDelete, mapUpdate } from "../syscall/bpf_map.ts";
import { arch } from "../syscall/libc.ts";
import { runtime } from "../syscall/runtime/mod.ts";
import { missing } from "./attempt.ts";
import { globToRegExp } from "./glob.ts";
import { Link } from "./link.ts";
import type { AttachableProgram, Attacher, ObjectMap, UsdtOptions } from "./types.ts";
import { attachUprobeAt } from "./uprobe.ts";
import { linkUprobes } from "./uprobe_multi.ts";
import { UsdtSpecs } from "./usdt_specs.ts";

/** A place of a probe, and the slot that says where its arguments are. */
interface Site {
  readonly note: UsdtNote;
  readonly offset: number;
  readonly slot: number | undefined;
}

export const usdt: Attacher<UsdtOptions> = {
  options: ["path", "provider", "name", "pid", "cookie"],
  attach(prog, target, options) {
    const named = target.kind === "usdt" ? target : undefined;
    const path = findBinaryOf(options.path ?? named?.path ?? missing(prog, "path", '"libc.so.6"'), options.pid);
    const provider = options.provider ?? named?.provider ?? missing(prog, "provider", '"libc"');
    const name = options.name ?? named?.name ?? missing(prog, "name", '"setjmp"');
    const what = `static probe "${path}:${provider}:${name}"`;
    const specs = specsOf(prog, BigInt(options.cookie ?? 0), options.cookie !== undefined);
    try {
      const { sites, fixed } = withElf(path, (elf) => ({
        fixed: elf.type === ET_EXEC,
        sites: findPlaces(elf, provider, name).map((note) => ({
          note,
          offset: placeOf(elf, note),
          slot: specs?.slotOf(note.args),
        })),
      }));
      const link = attachSites(prog, { path, what, fixed, pid: options.pid }, sites);
      return specs === undefined
        ? link
        : Link.group(what, [link, new Link({ what, undo: () => specs[Symbol.dispose]() })]);
    } catch (error) {
      specs?.[Symbol.dispose]();
      throw error;
    }
  },
};

/** Undefined for a program that does not look at arguments: then its object has no such map. */
function specsOf(prog: AttachableProgram, cookie: bigint, needed: boolean): UsdtSpecs | undefined {
  const map = prog.object?.map("__bpf_usdt_specs");
  const btf = prog.object?.btf;
  if (map !== undefined && btf !== undefined) return new UsdtSpecs(map, btf, cookie);
  if (!needed) return undefined;
  throw new WaggleError(`Cannot attach program "${prog.name}" with a cookie: its object has no map __bpf_usdt_specs`, {
    hint: "include bpf/usdt.bpf.h and call bpf_usdt_cookie()",
  });
}

/** The notes of one probe, or of all that patterns name. Throws `NotFoundError`. */
function findPlaces(elf: ElfFile, provider: string, name: string): UsdtNote[] {
  const notes = usdtNotes(elf);
  const [providers, names] = [globToRegExp(provider), globToRegExp(name)];
  const found = notes.filter((note) => providers.test(note.provider) && names.test(note.name));
  if (found.length > 0) return found;
  const known = new Set(notes.map((note) => `${note.provider}:${note.name}`));
  throw new NotFoundError("static probe", `${provider}:${name}`, known, {
    where: `"${elf.name}"`,
    ...(known.size === 0 && { hint: "the file declares none (it has no section .note.stapsdt)" }),
  });
}

interface Where {
  readonly path: string;
  readonly what: string;
  /** Whether the file is mapped at the addresses that it says. */
  readonly fixed: boolean;
  readonly pid: number | undefined;
}

function attachSites(prog: AttachableProgram, where: Where, sites: readonly Site[]): Link {
  if (prog.expectedAttachType === BPF_TRACE_UPROBE_MULTI) {
    return linkUprobes(prog, where.what, {
      path: where.path,
      pid: where.pid,
      offsets: sites.map((site) => site.offset),
      refCtrOffsets: sites.some((site) => site.note.semaphore !== 0) ? sites.map((site) => site.note.semaphore) : [],
      cookies: sites.map((site) => site.slot ?? 0),
    });
  }
  const needsCounter = sites.some((site) => site.note.semaphore !== 0);
  if (needsCounter && readPmu("uprobe")?.refCtrShift === undefined) {
    throw new NotSupportedError("a static probe with a semaphore", { since: "4.20" });
  }
  const cookies = hasFeature("bpf_cookie");
  const links: Link[] = [];
  try {
    for (const site of sites) {
      if (!cookies && site.slot !== undefined) links.push(addAddress(prog, where, site, site.slot));
      links.push(attachUprobeAt(prog, {
        path: where.path,
        offset: site.offset,
        retprobe: false,
        refCtrOffset: site.note.semaphore,
        pid: where.pid,
        what: where.what,
      }, cookies && site.slot !== undefined ? { cookie: site.slot } : {}));
    }
  } catch (error) {
    for (const link of links) link.close();
    throw error;
  }
  return Link.group(where.what, links);
}

/** Without cookies the program finds the slot by the address of the instruction. */
function addAddress(prog: AttachableProgram, where: Where, site: Site, slot: number): Link {
  const map = prog.object?.map("__bpf_usdt_ip_to_spec_id");
  if (map === undefined) throw new WaggleError(`Cannot attach ${where.what}: the object has no map of addresses`);
  const address = where.fixed ? site.note.address : addressOf(where, site);
  const key = new Uint8Array(map.spec.keySize);
  new DataView(key.buffer).setBigUint64(0, address, true);
  writeSlot(map, key, slot);
  return new Link({ what: where.what, undo: () => void mapDelete(map.fd.number, key) });
}

function writeSlot(map: ObjectMap, key: Uint8Array, slot: number): void {
  const value = new Uint8Array(4);
  new DataView(value.buffer).setUint32(0, slot, true);
  mapUpdate(map.fd.number, key, value);
}

function addressOf(where: Where, site: Site): bigint {
  if (where.pid === undefined) {
    throw new NotSupportedError("arguments of a static probe in all processes", {
      since: "5.15",
      hint: "on this kernel give option pid: the file lies at another address in each process",
    });
  }
  const address = addressInProcess(where.path, site.offset, where.pid);
  if (address !== undefined) return address;
  throw new NotFoundError("file", where.path, [], { where: `the memory of process ${where.pid}` });
}

/**
 * Newer macros write a nop of one byte and one of five, so that kernels which turn the latter into a call (6.18, x86-64)
 * are reached without a trap: on those the probe goes to the second one.
 */
function placeOf(elf: ElfFile, note: UsdtNote): number {
  if (arch() !== "x86_64") return note.offset;
  const nops = [0x90, 0x0f, 0x1f, 0x44, 0x00, 0x00];
  const both = nops.every((byte, i) => elf.bytes[note.offset + i] === byte);
  return both && hasUprobeCall() ? note.offset + 1 : note.offset;
}

/** The system call behind such probes refuses callers that the kernel did not send there. */
function hasUprobeCall(): boolean {
  const NR_UPROBE = 336;
  return runtime().syscall(NR_UPROBE) === -ENXIO;
}
