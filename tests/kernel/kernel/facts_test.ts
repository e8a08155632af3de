import { assert, assertEquals, assertThrows } from "@std/assert";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { kernelTest, test } from "../../support/harness.ts";
import { WaggleError } from "../../../src/errors.ts";
import { kernelBtf, tryKernelBtf } from "../../../src/kernel/btf.ts";
import { type FeatureDef, FEATURES, hasFeature, probeFeature } from "../../../src/kernel/features.ts";
import { findSymbols, kernelSymbols } from "../../../src/kernel/kallsyms.ts";
import { kernelConfig, parseKconfig } from "../../../src/kernel/kconfig.ts";
import { kernelVersion, parseKernelVersion } from "../../../src/kernel/version.ts";

test("parseKernelVersion() believes Ubuntu's and Debian's own numbers before the release", () => {
  const of = (release: string, build = "", signature?: string): string =>
    parseKernelVersion({ release, build, signature }).text;
  assertEquals(of("6.18.44-fc-v669"), "6.18.44");
  assertEquals(of("5.4.0-12-generic", "#15-Ubuntu SMP", "Ubuntu 5.4.0-12.15-generic 5.4.8"), "5.4.8");
  assertEquals(of("5.10.0-8-amd64", "#1 SMP Debian 5.10.46-4 (2021-08-03)"), "5.10.46");
  assertEquals(of("7.3-rc1"), "7.3.0");
  assertEquals(parseKernelVersion({ release: "4.14.300", build: "" }).code, (4 << 16) + (14 << 8) + 255);
});

const SYMBOLS = `0000000000000000 A fixed_percpu_data
ffffffff81000000 T _stext
ffffffff81000100 t helper.llvm.123456
ffffffff81000200 T twice
ffffffff81000300 t twice
ffffffffc0000000 t in_module\t[some_module]
ffffffff81000400 T longer_name
ffffffff81000500 D last`;

test("findSymbols() finds whole names, those of modules and those with an .llvm suffix", () => {
  const find = (...names: string[]): [string, string][] =>
    [...findSymbols(new TextEncoder().encode(SYMBOLS), names)].map(([n, a]) => [n, a.toString(16)]);
  assertEquals(find("_stext", "helper", "in_module", "last"), [
    ["_stext", "ffffffff81000000"],
    ["helper", "ffffffff81000100"],
    ["in_module", "ffffffffc0000000"],
    ["last", "ffffffff81000500"],
  ]);
  assertEquals(find("longer", "fixed_percpu_data", "nothing"), []);
  assertThrows(() => find("twice"), WaggleError, "ambiguous");
});

test("parseKconfig() picks the options asked for", () => {
  const text = `# comment\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_AB="x=y"\nCONFIG_HZ=250\n`;
  assertEquals(
    parseKconfig(text, ["CONFIG_A", "CONFIG_B", "CONFIG_AB"]),
    new Map([["CONFIG_A", "y"], ["CONFIG_AB", `"x=y"`]]),
  );
});

kernelTest("kernelBtf() has the kernel's types, found by one of libbpf's paths", { needs: ["btf"] }, () => {
  const btf = kernelBtf();
  assert(btf.typeCount > 10_000 && btf.find("task_struct", "STRUCT") !== undefined);
  assert(tryKernelBtf() === btf);
});

kernelTest("kernelSymbols() agrees with /proc/kallsyms", {}, () => {
  const line = readFileSync("/proc/kallsyms", "utf8").split("\n").find((l) => l.endsWith(" T bpf_prog_alloc"));
  const address = line === undefined ? undefined : BigInt(`0x${line.split(" ")[0]}`);
  assertEquals(kernelSymbols(["bpf_prog_alloc"]).get("bpf_prog_alloc"), address);
});

kernelTest("kernelConfig() reads the running kernel's configuration", {}, () => {
  try {
    assertEquals(kernelConfig(["CONFIG_BPF_SYSCALL"]).get("CONFIG_BPF_SYSCALL"), "y");
  } catch (error) {
    // Debian's cloud kernels have it below /boot only, which a guest need not have.
    assert((error as Error).message.includes("configuration"));
  }
});

kernelTest("kernelVersion() agrees with uname", {}, () => {
  const { major, minor } = kernelVersion();
  assert(execFileSync("uname", ["-r"]).toString().startsWith(`${major}.${minor}`));
});

/** Its probe loads a program for tracing, which a kernel may lack; where there is one, the version tells. */
const OF_TRACING = "probe_read_kernel";

kernelTest("probes find every feature that is older than the kernel, and none that is much newer", {}, () => {
  const { major, minor } = kernelVersion();
  for (const feature of FEATURES) {
    const [since, sinceMinor] = feature.since.split(".").map(Number) as [number, number];
    const older = major > since || (major === since && minor >= sinceMinor);
    const { condition }: FeatureDef = feature;
    const answer = probeFeature(feature.name);
    if (older && condition === undefined && feature.name !== OF_TRACING) assertEquals(answer, true, feature.name);
    if (major < since) assert(answer !== true, `${feature.name} on ${major}.${minor}, known since ${feature.since}`);
    assertEquals(hasFeature(feature.name), (older && condition === undefined) || (answer ?? true), feature.name);
  }
});
