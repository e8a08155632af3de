/** Static probes in TypeScript: arguments of every form, and objects that libbpf attaches too. */
import { assertEquals, assertThrows } from "@std/assert";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import * as w from "../../../mod.ts";
import { kernelTest } from "../../support/harness.ts";
import { kernelAtLeast } from "../../support/needs.ts";
import { UsdtFiles } from "../attach/usdt_program.ts";

/** Kernels without cookies need a process to find arguments by address. */
const cookies = kernelAtLeast("5.15");
const NEEDS = { needs: ["uprobes", "tool:cc"] } as const;

for (const flags of [["-no-pie"], ["-pie", "-fPIE"]]) {
  kernelTest(`arguments of static probes are read where they lie (${flags[0]})`, NEEDS, async () => {
    using files = new UsdtFiles(flags);
    using child = files.start();
    await child.ready();
    const [forms, add] = [`usdt:${files.program}:test:forms`, `usdt:${files.program}:test:add`] as const;
    using tracer = w.bpf({
      globals: { seen: w.array(w.i64, 6), sum: w.i64, hits: w.u32 },
      programs: {
        [forms](ctx: w.StaticProbeArguments, { seen }: Globals) {
          const { arg0, arg1, arg2, arg3, arg4 } = ctx;
          seen[0] = arg0;
          seen[1] = arg1;
          seen[2] = arg2;
          seen[3] = arg3;
          seen[4] = arg4;
          // The notes say that these are signed, so they compare so.
          if (arg0 < 0 && arg3 < 0 && arg4 < 0) seen[5] = 1;
        },
        [add](ctx: w.StaticProbeArguments, { sum, hits }: Globals) {
          sum += ctx.arg0 + ctx.arg1;
          hits += 1;
        },
      } as Programs,
    });
    for (const program of Object.values(tracer.programs)) program.attach(cookies ? {} : { pid: child.pid });
    await child.round();
    const { globals } = tracer;
    assertEquals(globals.seen, [-70001n, 65535n, 200n, -56n, -9n, 1n]);
    // Two places of one probe, whose arguments lie differently.
    assertEquals([globals.hits, globals.sum], [2, 40n + 2n + 1n + 1000000000000n]);
    tracer.detach();
    await child.round();
    assertEquals(globals.hits, 2);
  });
}

/** The editor cannot follow keys that are only known when the script runs. */
type Programs = Record<string, () => void>;
interface Globals {
  seen: number[];
  sum: number;
  hits: number;
}

kernelTest("a static probe has no more arguments than its notes say", NEEDS, () => {
  using files = new UsdtFiles();
  const programs = { [`usdt:${files.program}:test:counted`]: (ctx: w.KernelContext) => ctx.arg1 };
  assertThrows(() => w.bpf({ programs }), w.CompileError, "arg1");
});

const LIBBPF = String.raw`#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv) {
  struct bpf_object *obj = bpf_object__open_file(argv[1], 0);
  if (!obj || bpf_object__load(obj)) return 2;
  struct bpf_program *prog = bpf_object__next_program(obj, 0);
  if (!bpf_program__attach_usdt(prog, -1, argv[2], "test", "add", 0)) return 3;
  FILE *child = popen(argv[2], "w");
  fputs("go\n", child), pclose(child);
  struct bpf_map *map = bpf_object__find_map_by_name(obj, argv[3]);
  int zero = 0;
  char value[4096];
  long sum;
  if (!map || bpf_map__lookup_elem(map, &zero, 4, value, bpf_map__value_size(map), 0)) return 4;
  memcpy(&sum, value, 8);
  fprintf(stderr, "sum %ld\n", sum);
  return 0;
}
`;

kernelTest("libbpf attaches a compiled static probe and fills in its arguments", {
  needs: ["uprobes", "tool:cc", "btf", "kernel:5.15"],
}, () => {
  using files = new UsdtFiles();
  const [object, source, program] = ["usdt.bpf.o", "libbpf.c", "libbpf"].map((name) => `${files.folder}/${name}`);
  const compiled = w.compile({
    globals: { sum: w.i64 },
    programs: {
      "usdt:/nowhere:test:add"(ctx, { sum }) {
        sum += ctx.arg0 + ctx.arg1;
      },
    },
  });
  compiled.write(object!);
  writeFileSync(source!, LIBBPF);
  const built = spawnSync("cc", ["-o", program!, source!, "-lbpf"], { encoding: "utf8" });
  assertEquals(built.status, 0, built.stderr);
  const bss = compiled.spec.maps.find((map) => map.name.endsWith(".bss"))!.name;
  const { status, stderr } = spawnSync(program!, [object!, files.program, bss], { encoding: "utf8" });
  assertEquals([status, /sum (-?\d+)/.exec(stderr)?.[1]], [0, String(1000000000043n)], stderr);
});
