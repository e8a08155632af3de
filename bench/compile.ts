/**
 * The compiler against clang -O2 on the examples that have a twin in C (bench/twins): instructions of each program, run
 * time per event, and compile time; bench/startup.ts has the CPU time to the first event. Run it with Deno and with Bun, as root:
 *
 *     node_modules/.bin/bun run bench/compile.ts [--no-run-time]
 */
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import process from "node:process";
import { attachFromSection } from "../src/attach/registry.ts";
import type { Link } from "../src/attach/link.ts";
import { loadObject } from "../src/load/load.ts";
import { FunctionIndex, reachable } from "../src/object/relocate.ts";
import { parseObject } from "../src/object/parse.ts";
import type { ObjectSpec, ProgramSpec } from "../src/object/spec.ts";
import { enableStats, progInfo } from "../src/syscall/bpf.ts";
import { exampleObject } from "../tests/support/example_object.ts";
import { ROOT } from "../tests/support/script.ts";

const CLANG = "clang-19";
const folder = mkdtempSync("/tmp/waggle-bench-");

/** What each twin's programs run at: provokes about as many events as it says. */
const PROVOKE: Readonly<Record<string, () => void>> = {
  opensnoop: () => repeat(20_000, () => closeSync(openSync("/dev/null", "r"))),
  syscount: () => repeat(100_000, () => void process.ppid),
  killsnoop: () => repeat(50_000, () => void process.kill(process.pid, 0)),
  runqlat: () => void spawnSync("bash", ["-c", "for i in 1 2 3 4; do timeout 0.2 yes | cat >/dev/null; done"]),
  biolatency: () => void spawnSync("dd", ["if=/dev/zero", `of=${folder}/data`, "bs=4k", "count=2000", "oflag=direct"]),
  tcpconnect: () =>
    void spawnSync("bash", ["-c", "for i in $(seq 2000); do exec 3<>/dev/tcp/127.0.0.1/1; done 2>/dev/null"]),
};
const TWINS = ["opensnoop", "biolatency", "runqlat", "tcpconnect", "syscount", "killsnoop", "xdp-drop"];

function repeat(times: number, work: () => void): void {
  for (let i = 0; i < times; i++) work();
}

/** Compiles a twin with clang. */
function clangObject(name: string): ObjectSpec {
  const out = `${folder}/${name}.o`;
  const source = `${ROOT}bench/twins/${name}.bpf.c`;
  execFileSync(CLANG, ["-O2", "-g", "-target", "bpf", "-mcpu=v3", `-I${folder}`, "-c", source, "-o", out], {
    stdio: "inherit",
  });
  return parseObject(new Uint8Array(execFileSync("cat", [out], { maxBuffer: 1 << 24 })));
}

/** Instruction slots of a program and of what it calls. */
function instructions(spec: ObjectSpec, program: ProgramSpec): number {
  return [...reachable(new FunctionIndex(spec), program)].reduce((sum, fn) => sum + fn.insns.length / 8, 0);
}

/** The twin of a program: the one at the same section. */
function twin(spec: ObjectSpec, program: ProgramSpec): ProgramSpec {
  const found = spec.programs.find((other) => other.sectionName === program.sectionName);
  if (found === undefined) throw new Error(`no twin of ${program.sectionName}`);
  return found;
}

/** Nanoseconds per event of each program, measured by the kernel while the events are provoked. */
function runTimes(spec: ObjectSpec, provoke: () => void): Map<string, number> {
  using object = loadObject(spec);
  const links: Link[] = [];
  using _stats = enableStats();
  try {
    for (const program of object.programs.values()) links.push(attachFromSection(program)!);
    provoke();
    return new Map([...object.programs.values()].map((program) => {
      const { run_time_ns, run_cnt } = progInfo(program.fd);
      // Programs that hardly ran say nothing about themselves.
      return [program.sectionName, run_cnt < 500 ? NaN : Number(run_time_ns) / Number(run_cnt)];
    }));
  } finally {
    for (const link of links) link.close();
  }
}

