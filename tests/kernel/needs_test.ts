import { assert } from "@std/assert";
import { kernelTest } from "../support/harness.ts";
import { GUARD_NAMES, unmet } from "../support/needs.ts";

// A guard that wrongly denies would skip its tests for ever; on the project's reference kernels each has to hold.
for (const name of GUARD_NAMES) {
  kernelTest(`unmet("${name}") agrees with the kernel's version`, {}, () => {
    const answer = unmet(name);
    assert(answer === undefined || !answer.unexpected, `denied here: ${answer?.reason}`);
    if (answer !== undefined) console.log(`${name}: ${answer.reason}`);
  });
}
