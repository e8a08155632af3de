import { readFileSync } from "node:fs";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { test } from "../support/harness.ts";
import { BPF_F_MMAPABLE } from "../../src/abi/bpf.gen.ts";
import { BPF_FUNC_probe_read, BPF_FUNC_probe_read_kernel } from "../../src/abi/bpf_func.gen.ts";
import { E2BIG, EINVAL, ENOENT, EPERM } from "../../src/abi/errno.gen.ts";
import { CALL } from "../../src/asm/opcodes.ts";
import { InsnView } from "../../src/asm/insn.ts";
import { Btf } from "../../src/btf/btf.ts";
import { BTF_KIND } from "../../src/btf/kinds.ts";
import { NotSupportedError, VerifierError } from "../../src/errors.ts";
import { loadObject } from "../../src/load/load.ts";
import type { LoadOptions } from "../../src/load/options.ts";
import { parseObject } from "../../src/object/parse.ts";
import type { ObjectSpec } from "../../src/object/spec.ts";
import { FakeRuntime } from "../../src/syscall/runtime/fake.ts";
import { withRuntime } from "../../src/syscall/runtime/mod.ts";

function fixture(name: string): ObjectSpec {
  return parseObject(new Uint8Array(readFileSync(new URL(`../data/${name}`, import.meta.url))), { name });
}

/** What a pretended kernel lacks. */
interface Lacks {
  names?: boolean;
  btf?: boolean;
  /** BTF kinds that it refuses. */
  kinds?: readonly number[];
  mmapable?: boolean;
  probeReadKernel?: boolean;
  /** Maps count against the limit of locked memory, and do not fit it. */
  memcg?: boolean;
  programs?: boolean;
}

/** A kernel of the given release, which answers as one that lacks these things does. */
function oldKernel(release: string, lacks: Lacks): FakeRuntime {
  const fake = new FakeRuntime();
  const text = (address: number, value: string): void =>
    fake.memory(address, value.length).set(new TextEncoder().encode(value));
  fake.on("uname", (call) => {
    text(call.args[0]! + 130, release);
    return 0;
  });
  for (const name of ["openat", "statx", "faccessat2"] as const) fake.on(name, () => -ENOENT);
  let locked = lacks.memcg === true;
  fake.on("prlimit64", () => {
    locked = false;
    return 0;
  });
  fake.on("capget", () => 0);
  fake.bpf("BPF_MAP_CREATE", ({ attr }) => {
    if (lacks.names && attr!["map_name"] !== "") return -E2BIG;
    if (locked) return -EPERM;
    if (lacks.mmapable && (Number(attr!["map_flags"]) & BPF_F_MMAPABLE) !== 0) return -EINVAL;
    return fake.fd();
  });
  for (const command of ["BPF_MAP_UPDATE_ELEM", "BPF_MAP_FREEZE"] as const) fake.bpf(command, () => 0);
  fake.bpf("BPF_BTF_LOAD", ({ attr }) => {
    if (lacks.btf) return -EINVAL;
    const btf = Btf.parse(fake.memory(attr!["btf"] as bigint, Number(attr!["btf_size"])).slice());
    return Array.from(btf.ids()).some((id) => lacks.kinds?.includes(btf.kindOf(id))) ? -EINVAL : fake.fd();
  });
  fake.bpf("BPF_PROG_LOAD", ({ attr }) => {
    if (lacks.programs) return -EPERM;
    if (lacks.names && attr!["prog_name"] !== "") return -E2BIG;
    const view = new InsnView(fake.memory(attr!["insns"] as bigint, Number(attr!["insn_cnt"]) * 8));
    for (let slot = 0; slot < view.count; slot++) {
      if (view.code(slot) !== CALL || view.src(slot) !== 0) continue;
      const helper = view.imm(slot);
      if (!lacks.probeReadKernel || helper !== BPF_FUNC_probe_read_kernel) continue;
      if (attr!["log_buf"] !== 0n) text(Number(attr!["log_buf"]), `invalid func unknown#${helper}\n\0`);
      return -EINVAL;
    }
    return fake.fd();
  });
  fake.on("close", (call) => {
    fake.openFds.delete(call.args[0]!);
    return 0;
  });
  return fake;
}

