/** `waggle prog`, `map`, `link list`, `btf`, `net`, `types`, `features`, `probes`, on what this test has loaded. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { rmSync, statSync } from "node:fs";
import process from "node:process";
import { attachFromSection } from "../../../src/attach/registry.ts";
import { createMap } from "../../../src/maps/create.ts";
import { load, u32, u64 } from "../../../mod.ts";
import { waggle } from "../../cli/support.ts";
import { kernelTest } from "../../support/harness.ts";
import { CountingProgram } from "../attach/programs.ts";
import { loadTestObject } from "./objects.ts";

function parsed(...args: string[]): unknown {
  const { status, stdout, stderr } = waggle([...args, "--json"]);
  assertEquals([status, stderr], [0, ""]);
  return JSON.parse(stdout);
}

kernelTest("`waggle prog` lists, shows, dumps and measures programs", { needs: ["btf", "kernel:5.8"] }, () => {
  using program = new CountingProgram("raw_tp/sys_enter", { name: "cli_counted" });
  using link = attachFromSection(program)!;
  const list = parsed("prog", "list") as { id: number; name: string; type: string }[];
  const { id, type } = list.find((one) => one.name === "cli_counted")!;
  assertEquals(type, "raw_tracepoint");
  const shown = parsed("prog", "show", "name", "cli_counted") as { id: number; holders: { pid: number; fd: number }[] };
  assertEquals([shown.id, shown.holders.some((h) => h.pid === process.pid && h.fd === program.fd)], [id, true]);
  assertStringIncludes(waggle(["prog", "dump", String(id)]).stdout, "lock *(u64 *)(r1 +0) += r2");
  assertStringIncludes(waggle(["prog", "dump", String(id), "--jited"]).stdout, "cli_counted (");
  const stats = parsed("prog", "stats", "0.3") as { id: number; runs: number; nsPerRun: number }[];
  assert(stats.find((one) => one.id === id)!.runs > 0);
  const links = parsed("link", "list") as { id: number; type: string; name: string }[];
  assertEquals(links.find((one) => one.id === link.id)?.name, "sys_enter");
  assertStringIncludes(waggle(["link", "show", String(link.id)]).stdout, "raw_tracepoint");
  const missing = waggle(["prog", "show", "cli_countd"]);
  assertEquals(missing.status, 1);
  assertStringIncludes(missing.stderr, 'did you mean "cli_counted"?');
});

kernelTest("`waggle map` shows and dumps maps, decoded by their types", { needs: ["btf"] }, () => {
  using map = createMap({ type: "hash", key: u32, value: u64, maxEntries: 4, name: "cli_map" });
  map.set(7, 1n << 60n);
  assertEquals((parsed("map", "show", "cli_map") as { id: number }).id, map.id);
  const [entry] = parsed("map", "dump", "id", String(map.id)) as { key: unknown; value: unknown }[];
  assertEquals(entry, { key: 7, value: "1152921504606846976" });
  using object = loadTestObject("globals");
  const data = object.maps.get(".data")!;
  const [globals] = parsed("map", "dump", data.kernelName) as { key: number; value: Record<string, unknown> }[];
  assertEquals(globals!.key, 0);
  assert(Object.keys(globals!.value).length > 1, JSON.stringify(globals));
  using ring = createMap({ type: "ringbuf", maxEntries: 65536, name: "cli_ring" });
  const refused = waggle(["map", "dump", String(ring.id)]);
  assertEquals(refused.status, 1);
  assertStringIncludes(refused.stderr, 'Cannot dump map "cli_ring": its kind (ringbuf) has no elements');
});

kernelTest(
  "`waggle btf`, `types`, `features`, `probes` and `net` tell of this kernel",
  { needs: ["btf", "tracefs"] },
  () => {
    const list = parsed("btf", "list") as { name: string }[];
    assert(list.some((one) => one.name === "vmlinux"));
    assertStringIncludes(waggle(["types", "iovec"]).stdout, "export interface iovec {\n  iov_base: bigint;");
    assertStringIncludes(waggle(["types", "iovec", "--c"]).stdout, "struct iovec {");
    assertStringIncludes(waggle(["types", "iovecc"]).stderr, '"iovec"');
    assertStringIncludes(waggle(["types", "--from", "tests/data/events.bpf.o"]).stdout, "export interface event ");
    const small = `/tmp/waggle-min-${process.pid}.btf`;
    try {
      const min = waggle(["btf", "min", "/sys/kernel/btf/vmlinux", small, "tests/data/core_kernel.bpf.o"]);
      assertEquals(min, { status: 0, stdout: "", stderr: "" });
      assert(statSync(small).size < 20_000);
      using bpf = load("tests/data/core_kernel.bpf.o", { targetBtf: small });
      assert(Object.keys(bpf.programs).length > 0);
    } finally {
      rmSync(small, { force: true });
    }
    const features = parsed("features") as { features: { name: string; supported: boolean }[] };
    assertEquals(features.features.find((one) => one.name === "prog_name")?.supported, true);
    const probe = "tracepoint:syscalls:sys_enter_openat";
    assertEquals(waggle(["probes", probe]).stdout, `${probe}\n`);
    assertStringIncludes(waggle(["probes", probe, "-v"]).stdout, "const char * filename");
    assertEquals(waggle(["probes", "tracepoint:none:*"]).status, 1);
    assertEquals(waggle(["net"]).status, 0);
    assertEquals(waggle(["perf"]).status, 0);
  },
);
