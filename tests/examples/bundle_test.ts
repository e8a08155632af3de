/** An example still works bundled, minified and compiled, and whatever ends it, nothing stays in the kernel. */
import { assert, assertEquals } from "@std/assert";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import process from "node:process";
import { kernelTest } from "../support/harness.ts";
import { ROOT, scriptCommand } from "../support/script.ts";
import { shell } from "./support.ts";

const BIN = `${ROOT}node_modules/.bin/`;
const SOURCE = `${ROOT}examples/killsnoop.ts`;

/** How the example is made into one file, and what runs it. */
const FORMS: Readonly<Record<string, (out: string) => string[]>> = {
  "esbuild --minify": (out) => {
    const options = ["--bundle", "--minify", "--format=esm", "--platform=node", `--outfile=${out}.mjs`];
    execFileSync(`${BIN}esbuild`, [SOURCE, ...options], { stdio: "pipe" });
    return scriptCommand(`${out}.mjs`);
  },
  "bun build --minify": (out) => {
    execFileSync(`${BIN}bun`, ["build", "--target=node", "--minify", SOURCE, `--outfile=${out}.mjs`], {
      stdio: "pipe",
    });
    return scriptCommand(`${out}.mjs`);
  },
  "bun build --compile": (out) => {
    execFileSync(`${BIN}bun`, ["build", "--compile", "--minify", SOURCE, `--outfile=${out}`], { stdio: "pipe" });
    return [out];
  },
};

/** Ids of the BPF programs that a process holds. */
function programsOf(pid: number): string[] {
  const infos = readdirSync(`/proc/${pid}/fdinfo`).map((fd) => readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8"));
  return [...new Set(infos.flatMap((info) => /^prog_id:\s*(\d+)$/m.exec(info)?.[1] ?? []))];
}

/** Waits until none of these programs is there any more: the kernel frees them a moment after the last user is gone. */
async function untilFreed(ids: readonly string[]): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const left = JSON.parse(await shell("bpftool -j prog show")) as { id: number }[];
    if (!left.some(({ id }) => ids.includes(String(id)))) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`programs ${ids.join(", ")} are still there`);
}

for (const [form, make] of Object.entries(FORMS)) {
  kernelTest(
    `killsnoop works after ${form}, and ends without a trace`,
    { needs: ["tracefs", "tool:bpftool"] },
    async () => {
      const folder = mkdtempSync("/tmp/waggle-test-");
      const [command, ...args] = make(`${folder}/killsnoop`);
      const child = spawn(command!, args, { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
      try {
        let output = "";
        const until = (pattern: RegExp) =>
          new Promise<void>((resolve, reject) => {
            const look = () => void (pattern.test(output) && resolve());
            child.stdout.on("data", (chunk) => {
              output += String(chunk);
              look();
            });
            child.once("exit", () => reject(new Error(`ended without ${pattern}: ${output}`)));
            look();
          });
        await until(/RESULT/);
        process.kill(process.pid, 0);
        await until(new RegExp(`^${process.pid} .* 0 +${process.pid} +0$`, "m"));
        const programs = programsOf(child.pid!);
        assertEquals(programs.length, 6);
        const ended = new Promise((resolve) => child.once("exit", resolve));
        child.kill("SIGKILL");
        await ended;
        await untilFreed(programs);
        assert(output.startsWith("PID"));
      } finally {
        child.kill("SIGKILL");
        rmSync(folder, { recursive: true });
      }
    },
  );
}
