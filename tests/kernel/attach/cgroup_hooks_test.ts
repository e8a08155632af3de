/** Every hook of a cgroup: a task in the cgroup does what the hook is about, and the program runs. */
import { assert, assertEquals } from "@std/assert";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { attachProgram } from "../../../src/attach/registry.ts";
import { kernelTest, type Need } from "../../support/harness.ts";
import { CountingProgram, kernelTypeId } from "./programs.ts";

/**
 * A Python process in a network namespace of its own, which runs what is written to a pipe in a child of its own and
 * answers with the exit status. In guests Python takes seconds to start, so all tests of this file share one; it ends
 * with this process, or when nothing has been asked of it for two minutes.
 */
const SERVER = `import os, select, socket as s, subprocess, sys, traceback
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
T, U, X = s.SOCK_STREAM, s.SOCK_DGRAM, s.AF_UNIX
def server(family, kind, address):
  it = s.socket(family, kind); it.bind(address)
  if kind == T: it.listen()
  return it
def pair(family, host):
  there = server(family, T, (host, 0)); here = s.socket(family, T); here.connect(there.getsockname()[:2])
  return here, there.accept()[0]
def datagram(family, host):
  there = server(family, U, (host, 0)); here = s.socket(family, U)
  here.sendto(b"x", there.getsockname()[:2]); there.recvfrom(1)
def unix(kind):
  return server(X, kind, "\\0waggle%d" % os.getpid())
folder, parent = sys.argv[1], int(sys.argv[2])
asks = os.open(folder + "/ask", os.O_RDWR)
open(folder + "/ready", "w").close()
idle = 0
while idle < 120 and os.path.exists("/proc/%d" % parent):
  if not select.select([asks], [], [], 1)[0]:
    idle += 1
    continue
  idle = 0
  code = b""
  while not code.endswith(b"\\0"): code += os.read(asks, 4096)
  group, code = code[:-1].decode().split("\\n", 1)
  child = os.fork()
  if child == 0:
    try:
      s.setdefaulttimeout(20)
      open(group + "/cgroup.procs", "w").write(str(os.getpid()))
      exec(code)
      os._exit(0)
    except BaseException:
      open(folder + "/error", "w").write(traceback.format_exc())
      os._exit(1)
  status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
  with open(folder + "/answer.new", "w") as answer: answer.write(str(status))
  os.rename(folder + "/answer.new", folder + "/answer")
`;

let folder: string | undefined;

