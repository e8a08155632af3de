/** `waggle prog`, `map`, `btf`, `net`, `perf`, and `link list|show`: what the system runs, whoever loaded it. */
import {
  BpfMap,
  btfDetails,
  dumpProgram,
  jitedText,
  linkDetails,
  listBtfs,
  listHolders,
  listLinks,
  listMaps,
  listNetPrograms,
  listPrograms,
  listTaskFds,
  mapDetails,
  openMap,
  programDetails,
  RunStats,
  translatedText,
  WaggleError,
} from "../../mod.ts";
import { printC, printTs } from "../btf/mod.ts";
import { openBtf, parseBtfFile } from "../kernel/mod.ts";
import { minimalCoreBtf } from "../object/mod.ts";
import { commandFiles } from "../syscall/mod.ts";
import { type Command, COMMON, objectRef, subcommand } from "./command.ts";
import { parseOptions, UsageError } from "./options.ts";
import { fields, json, print, table } from "./output.ts";

/** Prints a list as a table or as JSON. */
function printList<T extends object>(
  asJson: boolean,
  items: readonly T[],
  head: readonly (keyof T & string)[],
): number {
  print(asJson ? json(items, 2) : table(head, items.map((item) => head.map((name) => cell(item[name])))));
  return 0;
}

function cell(value: unknown): unknown {
  return typeof value === "object" && value !== null && !(value instanceof Date)
    ? json(value)
    : value instanceof Date
    ? value.toISOString()
    : value;
}

/** One object, with who holds it. */
function printOne(asJson: boolean, kind: "prog" | "map" | "btf" | "link", details: { readonly id: number }): number {
  const holders = listHolders(kind).filter((holder) => holder.id === details.id)
    .map(({ pid, comm, fd }) => ({ pid, comm, fd }));
  if (asJson) print(json({ ...details, holders }, 2));
  else {print(fields({
      ...details,
      holders: holders.map((h) => `${h.comm}(${h.pid}) fd ${h.fd}`).join(", ") || undefined,
    }));}
  return 0;
}

const PROG_OPTIONS = {
  ...COMMON,
  jited: { doc: "dump machine code instead of instructions" },
} as const;

/** `waggle prog`. */
export const prog: Command = {
  summary: "Shows programs in the kernel, their code, and how long they run.",
  usage: "list [-j]\nshow PROG [-j]\ndump PROG [--jited] [-j]\nstats [SECONDS] [-j]",
  help: "PROG is an id, a name, the path of a pin, or `id ID`, `name NAME`, `pinned PATH`.",
  options: PROG_OPTIONS,
  async run(args) {
    const { options, positional } = parseOptions(PROG_OPTIONS, args);
    const [word, rest] = subcommand(positional, ["list", "show", "dump", "stats"]);
    if (word === "list") {
      return printList(options.json, listPrograms(), ["id", "type", "name", "tag", "uid", "loadedAt", "mapIds"]);
    }
    if (word === "stats") return await programStats(rest, options.json);
    const ref = objectRef(rest, "program");
    if (word === "show") return printOne(options.json, "prog", programDetails(ref));
    const dump = dumpProgram(ref);
    if (options.json) print(json(options.jited ? dump.jited : dump.translated, 2));
    else print(options.jited ? jitedText(dump) : translatedText(dump));
    return 0;
  },
};

async function programStats(words: readonly string[], asJson: boolean): Promise<number> {
  const seconds = Number(words[0] ?? 1);
  if (!(seconds > 0 && seconds <= 86_400) || words.length > 1) {
    throw new UsageError("Cannot measure: give a number of seconds");
  }
  using stats = new RunStats();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const runs = stats.read().map((one) => ({
    ...one,
    nsPerRun: one.runs === 0n ? 0n : one.timeNs / one.runs,
    cpuPercent: Math.round(Number(one.timeNs) / seconds / 1e5) / 100,
  }));
  return printList(asJson, runs, ["id", "name", "runs", "timeNs", "nsPerRun", "cpuPercent", "recursionMisses"]);
}

