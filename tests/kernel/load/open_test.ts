import { fileURLToPath } from "node:url";
import { readFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { kernelTest } from "../../support/harness.ts";
import { u32 } from "../../../src/bytes/scalars.ts";
import { str } from "../../../src/bytes/composites.ts";
import { NotFoundError, WaggleError } from "../../../src/errors.ts";
import type { HashMap } from "../../../src/maps/hash.ts";
import { RingBuffer } from "../../../src/maps/ringbuf.ts";
import { parseObject } from "../../../src/object/parse.ts";
import { load } from "../../../src/script/open.ts";
import { openFdCount } from "../../../src/syscall/fd.ts";
import { getpid } from "../../../src/syscall/process.ts";

const URL_OF = new URL("../../data/object/trace_open.o", import.meta.url);

interface Event {
  pid: number;
  tid: number;
  comm: string;
}

kernelTest(
  "load() attaches by section name and reads events typed by the object's BTF",
  { needs: ["tracefs"] },
  async () => {
    using bpf = load(URL_OF, { globals: { targ_pid: getpid() } });
    bpf.attach();
    getpid();
    const ring = bpf.ringbuf<Event>("events", "event");
    for await (const event of ring) {
      assertEquals([event.pid, event.comm.length > 0], [getpid(), true]);
      break;
    }
    const counts = bpf.map<HashMap<number, bigint>>("counts");
    assert(counts.get(getpid())! >= 1n);
    assertEquals(bpf.links.length, 1);
  },
);

kernelTest("load() takes a path, bytes and a parsed object alike", {}, () => {
  const path = fileURLToPath(URL_OF);
  const bytes = new Uint8Array(readFileSync(path));
  for (const source of [path, bytes, parseObject(bytes)]) {
    using bpf = load(source, { name: "mine" });
    assertEquals([bpf.spec.name, Object.keys(bpf.programs)], ["mine", ["on_getpid"]]);
  }
});

kernelTest("BpfObject.globals reads and writes the programs' own memory", { needs: ["tracefs"] }, () => {
  using bpf = load(URL_OF, { globals: { targ_pid: getpid() } });
  bpf.attach();
  bpf.globals["step"] = 100;
  const before = bpf.globals["seen"] as bigint;
  getpid();
  assertEquals((bpf.globals["seen"] as bigint) - before >= 100n, true);
  assertEquals(bpf.globals["targ_pid"], getpid());
  assertThrows(() => bpf.globals["targ_pid"] = 1, TypeError, "constant");
});

kernelTest("BpfObject.attach() and detach() can be repeated, but not nested", { needs: ["tracefs"] }, () => {
  using bpf = load(URL_OF, { globals: { targ_pid: getpid() } });
  bpf.attach();
  assertThrows(() => bpf.attach(), WaggleError, "attached already");
  bpf.detach();
  const seen = bpf.globals["seen"];
  getpid();
  assertEquals(bpf.globals["seen"], seen);
  bpf.attach();
  getpid();
  assert((bpf.globals["seen"] as bigint) > (seen as bigint));
});

kernelTest("BpfObject.ringbuf() takes a schema, or gives bytes", { needs: ["tracefs"] }, () => {
  using bpf = load(URL_OF, { globals: { targ_pid: getpid() } });
  bpf.attach();
  getpid();
  const typed = bpf.ringbuf<Event>("events", { pid: u32, tid: u32, comm: str(16) });
  let first: Event | undefined;
  typed.consume((event) => void (first ??= event));
  assertEquals(first?.pid, getpid());
  getpid();
  const raw = bpf.ringbuf<Uint8Array>("events");
  let size = 0;
  raw.consume((bytes) => void (size = bytes.length));
  assertEquals(size, 24);
});

kernelTest("BpfObject names the nearest when a name is not there", {}, () => {
  using bpf = load(URL_OF);
  assertEquals(assertThrows(() => bpf.map("event"), NotFoundError).nearest, ["events"]);
  assertEquals(assertThrows(() => bpf.program("on_getpd"), NotFoundError).nearest, ["on_getpid"]);
  assertThrows(() => bpf.ringbuf("events", "evnt"), NotFoundError, `did you mean "event"`);
  assertThrows(() => bpf.ringbuf("counts", "event"), TypeError, "");
  assertInstanceOf(bpf.maps["events"], RingBuffer);
});

kernelTest("BpfObject frees everything when it is closed", {}, () => {
  const before = openFdCount();
  const bpf = load(URL_OF);
  void [bpf.maps["counts"], bpf.ringbuf("events", "event"), bpf.globals["seen"]];
  const { id } = bpf.program("on_getpid");
  bpf.close();
  bpf.close();
  assertEquals(openFdCount(), before);
  assertThrows(() => bpf.map("counts"), TypeError, "closed");
  const listed = execFileSync("bpftool", ["prog", "list"]).toString();
  assertEquals(new RegExp(`^${id}:`, "m").test(listed), false);
});
