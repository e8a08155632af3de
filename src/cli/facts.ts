/** `waggle probes`, `features` and `types`: what this kernel has to attach to, can do, and calls its types. */
import { NotFoundError, probes as listProbes } from "../../mod.ts";
import { type Btf, printC, printTs } from "../btf/mod.ts";
import { FEATURES, kernelBtf, kernelVersion, moduleBtfs, parseBtfFile, probeFeature } from "../kernel/mod.ts";
import { commandFiles } from "../syscall/mod.ts";
import { type Command, COMMON } from "./command.ts";
import { parseOptions, UsageError } from "./options.ts";
import { json, print, table } from "./output.ts";

const PROBES_OPTIONS = { ...COMMON, verbose: { also: ["-v"], doc: "show arguments and their types" } } as const;

/** `waggle probes`. */
export const probes: Command = {
  summary: "Lists what programs can be attached to.",
  usage: "PATTERN [-v] [-j]",
  help: "PATTERN is kind:name with * and ?, for example 'tracepoint:syscalls:sys_enter_open*', 'kprobe:tcp_*',\n" +
    "'uprobe:/bin/bash:read*'. Kinds: tracepoint, raw_tp, tp_btf, kprobe, kretprobe, fentry, fexit, lsm, iter, uprobe,\nuretprobe.",
  options: PROBES_OPTIONS,
  run(args) {
    const { options, positional: [pattern, ...more] } = parseOptions(PROBES_OPTIONS, args);
    if (pattern === undefined || more.length > 0) throw new UsageError("Cannot list probes: give one pattern");
    const found = listProbes(pattern);
    if (options.json) {
      print(json(found.map(({ name, arguments: args, returns }) => ({ name, arguments: args, returns })), 2));
    } else if (!options.verbose) print(found.map((probe) => probe.name).join("\n"));
    else {
      print(
        found.map((probe) => {
          const parameters = probe.arguments.map(({ type, name }) => `    ${type} ${name}\n`).join("");
          return `${probe.name}${probe.returns === undefined ? "" : ` -> ${probe.returns}`}\n${parameters}`;
        }).join(""),
      );
    }
    return found.length > 0 ? 0 : 1;
  },
};

/** `waggle features`. */
export const features: Command = {
  summary: "Probes what this kernel can do.",
  usage: "[-j]",
  options: COMMON,
  run(args) {
    const { options } = parseOptions(COMMON, args);
    const rows = FEATURES.map(({ name, since, doc }) => ({ name, since, supported: probeFeature(name), doc }));
    const kernel = kernelVersion().text;
    if (options.json) print(json({ kernel, features: rows }, 2));
    else {
      const words = rows.map(({ name, since, supported, doc }) => [
        name,
        supported === undefined ? "unknown" : supported ? "yes" : "no",
        since,
        doc.split(/[.:] /)[0]!.replace(/\.$/, ""),
      ]);
      print(`Linux ${kernel}\n\n${table(["feature", "here", "since", "what"], words)}`);
      if (rows.some((row) => row.supported === undefined)) print("\nunknown: this process may not ask; run it as root");
    }
    return 0;
  },
};

const TYPES_OPTIONS = {
  from: { value: "FILE", doc: "take the types of a file (raw BTF or an object file) instead of the kernel's" },
  c: { doc: "print C instead of TypeScript" },
} as const;

/** `waggle types`. */
export const types: Command = {
  summary: "Prints TypeScript declarations of kernel types, or of an object file's, with all that they contain.",
  usage: "NAME... [--from FILE] [--c]",
  help: "NAME is a struct, union, enum or typedef. With --from, no name means all types of the file.",
  options: TYPES_OPTIONS,
  async run(args) {
    const { options, positional } = parseOptions(TYPES_OPTIONS, args);
    if (positional.length === 0 && options.from === undefined) {
      throw new UsageError("Cannot print types: give at least one name, or --from FILE");
    }
    if (options.from !== undefined) {
      const types = parseBtfFile((await commandFiles()).read(options.from), options.from);
      print(
        declare(
          types,
          positional.length === 0 ? undefined : positional.map((name) => typeId([types], name).id),
          options.c,
        ),
      );
      return 0;
    }
    for (const [types, ids] of byBlob(positional)) print(declare(types, ids, options.c));
    return 0;
  },
};

function declare(types: Btf, ids: readonly number[] | undefined, c: boolean): string {
  const which = ids === undefined ? {} : { ids };
  return c ? printC(types, which) : printTs(types, which);
}

/** The wanted ids, by the blob that has them: vmlinux, or a module for what vmlinux lacks. */
function byBlob(names: readonly string[]): Map<Btf, number[]> {
  const wanted = new Map<Btf, number[]>();
  for (const name of names) {
    const { types, id } = typeId(kernelBlobs(), name);
    const ids = wanted.get(types);
    if (ids === undefined) wanted.set(types, [id]);
    else ids.push(id);
  }
  return wanted;
}

function* kernelBlobs(): Generator<Btf, void, undefined> {
  yield kernelBtf();
  for (const module of moduleBtfs()) yield module.btf;
}

const KINDS = ["STRUCT", "UNION", "ENUM", "ENUM64", "TYPEDEF"] as const;

function typeId(blobs: Iterable<Btf>, name: string): { types: Btf; id: number } {
  const bare = name.replace(/^(struct|union|enum) /, "");
  let first: Btf | undefined;
  for (const types of blobs) {
    first ??= types;
    for (const kind of KINDS) {
      const id = types.find(bare, kind);
      if (id !== undefined) return { types, id };
    }
  }
  throw new NotFoundError("type", name, first === undefined ? [] : typeNames(first));
}

function* typeNames(types: Btf): Generator<string, void, undefined> {
  for (const kind of KINDS) for (const id of types.ids(kind)) yield types.nameOf(id);
}