/** `waggle map`. */
export const map: Command = {
  summary: "Shows maps in the kernel and what is in them, decoded by the types they have.",
  usage: "list [-j]\nshow MAP [-j]\ndump MAP [-j]",
  help: "MAP is an id, a name, the path of a pin, or `id ID`, `name NAME`, `pinned PATH`.",
  options: COMMON,
  run(args) {
    const { options, positional } = parseOptions(COMMON, args);
    const [word, rest] = subcommand(positional, ["list", "show", "dump"]);
    const head = ["id", "type", "name", "keySize", "valueSize", "maxEntries", "flags", "memlock", "frozen"] as const;
    if (word === "list") return printList(options.json, listMaps(), head);
    const ref = objectRef(rest, "map");
    if (word === "show") return printOne(options.json, "map", mapDetails(ref));
    using opened = openMap(ref);
    if (!(opened instanceof BpfMap)) {
      throw new WaggleError(
        `Cannot dump map "${opened.name}": its kind (${opened.kind?.name ?? opened.type}) has no elements to list`,
      );
    }
    const entries = Array.from(opened.entries(), ([key, value]) => ({ key, value }));
    if (options.json) print(json(entries, 2));
    else print(entries.map(({ key, value }) => `${json(key)}: ${json(value)}`).join("\n"));
    return 0;
  },
};

const BTF_OPTIONS = { ...COMMON, ts: { doc: "print TypeScript instead of C" } } as const;

/** `waggle btf`. */
export const btf: Command = {
  summary: "Shows types in the kernel, and prints them, or those of a file, as C or TypeScript.",
  usage: "list [-j]\nshow BTF [-j]\ndump BTF|FILE [--ts]\nmin FILE OUTPUT OBJECT...",
  help:
    "BTF is an id or a name (vmlinux, a module). FILE is raw BTF or an object file. `min` writes of the types in FILE\n" +
    "those that CO-RE of the objects needs, so that they run on a kernel without types: load(..., { targetBtf }).",
  options: BTF_OPTIONS,
  async run(args) {
    const { options, positional } = parseOptions(BTF_OPTIONS, args);
    const [word, rest] = subcommand(positional, ["list", "show", "dump", "min"]);
    if (word === "min") return writeMinimal(rest);
    if (word === "list") return printList(options.json, listBtfs(), ["id", "name", "kernel", "size"]);
    const [file] = rest;
    const isFile = word === "dump" && rest.length === 1 && file !== undefined && /[/.]/.test(file);
    if (word === "show") return printOne(options.json, "btf", btfDetails(objectRef(rest, "BTF")));
    const types = isFile
      ? parseBtfFile((await commandFiles()).read(file), file)
      : openBtf(btfDetails(objectRef(rest, "BTF")).id);
    print(options.ts ? printTs(types) : printC(types));
    return 0;
  },
};

/** As `bpftool gen min_core_btf`. */
async function writeMinimal([file, output, ...objects]: readonly string[]): Promise<number> {
  if (file === undefined || output === undefined || objects.length === 0) {
    throw new UsageError("Cannot reduce types: give a file of types, an output file and at least one object");
  }
  const { read, write } = await commandFiles();
  const inputs = objects.map((name) => ({ name, bytes: read(name) }));
  write(output, minimalCoreBtf(parseBtfFile(read(file), file), inputs).bytes);
  return 0;
}

/** `waggle link list` and `waggle link show`; the rest of `waggle link` is the linker. */
export function links(args: readonly string[]): number {
  const { options, positional } = parseOptions(COMMON, args);
  const [word, rest] = subcommand(positional, ["list", "show"]);
  if (word === "show") return printOne(options.json, "link", linkDetails(objectRef(rest, "link")));
  const found = listLinks();
  if (options.json) print(json(found, 2));
  else {
    const rows = found.map(({ id, type, programId, ...own }) => [id, type, programId, shortFields(own)]);
    print(table(["id", "type", "prog", "target"], rows));
  }
  return 0;
}

function shortFields(own: object): string {
  return Object.entries(own).filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} ${typeof value === "string" ? value : json(value)}`).join(", ");
}

/** `waggle net`. */
export const net: Command = {
  summary: "Shows the programs on network devices and hooks of this namespace.",
  usage: "[list] [-j]",
  options: COMMON,
  run(args) {
    const { options } = parseOptions(COMMON, args.filter((arg, i) => i > 0 || arg !== "list"));
    return printList(options.json, listNetPrograms(), [
      "hook",
      "device",
      "place",
      "programId",
      "linkId",
      "filter",
      "dispatched",
    ]);
  },
};

/** `waggle perf`. */
export const perf: Command = {
  summary: "Shows the perf events and raw tracepoints of all processes that run programs.",
  usage: "[list] [-j]",
  options: COMMON,
  run(args) {
    const { options } = parseOptions(COMMON, args.filter((arg, i) => i > 0 || arg !== "list"));
    return printList(options.json, listTaskFds(), [
      "pid",
      "comm",
      "fd",
      "programId",
      "type",
      "name",
      "offset",
      "address",
    ]);
  },
};