/** XDP programs run on a packet, many times in one call. */
function testRunTimes(spec: ObjectSpec): Map<string, number> {
  using object = loadObject(spec);
  const data = new Uint8Array(64);
  data.set([0x08, 0x00, 0x45], 12); // IPv4 without options
  data[23] = 17;
  data.set([0x27, 0x0f], 36); // port 9999
  return new Map([...object.programs.values()].map((program) => [
    program.sectionName,
    program.testRun({ data, repeat: 2_000_000 }).duration,
  ]));
}

/** The least of some rounds, ours and clang's in turn, so that a busy machine disturbs both alike. */
function compareRunTime(name: string, ours: ObjectSpec, theirs: ObjectSpec): Map<string, [number, number]> {
  const provoke = PROVOKE[name];
  const measure = provoke === undefined ? testRunTimes : (spec: ObjectSpec) => runTimes(spec, provoke);
  const least = new Map<string, [number, number]>();
  for (let round = 0; round < 3; round++) {
    for (const [which, spec] of [ours, theirs].entries()) {
      for (const [section, time] of measure(spec)) {
        const pair = least.get(section) ?? [NaN, NaN];
        if (!(time >= pair[which]!)) pair[which] = time;
        least.set(section, pair);
      }
    }
  }
  return least;
}

/** A number in a column; a dash where nothing was measured. */
function column(value: number, width: number, digits: number): string {
  return (Number.isFinite(value) ? value.toFixed(digits) : "-").padStart(width);
}

async function compareCode(): Promise<void> {
  const withTime = !process.argv.includes("--no-run-time");
  console.log(
    `${"program".padEnd(40)}${"insns".padStart(7)}${"clang".padStart(7)}${"ratio".padStart(7)}${"ns".padStart(9)}${
      "clang".padStart(9)
    }${"ratio".padStart(7)}`,
  );
  const sums = { ours: 0, theirs: 0 };
  for (const name of TWINS) {
    const ours = (await exampleObject(name)).spec;
    const theirs = clangObject(name);
    const times = withTime ? compareRunTime(name, ours, theirs) : new Map<string, [number, number]>();
    for (const program of ours.programs) {
      const [a, b] = [instructions(ours, program), instructions(theirs, twin(theirs, program))];
      sums.ours += a;
      sums.theirs += b;
      const [ns, clangNs] = times.get(program.sectionName) ?? [NaN, NaN];
      const label = `${name} ${program.name}`.padEnd(40);
      const time = withTime ? column(ns, 9, 1) + column(clangNs, 9, 1) + column(ns / clangNs, 7, 2) : "";
      console.log(`${label}${String(a).padStart(7)}${String(b).padStart(7)}${(a / b).toFixed(2).padStart(7)}${time}`);
    }
  }
  console.log(
    `${"all".padEnd(40)}${String(sums.ours).padStart(7)}${String(sums.theirs).padStart(7)}${
      (sums.ours / sums.theirs).toFixed(2).padStart(7)
    }`,
  );
}

/** Milliseconds of `compile()`, cold and warm, for the opensnoop example. */
async function compileTime(): Promise<void> {
  const { compileOpensnoop } = await import("./opensnoop_definition.ts");
  const times: number[] = [];
  for (let i = 0; i < 200; i++) {
    const start = performance.now();
    compileOpensnoop();
    times.push(performance.now() - start);
  }
  const warm = times.slice(100).sort((a, b) => a - b);
  console.log(
    `\ncompile opensnoop: first ${times[0]!.toFixed(1)} ms, warm ${warm[warm.length >> 1]!.toFixed(2)} ms (median), ${
      warm[0]!.toFixed(2)
    } ms (least)`,
  );
}

try {
  execFileSync("bash", ["-c", `bpftool btf dump file /sys/kernel/btf/vmlinux format c > ${folder}/vmlinux.h`]);
  await compareCode();
  await compileTime();
} finally {
  rmSync(folder, { recursive: true });
}
