/**
 * Generates the `*.gen.ts` files of src/abi from the kernel's own headers.
 *
 *     deno run -A scripts/gen_abi.ts [--check] [--headers DIR]
 *
 * DIR is the root of an unpacked `linux-libc-dev` package (it holds usr/include/linux/bpf.h); without it the
 * environment's WAGGLE_HEADERS and then the installed headers are taken. The files are made from the version in `PINNED`;
 * other headers are refused for writing. `--check` compares: with the pinned headers text against text, with older ones
 * every name that both have against its value, and says which of the two it did. Needs clang (or cc).
 *
 * Enumerations become plain constants in kernel spelling, and a table number → name per named enumeration. Macros are
 * not here: they are in src/abi/defines.ts, checked by tests/abi/defines_test.ts.
 */

/** `linux/version.h` of linux-libc-dev 7.3.4-1~bpo13+1 (Debian trixie-backports). */
const PINNED = "7.3.4";

interface Source {
  /** The file to write. */
  file: string;
  headers: readonly string[];
  doc: string;
  /** Enumerations to take, by name (anonymous ones have an empty one); all if undefined. */
  enums?: RegExp;
  /** Enumerators to take, by name; all if undefined. */
  only?: RegExp;
  /** Named enumerations that get a table number → name. */
  tables: readonly string[];
}

const SOURCES: readonly Source[] = [
  {
    file: "src/abi/bpf.gen.ts",
    headers: ["linux/bpf.h"],
    doc: "The enumerations of include/uapi/linux/bpf.h, without the ids of helpers.",
    // Exports cost start-up time, and hardly anything needs those: 200 of them took 1.2 ms of Bun's.
    enums: /^(?!bpf_func_id$)/,
    tables: [
      "bpf_cmd",
      "bpf_map_type",
      "bpf_prog_type",
      "bpf_attach_type",
      "bpf_link_type",
      "bpf_perf_event_type",
      "bpf_stats_type",
      "xdp_action",
      "bpf_task_fd_type",
      "bpf_cgroup_iter_order",
      "bpf_core_relo_kind",
    ],
  },
  {
    file: "src/abi/bpf_func.gen.ts",
    headers: ["linux/bpf.h"],
    doc: "The ids of helpers, of include/uapi/linux/bpf.h.",
    enums: /^bpf_func_id$/,
    tables: ["bpf_func_id"],
  },
  {
    file: "src/abi/perf.gen.ts",
    headers: ["linux/perf_event.h"],
    doc: "The enumerations of include/uapi/linux/perf_event.h.",
    tables: [
      "perf_type_id",
      "perf_hw_id",
      "perf_hw_cache_id",
      "perf_hw_cache_op_id",
      "perf_hw_cache_op_result_id",
      "perf_sw_ids",
      "perf_event_type",
    ],
  },
  {
    file: "src/abi/netlink.gen.ts",
    headers: [
      "linux/netlink.h",
      "linux/rtnetlink.h",
      "linux/if_link.h",
      "linux/pkt_cls.h",
      "linux/veth.h",
      "linux/netfilter.h",
      "linux/lwtunnel.h",
    ],
    doc: "The route netlink, link, traffic control and netfilter numbers that waggle uses.",
    only:
      /^(RTM_(NEW|DEL|GET|SET)(LINK|QDISC|TCLASS|TFILTER|ADDR|ROUTE)|TCA_(UNSPEC|KIND|OPTIONS|CHAIN|INGRESS_BLOCK|EGRESS_BLOCK|BPF_\w+)|IFLA_(UNSPEC|IFNAME|MTU|LINK|MASTER|LINKINFO|NET_NS_PID|NET_NS_FD|XDP|XDP_\w+|INFO_KIND|INFO_DATA|NETKIT_\w+)|NETKIT_\w+|VETH_INFO_\w+|XDP_ATTACHED_\w+|NFPROTO_\w+|NF_INET_(?!NUMHOOKS)\w+|LWTUNNEL_ENCAP_\w+|LWT_BPF_\w+|RT_TABLE_\w+|RT_SCOPE_\w+)$/,
    tables: [],
  },
];

