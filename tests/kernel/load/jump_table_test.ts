import { assertEquals, assertThrows } from "@std/assert";
import { kernelTest } from "../../support/harness.ts";
import { jumpTableObject } from "../../support/jump_table_object.ts";
import { SyscallError } from "../../../src/errors.ts";
import { kernelVersion } from "../../../src/kernel/version.ts";
import { loadObject } from "../../../src/load/load.ts";
import { parseObject } from "../../../src/object/parse.ts";

kernelTest("loadObject() loads programs that go by jump tables", { needs: ["kernel:6.19"] }, () => {
  using object = loadObject(parseObject(jumpTableObject()));
  const switched = object.programs.get("switched")!;
  const results = [64, 65, 66, 67].map((length) => switched.testRun({ data: new Uint8Array(length) }).retval);
  assertEquals(results.sort(), [110, 211, 312, 413]);
  assertEquals(object.programs.get("plain")!.testRun({ data: new Uint8Array(64) }).retval, 1);
});

kernelTest("loadObject() says what jump tables need", {}, () => {
  if (kernelVersion().code >= 0x61300) return;
  const error = assertThrows(() => loadObject(parseObject(jumpTableObject())), SyscallError);
  assertEquals(error.message.includes('Cannot create a jump table of program "switched"'), true, error.message);
  assertEquals(error.hint?.includes("Linux 6.19"), true, error.message);
});
