import { assertEquals, assertThrows } from "@std/assert";
import { kernelTest } from "../../support/harness.ts";
import { kernelAtLeast } from "../../support/needs.ts";
import { NotFoundError, NotSupportedError } from "../../../src/errors.ts";
import { probes } from "../../../src/attach/probes.ts";
import { type BpfObject, load, type OpenOptions } from "../../../src/script/open.ts";
import { UsdtFiles, type UsdtProcess } from "./usdt_program.ts";

const OBJECT = new URL("../../data/usdt.bpf.o", import.meta.url);
const NEEDS = { needs: ["uprobes", "tool:cc"] } as const;
/** Kernels without cookies need a process to find arguments by address. */
const cookies = kernelAtLeast("5.15");

/** By uprobe.multi where the kernel has it, and one by one as on older kernels. */
const WAYS: readonly { name: string; options: OpenOptions }[] = [
  { name: "as the kernel can", options: {} },
  { name: "one by one", options: { programs: { all: { section: "uprobe" } } } },
];

async function started(files: UsdtFiles): Promise<UsdtProcess> {
  const child = files.start();
  await child.ready();
  return child;
}

function values(bpf: BpfObject): bigint[] {
  return bpf.globals["values"] as bigint[];
}

for (const flags of [["-no-pie"], ["-pie", "-fPIE"]]) {
  for (const { name, options } of WAYS) {
    kernelTest(`a static probe has its arguments (${flags[0]}, ${name})`, NEEDS, async () => {
      using files = new UsdtFiles(flags);
      using child = await started(files);
      using bpf = load(OBJECT, options);
      const attach = (probe: string) =>
        bpf.program("all").attach({
          kind: "usdt",
          path: files.program,
          provider: "test",
          name: probe,
          ...(!cookies && { pid: child.pid }),
        });
      const link = attach("forms");
      await child.round();
      assertEquals(bpf.globals["hits"], 1n);
      assertEquals(bpf.globals["count"], 5n);
      assertEquals(values(bpf).slice(0, 6), [-70001n, 65535n, 200n, -56n, -9n, 0n]);
      link.close();
      await child.round();
      assertEquals(bpf.globals["hits"], 1n);

      // Two places whose arguments lie differently.
      using _both = attach("add");
      await child.round();
      assertEquals(bpf.globals["hits"], 3n);
      assertEquals(values(bpf).slice(0, 3), [1n, 1000000000000n, 0n]);
    });
  }
}

kernelTest("a static probe raises its semaphore while it is attached", NEEDS, async () => {
  using files = new UsdtFiles();
  using child = await started(files);
  for (const { options } of WAYS) {
    using bpf = load(OBJECT, options);
    assertEquals(await child.round(), 0);
    const where = { kind: "usdt", path: files.program, provider: "test", name: "counted", cookie: 77, pid: child.pid };
    const link = bpf.program("all").attach(where);
    assertEquals(await child.round(), 1);
    assertEquals([bpf.globals["hits"], bpf.globals["count"], bpf.globals["cookie"]], [1n, 1n, 77n]);
    link.close();
    assertEquals(await child.round(), 0);
  }
});

kernelTest("a static probe with a pid runs in that process only, also in its libraries", NEEDS, async () => {
  using files = new UsdtFiles();
  using child = await started(files);
  using other = await started(files);
  using bpf = load(OBJECT);
  // The library is found by its name among the files that the process has mapped: no other directory has it.
  using _link = bpf.program("all").attach({ path: "libusdttest", provider: "testlib", name: "called", pid: child.pid });
  await other.round();
  assertEquals(bpf.globals["hits"], 0n);
  await child.round();
  await child.round();
  assertEquals([bpf.globals["hits"], values(bpf)[0]], [2n, 2n]);
});

kernelTest("patterns of static probes attach to all that match, and slots are given back", NEEDS, async () => {
  using files = new UsdtFiles();
  using child = await started(files);
  using bpf = load(OBJECT, { maps: { __bpf_usdt_specs: { maxEntries: 6 } } });
  const where = { path: files.program, provider: "test", name: "*", pid: child.pid };
  // Five different sets of places: the second round needs those of the first.
  for (let i = 0; i < 2; i++) bpf.program("all").attach(where).close();
  using _link = bpf.program("all").attach(where);
  await child.round();
  assertEquals(bpf.globals["hits"], 5n); // forms, add twice, nothing, counted
});

kernelTest("usdt sections attach by name, and a program takes its arguments as parameters", NEEDS, async () => {
  using files = new UsdtFiles(["-no-pie"]);
  using child = await started(files);
  using bpf = load(OBJECT, {
    programs: { all: { autoload: false }, add: { autoload: true, section: `usdt/${files.program}:test:add` } },
  });
  bpf.attach();
  await child.round();
  assertEquals([bpf.globals["hits"], bpf.globals["sum"]], [2n, 1000000000043n]);
  bpf.detach();
  await child.round();
  assertEquals(bpf.globals["hits"], 2n);
});

kernelTest("a static probe that cannot be says why", NEEDS, () => {
  using files = new UsdtFiles();
  using bpf = load(OBJECT);
  const attach = (path: string, name: string) => () => void bpf.program("all").attach({ path, provider: "test", name });
  const missing = assertThrows(attach(files.program, "adds"), NotFoundError) as NotFoundError;
  assertEquals(missing.nearest.includes("test:add"), true);
  assertThrows(attach("/bin/true", "add"), NotFoundError, "static probe");
  assertThrows(attach("/no/such/file", "add"), NotFoundError, "file");
  if (!cookies) assertThrows(attach(files.library, "called"), Error);
  if (!cookies) assertThrows(attach(files.program, "forms"), NotSupportedError, "in all processes");
});

kernelTest("probes() lists static probes with their arguments", { needs: ["tool:cc"] }, () => {
  using files = new UsdtFiles();
  const found = probes(`usdt:${files.program}:*`);
  assertEquals(found.map((probe) => probe.name), [
    `usdt:${files.program}:test:add`,
    `usdt:${files.program}:test:counted`,
    `usdt:${files.program}:test:forms`,
    `usdt:${files.program}:test:nothing`,
  ]);
  assertEquals(found[2]!.arguments.map((a) => a.type), ["__s32", "__u16", "__u8", "__s8", "__s32"]);
  assertEquals(probes(`usdt:${files.library}:*`).length, 1);
});