/** The attribute of the last load of a program; probes come before. */
function lastLoad(fake: FakeRuntime): NonNullable<ReturnType<FakeRuntime["bpfCalls"]>[number]["attr"]> {
  return fake.bpfCalls("BPF_PROG_LOAD").at(-1)!.attr!;
}

function loadAndClose(fake: FakeRuntime, spec: ObjectSpec, options?: LoadOptions): Uint8Array[] {
  return withRuntime(fake, () => {
    using object = loadObject(spec, options);
    return Array.from(object.programs.values(), (p) => p.insns);
  });
}

test("loadObject() drops names, types and records that a kernel of 2017 does not know", () => {
  const fake = oldKernel("4.14.0", { names: true, btf: true, memcg: true, mmapable: true });
  loadAndClose(fake, fixture("legacy_maps.bpf.o"));
  const created = fake.bpfCalls("BPF_MAP_CREATE").slice(-2);
  assertEquals(created.map(({ attr }) => [attr!["map_name"], attr!["btf_fd"]]), [["", 0], ["", 0]]);
  const load = lastLoad(fake);
  assertEquals([load["prog_name"], load["prog_btf_fd"], load["func_info_cnt"]], ["", 0, 0]);
  assertEquals(load["kern_version"], (4 << 16) + (14 << 8));
});

test("loadObject() raises the limit of locked memory only where maps count against it", () => {
  const raised = (lacks: Lacks): boolean => {
    const fake = oldKernel("5.4.0", lacks);
    loadAndClose(fake, fixture("legacy_maps.bpf.o"));
    return fake.calls.some((c) => c.name === "prlimit64");
  };
  assertEquals([raised({ memcg: true }), raised({})], [true, false]);
});

test("loadObject() makes data maps that cannot be mapped on kernels that cannot", () => {
  const fake = oldKernel("5.3.0", { mmapable: true });
  loadAndClose(fake, fixture("object/globals.o"));
  const data = fake.bpfCalls("BPF_MAP_CREATE").filter(({ attr }) => String(attr!["map_name"]).includes("data"));
  assert(data.length >= 4);
  assert(data.every(({ attr }) => (Number(attr!["map_flags"]) & BPF_F_MMAPABLE) === 0));
});

test("loadObject() calls the older helper where memory of kernel and user is not told apart", () => {
  const spec = fixture("core_kernel.bpf.o");
  const helpers = (lacks: Lacks): Set<number> => {
    const fake = oldKernel("5.4.0", lacks);
    const [insns] = loadAndClose(fake, spec, { targetBtf: spec.btf });
    const view = new InsnView(insns!);
    const found = new Set<number>();
    for (let slot = 0; slot < view.count; slot++) if (view.code(slot) === CALL) found.add(view.imm(slot));
    return found;
  };
  assert(helpers({}).has(BPF_FUNC_probe_read_kernel));
  const older = helpers({ probeReadKernel: true });
  assertEquals([older.has(BPF_FUNC_probe_read_kernel), older.has(BPF_FUNC_probe_read)], [false, true]);
});

test("loadObject() replaces BTF kinds that the kernel refuses, and loads the rest", () => {
  const fake = oldKernel("5.1.0", { kinds: [BTF_KIND.VAR, BTF_KIND.DATASEC] });
  loadAndClose(fake, fixture("object/trace_open.o"));
  const loads = fake.bpfCalls("BPF_BTF_LOAD");
  assert(loads.at(-1)!.result >= 0);
  assert(Number(lastLoad(fake)["func_info_cnt"]) > 0);
});

test("loadObject() says what is missing where the kernel has no types", () => {
  const fake = oldKernel("4.18.0", {});
  const error = assertThrows(() => loadAndClose(fake, fixture("core_kernel.bpf.o")), NotSupportedError);
  assert(error.hint?.includes("CONFIG_DEBUG_INFO_BTF"));
  assertEquals(fake.openFds.size, 0);
});

test("loadObject() names the capability when the kernel refuses without a log, and leaves nothing open", () => {
  const fake = oldKernel("6.1.0", { programs: true });
  const error = assertThrows(() => loadAndClose(fake, fixture("legacy_maps.bpf.o")), VerifierError, "EPERM");
  assert(error.hint?.includes("CAP_BPF"), error.hint);
  assertEquals(fake.openFds.size, 0);
});
