import { assert } from "@std/assert";
import { Builder, r0, r1, r10, r2, r3, r4 } from "../../../src/asm/build.ts";
import { u64 } from "../../../src/bytes/scalars.ts";
import { kernelTime } from "../../../src/kernel/clock.ts";
import { createMap } from "../../../src/maps/create.ts";
import { kernelTest } from "../../support/harness.ts";
import { loadTc, run } from "../maps/producers.ts";

kernelTest("`kernelTime()` gives the time of day at which a program ran", { needs: ["kernel:5.8"] }, () => {
  using times = createMap({ type: "array", value: u64, maxEntries: 1, name: "times" });
  for (const [helper, clock] of [["ktime_get_ns", "monotonic"], ["ktime_get_boot_ns", "boottime"]] as const) {
    const program = new Builder().call(helper).store(64, r10, -8, r0).store(32, r10, -16, 0);
    program.mapFd(r1, times.fd).mov(r2, r10).alu("add", r2, -16).mov(r3, r10).alu("add", r3, -8).mov(r4, 0);
    using prog = loadTc(program.call("map_update_elem").mov(r0, 0).exit());
    const before = Date.now();
    run(prog);
    const after = Date.now();
    const time = kernelTime(times.get(0)!, clock).getTime();
    // One more on each side: the clocks are read one after the other, and rounded.
    assert(time >= before - 2 && time <= after + 2, `${clock}: ${time}, not ${before} to ${after}`);
  }
});
