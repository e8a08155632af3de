/**
 * docs/attach.md and docs/support.md: every hook with its names, options, first kernel version, and the kernels on which
 * its tests passed. Options and their texts are read from src/attach/types.ts, and must be those that attachers take.
 */
import { readFileSync } from "node:fs";
import { type AttachableKind, attacherOptions } from "../../src/attach/registry.ts";
import { type SectionDef, SECTIONS } from "../../src/object/sections.ts";
import { type KernelResults, testsOf } from "./hook_tests.ts";
import { table } from "./markdown.ts";

/** Title and options type of every kind. */
const KINDS: Readonly<Record<AttachableKind, readonly [title: string, options: string]>> = {
  kprobe: ["Kernel functions: kprobe", "KprobeOptions"],
  kprobe_multi: ["Many kernel functions: kprobe.multi, kprobe.session", "KprobeMultiOptions"],
  ksyscall: ["System calls: ksyscall", "KsyscallOptions"],
  uprobe: ["Functions of programs and libraries: uprobe", "UprobeOptions"],
  uprobe_multi: ["Many functions of a file: uprobe.multi, uprobe.session", "UprobeMultiOptions"],
  usdt: ["Static probes: usdt", "UsdtOptions"],
  tracepoint: ["Tracepoints", "TracepointOptions"],
  raw_tracepoint: ["Raw tracepoints", "RawTracepointOptions"],
  trace: ["Typed functions, tracepoints and security hooks: fentry, fexit, fmod_ret, tp_btf, lsm", "TraceOptions"],
  trace_multi: ["Many typed functions: fentry.multi, fexit.multi, fsession.multi", "TraceMultiOptions"],
  freplace: ["Functions of BPF programs: freplace", "FreplaceOptions"],
  iter: ["Iterators", "IterOptions"],
  perf_event: ["Clocks and counters: perf_event", "PerfEventOptions"],
  xdp: ["XDP", "XdpOptions"],
  tc: ["Traffic control: tc", "TcOptions"],
  tcx: ["Traffic control: tcx", "TcOptions"],
  netkit: ["netkit", "NetkitOptions"],
  cgroup: ["Cgroups", "CgroupOptions"],
  netns: ["Network namespaces: sk_lookup, flow_dissector", "NetnsOptions"],
  netfilter: ["netfilter", "NetfilterOptions"],
  sockmap: ["Socket maps: sk_skb, sk_msg", "SockmapOptions"],
  sk_reuseport: ["Reuseport groups: sk_reuseport", "SocketOptions"],
  socket_filter: ["Sockets: socket filters", "SocketFilterOptions"],
  lwt: ["Routes: lwt and segment routing", "RouteOptions"],
  lirc: ["Infrared receivers: lirc_mode2", "LircOptions"],
  struct_ops: ["Kernel interfaces: struct_ops", "NoOptions"],
};

/** What the tables cannot say. */
const NOTES: Partial<Record<AttachableKind, string>> = {
  usdt:
    `In TypeScript a program reads the arguments as \`ctx.arg0\` to \`ctx.arg11\`. Where the key names the file, their sizes and
signs are those of its notes; else they are unsigned 64-bit numbers. Kernels before 5.15 need option \`pid\` for that. The
forms of arguments: constants, registers, memory at a register and an offset, and with an index register, of x86-64 and
arm64.`,
  xdp:
    `With \`mechanism: "dispatcher"\` a device runs several programs, in the order of \`runPriority\`. The one that is attached is a
dispatcher as libxdp makes it; its programs are pinned below \`/sys/fs/bpf/xdp\` (\`LIBXDP_BPFFS\` names another bpf file
system). \`waggle net\` and \`xdp-loader status\` list them, whoever attached them, and each tool adds and removes its own.
Kernels without BPF trampolines, as some are built, cannot.`,
};

interface Option {
  readonly name: string;
  readonly type: string;
  readonly doc: string;
}

/** The options of every interface of src/attach/types.ts, those it extends included. */
function readOptions(): Map<string, Option[]> {
  const text = readFileSync(new URL("../../src/attach/types.ts", import.meta.url), "utf8");
  const found = new Map<string, Option[]>([["NoOptions", []]]);
  for (const [, name, base, body] of text.matchAll(/^export interface (\w+)(?: extends (\w+))? \{\n([^]*?)^\}/gm)) {
    const options: Option[] = [];
    for (const member of body!.matchAll(/(?: {2}\/\*\*([^]*?)\*\/\n)? {2}(\w+)\?: ([^;]+|\{[^}]*\}[^;]*);\n/g)) {
      const [, doc = "", option, type] = member;
      const words = doc.replace(/^\s*\* ?/gm, " ").replace(/\s+/g, " ").trim();
      options.push({ name: option!, type: type!.replace(/\s+/g, " "), doc: words });
    }
    found.set(name!, [...options, ...(base === undefined ? [] : found.get(base) ?? [])]);
  }
  return found;
}

