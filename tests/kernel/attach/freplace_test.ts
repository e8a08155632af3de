import { assertEquals, assertThrows } from "@std/assert";
import { Btf } from "../../../src/btf/btf.ts";
import { load } from "../../../src/script/open.ts";
import { btfInfo, fdById, progInfo } from "../../../src/syscall/bpf_object.ts";
import { kernelTest } from "../../support/harness.ts";

const REPLACED = new URL("../../data/attach_replaced.bpf.o", import.meta.url);
const REPLACEMENT = new URL("../../data/attach_freplace.bpf.o", import.meta.url);
const data = new Uint8Array(64);

kernelTest(
  "a freplace program replaces a function while its link is open",
  { needs: ["fentry", "kernel:5.10"] },
  () => {
    using target = load(REPLACED);
    const answers = () => [target.program("first"), target.program("second")].map((p) => p.testRun({ data }).retval);
    using other = load(REPLACEMENT, { programs: { replacement: { attachProgram: target.program("first").fd } } });
    assertEquals(answers(), [7, 107]);
    const link = other.program("replacement").attach();
    assertEquals(answers(), [42, 107]);
    assertEquals(other.globals["runs"], 1n);
    link.close();
    assertEquals(answers(), [7, 107]);

    // The function of another program than the one it was loaded for.
    const { btf_id } = progInfo(target.program("second").fd);
    using fd = fdById("btf", btf_id);
    const targetBtfId = Btf.parse(btfInfo(fd.number, { data: true }).data!).find("choose", "FUNC")!;
    using _elsewhere = other.program("replacement").attach({ targetFd: target.program("second").fd, targetBtfId });
    assertEquals(answers(), [7, 142]);
    assertThrows(() => other.program("replacement").attach({ targetBtfId }), TypeError, "go together");
  },
);
