import { assertEquals, assertRejects } from "@std/assert";
import { EBADF } from "../../src/abi/errno.gen.ts";
import { SyscallError } from "../../src/errors.ts";
import { waiter } from "../../src/maps/waiter.ts";
import { FakeRuntime } from "../../src/syscall/runtime/fake.ts";
import { withRuntime } from "../../src/syscall/runtime/mod.ts";
import { test } from "../support/harness.ts";

/** A fake epoll: records what is armed, and wakes with the tokens given. */
class FakeEpoll extends FakeRuntime {
  readonly armed: { op: number; fd: number; events: number; token: number }[] = [];
  eventsAddress = 0;

  constructor() {
    super();
    for (const name of ["epoll_create1", "eventfd2"] as const) this.on(name, () => this.fd());
    this.on("epoll_ctl", ({ args }, memory) => {
      const bytes = memory.memory(args[3]!, 12);
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      this.armed.push({ op: args[1]!, fd: args[2]!, events: view.getUint32(0, true), token: view.getUint32(4, true) });
      return 0;
    });
    this.on("write", () => (this.ready(0xffff_ffff), 8)).on("read", () => 8);
  }

  override epollWait(_fd?: number, eventsAddress = 0): Promise<number> {
    this.eventsAddress = eventsAddress;
    return super.epollWait();
  }

  /** Ends the open wait with these tokens. */
  ready(...tokens: number[]): void {
    const bytes = this.memory(this.eventsAddress, 12 * tokens.length);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    for (const [i, token] of tokens.entries()) view.setUint32(12 * i + 4, token, true);
    this.wake(tokens.length);
  }
}

const EPOLLIN = 1;
const EPOLLET = 0x8000_0000;
const EPOLLONESHOT = 0x4000_0000;
const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

test("a level source is armed for each wait, an edge source once", async () => {
  const fake = new FakeEpoll();
  await withRuntime(fake, async () => {
    const level = waiter().source([50], "level");
    const edge = waiter().source([60, 61], "edge");
    assertEquals(fake.armed.map(({ fd, events }) => [fd, events]).slice(1), [
      [60, (EPOLLIN | EPOLLET) >>> 0],
      [61, (EPOLLIN | EPOLLET) >>> 0],
    ]);
    for (let round = 0; round < 2; round++) {
      const wait = level.wait();
      const last = fake.armed.at(-1)!;
      assertEquals([last.fd, last.op, last.events], [50, round === 0 ? 1 : 3, EPOLLIN | EPOLLONESHOT]);
      fake.ready(last.token);
      await wait;
      await turn();
    }
    level.close();
    edge.close();
    await turn();
  });
  assertEquals(fake.openFds.size, 0); // the last source takes the epoll set with it
});

test("an edge that comes while nobody waits is remembered", async () => {
  const fake = new FakeEpoll();
  await withRuntime(fake, async () => {
    const one = waiter().source([50], "edge");
    const two = waiter().source([60], "edge");
    const tokens = fake.armed.slice(1).map(({ token }) => token);
    const wait = one.wait();
    fake.ready(tokens[1]!, tokens[0]!);
    await wait;
    await two.wait(); // ready already
    one.close();
    two.close();
    await turn();
  });
});

test("closing a source ends its wait and wakes the blocked thread", async () => {
  const fake = new FakeEpoll();
  await withRuntime(fake, async () => {
    const source = waiter().source([50], "level");
    const wait = source.wait();
    source.close();
    source.close();
    await wait;
    await source.wait(); // closed: at once
    await turn();
  });
  assertEquals(fake.calls.filter((call) => call.name === "write").length, 1);
  assertEquals(fake.openFds.size, 0);
});

test("a wait that cannot be is an error of its reader", async () => {
  const fake = new FakeEpoll();
  fake.epollWait = () => Promise.resolve(-EBADF);
  await withRuntime(fake, async () => {
    const source = waiter().source([50], "level");
    await assertRejects(() => source.wait(), SyscallError, "epoll_pwait: EBADF");
    source.close();
    await turn();
  });
});
