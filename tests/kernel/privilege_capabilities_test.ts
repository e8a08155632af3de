/** Scripts as an ordinary user with the capabilities that BPF needs and no others, and the errors without them. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { capabilitiesFor, privilegeHint } from "../../src/load/privileges.ts";
import { BPF_PROG_TYPE_KPROBE, BPF_PROG_TYPE_SOCKET_FILTER, BPF_PROG_TYPE_XDP } from "../../src/abi/bpf.gen.ts";
import { kernelTest, type Need, test } from "../support/harness.ts";
import { ROOT, scriptCommand } from "../support/script.ts";

/** The user and group `nobody`. */
const NOBODY = "65534";
const PARANOID = "/proc/sys/kernel/perf_event_paranoid";
const NEEDS: readonly Need[] = ["kernel:5.8", "tool:setpriv", "tool:unshare", "btf"];

/** Runs TypeScript as `nobody` with exactly these capabilities, in a network and mount namespace of its own. */
function runAs(capabilities: readonly string[], text: string, options: { paranoid?: string } = {}): string {
  const folder = mkdtempSync("/tmp/waggle-nobody-");
  const paranoid = readFileSync(PARANOID, "utf8");
  try {
    const script = `${folder}/script.ts`;
    writeFileSync(script, `${PRELUDE}\n${text}`);
    spawnSync("chmod", ["-R", "a+rX", folder]);
    const caps = ["-all", ...capabilities.map((name) => `+${name}`)].join(",");
    const identity = ["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"];
    const limits = ["--inh-caps", caps, "--ambient-caps", caps, "--bounding-set", caps];
    // tracefs lets only root in, unless its mount says otherwise; its options hold for the whole system.
    const tracefs = `mount -t tracefs -o gid=${NOBODY},mode=750 tracefs /sys/kernel/tracing 2>/dev/null`;
    // Debian's kernels have a level at which CAP_PERFMON is not enough for perf events.
    if (Number(paranoid) > 2) writeFileSync(PARANOID, options.paranoid ?? "2");
    const wrapped = `ip link set lo up; ${tracefs}; exec setpriv "$@"`;
    const command = ["-m", "-n", "sh", "-c", wrapped, "sh", ...identity, ...limits, ...scriptCommand(script)];
    const { stdout, stderr } = spawnSync("unshare", command, {
      encoding: "utf8",
      cwd: "/",
      env: { ...process.env, NO_COLOR: "1", HOME: folder, DENO_DIR: `${folder}/deno` },
    });
    if (stdout === "") throw new Error(stderr);
    return stdout;
  } finally {
    writeFileSync(PARANOID, paranoid);
    spawnSync("mount", ["-o", "remount,gid=0,mode=700", "/sys/kernel/tracing"]);
    rmSync(folder, { recursive: true });
  }
}

/** `attempt(name, use)`: loads a test object and prints what `use` returns, or the error. */
const PRELUDE = `
import { load } from "${ROOT}mod.ts";
import { call } from "${ROOT}src/syscall/libc.ts";
import process from "node:process";
function attempt(name, use, options = {}) {
  try {
    using bpf = load("${ROOT}tests/data/" + name + ".bpf.o", options);
    console.log(name, "ok", use(bpf));
  } catch (error) {
    console.log(name, error.name, error.message);
  }
}
const here = { globals: { target: process.pid } };
`;

kernelTest("CAP_BPF and CAP_PERFMON are enough to trace", { needs: NEEDS }, () => {
  const out = runAs(
    ["bpf", "perfmon"],
    `
    attempt("attach_raw_tp", (bpf) => {
      bpf.globals.number = ${process.arch === "x64" ? 39 : 172}n; // getpid
      bpf.attach();
      for (let i = 0; i < 5; i++) call("getpid");
      return bpf.globals.hits >= 5n;
    }, here);
    attempt("attach_tp_btf", (bpf) => (bpf.attach(), Object.keys(bpf.programs).length));
    attempt("subprograms", (bpf) => Object.keys(bpf.programs).length);
    attempt("attach_xdp", () => 0);
    console.log("uid", call("geteuid"));
  `,
  );
  assertStringIncludes(out, "attach_raw_tp ok true");
  assertStringIncludes(out, "attach_tp_btf ok 1");
  assertStringIncludes(out, "subprograms ok");
  assertStringIncludes(out, `uid ${NOBODY}`);
  assertStringIncludes(out, "attach_xdp VerifierError");
  assertStringIncludes(out, "programs of type xdp need CAP_BPF and CAP_NET_ADMIN, and the process lacks CAP_NET_ADMIN");
});

kernelTest("a tracepoint attaches where tracefs can be read", { needs: [...NEEDS, "tracefs", "kernel:6.1"] }, () => {
  const out = runAs(
    ["bpf", "perfmon"],
    `
    attempt("attach_tracepoint", (bpf) => {
      bpf.attach();
      for (let i = 0; i < 5; i++) call("getppid");
      return bpf.globals.hits >= 5n;
    }, here);
  `,
  );
  assertStringIncludes(out, "attach_tracepoint ok true");
  if (!(Number(readFileSync(PARANOID, "utf8")) > 2)) return;
  const refused = runAs(["bpf", "perfmon"], `attempt("attach_tracepoint", (bpf) => bpf.attach());`, { paranoid: "3" });
  assertStringIncludes(refused, "sysctl kernel.perf_event_paranoid=2");
});

kernelTest("CAP_NET_ADMIN besides is enough for XDP", { needs: NEEDS }, () => {
  const out = runAs(
    ["bpf", "perfmon", "net_admin"],
    `
    attempt("attach_xdp", (bpf) => {
      using link = bpf.program("count").attach({ device: "lo", mode: "generic" });
      return link.type;
    });
  `,
  );
  assertStringIncludes(out, "attach_xdp ok XDP");
});

kernelTest("without capabilities the error names the missing ones", { needs: NEEDS }, () => {
  const none = runAs([], `attempt("attach_raw_tp", () => 0); attempt("maps_basic", () => 0);`);
  assertStringIncludes(none, "attach_raw_tp");
  assert(/attach_raw_tp \w+Error [\s\S]*CAP_BPF/.test(none), none);
  assert(/maps_basic \w+Error [\s\S]*CAP_BPF/.test(none), none);
  const half = runAs(["bpf"], `attempt("attach_raw_tp", () => 0);`);
  assertStringIncludes(
    half,
    "programs of type raw_tracepoint need CAP_BPF and CAP_PERFMON, and the process lacks CAP_PERFMON",
  );
  const listed = runAs(
    ["bpf", "perfmon"],
    `
    const { listPrograms } = await import("${ROOT}mod.ts");
    try { listPrograms(); console.log("listed"); } catch (error) { console.log(error.message); }
  `,
  );
  assertStringIncludes(listed, "needs CAP_SYS_ADMIN");
});

test("`capabilitiesFor()` follows the kernel's lists", () => {
  assertEquals(capabilitiesFor(BPF_PROG_TYPE_SOCKET_FILTER), ["CAP_BPF"]);
  assertEquals(capabilitiesFor(BPF_PROG_TYPE_KPROBE), ["CAP_BPF", "CAP_PERFMON"]);
  assertEquals(capabilitiesFor(BPF_PROG_TYPE_XDP), ["CAP_BPF", "CAP_NET_ADMIN"]);
});

test("`privilegeHint()` leaves the verifier's own complaints alone", () => {
  assertEquals(privilegeHint(13, "R1 invalid mem access 'scalar'", BPF_PROG_TYPE_XDP), undefined);
  assertEquals(privilegeHint(22, "", BPF_PROG_TYPE_XDP), undefined);
});
