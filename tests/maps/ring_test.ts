import { assertEquals, assertThrows } from "@std/assert";
import type { Arch } from "../../src/abi/arch.ts";
import { Ring } from "../../src/maps/ring.ts";
import { FakeRuntime } from "../../src/syscall/runtime/fake.ts";
import { runtime, withRuntime } from "../../src/syscall/runtime/mod.ts";
import { test } from "../support/harness.ts";

const PAGE = 4096;
const SIZE = 4096;
const BUSY = 0x8000_0000;
const DISCARD = 0x4000_0000;

/** A ring in fake memory, with a producer that does what the kernel does. */
class FakeRing {
  readonly ring: Ring;
  readonly #consumer: DataView;
  readonly #producer: DataView;
  #position: bigint;

  constructor(arch: Arch, start = 0n) {
    const fake = currentFake();
    const addresses: number[] = [];
    fake.on("mmap", ({ args }, memory) => {
      const address = memory.map(args[1]!);
      addresses.push(address);
      if (addresses.length === 1) memory.memory(address, 8).set(new Uint8Array(new BigUint64Array([start]).buffer));
      return address;
    });
    this.#position = start;
    this.ring = new Ring(5, SIZE, arch);
    const [consumer, producer] = addresses.map((address, i) => fake.memory(address, i === 0 ? PAGE : PAGE + 2 * SIZE));
    this.#consumer = new DataView(consumer!.buffer, consumer!.byteOffset, consumer!.length);
    this.#producer = new DataView(producer!.buffer, producer!.byteOffset, producer!.length);
    this.#producer.setBigUint64(0, start, true);
  }

  get consumerPosition(): bigint {
    return this.#consumer.getBigUint64(0, true);
  }

  /** Reserves a record; returns what commits it. */
  reserve(bytes: number[]): (flags?: number) => void {
    const at = Number(this.#position % BigInt(SIZE));
    this.#write32(at, (bytes.length | BUSY) >>> 0);
    for (const [i, byte] of bytes.entries()) this.#write8(at + 8 + i, byte);
    this.#position += BigInt((bytes.length + 8 + 7) & ~7);
    this.#producer.setBigUint64(0, this.#position, true);
    return (flags = 0) => this.#write32(at, (bytes.length | flags) >>> 0);
  }

  put(...bytes: number[]): void {
    this.reserve(bytes)();
  }

  read(limit?: number): number[][] {
    const records: number[][] = [];
    this.ring.scan((view, offset, length) => {
      records.push([...new Uint8Array(view.buffer, view.byteOffset + offset, length)]);
    }, limit);
    return records;
  }

  /** The data is mapped twice in a row: a record that wraps is whole in the first mapping. */
  #write8(at: number, byte: number): void {
    this.#producer.setUint8(PAGE + (at % SIZE), byte);
    this.#producer.setUint8(PAGE + SIZE + (at % SIZE), byte);
  }

  #write32(at: number, value: number): void {
    for (let i = 0; i < 4; i++) this.#write8(at + i, (value >>> (8 * i)) & 0xff);
  }
}

// x86-64 reads headers and data in one walk, arm64 in two.
for (const arch of ["x86_64", "aarch64"] as const) {
  test(`${arch}: \`Ring.scan()\` stops at a busy record and goes on when it is committed`, () => {
    withRuntime(new FakeRuntime(), () => {
      const fake = new FakeRing(arch);
      fake.put(1);
      const commit = fake.reserve([2, 2]);
      fake.put(3, 3, 3);
      assertEquals(fake.read(), [[1]]);
      assertEquals([fake.read(), fake.consumerPosition, fake.ring.available > 0], [[], 16n, true]);
      commit();
      assertEquals(fake.read(), [[2, 2], [3, 3, 3]]);
      assertEquals(fake.consumerPosition, 48n);
    });
  });

  test(`${arch}: \`Ring.scan()\` skips discarded records and counts them`, () => {
    withRuntime(new FakeRuntime(), () => {
      const fake = new FakeRing(arch);
      for (let i = 0; i < 600; i++) {
        const commit = fake.reserve([i & 0xff]);
        commit(i % 3 === 0 ? 0 : DISCARD);
        if (i % 100 === 99) fake.read();
      }
      assertEquals(fake.ring.counters, { records: 200, bytes: 200, discarded: 400 });
      const last = fake.reserve([9]);
      last(DISCARD);
      assertEquals(fake.read(), []);
      assertEquals(fake.ring.available, 0); // a lone discarded record is given back
    });
  });

  test(`${arch}: \`Ring.scan()\` works where positions pass 32 bits, and where they start above`, () => {
    for (const start of [2n ** 32n - 64n, 2n ** 31n - 64n, 5n * 2n ** 40n]) {
      withRuntime(new FakeRuntime(), () => {
        const fake = new FakeRing(arch, start);
        for (let i = 0; i < 20; i++) {
          fake.put(i, 1, 2, 3, 4, 5, 6, 7, 8);
          assertEquals(fake.read(), [[i, 1, 2, 3, 4, 5, 6, 7, 8]]);
        }
        assertEquals(fake.consumerPosition, start + 20n * 24n);
      });
    }
  });

  test(`${arch}: \`Ring.scan()\` reads records that wrap`, () => {
    withRuntime(new FakeRuntime(), () => {
      const fake = new FakeRing(arch);
      const long = Array.from({ length: 1000 }, (_, i) => i & 0xff);
      for (let i = 0; i < 30; i++) {
        fake.put(...long);
        assertEquals(fake.read(), [long]);
      }
    });
  });

  test(`${arch}: \`Ring.scan()\` gives back space a quarter of the ring at a time`, () => {
    withRuntime(new FakeRuntime(), () => {
      const fake = new FakeRing(arch);
      for (let i = 0; i < 128; i++) fake.put(1, 2, 3, 4, 5, 6, 7, 8);
      const positions = new Set<bigint>();
      fake.ring.scan(() => void positions.add(fake.consumerPosition));
      assertEquals([...positions], [0n, 1024n]);
      assertEquals(fake.consumerPosition, 2048n);
    });
  });

  test(`${arch}: \`Ring.scan()\` counts what it visited, up to the limit or the record that stops it`, () => {
    withRuntime(new FakeRuntime(), () => {
      const fake = new FakeRing(arch);
      for (let i = 0; i < 10; i++) fake.put(i);
      assertEquals(fake.ring.scan(() => {}, 3), 3);
      assertEquals(fake.ring.scan((view, offset) => view.getUint8(offset) !== 5), 3);
      assertEquals(fake.read(), [[6], [7], [8], [9]]);
      assertEquals(fake.ring.scan(() => false), 0);
    });
  });

  test(`${arch}: \`Ring.scan()\` refuses to be entered again`, () => {
    withRuntime(new FakeRuntime(), () => {
      const fake = new FakeRing(arch);
      fake.put(1);
      assertThrows(() => fake.ring.scan(() => void fake.read()), TypeError, "outer call");
      assertEquals(fake.read(), []); // the record counts as read
    });
  });
}

test("`Ring` unmaps what it has mapped when the second mapping fails", () => {
  const fake = new FakeRuntime();
  let count = 0;
  fake.on("mmap", ({ args }, memory) => count++ === 0 ? memory.map(args[1]!) : -12);
  withRuntime(fake, () => assertThrows(() => new Ring(5, SIZE), Error, "ENOMEM"));
  assertThrows(() => fake.memory(0x1000_0000, 1), RangeError);
});

function currentFake(): FakeRuntime {
  return runtime() as FakeRuntime;
}
