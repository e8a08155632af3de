/** Maps against the fake: what reaches the kernel, and what its errors become. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { E2BIG, EBUSY, EINVAL, ENOENT, ENOSPC, ENOTSUPP, EPERM } from "../../src/abi/errno.gen.ts";
import { str } from "../../src/bytes/composites.ts";
import { u32, u64, u8 } from "../../src/bytes/scalars.ts";
import { SyscallError, WaggleError } from "../../src/errors.ts";
import { createMap } from "../../src/maps/create.ts";
import { MAP_KINDS, mapKind } from "../../src/maps/kinds.ts";
import type { HashMap } from "../../src/maps/hash.ts";
import { type FakeCall, FakeRuntime } from "../../src/syscall/runtime/fake.ts";
import { withRuntime } from "../../src/syscall/runtime/mod.ts";
import { bpf_map_type } from "../../src/abi/bpf.gen.ts";
import { wrapMap } from "../../src/maps/wrap.ts";
import { Fd } from "../../src/syscall/fd.ts";
import { test } from "../support/harness.ts";

type Elements = Map<number, bigint>;

/** A fake kernel with one hash map of u32 → u64. */
function fakeHash(options: { batch?: boolean; maxEntries?: number } = {}): { fake: FakeRuntime; elements: Elements } {
  const elements: Elements = new Map();
  const fake = new FakeRuntime();
  const view = ({ attr }: FakeCall, field: string, size: number) => {
    const bytes = fake.memory(attr![field] as bigint, size);
    return new DataView(bytes.buffer, bytes.byteOffset, size);
  };
  fake.bpf("BPF_MAP_CREATE", () => fake.fd());
  fake.bpf("BPF_MAP_LOOKUP_ELEM", (call) => {
    const value = elements.get(view(call, "key", 4).getUint32(0, true));
    if (value === undefined) return -ENOENT;
    view(call, "value", 8).setBigUint64(0, value, true);
    return 0;
  });
  fake.bpf("BPF_MAP_UPDATE_ELEM", (call) => {
    const key = view(call, "key", 4).getUint32(0, true);
    if (!elements.has(key) && elements.size >= (options.maxEntries ?? 100)) return -E2BIG;
    elements.set(key, view(call, "value", 8).getBigUint64(0, true));
    return 0;
  });
  fake.bpf("BPF_MAP_DELETE_ELEM", (call) => {
    assertEquals(call.args[2], 16); // the kernel refuses anything behind the key
    return elements.delete(view(call, "key", 4).getUint32(0, true)) ? 0 : -ENOENT;
  });
  fake.bpf("BPF_MAP_GET_NEXT_KEY", (call) => {
    const keys = [...elements.keys()];
    const at = call.attr!["key"] === 0n ? -1 : keys.indexOf(view(call, "key", 4).getUint32(0, true));
    // A key that is gone: the kernel starts over.
    const next = keys[at + 1];
    if (next === undefined) return -ENOENT;
    view(call, "next_key", 4).setUint32(0, next, true);
    return 0;
  });
  return { fake, elements };
}

function open(): HashMap<number, bigint> {
  return createMap({ type: "hash", key: u32, value: u64, maxEntries: 100, name: "counts" });
}

test("BpfMap.get(), set(), has() and delete() are one call each", () => {
  const { fake, elements } = fakeHash();
  withRuntime(fake, () => {
    using map = open();
    const before = fake.calls.length;
    map.set(7, 2n ** 63n);
    assertEquals([...elements], [[7, 2n ** 63n]]);
    assertEquals([map.get(7), map.get(8), map.has(7), map.delete(7), map.delete(7)], [
      2n ** 63n,
      undefined,
      true,
      true,
      false,
    ]);
    assertEquals(fake.calls.slice(before).map((call) => call.name), Array(6).fill("bpf"));
  });
  assertEquals(fake.openFds.size, 0);
});

