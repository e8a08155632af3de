import { assertEquals } from "@std/assert";
import { FakeRuntime } from "../../src/syscall/runtime/fake.ts";
import { withRuntime } from "../../src/syscall/runtime/mod.ts";
import { beforeDeath, onSignal } from "../../src/syscall/signals.ts";
import { test } from "../support/harness.ts";

/** The system calls made, and what the fake runtime does with signals. */
function inFake(fn: (fake: FakeRuntime, kills: () => number) => void): void {
  const fake = new FakeRuntime();
  withRuntime(fake, () => fn(fake, () => fake.calls.filter((call) => call.name === "kill").length));
}

test("`beforeDeath()` runs actions, last first, and then lets the signal end the process", () => {
  inFake((fake, kills) => {
    const done: string[] = [];
    beforeDeath(() => done.push("first"));
    beforeDeath(() => done.push("second"));
    fake.raise("SIGTERM");
    assertEquals([done, kills()], [["second", "first"], 1]);
    // Nothing listens any more: the next signal is the kernel's.
    assertEquals(fake.raise("SIGTERM"), 0);
  });
});

test("`beforeDeath()` listens only while there are actions", () => {
  inFake((fake, kills) => {
    const undo = [beforeDeath(() => {}), beforeDeath(() => {})];
    undo[0]!();
    assertEquals(fake.raise("SIGINT"), 1);
    assertEquals(kills(), 1);
    const again = beforeDeath(() => {});
    again();
    assertEquals([fake.raise("SIGINT"), fake.raise("SIGTERM")], [0, 0]);
  });
});

test("`beforeDeath()` leaves a signal to a script that handles it, before or after it", () => {
  for (const isFirst of [true, false]) {
    inFake((fake, kills) => {
      let runs = 0;
      let off = () => {};
      // As `interrupted()` does: the handler takes itself away.
      const handle = () => void (off = onSignal("SIGINT", () => off()));
      if (isFirst) handle();
      beforeDeath(() => runs++);
      if (!isFirst) handle();
      fake.raise("SIGINT");
      assertEquals([runs, kills()], [0, 0]);
    });
  }
  inFake((fake, kills) => {
    let runs = 0;
    beforeDeath(() => runs++);
    fake.foreign.add("SIGINT");
    fake.raise("SIGINT");
    assertEquals([runs, kills()], [0, 0]);
  });
});

test("an action that throws does not keep the others from running", () => {
  inFake((fake, kills) => {
    let runs = 0;
    const { error } = console;
    const shown: unknown[] = [];
    console.error = (thrown: unknown) => shown.push(thrown);
    try {
      beforeDeath(() => runs++);
      beforeDeath(() => {
        throw new Error("gone");
      });
      fake.raise("SIGINT");
    } finally {
      console.error = error;
    }
    assertEquals([runs, kills(), shown.length], [1, 1, 1]);
  });
});
