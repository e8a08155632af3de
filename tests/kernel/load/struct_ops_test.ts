import { assert, assertEquals, assertThrows } from "@std/assert";
import { fileURLToPath } from "node:url";
import { kernelTest, skippedTest } from "../../support/harness.ts";
import { NotFoundError } from "../../../src/errors.ts";
import { tryKernelBtf } from "../../../src/kernel/btf.ts";
import { load } from "../../../src/script/open.ts";
import { openFdCount } from "../../../src/syscall/fd.ts";
import { readText } from "../../../src/syscall/files.ts";

const PATH = fileURLToPath(new URL("../../data/object/struct_ops.o", import.meta.url));
/** Links of struct_ops came with Linux 6.4; before, only the section without link works. */
const withLink = (): boolean => tryKernelBtf()?.find("bpf_struct_ops_link") !== undefined;
const only = (): { maps: Record<string, { create: boolean }> } => ({ maps: { waggle_link: { create: withLink() } } });

function available(): string[] {
  return readText("/proc/sys/net/ipv4/tcp_available_congestion_control").trim().split(/\s+/);
}

// Loading them needs trampolines, which some architectures of old kernels do not have.
const possible = (() => {
  try {
    return tryKernelBtf()?.find("bpf_struct_ops_tcp_congestion_ops", "STRUCT") !== undefined;
  } catch {
    return false;
  }
})();

if (!possible) {
  skippedTest("struct_ops register", "this kernel has no struct_ops tcp_congestion_ops");
} else {
  kernelTest("struct_ops register while they are attached and go away after", { needs: ["btf"] }, () => {
    using bpf = load(PATH, only());
    assertEquals(available().includes("waggle_map"), false);
    bpf.attach();
    assert(available().includes("waggle_map"));
    assertEquals(available().includes("waggle_link"), withLink());
    bpf.detach();
    assertEquals(available().filter((name) => name.startsWith("waggle")), []);
  });

  kernelTest("struct_ops members are set by option before load; a nulled one leaves its program out", {
    needs: ["btf"],
  }, () => {
    const { maps } = only();
    using bpf = load(PATH, {
      maps: {
        waggle_link: { ...maps["waggle_link"], members: { init: null } },
        waggle_map: { members: { name: "waggle_other" } },
      },
    });
    assertEquals(Object.keys(bpf.programs).includes("mine_init"), false);
    bpf.attach();
    assert(available().includes("waggle_other"));
    assertEquals(available().includes("waggle_map"), false);
  });

  kernelTest("struct_ops refuse unknown members and programs, and leave nothing behind", { needs: ["btf"] }, () => {
    const before = openFdCount();
    assertThrows(() => load(PATH, { maps: { waggle_map: { members: { ssthres: null } } } }), NotFoundError, "ssthres");
    assertThrows(
      () => load(PATH, { maps: { waggle_map: { members: { ssthresh: "nowhere" } } } }),
      NotFoundError,
      "nowhere",
    );
    assertThrows(
      () => load(PATH, { maps: { waggle_map: { members: { no_such_member: 1 } } } }),
      Error,
      "no such member",
    );
    assertEquals(openFdCount(), before);
  });
}