function optionsOf(kind: AttachableKind, known: ReadonlyMap<string, Option[]>): Option[] {
  const name = KINDS[kind][1];
  const options = known.get(name) ?? [];
  const [have, want] = [options.map((o) => o.name), attacherOptions(kind)].map((list) => [...list].sort().join(", "));
  if (have !== want) throw new Error(`${name} has ${have}, but the attacher of ${kind} takes ${want}`);
  return options;
}

function readResults(): KernelResults {
  return JSON.parse(readFileSync(new URL("../../tests/kernel/results.json", import.meta.url), "utf8")) as KernelResults;
}

function passedOn(def: SectionDef, results: KernelResults): string[] {
  const tests = testsOf(def);
  if (tests === undefined) return [];
  return Object.keys(results).filter((kernel) =>
    !isOlder(kernel, def.since) && results[kernel]!.some((t) => tests.test(t))
  );
}

function isOlder(kernel: string, since: string): boolean {
  return kernel.localeCompare(since, "en", { numeric: true }) < 0;
}

const escaped = (text: string) => text.replaceAll("|", "\\|");

function nameOf(def: SectionDef): string {
  const base = def.sec.replace(/\+$/, "");
  return def.extras === undefined ? base : `${base}/${def.extras}`;
}

export function attachPage(): string {
  const known = readOptions();
  const results = readResults();
  const sections = (Object.keys(KINDS) as AttachableKind[]).map((kind) => {
    const rows = (SECTIONS as readonly SectionDef[]).filter((def) => def.attach === kind);
    const names = table(
      ["Section", "Since", "Tests passed on Linux", "What"],
      rows.map((def) => [`\`${nameOf(def)}\``, def.since, passedOn(def, results).join(", "), def.doc]),
    );
    const options = optionsOf(kind, known);
    const list = options.length === 0 ? "It takes no options." : table(
      ["Option", "Type", "What"],
      options.map(({ name, type, doc }) => [`\`${name}\``, `\`${escaped(type)}\``, escaped(doc)]),
    );
    return [`## ${KINDS[kind][0]}`, names, list, ...(NOTES[kind] === undefined ? [] : [NOTES[kind]])].join("\n\n");
  });
  return `# Hooks

<!-- Generated by scripts/gen_docs.ts from src/object/sections.ts and src/attach/types.ts. Do not edit. -->

Every way to attach a program. \`attach()\` attaches what section names or keys say; \`program.attach({ … })\` takes the
options below, of which only those are needed that the name does not say. Option \`kind\` chooses another hook that the
program's type allows. Since: the first Linux version. Where a newer mechanism is missing, an older one is used: BPF link,
then perf event with ioctl, then tracefs; tcx, then netlink; cgroup link, then BPF_PROG_ATTACH; one link for many
functions, then one probe for each.

${sections.join("\n\n")}

## What the kernel keeps

A BPF link ends with the process, unless it is pinned. Filters and XDP programs that were attached by netlink, programs of
an XDP dispatcher and their pins, routes, programs that were attached by BPF_PROG_ATTACH and probes in tracefs stay in the
kernel; waggle takes them back when the link is disposed, and when SIGINT or SIGTERM ends the process. Only SIGKILL leaves
them behind. On Deno a handler of \`Deno.addSignalListener\` cannot be seen: a script that handles signals does it by
\`interrupted()\` or \`process.on\`.
`;
}

export function supportPage(): string {
  const results = readResults();
  const kernels = Object.keys(results);
  const rows = (SECTIONS as readonly SectionDef[]).filter((def) => def.attach !== "none" && testsOf(def) !== undefined)
    .map((def) => {
      const passed = passedOn(def, results);
      return [
        `\`${nameOf(def)}\``,
        ...kernels.map((k) => passed.includes(k) ? "yes" : isOlder(k, def.since) ? "" : "-"),
      ];
    });
  return `# Support

<!-- Generated by scripts/gen_docs.ts from src/object/sections.ts and tests/kernel/results.json. Do not edit. -->

On which kernels a test attached a program, caused the event and saw its effect. Empty: the kernel is older than the
hook. \`-\`: that kernel, as Debian builds it for clouds and as the guest of the tests runs it, lacks what the test needs
(an option, a module, a device), or no run of the test there is recorded. Names that differ only in being allowed to sleep, or in an option, share their tests.
No kernel of Debian has \`lirc_mode2\`: CONFIG_BPF_LIRC_MODE2 needs RC_CORE built in. Its calls are tested without one.

${table(["Section", ...kernels], rows)}
`;
}