test("wrong shapes are refused before any call, with the path of the field", () => {
  const { fake } = fakeHash();
  withRuntime(fake, () => {
    using map = createMap({ type: "hash", key: u32, value: { a: u8, name: str(8) }, maxEntries: 4 });
    const before = fake.calls.length;
    assertThrows(() => map.set(-1, { a: 1, name: "" }), RangeError, "key");
    assertThrows(() => map.set(1, { a: 256, name: "" }), RangeError, "value.a");
    assertThrows(() => map.set(1, { a: 1 } as { a: number; name: string }), TypeError, "value.name");
    assertThrows(() => map.get("x" as unknown as number), TypeError, "key");
    assertEquals(fake.calls.length, before);
  });
});

test("a full map says so, and how large it is", () => {
  const { fake } = fakeHash({ maxEntries: 1 });
  withRuntime(fake, () => {
    using map = open();
    map.set(1, 1n);
    const error = assertThrows(() => map.set(2, 1n), SyscallError, 'map "counts": map is full (100 entries)');
    assertStringIncludes(error.hint ?? "", "LRU");
    assertEquals(error.errnoName, "E2BIG");
  });
});

test("BpfMap.set() tries again while the bucket is locked", () => {
  const { fake } = fakeHash();
  let busy = 5;
  fake.bpf("BPF_MAP_UPDATE_ELEM", () => busy-- > 0 ? -EBUSY : 0);
  withRuntime(fake, () => {
    using map = open();
    map.set(1, 1n);
    assertEquals(fake.bpfCalls("BPF_MAP_UPDATE_ELEM").length, 6);
  });
});

test("BpfMap.update() tells whether its condition held", () => {
  const { fake } = fakeHash();
  const flags: bigint[] = [];
  fake.bpf("BPF_MAP_UPDATE_ELEM", ({ attr }) => {
    flags.push(attr!["flags"] as bigint);
    return attr!["flags"] === 1n ? -17 : attr!["flags"] === 2n ? -ENOENT : 0;
  });
  withRuntime(fake, () => {
    using map = open();
    assertEquals(map.update(1, 1n, { flag: "noexist" }), false);
    assertEquals(map.update(1, 1n, { flag: "exist" }), false);
    assertEquals(map.update(1, 1n, { lock: true }), true);
    map.set(1, 1n);
    assertThrows(() => map.update(1, 1n, { flag: "nope" as "any" }), TypeError, "nope");
  });
  assertEquals(flags, [1n, 2n, 4n, 0n]); // flags do not stick
});

test("iteration without batches lists each key once, also when the consumer deletes", () => {
  const { fake, elements } = fakeHash();
  fake.bpf("BPF_MAP_LOOKUP_BATCH", () => -EINVAL);
  for (let key = 0; key < 50; key++) elements.set(key, BigInt(key));
  withRuntime(fake, () => {
    using map = open();
    const seen: number[] = [];
    for (const key of map.keys()) {
      seen.push(key);
      if (key % 2 === 0) map.delete(key);
    }
    assertEquals(seen.toSorted((a, b) => a - b), Array.from({ length: 50 }, (_, i) => i));
    assertEquals(map.size, 25);
    assertEquals(fake.bpfCalls("BPF_MAP_LOOKUP_BATCH").length, 1); // asked once, remembered
  });
});

test("iteration of a map that changes all the time ends with an error", () => {
  const { fake } = fakeHash();
  fake.bpf("BPF_MAP_LOOKUP_BATCH", () => -ENOTSUPP);
  fake.bpf("BPF_MAP_GET_NEXT_KEY", ({ attr }) => (fake.memory(attr!["next_key"] as bigint, 4).set([1, 0, 0, 0]), 0));
  withRuntime(fake, () => {
    using map = open();
    assertThrows(() => [...map.keys()], WaggleError, "changes faster");
  });
});

