/** The examples whose kernel side is an object made by clang, against provoked events. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { pause } from "../../src/script/interrupt.ts";
import { kernelTest } from "../support/harness.ts";
import { ROOT, Script } from "../support/script.ts";
import { interruptExample, LOST, shell, startExample, Waiting } from "./support.ts";

kernelTest("object/opensnoop prints opens of one process", { needs: ["tracefs", "kernel:5.8"] }, async () => {
  using one = new Waiting("exec cat /proc/self/limits /no/such/file");
  using script = await startExample("object/opensnoop", /PATH/, ["-T", "-p", String(one.pid)]);
  await shell("cat /proc/self/stat");
  one.go();
  await script.until(new RegExp(`\\n[\\d.]+ +${one.pid} +cat +\\d+ +0 /proc/self/limits\\n`));
  await script.until(new RegExp(`\\n[\\d.]+ +${one.pid} +cat +-1 +2 /no/such/file\\n`));
  const { stdout } = await interruptExample(script, LOST);
  assert(!stdout.includes("/proc/self/stat"), stdout);
});

kernelTest("object/opensnoop -x -j -u prints failed opens as JSON", { needs: ["tracefs", "kernel:5.8"] }, async () => {
  using script = new Script(`${ROOT}examples/object/opensnoop.ts`, ["-x", "-j", "-u", "0", "-d", "4"]);
  const missing = `/tmp/waggle-missing-${script.pid}`;
  const provoke = setInterval(() => void shell(`cat ${missing} /proc/self/stat`), 300);
  const { code, stdout, stderr } = await script.end();
  clearInterval(provoke);
  assertEquals(code, 0);
  assertMatch(stderr, LOST);
  const events = stdout.trim().split("\n").map((line) =>
    JSON.parse(line) as { ret: number; uid: number; path: string }
  );
  assert(events.some((e) => e.path === missing && e.ret === -2), stdout);
  assert(events.every((e) => e.ret < 0 && e.uid === 0), stdout);
});

kernelTest("object/execsnoop prints programs with their arguments", { needs: ["tracefs", "kernel:5.8"] }, async () => {
  using script = await startExample("object/execsnoop", /ARGS/, ["-x"]);
  await shell(`echo=/bin/echo; $echo one "two words" '' ; /no/such/program`);
  await script.until(/\necho +\d+ +\d+ +0 \/bin\/echo one "two words" ""\n/);
  await script.until(/\nbash +\d+ +\d+ +-2 \/no\/such\/program\n/);
  await interruptExample(script, LOST);
});

kernelTest("object/syscount counts the calls of one process", { needs: ["tracefs"] }, async () => {
  using one = new Waiting("exec dd if=/dev/zero of=/dev/null bs=1 count=500");
  using script = new Script(`${ROOT}examples/object/syscount.ts`, ["-p", String(one.pid), "-L", "-i", "0.5"]);
  await script.until(/SYSCALL/);
  one.go();
  await one.end();
  // A refresh may fall into the run and split the count over two tables.
  const reads = () => [...script.stdout.matchAll(/^read +(\d+) +([\d.]+)$/gm)];
  const counted = () => reads().reduce((sum, [, count]) => sum + Number(count), 0);
  for (let i = 0; counted() < 500 && i < 300; i++) await pause(0.1);
  const { stdout } = await interruptExample(script);
  assert(counted() >= 500, stdout);
  assert(reads().every(([, , time]) => Number(time) > 0), stdout);
});

kernelTest("object/xdp-count counts packets and drops a protocol", { needs: ["tool:ping"] }, async () => {
  using script = await startExample("object/xdp-count", /PROTOCOL/, ["lo", "-i", "0.3", "-D", "icmp"]);
  const output = await shell("ping -c 3 -i 0.2 -W 1 127.0.0.1");
  assertMatch(output, /3 packets transmitted, 0 received/);
  await script.until(/icmp +3 +294/);
  await interruptExample(script);
  assertMatch(await shell("ping -c 1 -W 1 127.0.0.1"), /1 received/);
});
