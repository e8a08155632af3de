/**
 * Random programs, as one C file and split into several: the same functions, variables and maps, dealt out to files that
 * declare `extern` what is elsewhere. What they return must not depend on the split. Seeded.
 */
import { Random } from "../fuzz/mutate.ts";

/** One program, written twice. */
export interface Split {
  /** All in one file. */
  readonly whole: string;
  /** The same in several files. */
  readonly parts: readonly string[];
  /** Names of the programs, all `SEC("tc")`. */
  readonly programs: readonly string[];
}

/** A definition and what others have to know of it. */
interface Item {
  /** Types that every file has. */
  readonly type?: string;
  readonly declaration: string;
  readonly definition: string;
  /** Functions: what another file may have instead of the declaration. */
  readonly weak?: string;
  /** An expression and a statement with it. */
  readonly use: string;
  readonly change: string;
  /** Functions: how deep their calls go. */
  readonly depth?: number;
}

const PRELUDE = `
typedef unsigned int u32; typedef unsigned long long u64;
#define SEC(n) __attribute__((section(n), used))
#define __noinline __attribute__((noinline))
#define __weak __attribute__((weak))
#define __hidden __attribute__((visibility("hidden")))
#define __uint(name, val) int (*name)[val]
#define __type(name, val) typeof(val) *name
struct node { u32 id; struct node *next; u64 sums[3]; union { int a; u64 b; } u; enum { LOW, HIGH = 7 } level; };
struct pair { struct node n; const struct pair *other; char name[12]; };
static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_map_update_elem)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*bpf_trace_printk)(const char *fmt, u32 size, ...) = (void *)6;
`;
const LICENSE = `char _license[] SEC("license") = "GPL";\n`;

/** Deeper calls do not fit the kernel's 8 frames, with the program and static functions. */
const MAX_DEPTH = 4;

/** The program of a seed. */
export function randomSplit(seed: number): Split {
  // The first numbers of neighbouring seeds are alike.
  const random = new Random(Math.imul(seed + 1, 0x9e3779b1));
  const data = [
    ...Array.from({ length: 2 + random.below(8) }, (_, i) => variable(random, i)),
    ...Array.from({ length: random.below(4) }, (_, i) => map(random, i)),
  ];
  const functions: Item[] = [];
  for (let i = 2 + random.below(8); i > 0; i--) functions.push(fn(random, data, functions));
  const files = Array.from({ length: 2 + random.below(3) }, () => [] as Item[]);
  for (const item of [...data, ...functions]) random.pick(files).push(item);
  const statics = files.map((_, i) => staticPart(random, i));
  const programs = files.map((_, i) => program(random, data, functions, i));
  const code = (i: number): string =>
    [statics[i], ...files[i]!.filter((item) => item.weak !== undefined).map((item) => item.definition), programs[i]]
      .join("\n").replaceAll("FILE", String(i));
  const types = data.map((item) => item.type ?? "").join("\n");
  const whole = [
    ...[PRELUDE, types, ...data.map((item) => item.definition), ...functions.map((item) => item.declaration)],
    ...[...files.keys()].map(code),
    LICENSE,
  ];
  const part = (own: readonly Item[], i: number): string => {
    const others = [...data, ...functions].filter((item) => !own.includes(item));
    const known = others.map((item) => item.weak !== undefined && random.below(6) === 0 ? item.weak : item.declaration);
    const ownData = own.filter((item) => item.weak === undefined).map((item) => item.definition);
    const text = [PRELUDE, types, ...known, ...own.map((item) => item.weak === undefined ? "" : item.declaration)];
    // Statics have the same name in every file.
    return [...text, ...ownData, code(i), LICENSE].join("\n").replace(/\b(local|state|table|text)_\d+\b/g, "$1");
  };
  return { whole: whole.join("\n"), parts: files.map(part), programs: files.map((_, i) => `prog${i}`) };
}

