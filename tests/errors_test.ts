import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  FormatError,
  nearestNames,
  NotFoundError,
  NotSupportedError,
  SyscallError,
  WaggleError,
} from "../src/errors.ts";
import { test } from "./support/harness.ts";

test("SyscallError carries call, errno and hint", () => {
  const cause = new Error("first");
  const error = new SyscallError('Cannot create map "m"', {
    call: "bpf(BPF_MAP_CREATE)",
    errno: 1,
    errnoName: "EPERM",
    hint: "run as root",
    cause,
  });
  assertEquals(error.message, 'Cannot create map "m": bpf(BPF_MAP_CREATE): EPERM\n  hint: run as root');
  assertEquals([error.name, error.errno, error.cause], ["SyscallError", 1, cause]);
  assertEquals(error instanceof WaggleError, true);
});

test("NotSupportedError names the kernel version", () => {
  assertEquals(
    new NotSupportedError("ring buffer maps", { since: "5.8" }).message,
    "ring buffer maps is not supported here (needs Linux 5.8)",
  );
});

test("FormatError begins with the path", () => {
  assertEquals(new FormatError("a.o: .BTF", "is truncated").message, "a.o: .BTF: is truncated");
});

test("NotFoundError suggests the nearest names", () => {
  const error = new NotFoundError("map", "evnts", ["started", "events", "event"], { where: "foo.o" });
  assertStringIncludes(error.message, 'Cannot find map "evnts" in foo.o');
  assertEquals(error.nearest, ["events"]);
  assertStringIncludes(error.hint ?? "", '"events"');
});

test("nearestNames() ranks by distance and drops far ones", () => {
  assertEquals(nearestNames("tcp_conect", ["udp_sendmsg", "tcp_connect", "tcp_v4_connect"]), ["tcp_connect"]);
  assertEquals(nearestNames("abc", ["xyz"]), []);
  assertEquals(nearestNames("COMM", ["comm"]), ["comm"]);
  assertEquals(nearestNames("retval", ["arg0", "ret", "re"]), ["ret"]);
});
