/** Examples about files and block devices, against provoked events. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { kernelTest, skippedTest } from "../support/harness.ts";
import { ROOT, Script } from "../support/script.ts";
import { interruptExample, LOST, shell, startExample, Waiting } from "./support.ts";

kernelTest("opensnoop prints opens with their result and path", { needs: ["tracefs"] }, async () => {
  using script = await startExample("opensnoop", /PATH/);
  const missing = `/tmp/waggle-missing-${script.pid}`;
  await shell(`cat ${missing} /proc/self/stat`);
  await script.until(new RegExp(`cat +-1 +2 ${missing}\\n`));
  await script.until(/cat +\d+ +0 \/proc\/self\/stat\n/);
  await interruptExample(script, LOST);
});

kernelTest(
  "opensnoop -x -j -n -d prints failed opens as JSON and stops by itself",
  { needs: ["tracefs"] },
  async () => {
    using script = new Script(`${ROOT}examples/opensnoop.ts`, ["-x", "-j", "-n", "cat", "-d", "8"]);
    const missing = `/tmp/waggle-missing-${script.pid}`;
    const provoke = setInterval(() => void shell(`cat ${missing} /proc/self/stat`), 300);
    const { code, stdout } = await script.end();
    clearInterval(provoke);
    assertEquals(code, 0);
    const events = stdout.trim().split("\n").map((line) =>
      JSON.parse(line) as { ret: number; comm: string; path: string }
    );
    assert(events.some((e) => e.path === missing && e.ret === -2), stdout);
    assert(events.every((e) => e.ret < 0 && e.comm === "cat"), stdout);
  },
);

kernelTest("opensnoop -p prints only its opens", { needs: ["tracefs"] }, async () => {
  using one = new Waiting("cat /proc/self/status; exec cat /proc/self/limits /proc/self/io");
  using script = await startExample("opensnoop", /PATH/, ["-p", String(one.pid)]);
  await shell("cat /proc/self/stat");
  one.go();
  await script.until(/\/proc\/self\/io/);
  const { stdout } = await interruptExample(script, LOST);
  assert(!stdout.includes("/proc/self/stat"), stdout);
  for (const line of stdout.trim().split("\n").slice(1)) assertMatch(line, new RegExp(`^${one.pid} `));
});

kernelTest("statsnoop prints stat calls with their result and path", { needs: ["tracefs"] }, async () => {
  using script = await startExample("statsnoop", /PATH/);
  const missing = `/tmp/waggle-missing-${script.pid}`;
  await shell(`stat /etc/passwd ${missing}`);
  await script.until(/stat +0 \/etc\/passwd\n/);
  await script.until(new RegExp(`stat +-2 ${missing}\\n`));
  await interruptExample(script);
});

/** Whether files of this folder lie on a block device, not in memory, on another machine or in a layer above. */
function onBlockDevice(folder: string): boolean {
  const { dev } = statSync(folder);
  // Linux splits st_dev so: 12 bits of major, the minor around them.
  return existsSync(`/sys/dev/block/${dev >>> 8 & 0xfff}:${dev & 0xff | dev >>> 12 & 0xfff00}`);
}

const BIOLATENCY = "biolatency counts each request of a block device";
if (!onBlockDevice("/var/tmp")) skippedTest(BIOLATENCY, "/var/tmp is on no block device");
else {
  kernelTest(BIOLATENCY, { needs: ["tracefs"] }, async () => {
    const folder = mkdtempSync("/var/tmp/waggle-test-");
    try {
      using script = await startExample("biolatency", /Ctrl-C/);
      await shell(`dd if=/dev/zero of=${folder}/data bs=4k count=20 oflag=direct,dsync`);
      const { stdout } = await interruptExample(script);
      assertMatch(stdout, /device \d+:\d+\nus +count\n/);
      const counts = [...stdout.matchAll(/^[[(].* +(\d+) \|/gm)].map((match) => Number(match[1]));
      assert(counts.reduce((a, b) => a + b, 0) >= 20, stdout);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

kernelTest("vfsstat counts file system calls", { needs: ["kprobes"] }, async () => {
  using script = await startExample("vfsstat", /created\/s/);
  const folder = mkdtempSync("/tmp/waggle-test-");
  try {
    await shell(`for i in $(seq 200); do echo x > ${folder}/$i; done; sync ${folder}/1`);
    await script.until(/\n(\s+\d+){5}\n(\s+\d+){5}\n/);
  } finally {
    rmSync(folder, { recursive: true });
  }
  const { stdout } = await interruptExample(script);
  const rows = stdout.trim().split("\n").slice(1).map((line) => line.trim().split(/\s+/).map(Number));
  const total = [0, 1, 2, 3, 4].map((column) => rows.reduce((sum, row) => sum + row[column]!, 0));
  assert(total[1]! >= 200 && total[2]! >= 1 && total[3]! >= 200, stdout);
});