function variable(random: Random, i: number): Item {
  const type = random.pick(["int", "u64", "short", "char", "struct pair"]);
  const [qualifiers, section, zero] = random.pick(
    [
      ["", "", false],
      ["", "", true],
      ["const volatile ", "", false],
      ["", ".data.own", false],
      ["", ".bss.own", true],
      ["const volatile ", ".rodata.own", false],
    ] as const,
  );
  const name = `v${i}`;
  const value = 1 + random.below(100);
  const initial = type === "struct pair" ? `{ .n = { .id = ${value} }, .name = "n${value}" }` : value;
  const place = section === "" ? "" : ` __attribute__((section("${section}")))`;
  return {
    declaration: `extern ${qualifiers}${type} ${name};`,
    definition: `${qualifiers}${type} ${name}${place}${zero ? "" : ` = ${initial}`};`,
    use: type === "struct pair" ? `${name}.n.id + ${name}.name[1]` : name,
    change: qualifiers !== "" ? "" : type === "struct pair" ? `${name}.n.level = a;` : `${name} += a;`,
  };
}

function map(random: Random, i: number): Item {
  const name = `m${i}`;
  const value = random.pick(["u64", "struct node", "struct pair"]);
  const first = value === "u64" ? "*v" : value === "struct node" ? "v->id" : "v->n.u.a";
  const attributes = [
    `__uint(type, ${random.pick([1, 2])})`,
    `__uint(max_entries, ${1 + random.below(9)})`,
    "__type(key, u32)",
    `__type(value, ${value})`,
  ];
  return {
    type: `struct map${i} { ${attributes.join("; ")}; };`,
    declaration: `extern struct map${i} ${name} SEC(".maps");`,
    definition: `struct map${i} ${name} SEC(".maps");`,
    use: `({ u32 k = 0; ${value} *v = bpf_map_lookup_elem(&${name}, &k); v ? ${first} + 1 : 2; })`,
    change: `{ u32 k = 0; ${value} x = {}; bpf_map_update_elem(&${name}, &k, &x, 0); }`,
  };
}

function fn(random: Random, data: readonly Item[], functions: readonly Item[]): Item {
  const name = `f${functions.length}`;
  const callable = functions.filter((item) => (item.depth ?? 0) < MAX_DEPTH);
  const body = expressions(random, data, callable);
  const depth = Math.max(0, ...body.calls.map((item) => item.depth! + 1));
  const attribute = random.pick(["__noinline", "__noinline", "__noinline __hidden", "__weak"]);
  return {
    depth,
    declaration: `int ${name}(int a);`,
    definition: `${attribute} int ${name}(int a) { ${body.text} }`,
    // A weak definition elsewhere must lose; among weak ones the order decides, so there is no second one.
    weak: attribute === "__noinline" ? `__weak int ${name}(int a) { return a - 12345; }` : `int ${name}(int a);`,
    use: `${name}(a + ${random.below(9)})`,
    change: "",
  };
}

function program(random: Random, data: readonly Item[], functions: readonly Item[], i: number): string {
  const { text } = expressions(random, data, functions);
  return `SEC("tc") int prog${i}(void *ctx) { int a = ${random.below(50)}; ${text} }`;
}

/** A few changes and a sum, with what is static in the file. */
function expressions(
  random: Random,
  data: readonly Item[],
  functions: readonly Item[],
): { text: string; calls: Item[] } {
  const terms = ["local_FILE(a)", "state_FILE", "table_FILE[a & 3]"].filter(() => random.below(2) === 0);
  const calls: Item[] = [];
  const statements: string[] = [];
  for (let n = 1 + random.below(4); n > 0; n--) {
    const item = random.pick([...data, ...functions]);
    if (functions.includes(item)) calls.push(item);
    terms.push(`${item.use} * ${1 + random.below(9)}`);
    if (random.below(2) === 0) statements.push(random.pick(data).change);
  }
  if (random.below(3) === 0) statements.push(`bpf_trace_printk("${random.pick(["one", "two", "three"])}", 4);`);
  if (random.below(3) === 0) statements.push("state_FILE += a;");
  return { text: `${statements.join(" ")} return ${terms.join(" + ")};`, calls };
}

function staticPart(random: Random, i: number): string {
  const table = Array.from({ length: 4 }, () => random.below(1000));
  return `static volatile int state_${i} = ${
    1 + random.below(9)
  }; static const volatile int table_${i}[4] = { ${table} };
static __noinline int local_${i}(int a) { return a * ${2 + random.below(9)} + state_${i} + table_${i}[(a >> 1) & 3]; }`;
}
