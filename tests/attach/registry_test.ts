import { assertEquals, assertThrows } from "@std/assert";
import { BPF_F_AFTER, BPF_F_BEFORE, BPF_F_ID } from "../../src/abi/defines.ts";
import { BPF_F_LINK } from "../../src/abi/bpf.gen.ts";
import { anchorFields } from "../../src/attach/anchor.ts";
import { globToRegExp } from "../../src/attach/glob.ts";
import { findPerfEvent, perfEventNames } from "../../src/attach/perf_event_names.ts";
import { attachFromSection, attachProgram } from "../../src/attach/registry.ts";
import type { AttachableProgram } from "../../src/attach/types.ts";
import { NotFoundError, NotSupportedError } from "../../src/errors.ts";
import { matchSection } from "../../src/object/section_name.ts";
import { type SectionDef, SECTIONS } from "../../src/object/sections.ts";
import { FakeRuntime } from "../../src/syscall/runtime/fake.ts";
import { withRuntime } from "../../src/syscall/runtime/mod.ts";
import { test } from "../support/harness.ts";

function program(sectionName: string): AttachableProgram {
  const match = matchSection(sectionName);
  return {
    name: "p",
    fd: 50,
    type: 1,
    expectedAttachType: 0,
    sectionName,
    def: match?.def,
    target: match?.target ?? "",
    attachBtfId: 0,
  };
}

const untouched = (fn: () => void) => {
  const fake = new FakeRuntime();
  withRuntime(fake, fn);
  assertEquals(fake.calls.map((c) => c.name), []);
};

test("`attachFromSection()` does nothing for bare names and for hooks that need options", () => {
  untouched(() => {
    for (const def of SECTIONS as readonly SectionDef[]) {
      assertEquals(attachFromSection(program(def.sec.replace(/\+$/, ""))), undefined, def.sec);
    }
    assertEquals(attachFromSection(program("no/such/section")), undefined);
  });
});

test("`attachProgram()` refuses wrong options before any system call", () => {
  untouched(() => {
    const refused = (section: string, options: object, message: string) =>
      assertThrows(() => attachProgram(program(section), options), TypeError, message);
    refused("kprobe/f", { offest: 1 }, 'kprobe has no option "offest" (did you mean "offset"?)');
    refused("kretprobe/f", { offset: 1 }, "a return probe takes no offset");
    refused("kprobe", {}, 'option "symbol" is missing');
    refused("tp", { category: "syscalls" }, 'option "name" is missing');
    refused("xdp", {}, 'option "device" is missing');
    refused("xdp", { device: "lo", mode: "quick" }, 'XDP mode "quick" does not exist');
    refused("cgroup/skb", { cgroup: "/x" }, 'option "attachType" is missing');
    refused("cgroup_skb/ingress", {}, 'option "cgroup" is missing');
    refused("netfilter", { hook: "middle" }, 'hook "middle" does not exist');
    refused("iter/task", { task: {}, mapFd: 1 }, "only one of");
    refused("socket", {}, 'option "socketFd" is missing');
    assertThrows(() => attachProgram(program("kprobe/f"), { kind: "kprobes" }), NotFoundError, '"kprobe"');
  });
});

test("`attachProgram()` says by name what it does not attach", () => {
  untouched(() => {
    assertThrows(() => attachProgram(program("struct_ops/x")), NotSupportedError, "takes a struct_ops as a whole");
    assertThrows(() => attachProgram(program("syscall")), NotSupportedError, 'section "syscall" are not attached');
  });
});

test("`anchorFields()` makes flags and fields of a place", () => {
  const fields = (options: Parameters<typeof anchorFields>[0]) => {
    const { flags, relative_fd, relative_id, expected_revision } = anchorFields(options);
    return [flags, relative_fd, relative_id, expected_revision];
  };
  assertEquals(fields({}), [0, undefined, undefined, undefined]);
  assertEquals(fields({ before: true, expectedRevision: 4n }), [BPF_F_BEFORE, undefined, undefined, 4n]);
  assertEquals(fields({ after: { progFd: 7 } }), [BPF_F_AFTER, 7, undefined, undefined]);
  assertEquals(fields({ before: { progId: 7 } }), [BPF_F_BEFORE | BPF_F_ID, undefined, 7, undefined]);
  assertEquals(fields({ before: { linkFd: 7 } }), [BPF_F_BEFORE | BPF_F_LINK, 7, undefined, undefined]);
  assertEquals(fields({ after: { linkId: 7 } }), [BPF_F_AFTER | BPF_F_LINK | BPF_F_ID, undefined, 7, undefined]);
  assertThrows(() => fields({ before: { linkId: 7, progId: 7 } }), TypeError, "names one of");
  assertThrows(() => fields({ before: true, after: true }), TypeError, "only one of");
});

test("`globToRegExp()` matches whole names", () => {
  const matches = (glob: string, name: string) => globToRegExp(glob).test(name);
  assertEquals([matches("tcp_*", "tcp_v4_rcv"), matches("tcp_*", "mptcp_rcv")], [true, false]);
  assertEquals([matches("v?s_read", "vfs_read"), matches("v?s_read", "vs_read")], [true, false]);
  assertEquals([matches("f.isra.0", "f.isra.0"), matches("f.isra.0", "fxisra.0")], [true, false]);
  assertEquals(matches("*", ""), true);
});

test("`perfEventNames()` knows perf's names and aliases", () => {
  const names = perfEventNames();
  assertEquals(names.get("cpu-clock"), { type: 1, config: 0 });
  assertEquals(names.get("page-faults"), { type: 1, config: 2 });
  assertEquals(names.get("cpu-cycles"), { type: 0, config: 0 });
  assertEquals(names.get("cycles"), names.get("cpu-cycles"));
  assertEquals(names.get("cache-misses"), { type: 0, config: 3 });
  // PERF_COUNT_HW_CACHE_LL, OP_READ, RESULT_MISS
  assertEquals(names.get("LLC-load-misses"), { type: 3, config: 0x1_00_02 });
  assertEquals(names.get("branch-misses"), { type: 0, config: 5 });
  assertEquals(names.get("dTLB-stores"), { type: 3, config: 0x0_01_03 });
});

test("`findPerfEvent()` takes raw codes, and says what is near", () => {
  assertEquals(findPerfEvent("r01c2"), { type: 4, config: 0x1c2n });
  assertThrows(() => findPerfEvent("LLC-load-miss"), NotFoundError, '"LLC-load-misses"');
});
