import { assert, assertEquals, assertThrows } from "@std/assert";
import { SYSCALLS } from "../../src/abi/arch.ts";
import { arena, Mapping, pool, roundUp } from "../../src/syscall/memory.ts";
import { FakeRuntime } from "../../src/syscall/runtime/fake.ts";
import { withRuntime } from "../../src/syscall/runtime/mod.ts";
import { test } from "../support/harness.ts";

test("Scope gives zeroed memory and takes it back at the end of the block", () => {
  withRuntime(new FakeRuntime(), () => {
    let address: number;
    {
      using scope = arena().scope();
      const block = scope.alloc(24);
      address = block.address;
      block.bytes.fill(0xff);
    }
    using scope = arena().scope();
    const again = scope.alloc(24);
    assertEquals(again.address, address);
    assertEquals([...again.bytes], new Array(24).fill(0));
  });
});

test("Scope aligns each block and keeps neighbours apart", () => {
  withRuntime(new FakeRuntime(), () => {
    using scope = arena().scope();
    const a = scope.alloc(3, 1);
    const b = scope.alloc(8, 8);
    const c = scope.alloc(1, 64);
    assert(b.address % 8 === 0 && c.address % 64 === 0);
    assert(b.address >= a.address + 3 && c.address >= b.address + 8);
  });
});

test("Scope gives pages of their own to large blocks and unmaps them at the end", () => {
  const fake = new FakeRuntime();
  withRuntime(fake, () => {
    let address: number;
    {
      using scope = arena().scope();
      const block = scope.alloc(5 << 20);
      address = block.address;
      assertEquals(block.length, 5 << 20);
      block.bytes[block.length - 1] = 1;
    }
    assertThrows(() => fake.memory(address, 1), RangeError);
  });
});

test("Scope continues in a new chunk when one is full, and goes back", () => {
  withRuntime(new FakeRuntime(), () => {
    using outer = arena().scope();
    const first = outer.alloc(8);
    {
      using inner = arena().scope();
      for (let i = 0; i < 20; i++) inner.alloc(200_000);
    }
    assertEquals(outer.alloc(8).address, first.address + 8);
  });
});

test("Scope refuses to be closed out of order", () => {
  withRuntime(new FakeRuntime(), () => {
    const outer = arena().scope();
    const inner = arena().scope();
    assertThrows(() => outer[Symbol.dispose](), TypeError, "inner scope");
    inner[Symbol.dispose]();
    outer[Symbol.dispose]();
    assertThrows(() => outer[Symbol.dispose](), TypeError);
  });
});

test("Scope.string() ends text with zero and refuses zero bytes within", () => {
  const fake = new FakeRuntime();
  withRuntime(fake, () => {
    using scope = arena().scope();
    scope.alloc(16).bytes.fill(0xff);
    assertEquals(fake.string(scope.string("bpf é".normalize())).length, 6); // é is two bytes
    assertThrows(() => scope.string("a\0b"), TypeError, "zero byte");
  });
});

test("Scope.strings() makes an array of pointers", () => {
  const fake = new FakeRuntime();
  withRuntime(fake, () => {
    using scope = arena().scope();
    const address = scope.strings(["one", "two"]);
    const view = new DataView(fake.memory(address, 16).slice().buffer);
    assertEquals([0, 8].map((at) => fake.string(view.getBigUint64(at, true))), ["one", "two"]);
  });
});

test("Mapping.close() empties views made before and runs once", () => {
  const fake = new FakeRuntime();
  withRuntime(fake, () => {
    const mapping = Mapping.anonymous(100);
    const bytes = new Uint8Array(mapping.buffer);
    assertEquals(mapping.length, 4096);
    mapping.close();
    mapping.close();
    assertEquals(bytes.length, 0);
    assertThrows(() => mapping.buffer, TypeError, "unmapped");
  });
});

test("Pool.alloc() hands out a returned block again, zeroed", () => {
  withRuntime(new FakeRuntime(), () => {
    const first = pool().alloc(100);
    first.bytes.fill(7);
    first.close();
    first.close(); // must not be handed out twice
    const again = pool().alloc(100);
    const other = pool().alloc(100);
    assertEquals(again.address, first.address);
    assert(other.address !== again.address);
    assertEquals([...again.bytes], new Array(100).fill(0));
  });
});

test("arena() belongs to the runtime it was mapped with", () => {
  const [one, two] = [new FakeRuntime(), new FakeRuntime("aarch64")];
  const a = withRuntime(one, arena);
  assert(withRuntime(two, arena) !== a);
  assert(withRuntime(one, arena) === a);
});

test("Mapping.anonymous() throws SyscallError when there is no memory", () => {
  const fake = new FakeRuntime();
  const { mmap } = SYSCALLS.x86_64;
  const original = fake.syscall64.bind(fake);
  fake.syscall64 = (nr, ...args) => nr === mmap ? -12 : original(nr, ...args);
  withRuntime(fake, () => {
    const error = assertThrows(() => Mapping.anonymous(1), Error, "mmap: ENOMEM");
    assertEquals(error.name, "SyscallError");
  });
});

test("roundUp() rounds to a multiple", () => {
  assertEquals([0, 1, 8, 9].map((n) => roundUp(n, 8)), [0, 8, 8, 16]);
});
