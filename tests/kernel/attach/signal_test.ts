/** What the kernel would keep is taken back when a signal ends the process, and left to the script if it handles it. */
import { assert, assertEquals } from "@std/assert";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { objectIds } from "../../../src/syscall/bpf_object.ts";
import { kernelTest } from "../../support/harness.ts";
import { ROOT, Script } from "../../support/script.ts";

const NEEDS = { needs: ["netns", "tool:tc"] } as const;

// Where the kernel cannot load them by itself.
spawnSync("modprobe", ["-a", "sch_ingress", "cls_bpf"]);

/** Runs as one process: attaches a route and a filter in a namespace and waits. */
const script = (namespace: string, rest: string) => `
import { exists, openFile } from "${ROOT}src/syscall/files.ts";
import { call } from "${ROOT}src/syscall/libc.ts";
import { attachProgram } from "${ROOT}src/attach/registry.ts";
import { bpf, interrupted, pause } from "${ROOT}mod.ts";
import { Program } from "${ROOT}src/script/object_program.ts";
using there = openFile("/run/netns/${namespace}");
if (call("setns", there.number, 0x40000000) !== 0) throw new Error("setns");
const tracer = bpf({ programs: { "lwt_out"() { return 0; }, "tc"() { return 0; } } });
const route = attachProgram(tracer.programs["lwt_out"].program, { to: "10.9.0.0/24", device: "lo" });
const filter = attachProgram(tracer.programs["tc"].program, { device: "lo", direction: "ingress", mechanism: "netlink" });
${rest}
`;

class Namespace implements Disposable {
  readonly name = `waggle-s${process.pid}`;
  readonly folder = mkdtempSync("/tmp/waggle-signal-");

  constructor() {
    assertEquals(spawnSync("sh", ["-c", `ip netns add ${this.name} && ip -n ${this.name} link set lo up`]).status, 0);
  }

  run(rest: string): Script {
    const path = `${this.folder}/script.ts`;
    writeFileSync(path, script(this.name, rest));
    return new Script(path);
  }

  /** What is attached now: the route, the filter's qdisc. */
  attached(): [route: boolean, filter: boolean] {
    const shown = (command: string) => spawnSync("sh", ["-c", command], { encoding: "utf8" }).stdout;
    return [
      shown(`ip -n ${this.name} route show 10.9.0.0/24`).includes("encap bpf"),
      shown(`tc -n ${this.name} filter show dev lo ingress`).includes("bpf"),
    ];
  }

  [Symbol.dispose](): void {
    spawnSync("ip", ["netns", "del", this.name]);
    rmSync(this.folder, { recursive: true });
  }
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  kernelTest(
    `attachments that are no links are taken back at ${signal}, which still ends the process`,
    NEEDS,
    async () => {
      using namespace = new Namespace();
      using running = namespace.run(`console.log("attached"); setInterval(() => {}, 1000);`);
      await running.until(/attached/);
      assertEquals(namespace.attached(), [true, true]);
      running.kill(signal);
      const { code, signal: by } = await running.end();
      assert(by === signal || code === 128 + (signal === "SIGINT" ? 2 : 15), `${code} ${by}`);
      assertEquals(namespace.attached(), [false, false]);
    },
  );
}

kernelTest("SIGKILL leaves what the kernel keeps by design, and nothing else", NEEDS, async () => {
  using namespace = new Namespace();
  using running = namespace.run(`
    import { hash, u32, u64 } from "${ROOT}mod.ts";
    const more = bpf({
      maps: { counts: hash(u32, u64) },
      programs: {
        "tracepoint:syscalls:sys_enter_getpid"(_, { counts }) { counts.set(1, 1); },
        "raw_tp:sys_enter"(_, { counts }) { counts.set(2, 1); },
        "uprobe:libc.so.6:getpid"(_, { counts }) { counts.set(3, 1); },
        "xdp"(_, { XDP_PASS }) { return XDP_PASS; },
      },
    });
    more.attach({ device: "lo", mode: "generic" });
    const programs = Object.values(more.programs).map(({ program }) => program);
    console.log("programs", programs.map(({ id }) => id).join(" "), "map", more.maps.counts.info().id);
    setInterval(() => {}, 1000);`);
  const [, ids = "", map = ""] = await running.until(/programs ([\d ]+) map (\d+)/);
  const programs = ids.trim().split(" ").map(Number);
  const alive = () => [
    programs.filter((id) => [...objectIds("prog")].includes(id)).length,
    [...objectIds("map")].filter((id) => id === Number(map)).length,
  ];
  assertEquals([programs.length, ...alive()], [4, 4, 1]);
  running.kill("SIGKILL");
  await running.end();
  // The kernel frees them after a grace period.
  for (let i = 0; i < 500 && alive().some((count) => count > 0); i++) await new Promise((r) => setTimeout(r, 20));
  // An XDP program of a link goes with it; the filter and the route stay until somebody removes them.
  assertEquals([alive(), namespace.attached()], [[0, 0], [true, true]]);
});

kernelTest("a script that handles the signal goes on, with its attachments", NEEDS, async () => {
  for (
    const handler of [
      `const stop = interrupted(); console.log("attached"); while (await pause(0.01, stop));`,
      `const stop = new Promise((resolve) => process.on("SIGINT", resolve)); console.log("attached"); await stop;`,
    ]
  ) {
    using namespace = new Namespace();
    const rest = `${handler}
      await pause(0.2);
      console.log("goes on");
      while (!exists("${namespace.folder}/looked")) await pause(0.05);
      console.log("closed" in route && !route.closed && !filter.closed ? "still attached" : "gone");
      route.close(); filter.close(); process.exit(7);`;
    using running = namespace.run(`import process from "node:process";\n${rest}`);
    await running.until(/attached/);
    running.kill("SIGINT");
    await running.until(/goes on/);
    assertEquals(namespace.attached(), [true, true]);
    writeFileSync(`${namespace.folder}/looked`, "");
    const { code, stdout } = await running.end();
    assert(stdout.includes("still attached"));
    assertEquals(code, 7);
    assertEquals(namespace.attached(), [false, false]);
  }
});

kernelTest("waiting for the signal does not keep a script alive", NEEDS, async () => {
  using namespace = new Namespace();
  using running = namespace.run(`console.log("attached");`);
  assertEquals((await running.end()).code, 0);
});
