import { assert, assertEquals } from "@std/assert";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { pack } from "../../scripts/pack.ts";
import { test } from "../support/harness.ts";
import { scriptCommand } from "../support/script.ts";

/** Uses two entry points of the installed package, which must share their classes. */
const SCRIPT = `
import * as waggle from "@waggle/waggle";
import { parseObject } from "@waggle/waggle/object";

const { elf } = waggle.compile({
  maps: { packets: waggle.counter(waggle.u32) },
  programs: {
    xdp(_ctx, { packets }) {
      packets.count(0);
      return 2;
    },
  },
}, { arch: "x86_64" });
let caught;
try {
  parseObject(new Uint8Array(8));
} catch (error) {
  caught = error;
}
console.log(JSON.stringify({
  exports: Object.keys(waggle).sort(),
  programs: parseObject(elf()).programs.map((program) => program.sectionName),
  error: [caught.name, caught instanceof waggle.WaggleError],
}));
`;

test("the npm package has all exports, compiles kernel functions, and its entry points share their classes", async () => {
  const folder = mkdtempSync("/tmp/waggle-pack-");
  try {
    const tarball = pack(folder);
    writeFileSync(`${folder}/package.json`, '{ "name": "user", "private": true, "type": "module" }');
    execFileSync("npm", ["install", "--offline", "--no-audit", "--no-fund", "--silent", tarball], { cwd: folder });
    writeFileSync(`${folder}/script.ts`, SCRIPT);
    const [command, ...args] = scriptCommand(`${folder}/script.ts`);
    const { stdout, stderr, status } = spawnSync(command!, args, { cwd: folder, encoding: "utf8" });
    assertEquals(status, 0, stderr);
    const printed = JSON.parse(stdout);
    assertEquals(printed.exports, Object.keys(await import("../../mod.ts")).sort());
    assertEquals(printed.programs, ["xdp"]);
    assertEquals(printed.error, ["FormatError", true]);
    const packed = execFileSync("tar", ["tf", tarball], { encoding: "utf8" });
    assert(!packed.includes("/tests/") && packed.includes("package/LICENSE-MIT\n"));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
