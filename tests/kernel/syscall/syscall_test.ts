import { assert, assertEquals, assertGreater, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { hostname, release, tmpdir } from "node:os";
import process from "node:process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { TRACEFS_MAGIC } from "../../../src/abi/defines.ts";
import { EBADF, ENOENT } from "../../../src/abi/errno.gen.ts";
import { PERF_COUNT_SW_CPU_CLOCK, PERF_TYPE_SOFTWARE } from "../../../src/abi/perf.gen.ts";
import { SyscallError } from "../../../src/errors.ts";
import { onlineCpus, possibleCpus } from "../../../src/kernel/cpus.ts";
import * as bpf from "../../../src/syscall/bpf.ts";
import { effectiveCapabilities, hasCapability } from "../../../src/syscall/capabilities.ts";
import { Epoll, EventFd } from "../../../src/syscall/epoll.ts";
import { Fd, openFdCount } from "../../../src/syscall/fd.ts";
import * as files from "../../../src/syscall/files.ts";
import { call } from "../../../src/syscall/libc.ts";
import { arena, Mapping } from "../../../src/syscall/memory.ts";
import { netDevices } from "../../../src/syscall/netlink.ts";
import * as perf from "../../../src/syscall/perf_event.ts";
import * as system from "../../../src/syscall/process.ts";
import { runtime } from "../../../src/syscall/runtime/mod.ts";
import { kernelTest, test } from "../../support/harness.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

test("call() returns results and errnos of the real system", () => {
  assertEquals(call("getpid"), process.pid);
  assertEquals(call("close", 99_999), -EBADF);
  for (let i = 0; i < 1000; i++) {
    // A stale errno would show as a wrong one here.
    assertEquals([call("close", -1), call("read", 99_999, 0, 0)], [-EBADF, -EBADF]);
    using scope = arena().scope();
    assertEquals(call("openat", -100, scope.string("/does/not/exist"), 0), -ENOENT);
  }
});

test("uname() and the ids agree with the runtime", () => {
  const names = system.uname();
  assertEquals([names.sysname, names.release, names.nodename], ["Linux", release(), hostname()]);
  assertEquals(system.geteuid(), process.geteuid!());
});

test("monotonicNs() is the clock that goes on", () => {
  const first = system.monotonicNs();
  assertGreater(system.monotonicNs(), first);
  assertGreater(system.realtimeNs(), 1_700_000_000_000_000_000n);
});

test("files.ts does what the runtime's own functions do", () => {
  const dir = mkdtempSync(join(tmpdir(), "waggle-files-"));
  try {
    const path = join(dir, "sub", "deep", "file");
    files.mkdir(join(dir, "sub", "deep"), { recursive: true });
    files.mkdir(join(dir, "sub", "deep")); // exists
    files.writeFile(path, "one\n");
    files.appendFile(path, "two\n");
    assertEquals(readFileSync(path, "utf8"), "one\ntwo\n");
    assertEquals(files.readText(path), "one\ntwo\n");
    symlinkSync(path, join(dir, "link"));
    assertEquals(files.readlink(join(dir, "link")), path);
    const [ours, theirs] = [files.stat(path), statSync(path, { bigint: true })];
    assertEquals([ours.size, ours.ino, BigInt(ours.mode), ours.isDirectory], [8, theirs.ino, theirs.mode, false]);
    assertEquals(files.exists(path), true);
    files.unlink(path);
    assertEquals(files.exists(path), false);
    files.rmdir(join(dir, "sub", "deep"));
    const names = Array.from({ length: 3000 }, (_, i) => `file-with-a-long-name-${i}`);
    for (const name of names) writeFileSync(join(dir, "sub", name), "");
    assertEquals(files.readDir(join(dir, "sub")).sort(), names.sort()); // more than one getdents buffer
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("readFile() reads files whose size stat does not know, and large ones", () => {
  assertStringIncludes(files.readText("/proc/self/status"), `Pid:\t${process.pid}`);
  const dir = mkdtempSync(join(tmpdir(), "waggle-files-"));
  try {
    const data = new Uint8Array(20 << 20).map((_, i) => i * 7);
    writeFileSync(join(dir, "large"), data);
    assertEquals(Buffer.compare(files.readFile(join(dir, "large")), data), 0);
    using view = files.mapFile(join(dir, "large"));
    assertEquals(view.mapped, true);
    assertEquals(Buffer.compare(view.bytes, data), 0);
  } finally {
    rmSync(dir, { recursive: true });
  }
  using view = files.mapFile("/proc/self/cmdline"); // cannot be mapped
  assertEquals(view.mapped, false);
  assertGreater(view.bytes.length, 0);
});

test("openFile() says which file and why", () => {
  const error = assertThrows(() => files.openFile("/does/not/exist"), SyscallError);
  assertEquals(error.message, 'Cannot open "/does/not/exist": openat: ENOENT');
});

test("Mapping.close() leaves no way to touch unmapped memory", () => {
  const mapping = Mapping.anonymous(1 << 16);
  const bytes = new Uint8Array(mapping.buffer);
  bytes[5] = 1;
  mapping.close();
  assertEquals([bytes.length, bytes[5]], [0, undefined]);
});

test("Fd sets CLOEXEC: child processes do not inherit it", () => {
  using fd = files.openFile("/dev/null");
  const F_GETFD = 1;
  assertEquals(call("fcntl", fd.number, F_GETFD), 1);
  using copy = fd.dup();
  assertEquals(call("fcntl", copy.number, F_GETFD), 1);
});

test("possibleCpus() and onlineCpus() read the kernel's lists", () => {
  assertEquals(onlineCpus().length, Number(execFileSync("nproc", ["--all"], { encoding: "utf8" })));
  assert(possibleCpus() >= onlineCpus().length);
});

test("Epoll.wait() leaves the event loop running and returns the token", async () => {
  using epoll = new Epoll();
  using event = new EventFd();
  epoll.add(event.number, 0xdead_beef);
  setTimeout(() => event.signal(), 50); // a blocked event loop would wait for ever
  assertEquals(await epoll.wait(), [0xdead_beef]);
  event.reset();
  assertEquals(epoll.poll(), []);
  assertEquals(await epoll.wait(10), []); // times out
});

test("Epoll.wait() refuses a second wait and survives being closed meanwhile", async () => {
  const epoll = new Epoll();
  using event = new EventFd();
  epoll.add(event.number, 1);
  const first = epoll.wait();
  await assertRejects(() => epoll.wait(), TypeError, "a wait is open");
  epoll.close();
  event.signal();
  assertEquals(await first, [1]);
});

test("hasCapability() agrees with /proc/self/status", () => {
  const line = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync("/proc/thread-self/status", "utf8"));
  assertEquals(effectiveCapabilities(), BigInt(`0x${line![1]}`));
  const CAP_NET_ADMIN = 12n;
  assertEquals(hasCapability("CAP_NET_ADMIN"), ((BigInt(`0x${line![1]}`) >> CAP_NET_ADMIN) & 1n) === 1n);
});

test("netDevices() lists what /sys/class/net lists", () => {
  const devices = netDevices();
  assertEquals(devices.map((d) => d.name).sort(), readdirSync("/sys/class/net").sort());
  for (const { name, index } of devices) {
    assertEquals(index, Number(readFileSync(`/sys/class/net/${name}/ifindex`, "utf8")));
  }
});

kernelTest("every map command works on a hash map", {}, () => {
  const attr = { map_type: 1, key_size: 4, value_size: 4, max_entries: 8, map_name: "commands" };
  using map = bpf.mapCreate(attr);
  const key = (n: number) => Uint8Array.of(n, 0, 0, 0);
  bpf.mapUpdateBatch(map.number, Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0), Uint8Array.of(5, 0, 0, 0, 6, 0, 0, 0), 2);
  const value = new Uint8Array(4);
  assertEquals([bpf.mapLookup(map.number, key(2), value), value[0]], [true, 6]);
  assertEquals([bpf.mapDelete(map.number, key(2)), bpf.mapDelete(map.number, key(2))], [true, false]);
  assertEquals(bpf.mapLookup(map.number, key(2), value), false);
  const next = new Uint8Array(4);
  assertEquals([bpf.mapNextKey(map.number, undefined, next), next[0]], [true, 1]);
  assertEquals(bpf.mapNextKey(map.number, key(1), next), false);
  const room = { cursor: new Uint8Array(4), keys: new Uint8Array(32), values: new Uint8Array(32), count: 8 };
  const batch = bpf.mapLookupBatch(map.number, "BPF_MAP_LOOKUP_BATCH", room, { first: true });
  assertEquals([batch.count, batch.done, room.keys[0], room.values[0]], [1, true, 1, 5]);
  assertEquals(bpf.mapDeleteBatch(map.number, key(1), 1), 1);
  assertEquals(bpf.mapInfo(map.number).name, "commands");
  bpf.mapFreeze(map.number);
  assertThrows(() => bpf.mapUpdate(map.number, key(1), value), SyscallError, "EPERM");
});

kernelTest("mapLookupAndDelete() takes an element", { needs: ["kernel:5.14"] }, () => {
  using map = bpf.mapCreate({ map_type: 1, key_size: 4, value_size: 4, max_entries: 8 });
  const key = Uint8Array.of(1, 0, 0, 0);
  bpf.mapUpdate(map.number, key, Uint8Array.of(6, 0, 0, 0));
  const value = new Uint8Array(4);
  assertEquals([bpf.mapLookupAndDelete(map.number, key, value), value[0]], [true, 6]);
  assertEquals(bpf.mapLookupAndDelete(map.number, key, value), false);
});

kernelTest("programs load, run, tell their maps and show the verifier's log", {}, () => {
  const insns = Uint8Array.of(0xb7, 0, 0, 0, 7, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0); // r0 = 7; exit
  using prog = bpf.progLoad({ prog_type: 1, insns, license: "GPL", prog_name: "seven" });
  assertEquals(bpf.progTestRun(prog.number, { data: new Uint8Array(64) }).retval, 7);
  assertEquals(bpf.progInfo(prog.number).name, "seven");
  using map = bpf.mapCreate({ map_type: 2, key_size: 4, value_size: 4, max_entries: 1 });
  bpf.progBindMap(prog.number, map.number);
  assertEquals(bpf.progMapIds(prog.number), [bpf.mapInfo(map.number).id]);
  using again = bpf.fdById("prog", bpf.progInfo(prog.number).id);
  assertEquals(bpf.progInfo(again.number).tag, bpf.progInfo(prog.number).tag);
  const bad = bpf.progLoadWithLog({ prog_type: 1, insns: insns.subarray(8), license: "GPL" }, { level: 1, size: 4096 });
  assertEquals(bad.fd, undefined);
  assertStringIncludes(bad.log, "!read_ok");
  const before = openFdCount();
  assertThrows(() => bpf.progLoad({ prog_type: 1, insns: insns.subarray(8), license: "GPL" }), SyscallError, "EACCES");
  assertEquals(openFdCount(), before);
});

kernelTest("objPin() and objGet() share an object by path", { needs: ["bpffs"] }, () => {
  const path = `/sys/fs/bpf/waggle-test-${process.pid}`;
  using map = bpf.mapCreate({ map_type: 2, key_size: 4, value_size: 4, max_entries: 1 });
  bpf.objPin(map.number, path);
  try {
    using again = bpf.objGet(path);
    assertEquals(bpf.mapInfo(again.number).id, bpf.mapInfo(map.number).id);
    assertThrows(() => bpf.objPin(map.number, path), SyscallError, "EEXIST");
  } finally {
    files.unlink(path);
  }
  assertThrows(() => bpf.objGet(path), SyscallError, "ENOENT");
});

kernelTest("perfEventOpen() counts", { needs: ["perf"] }, () => {
  const attr = { type: PERF_TYPE_SOFTWARE, config: PERF_COUNT_SW_CPU_CLOCK, read_format: 3 };
  using event = perf.perfEventOpen(attr, { pid: 0 });
  for (let i = 0; i < 1e6; i++) Math.sqrt(i);
  perf.perfDisable(event.number);
  const { value, enabled } = perf.perfRead(event.number);
  assertGreater(value, 1000n);
  assertGreater(enabled, 1000n);
  assertThrows(() => perf.perfEventOpen({ type: 0xffff }, { pid: 0 }, "event x"), SyscallError, "Cannot open event x");
});

kernelTest("privateMount() gives a tracefs that leaves no trace", { needs: ["tracefs"] }, () => {
  const before = readFileSync("/proc/mounts", "utf8");
  {
    using mount = system.privateMount("tracefs");
    const path = `/proc/self/fd/${mount.number}`;
    assertEquals(system.fileSystemMagic(`${path}/`), TRACEFS_MAGIC);
    assertEquals(files.exists(`${path}/events`), true);
  }
  assertEquals(readFileSync("/proc/mounts", "utf8"), before);
});

test("a script needs --allow-ffi and nothing else", async () => {
  const deno = join(ROOT, "node_modules/.bin/deno");
  const script = join(ROOT, "tests/syscall/testdata/ffi_only.ts");
  const args = ["run", "--allow-ffi", "--no-prompt", script];
  const output = await run(deno, args);
  assertEquals(JSON.parse(output), { kernel: release(), cpus: possibleCpus(), waited: [1] });
});

test("a script runs on Bun, also compiled to one file", async () => {
  const bun = join(ROOT, "node_modules/.bin/bun");
  const script = join(ROOT, "tests/syscall/testdata/ffi_only.ts");
  const expected = { kernel: release(), cpus: possibleCpus(), waited: [1] };
  assertEquals(JSON.parse(await run(bun, ["run", script])), expected);
  const dir = mkdtempSync(join(tmpdir(), "waggle-compile-"));
  try {
    await run(bun, ["build", "--compile", "--minify", script, "--outfile", join(dir, "script")]);
    assertEquals(JSON.parse(await run(join(dir, "script"), [])), expected);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("importing does nothing: no library is opened", async () => {
  const deno = join(ROOT, "node_modules/.bin/deno");
  const source = `import "${ROOT}src/syscall/bpf.ts"; import "${ROOT}src/syscall/netlink.ts"; console.log("fine")`;
  assertEquals(await run(deno, ["eval", "--no-config", source]), "fine\n");
  const dir = mkdtempSync(join(tmpdir(), "waggle-import-"));
  try {
    writeFileSync(join(dir, "a.ts"), source);
    assertEquals(await run(deno, ["run", "--no-prompt", "--no-config", join(dir, "a.ts")]), "fine\n");
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("runtime() refuses what is neither Deno nor Bun, with a hint", async () => {
  const deno = join(ROOT, "node_modules/.bin/deno");
  const source = `import { call } from "${ROOT}src/syscall/libc.ts"; delete globalThis.Deno;
    try { call("getpid"); } catch (error) { console.log(error.name, error.hint); }`;
  assertEquals(
    await run(deno, ["eval", "--no-config", source]),
    "NotSupportedError run the script with Deno or with Bun\n",
  );
});

test("runtime() tells the runtime and the machine", () => {
  assertEquals(runtime().name, "Deno" in globalThis ? "deno" : "bun");
  assertEquals(runtime().arch, process.arch === "arm64" ? "aarch64" : "x86_64");
});

test("Fd refuses what is no descriptor", () => {
  assertThrows(() => new Fd(-1), RangeError);
});

function run(command: string, args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { encoding: "utf8", timeout: 30_000 }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${error.message}\n${stderr}`));
      else resolve(stdout);
    });
  });
}