test("a batch whose bucket does not fit is read again with more room", () => {
  const { fake } = fakeHash();
  const counts: number[] = [];
  fake.bpf("BPF_MAP_LOOKUP_BATCH", ({ attr, args }) => {
    const count = attr!["count"] as number;
    counts.push(count);
    if (count < 400) return -ENOSPC;
    const keys = fake.memory(attr!["keys"] as bigint, 8);
    new DataView(keys.buffer, keys.byteOffset).setUint32(4, 5, true);
    fake.memory(args[1]! + 32, 4).set([2, 0, 0, 0]);
    return -ENOENT;
  });
  withRuntime(fake, () => {
    using map = open();
    assertEquals([...map.keys()].length, 2);
  });
  assertEquals(counts, [100, 200, 400]);
});

test("setAll() writes in batches and says which entry failed", () => {
  const { fake } = fakeHash();
  let room = 150;
  const sizes: number[] = [];
  fake.bpf("BPF_MAP_UPDATE_BATCH", ({ attr, args }) => {
    const count = attr!["count"] as number;
    sizes.push(count);
    const written = Math.min(count, room);
    room -= written;
    const bytes = fake.memory(args[1]! + 32, 4);
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(0, written, true);
    return written < count ? -E2BIG : 0;
  });
  withRuntime(fake, () => {
    using map = open();
    const entries = (n: number) => Array.from({ length: n }, (_, i) => [i, 0n] as const);
    assertEquals(map.setAll(entries(120)), 120);
    assertThrows(() => map.setAll(entries(80)), SyscallError, "Cannot write entry 30");
  });
  assertEquals(sizes, [100, 20, 80]);
});

test("setAll() and deleteAll() work where the kernel has no batches", () => {
  const { fake, elements } = fakeHash();
  for (const command of ["BPF_MAP_UPDATE_BATCH", "BPF_MAP_DELETE_BATCH"] as const) fake.bpf(command, () => -EINVAL);
  withRuntime(fake, () => {
    using map = open();
    assertEquals(map.setAll([[1, 10n], [2, 20n], [3, 30n]]), 3);
    assertEquals([...elements], [[1, 10n], [2, 20n], [3, 30n]]);
  });
  withRuntime(fake, () => {
    using map = open();
    assertEquals(map.deleteAll([1, 9, 3]), 2);
    assertEquals([...elements.keys()], [2]);
  });
});

test("take() falls back to two calls", () => {
  const { fake, elements } = fakeHash();
  fake.bpf("BPF_MAP_LOOKUP_AND_DELETE_ELEM", () => -ENOTSUPP);
  elements.set(1, 5n);
  withRuntime(fake, () => {
    using map = open();
    assertEquals([map.take(1), map.take(1)], [5n, undefined]);
  });
});

test("operations a kind does not have say what to use, before any call", () => {
  const { fake } = fakeHash();
  withRuntime(fake, () => {
    using array = createMap({ type: "array", value: u64, maxEntries: 3, name: "slots" });
    const before = fake.calls.length;
    assertThrows(
      () => array.delete(0),
      TypeError,
      'Cannot delete from map "slots": its kind is array; elements of an array',
    );
    assertThrows(() => array.get(3), RangeError, "3 elements");
    assertThrows(() => array.set(-1, 0n), RangeError, "index -1");
    assertThrows(() => array.get(0.5), RangeError, "0.5");
    assertEquals(fake.calls.length, before);
  });
});

test("a closed map says so", () => {
  const { fake } = fakeHash();
  withRuntime(fake, () => {
    const map = open();
    map.set(1, 1n);
    map.close();
    map.close();
    assertThrows(() => map.get(1), TypeError, 'Cannot use map "counts": it is closed');
    assertThrows(() => [...map], TypeError, "closed");
  });
});

test("EPERM hints at frozen and read-only maps", () => {
  const { fake } = fakeHash();
  fake.bpf("BPF_MAP_UPDATE_ELEM", () => -EPERM);
  withRuntime(fake, () => {
    using map = open();
    assertStringIncludes(assertThrows(() => map.set(1, 1n), SyscallError).hint ?? "", "frozen");
  });
});