/** Waits until Python has made a file. */
function awaitFile(path: string): void {
  for (let waited = 0; !existsSync(path); waited += 10) {
    if (waited > 120_000) throw new Error(`no ${path}: ${readFileSync(`${folder}/log`, "utf8")}`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
  }
}

function pythonFolder(): string {
  if (folder !== undefined) return folder;
  const made = mkdtempSync("/tmp/waggle-cgroup-");
  assertEquals(spawnSync("mkfifo", [`${made}/ask`]).status, 0);
  const command = `unshare -n python3 -c "$1" "$2" "$3" </dev/null >"$2/log" 2>&1 &`;
  spawnSync("sh", ["-c", command, "sh", SERVER, made, String(process.pid)], { stdio: "ignore" });
  process.on("exit", () => rmSync(made, { recursive: true, force: true }));
  folder = made;
  awaitFile(`${made}/ready`);
  return made;
}

/** A cgroup of its own below the mounted hierarchy. */
class Cgroup implements Disposable {
  readonly path: string;

  constructor() {
    const mounted = /^\S+ (\S+) cgroup2 /m.exec(readFileSync("/proc/mounts", "utf8"))![1]!;
    this.path = `${mounted}/waggle-hooks-${process.pid}`;
    mkdirSync(this.path);
  }

  /** Runs Python inside, with sockets of both IP versions and of Unix at hand; returns its exit status. */
  run(code: string): number {
    const python = pythonFolder();
    const answer = `${python}/answer`;
    // Opened for reading too, so that nothing blocks if Python has died.
    writeFileSync(`${python}/ask`, `${this.path}\n${code}\0`, { flag: "r+" });
    awaitFile(answer);
    const status = Number(readFileSync(answer, "utf8"));
    rmSync(answer);
    if (status === 1) console.error(readFileSync(`${python}/error`, "utf8"));
    return status;
  }

  [Symbol.dispose](): void {
    rmdirSync(this.path);
  }
}

const V4 = 's.AF_INET, "127.0.0.1"';
const V6 = 's.AF_INET6, "::1"';

/** What a task does, and since when the kernel has the hook. */
const HOOKS: Readonly<Record<string, readonly [since: string, code: string]>> = {
  "cgroup_skb/ingress": ["4.10", `datagram(${V4})`],
  "cgroup_skb/egress": ["4.10", `datagram(${V4})`],
  "cgroup/sock_create": ["4.10", "s.socket(s.AF_INET, U)"],
  "cgroup/sock_release": ["5.9", "s.socket(s.AF_INET, U).close()"],
  "cgroup/sock": ["4.10", "s.socket(s.AF_INET, U)"],
  "cgroup/post_bind4": ["4.17", `server(s.AF_INET, U, ("127.0.0.1", 0))`],
  "cgroup/post_bind6": ["4.17", `server(s.AF_INET6, U, ("::1", 0))`],
  "cgroup/bind4": ["4.17", `server(s.AF_INET, U, ("127.0.0.1", 0))`],
  "cgroup/bind6": ["4.17", `server(s.AF_INET6, U, ("::1", 0))`],
  "cgroup/connect4": ["4.17", `pair(${V4})`],
  "cgroup/connect6": ["4.17", `pair(${V6})`],
  "cgroup/connect_unix": ["6.7", `a = unix(T); b = s.socket(X, T); b.connect(a.getsockname())`],
  "cgroup/sendmsg4": ["4.18", `datagram(${V4})`],
  "cgroup/sendmsg6": ["4.18", `datagram(${V6})`],
  "cgroup/sendmsg_unix": ["6.7", `a = unix(U); b = s.socket(X, U); b.sendto(b"x", a.getsockname())`],
  "cgroup/recvmsg4": ["5.2", `datagram(${V4})`],
  "cgroup/recvmsg6": ["5.2", `datagram(${V6})`],
  "cgroup/recvmsg_unix": [
    "6.7",
    `a = unix(U); b = server(X, U, "\\0waggle-b%d" % os.getpid()); b.sendto(b"x", a.getsockname()); a.recvfrom(1)`,
  ],
  "cgroup/getpeername4": ["5.8", `pair(${V4})[0].getpeername()`],
  "cgroup/getpeername6": ["5.8", `pair(${V6})[0].getpeername()`],
  "cgroup/getpeername_unix": ["6.7", `a = unix(T); b = s.socket(X, T); b.connect(a.getsockname()); b.getpeername()`],
  "cgroup/getsockname4": ["5.8", `server(s.AF_INET, U, ("127.0.0.1", 0)).getsockname()`],
  "cgroup/getsockname6": ["5.8", `server(s.AF_INET6, U, ("::1", 0)).getsockname()`],
  "cgroup/getsockname_unix": ["6.7", "unix(T).getsockname()"],
  "cgroup/sysctl": ["5.2", 'open("/proc/sys/kernel/ostype").read()'],
  "cgroup/getsockopt": ["5.3", "s.socket(s.AF_INET, U).getsockopt(s.SOL_SOCKET, s.SO_RCVBUF)"],
  "cgroup/setsockopt": ["5.3", "s.socket(s.AF_INET, U).setsockopt(s.SOL_SOCKET, s.SO_RCVBUF, 4096)"],
  "cgroup/dev": ["4.15", 'open("/dev/null").read()'],
  "sockops": ["4.13", `pair(${V4})`],
};

const NEEDS: readonly Need[] = ["cgroup2", "tool:python3", "tool:unshare", "tool:ip"];

for (const [sec, [since, code]] of Object.entries(HOOKS)) {
  kernelTest(`a ${sec} program runs for the tasks of its cgroup`, { needs: [...NEEDS, `kernel:${since}`] }, () => {
    using group = new Cgroup();
    using prog = new CountingProgram(sec, { result: 1 });
    const link = attachProgram(prog, { cgroup: group.path });
    assert(prog.during(() => assertEquals(group.run(code), 0)) >= 1);
    link.close();
    assertEquals(prog.during(() => void group.run(code)), 0);
  });
}

kernelTest("a cgroup/sysctl program refuses, while its link is open", { needs: [...NEEDS, "kernel:5.2"] }, () => {
  using group = new Cgroup();
  using prog = new CountingProgram("cgroup/sysctl", { result: 0 });
  const code = `
try: open("/proc/sys/kernel/ostype").read()
except PermissionError: os._exit(3)`;
  const link = attachProgram(prog, { cgroup: group.path });
  assertEquals(group.run(code), 3);
  link.close();
  assertEquals(group.run(code), 0);
});

kernelTest("a lsm_cgroup program runs for the tasks of its cgroup", {
  needs: [...NEEDS, "kernel:6.0", "fentry", "lsm"],
}, () => {
  using group = new Cgroup();
  const attachBtfId = kernelTypeId("bpf_lsm_socket_bind", "FUNC");
  using prog = new CountingProgram("lsm_cgroup/socket_bind", { attachBtfId, result: 1 });
  const code = `server(s.AF_INET, U, ("127.0.0.1", 0))`;
  const link = attachProgram(prog, { cgroup: group.path });
  assert(prog.during(() => assertEquals(group.run(code), 0)) >= 1);
  link.close();
  assertEquals(prog.during(() => void group.run(code)), 0);
});
