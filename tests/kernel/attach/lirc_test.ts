import { assertThrows } from "@std/assert";
import { attachProgram } from "../../../src/attach/registry.ts";
import { NotSupportedError, SyscallError } from "../../../src/errors.ts";
import { kernelTest } from "../../support/harness.ts";
import { CountingProgram } from "./programs.ts";

kernelTest("a program of an infrared receiver says what the kernel lacks", {}, () => {
  // Kernels of servers have no receivers, so no program of this type can be loaded; another one gets as far.
  using prog = new CountingProgram("socket");
  const attach = (device: string) => () => attachProgram(prog, { kind: "lirc", device }).close();
  assertThrows(attach("/dev/null"), NotSupportedError, "no receiver");
  assertThrows(attach("/dev/no_such_receiver"), SyscallError, "ENOENT");
  assertThrows(() => attachProgram(prog, { kind: "lirc" }), TypeError, 'option "device" is missing');
});
