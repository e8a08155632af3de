/** Examples about processes, scheduling and signals, against provoked events. */
import { assert, assertMatch } from "@std/assert";
import process from "node:process";
import { kernelTest } from "../support/harness.ts";
import { interruptExample, shell, startExample, Waiting } from "./support.ts";

kernelTest("execsnoop prints programs with their arguments", { needs: ["tracefs", "btf"] }, async () => {
  using script = await startExample("execsnoop", /ARGUMENTS/);
  await shell("/usr/bin/env printf '%s' 'two words' last");
  const [line] = await script.until(/^.* printf +printf %s two words last$/m);
  assertMatch(line, new RegExp(`^\\d+ +\\d+ +${process.getuid?.()} +printf +printf`));
  assertMatch(script.stdout, /env +\/usr\/bin\/env printf %s two words last\n/);
  await interruptExample(script);
});

kernelTest("runqlat draws how long threads waited", { needs: ["tracefs"] }, async () => {
  using script = await startExample("runqlat", /Ctrl-C/);
  await shell("for i in $(seq 50); do sleep 0.001; done");
  const { stdout } = await interruptExample(script);
  const counts = [...stdout.matchAll(/^\[.* +(\d+) \|/gm)].map((match) => Number(match[1]));
  assert(counts.reduce((a, b) => a + b, 0) >= 50, stdout);
});

kernelTest("syscount counts the system calls of one process", { needs: ["tracefs"] }, async () => {
  using dd = new Waiting("exec dd if=/dev/zero of=/dev/null bs=1 count=5000");
  using script = await startExample("syscount", /SYSTEM CALL/, [String(dd.pid)]);
  dd.go();
  await dd.end();
  const { stdout } = await interruptExample(script); // the last second's table is printed at the end
  const counted = (call: string) => {
    const rows = [...stdout.matchAll(new RegExp(`^${call} +(\\d+)$`, "gm"))];
    return rows.reduce((sum, row) => sum + Number(row[1]), 0);
  };
  // dd reads its libraries too; its messages are writes.
  assert(counted("read") >= 5000 && counted("read") < 5100, stdout);
  assert(counted("write") >= 5000 && counted("write") < 5100, stdout);
});

kernelTest("killsnoop prints signals with their result", { needs: ["tracefs"] }, async () => {
  using script = await startExample("killsnoop", /RESULT/);
  const [pid] = (await shell("kill -0 $$; echo $$; exec /bin/kill -s WINCH $$")).split("\n");
  await script.until(new RegExp(`^${pid} +bash +0 +${pid} +0$`, "m"));
  await script.until(new RegExp(`^${pid} +kill +28 +${pid} +0$`, "m"));
  await shell("kill -0 4194305");
  await script.until(/^\d+ +bash +0 +4194305 +-3$/m);
  await interruptExample(script);
});

kernelTest("profile samples the stacks of one process", { needs: ["perf"] }, async () => {
  using busy = new Waiting("while :; do :; done");
  busy.go();
  // Ends by itself after 2 s, and prints then.
  using script = await startExample("profile", /^bash;.+ \d+$/m, ["2", String(busy.pid)]);
  const { code, stderr, stdout } = await script.end();
  assert(code === 0 && stderr === "", stderr);
  const lines = stdout.trim().split("\n");
  for (const line of lines) assertMatch(line, /^bash(;\S+)* \d+$/);
  const samples = lines.reduce((sum, line) => sum + Number(/\d+$/.exec(line)![0]), 0);
  assert(samples > 20 && samples < 400, `${samples} samples`);
});

kernelTest("bashreadline prints what is typed into bash", { needs: ["uprobes", "tool:script"] }, async () => {
  using script = await startExample("bashreadline", /LINE/);
  const word = `waggle-${script.pid}`;
  await shell(`printf 'echo ${word}\\nexit\\n' | script -qc 'bash --norc -i' /dev/null`);
  await script.until(new RegExp(`^\\d+ +echo ${word}$`, "m"));
  await interruptExample(script);
});

kernelTest(
  "slow-syscalls prints what hangs, and nothing else",
  { needs: ["kernel:5.15", "btf", "tracefs"] },
  async () => {
    using sleeper = new Waiting("sleep 0.01; sleep 0.01; exec sleep 2");
    using script = await startExample("slow-syscalls", /CALL/, [String(sleeper.pid), "400"]);
    sleeper.go();
    await script.until(/^\d+ .*(nanosleep) +sleep$/m);
    const { stdout } = await interruptExample(script);
    for (const line of stdout.trim().split("\n").slice(1)) {
      const [pid, , ms] = line.split(/ +/).map(Number);
      assert(pid === sleeper.pid && ms! >= 400 && ms! < 2000, line);
    }
  },
);
