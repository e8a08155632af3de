/**
 * BPF tokens: a script that is root in a user namespace only loads and attaches programs by what a bpf file system,
 * mounted there with this test's help, delegates to it.
 */
import { assert, assertStringIncludes } from "@std/assert";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { FSCONFIG_CMD_CREATE, FSCONFIG_SET_STRING } from "../../src/abi/defines.ts";
import { Fd } from "../../src/syscall/fd.ts";
import { call, check } from "../../src/syscall/libc.ts";
import { arena } from "../../src/syscall/memory.ts";
import { pidfdOpen } from "../../src/syscall/process.ts";
import { kernelTest } from "../support/harness.ts";
import { ROOT, scriptCommand } from "../support/script.ts";

/** The script's part: opens a bpf file system, waits until it is configured, mounts it at `/tmp`. */
const PRELUDE = `
import { load } from "${ROOT}mod.ts";
import { call, check } from "${ROOT}src/syscall/libc.ts";
import { arena } from "${ROOT}src/syscall/memory.ts";
import { moveMount, mount } from "${ROOT}src/syscall/process.ts";
import { exists } from "${ROOT}src/syscall/files.ts";
import process from "node:process";
const [folder] = process.argv.slice(2);
function text(value) { using scope = arena().scope(); return scope.string(value); }
const fs = check(call("fsopen", text("bpf"), 0), "fsopen", "Cannot open a bpf file system");
console.log("fd", fs);
while (!exists(folder + "/go")) await new Promise((resolve) => setTimeout(resolve, 10));
const mountFd = check(call("fsmount", fs, 0, 0), "fsmount", "Cannot mount");
moveMount(mountFd, folder + "/bpf");
function attempt(label, name, use, options = {}) {
  try {
    using bpf = load("${ROOT}tests/data/" + name + ".bpf.o", options);
    console.log(label, "ok", use(bpf));
  } catch (error) {
    console.log(label, error.name, error.message);
  }
}
const token = folder + "/bpf";
`;

/** Runs a script as root of its own user, mount and network namespace, with these rights delegated. */
async function runWithToken(delegate: Readonly<Record<string, string>>, text: string): Promise<string> {
  const folder = mkdtempSync("/tmp/waggle-token-");
  writeFileSync(`${folder}/script.ts`, `${PRELUDE}\n${text}`);
  const command = [
    "-U",
    "-r",
    "-m",
    "-n",
    "sh",
    "-c",
    `mkdir "$1/bpf"; shift; ip link set lo up; exec "$@"`,
    "sh",
    folder,
  ];
  const child = spawn("unshare", [...command, ...scriptCommand(`${folder}/script.ts`, [folder])], {
    env: { ...process.env, NO_COLOR: "1" },
  });
  try {
    let output = "";
    let configured = false;
    child.stderr.on("data", (data) => output += String(data));
    child.stdout.on("data", (data) => {
      output += String(data);
      const fd = /^fd (\d+)$/m.exec(output)?.[1];
      if (fd === undefined || configured) return;
      configured = true;
      configure(child.pid!, Number(fd), delegate);
      writeFileSync(`${folder}/go`, "");
    });
    await new Promise((resolve) => child.on("close", resolve));
    return output;
  } finally {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  }
}

/** Only a process that is privileged outside may delegate: it takes the script's descriptor and sets the options. */
function configure(pid: number, fd: number, delegate: Readonly<Record<string, string>>): void {
  using process = pidfdOpen(pid);
  using context = new Fd(
    check(call("pidfd_getfd", process.number, fd, 0), "pidfd_getfd", "Cannot take the descriptor"),
  );
  using scope = arena().scope();
  for (const [key, value] of Object.entries(delegate)) {
    const result = call("fsconfig", context.number, FSCONFIG_SET_STRING, scope.string(key), scope.string(value), 0);
    check(result, "fsconfig", `Cannot set ${key}`);
  }
  check(call("fsconfig", context.number, FSCONFIG_CMD_CREATE, 0, 0, 0), "fsconfig", "Cannot make the file system");
}

const EVERYTHING = { delegate_cmds: "any", delegate_maps: "any", delegate_progs: "any", delegate_attachs: "any" };

kernelTest(
  "with a token a script in a user namespace loads and attaches",
  { needs: ["kernel:6.9", "tool:unshare", "tool:ip", "btf"] },
  async () => {
    const out = await runWithToken(
      EVERYTHING,
      `
      attempt("plain", "subprograms", () => 0, { token: false });
      attempt("socket", "subprograms", (bpf) => bpf.program("one").testRun({ data: new Uint8Array(64) }).retval, { token });
      attempt("xdp", "attach_xdp", (bpf) => {
        using link = bpf.program("count").attach({ device: "lo", mode: "generic" });
        return link.fd !== undefined;
      }, { token });
      attempt("maps", "maps_basic", (bpf) => Object.keys(bpf.maps).length > 10, { token });
      mount(token, "/sys/fs/bpf", "none", 4096);
      attempt("found", "subprograms", (bpf) => Object.keys(bpf.programs).length);
    `,
    );
    assertStringIncludes(out, "plain VerifierError");
    assert(/plain [\s\S]*user namespace, where programs of type socket_filter need a token/.test(out), out);
    // plus_one(1) + twice(skb->len), as tests/data/subprograms.bpf.c has it; the length is without the Ethernet header.
    assertStringIncludes(out, "socket ok 102");
    assertStringIncludes(out, "xdp ok true");
    assertStringIncludes(out, "maps ok true");
    assertStringIncludes(out, "found ok");
  },
);

kernelTest(
  "a token that delegates too little is refused, and the error says so",
  { needs: ["kernel:6.9", "tool:unshare", "tool:ip", "btf"] },
  async () => {
    const sockets = { ...EVERYTHING, delegate_progs: "0x2" }; // 1 << BPF_PROG_TYPE_SOCKET_FILTER
    const out = await runWithToken(
      sockets,
      `
      attempt("socket", "subprograms", () => "", { token });
      attempt("xdp", "attach_xdp", () => "", { token });
    `,
    );
    assertStringIncludes(out, "socket ok");
    assert(/xdp VerifierError [\s\S]*EPERM[\s\S]*need a token/.test(out), out);
    const none = await runWithToken({}, `attempt("none", "subprograms", () => "", { token });`);
    assert(/none SyscallError Cannot create a BPF token/.test(none), none);
  },
);