test("createMap() refuses what cannot be, before any call", () => {
  const fake = new FakeRuntime();
  withRuntime(fake, () => {
    const bad = (options: unknown) => () => createMap(options as { type: "hash" });
    assertThrows(bad({ type: "hsh", maxEntries: 1 }), TypeError, "hash");
    assertThrows(bad({ type: "hash", value: u32, maxEntries: 1 }), TypeError, "keys");
    assertThrows(bad({ type: "hash", key: u32, value: u32 }), TypeError, "maxEntries");
    assertThrows(bad({ type: "hash", key: u32, value: u32, maxEntries: -1 }), RangeError, "-1 entries");
    assertThrows(bad({ type: "array", key: u64, value: u32, maxEntries: 1 }), TypeError, "4 bytes, not 8");
    assertThrows(bad({ type: "ringbuf", maxEntries: 5000 }), RangeError, "try 8192");
    assertThrows(bad({ type: "hash", key: u32, value: u32, maxEntries: 1, inner: 5 }), TypeError, "inner");
    assertEquals(fake.calls.length, 0);
  });
});

test("createMap() closes everything when the kernel refuses", () => {
  const fake = new FakeRuntime();
  let count = 0;
  fake.bpf("BPF_MAP_CREATE", () => count++ === 0 ? fake.fd() : -EINVAL);
  fake.on("fcntl", () => fake.fd());
  withRuntime(fake, () => {
    const inner = { type: "hash", key: u32, value: u32, maxEntries: 1 } as const;
    assertThrows(() => createMap({ type: "hash_of_maps", key: u32, maxEntries: 1, inner }), SyscallError, "EINVAL");
  });
  assertEquals([count, fake.openFds.size], [2, 0]);
});

test("createMap() makes names the kernel takes", () => {
  const fake = new FakeRuntime();
  fake.bpf("BPF_MAP_CREATE", () => fake.fd());
  withRuntime(fake, () => {
    using _map = createMap({ type: "hash", key: u32, value: u32, maxEntries: 1, name: "my map/with-odd-name" });
    assertEquals(fake.bpfCalls("BPF_MAP_CREATE")[0]!.attr!["map_name"], "my_map_with_odd");
  });
});

test("MAP_KINDS has a row for every type of the kernel", () => {
  for (const [type, name] of bpf_map_type.entries()) {
    if (name === undefined || type === 0 || name.startsWith("__MAX")) continue;
    assert(mapKind(type) !== undefined, name);
    assertEquals(`BPF_MAP_TYPE_${mapKind(type)!.name.toUpperCase()}`, name);
  }
  assertEquals(new Set(Object.values(MAP_KINDS).map((kind) => kind.type)).size, Object.keys(MAP_KINDS).length);
});

test("MAP_KINDS names methods that the kinds' classes have", () => {
  const fake = new FakeRuntime();
  let reads = 0;
  fake.on("openat", () => fake.fd()).on("read", ({ args }, memory) => {
    if (reads++ > 0) return 0;
    memory.memory(args[1]!, 4).set(new TextEncoder().encode("0-1\n")); // /sys/devices/system/cpu/possible
    return 4;
  });
  withRuntime(fake, () => {
    for (const kind of Object.values(MAP_KINDS)) {
      const sizes = { keySize: kind.keySize ?? 8, valueSize: kind.valueSize ?? 8, maxEntries: 1, flags: 0 };
      using map = wrapMap(new Fd(1000), { name: kind.name, type: kind.type, ...sizes });
      for (const name of kind.methods ?? []) assert(name in map, `${kind.name}: ${name}`);
      for (const [op, name] of Object.entries({ get: "get", set: "set", delete: "delete", list: "entries" })) {
        if (kind.ops.includes(op as "get")) assert(name in map, `${kind.name}: ${name}`);
      }
    }
  });
});