interface Enum {
  name: string;
  names: string[];
}

const decoder = new TextDecoder();

async function run(command: string[], input?: string): Promise<string> {
  const process = new Deno.Command(command[0]!, {
    args: command.slice(1),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = process.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input ?? ""));
  await writer.close();
  const { code, stdout, stderr } = await process.output();
  if (code !== 0) throw new Error(`${command.join(" ")} failed:\n${decoder.decode(stderr)}`);
  return decoder.decode(stdout);
}

async function findCompiler(): Promise<string> {
  for (const name of ["clang-19", "clang", "cc"]) {
    try {
      await run([name, "--version"]);
      return name;
    } catch { /* the next one */ }
  }
  throw new Error("Cannot generate: neither clang nor cc is installed");
}

/** The compiler with the headers of one `linux-libc-dev`. */
class Headers {
  readonly #compiler: string;
  readonly #flags: string[];
  readonly root: string;

  constructor(compiler: string, root: string) {
    this.#compiler = compiler;
    this.root = root;
    this.#flags = root === "/" ? [] : ["-I", `${root}/usr/include`, "-I", `${root}/usr/include/x86_64-linux-gnu`];
  }

  preprocess(source: string, ...flags: string[]): Promise<string> {
    return run([this.#compiler, ...this.#flags, "-E", ...flags, "-x", "c", "-"], source);
  }

  /** Compiles a C program, runs it, returns what it prints. */
  async execute(source: string): Promise<string> {
    const binary = await Deno.makeTempFile();
    try {
      await run([this.#compiler, ...this.#flags, "-w", "-x", "c", "-o", binary, "-"], source);
      return await run([binary]);
    } finally {
      await Deno.remove(binary);
    }
  }

  async version(): Promise<string> {
    const macros = await this.preprocess("#include <linux/version.h>\n", "-dM");
    const part = (name: string) => new RegExp(`#define LINUX_VERSION_${name} (\\d+)`).exec(macros)?.[1] ?? "?";
    return `${part("MAJOR")}.${part("PATCHLEVEL")}.${part("SUBLEVEL")}`;
  }
}

/** Every enumeration that the preprocessed text declares, in order. */
function parseEnums(text: string): Enum[] {
  const enums: Enum[] = [];
  for (const match of text.matchAll(/\benum\s*(\w*)\s*\{([^}]*)\}/g)) {
    const names: string[] = [];
    // Splitting at commas would cut `A = F(1, 2)`; no kernel header has that in an enum.
    for (const part of match[2]!.split(",")) {
      const name = /^\s*(\w+)/.exec(part)?.[1];
      if (name !== undefined) names.push(name);
    }
    enums.push({ name: match[1]!, names });
  }
  return enums;
}

async function valuesOf(headers: Headers, source: Source, names: readonly string[]): Promise<Map<string, bigint>> {
  const lines = names.map((n) => `  printf("${n} %lld\\n", (long long)(${n}));`);
  const program = `#include <stdio.h>\n${includes(source)}int main(void) {\n${lines.join("\n")}\n  return 0;\n}\n`;
  const values = new Map<string, bigint>();
  for (const line of (await headers.execute(program)).trim().split("\n")) {
    const [name, value] = line.split(" ");
    values.set(name!, BigInt(value!));
  }
  return values;
}

/** linux/netfilter.h includes the old sockaddr header; sys/socket.h must come first. */
function includes(source: Source): string {
  return "#include <sys/socket.h>\n#include <netinet/in.h>\n" + source.headers.map((h) => `#include <${h}>\n`).join("");
}

/** The enumerations that `source` asks for: from its own headers only, not from what they include. */
async function enumsOf(headers: Headers, source: Source): Promise<Enum[]> {
  const own = new Set(source.headers);
  let text = "";
  let inside = false;
  for (const line of (await headers.preprocess(includes(source))).split("\n")) {
    const marker = /^# \d+ "([^"]+)"/.exec(line);
    if (marker !== null) inside = [...own].some((h) => marker[1]!.endsWith(`/include/${h}`));
    else if (inside) text += `${line}\n`;
  }
  const { only = /./, enums = /^/ } = source;
  return parseEnums(text)
    .filter((e) => enums.test(e.name))
    .map((e) => ({ name: e.name, names: e.names.filter((n) => only.test(n)) }))
    .filter((e) => e.names.length > 0);
}

function constant(name: string, value: bigint): string {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) return `export const ${name} = ${value}n;\n`;
  return `export const ${name} = ${value};\n`;
}

/** Number → name. Of two names for one number the first wins, unless it is the deprecated or internal one. */
function table(e: Enum, values: Map<string, bigint>): string {
  const byNumber: (string | undefined)[] = [];
  for (const name of e.names) {
    const value = Number(values.get(name)!);
    // Sentinels (__MAX_BPF_CMD) and flags above the enumeration (BPF_COMMON_ATTRS) are no values of it.
    if (/^_*MAX_|^__|_MAX$/.test(name) || value > 0xffff) continue;
    const taken = byNumber[value];
    if (taken === undefined || taken.endsWith("_DEPRECATED")) byNumber[value] = name;
  }
  const items = Array.from(byNumber, (n) => JSON.stringify(n ?? ""));
  return `/** \`enum ${e.name}\`: number → name. */\nexport const ${e.name}: readonly string[] = [\n${
    items.map((i) => `  ${i},\n`).join("")
  }];\n`;
}

async function generateEnums(headers: Headers, source: Source, exact: boolean): Promise<string> {
  const enums = await enumsOf(headers, source);
  const values = await valuesOf(headers, source, enums.flatMap((e) => e.names));
  let out = banner(source.doc);
  for (const e of enums) {
    out += e.name === "" ? "\n" : `\n// enum ${e.name}\n`;
    for (const name of e.names) out += constant(name, values.get(name)!);
    if (source.tables.includes(e.name)) out += "\n" + table(e, values);
  }
  // Older headers, which are only compared with, may lack one.
  for (const name of exact ? source.tables : []) {
    if (!enums.some((e) => e.name === name)) throw new Error(`${source.file}: no enum ${name} in ${source.headers}`);
  }
  return out;
}

function banner(doc: string): string {
  return `// Generated by scripts/gen_abi.ts from the headers of Linux ${PINNED}. Do not edit.\n/**\n * ${doc}\n * @module\n */\n`;
}

/** Helper prototypes from the comment block of linux/bpf.h, which is their only machine-readable source. */
async function generateHelpers(headers: Headers): Promise<string> {
  const text = await Deno.readTextFile(`${headers.root}/usr/include/linux/bpf.h`.replace("//", "/"));
  const source = SOURCES.find((s) => s.tables.includes("bpf_func_id"))!;
  const ids = (await enumsOf(headers, source)).find((e) => e.name === "bpf_func_id")!.names.filter((n) =>
    !n.startsWith("__")
  );
  const values = await valuesOf(headers, source, ids);
  const prototypes = new Map<string, string>();
  for (const match of text.matchAll(/^ \* ((?:[\w ]+[ *]+))bpf_(\w+)\(([^)]*)\)\s*$/gm)) {
    prototypes.set(match[2]!, `${match[1]}bpf_${match[2]}(${match[3]})`.replace(/\s+/g, " "));
  }
  let out = banner(
    "The helper functions of BPF: id and C prototype, from the comments of include/uapi/linux/bpf.h. One text, since most\n" +
      " * programs ask for a handful and 211 objects cost every start: src/asm/helpers.ts looks names up in it.",
  );
  out += "\n/** A line per helper: `BPF_FUNC_*`, the immediate of its call, and its C prototype. */\n";
  out += "export const HELPER_PROTOTYPES = `\n";
  for (const name of ids) {
    const short = name.replace("BPF_FUNC_", "");
    if (short === "unspec") continue;
    const proto = prototypes.get(short);
    if (proto === undefined) throw new Error(`no prototype of helper ${short}`);
    out += `${values.get(name)} ${proto}\n`;
  }
  return out + "`;\n";
}

/** errno: x86-64 and arm64 share asm-generic; the texts are strerror's. */
async function generateErrno(headers: Headers): Promise<string> {
  const macros = await headers.preprocess("#include <asm-generic/errno.h>\n", "-dM");
  const names = [...macros.matchAll(/^#define (E[A-Z0-9]+) \d+$/gm)].map((m) => m[1]!);
  const lines = names.map((n) => `  printf("%d ${n} %s\\n", ${n}, strerror(${n}));`);
  const program = `#include <stdio.h>\n#include <string.h>\n#include <asm-generic/errno.h>\nint main(void) {\n${
    lines.join("\n")
  }\n}\n`;
  const rows = (await headers.execute(program)).trim().split("\n").map((line) => {
    const [, number, name, text] = /^(\d+) (\w+) (.*)$/.exec(line)!;
    return { number: Number(number), name: name!, text: text! };
  }).sort((a, b) => a.number - b.number);
  // The kernel returns this one to user space although only include/linux/errno.h has it.
  rows.push({ number: 524, name: "ENOTSUPP", text: "Operation not supported by the kernel" });
  let out = banner("errno of x86-64 and arm64: number, name and text.");
  for (const r of rows) out += `export const ${r.name} = ${r.number};\n`;
  out += "\n/** Number → symbolic name. */\nexport const ERRNO_NAMES: Readonly<Record<number, string>> = {\n";
  for (const r of rows) out += `  ${r.number}: "${r.name}",\n`;
  out +=
    "};\n\n/** Number → text, as strerror(3) has it. */\nexport const ERRNO_TEXTS: Readonly<Record<number, string>> = {\n";
  for (const r of rows) out += `  ${r.number}: ${JSON.stringify(r.text)},\n`;
  return out + "};\n";
}

/** Compares by value what both texts define, for headers of another version. */
function compareValues(file: string, committed: string, generated: string): string[] {
  const read = (text: string) =>
    new Map([...text.matchAll(/^export const (\w+) = (-?\d+n?);/gm)].map((m) => [m[1]!, m[2]!]));
  const have = read(committed);
  const problems: string[] = [];
  for (const [name, value] of read(generated)) {
    // Sentinels and masks over all values grow with the kernel.
    if (/MAX|_MASK$|CNT_|MAGIC$/.test(name)) continue;
    const ours = have.get(name);
    if (ours !== undefined && ours !== value) {
      problems.push(`${file}: ${name} is ${ours} here, but ${value} in the headers`);
    }
  }
  return problems;
}

async function main(): Promise<number> {
  const check = Deno.args.includes("--check");
  const at = Deno.args.indexOf("--headers");
  const root = at >= 0 ? Deno.args[at + 1]! : Deno.env.get("WAGGLE_HEADERS") ?? "/";
  const headers = new Headers(await findCompiler(), root);
  const version = await headers.version();
  const exact = version === PINNED;
  if (!exact && !check) {
    console.error(`Cannot generate: ${root} has the headers of Linux ${version}, but ${PINNED} is pinned`);
    console.error(
      "  hint: apt-get download linux-libc-dev of that version, dpkg -x it, and pass its folder with --headers",
    );
    return 1;
  }
  const outputs: [string, () => Promise<string>][] = [
    ...SOURCES.map((s): [string, () => Promise<string>] => [s.file, () => generateEnums(headers, s, exact)]),
    ["src/abi/helpers.gen.ts", () => generateHelpers(headers)],
    ["src/abi/errno.gen.ts", () => generateErrno(headers)],
  ];
  const problems: string[] = [];
  for (const [file, generate] of outputs) {
    if (!exact && file.endsWith("helpers.gen.ts")) continue;
    const text = await generate();
    if (!check) await Deno.writeTextFile(file, text);
    else if (!exact) problems.push(...compareValues(file, await Deno.readTextFile(file), text));
    else if (await Deno.readTextFile(file) !== text) problems.push(`${file} differs from what the headers give`);
  }
  for (const problem of problems) console.error(problem);
  if (check && problems.length === 0) {
    console.log(
      exact
        ? `src/abi: generated files match the headers of Linux ${PINNED}`
        : `src/abi: the headers here are of Linux ${version}, not ${PINNED}: compared the values of common names only`,
    );
  }
  return problems.length === 0 ? 0 : 1;
}

Deno.exit(await main());
