/** The `since` column of the section table: a kernel of that version or newer loads a program of that row. */
import { assertEquals } from "@std/assert";
import { type SectionDef, SECTIONS } from "../../../src/object/sections.ts";
import { kernelTest } from "../../support/harness.ts";
import { kernelAtLeast, unmet } from "../../support/needs.ts";
import { CountingProgram, kernelTypeId, type ProgramOptions } from "./programs.ts";

/** Rows that a lone program cannot show: they need another object, or an option that no Debian kernel has. */
const NOT_ALONE = /^(freplace|struct_ops|lirc_mode2)/;

/** A target for rows that the kernel wants one of at load. */
const TARGETS: Readonly<Record<string, readonly [name: string, kind: "FUNC" | "TYPEDEF"]>> = {
  tp_btf: ["btf_trace_sys_enter", "TYPEDEF"],
  fentry: ["do_sys_openat2", "FUNC"],
  fexit: ["do_sys_openat2", "FUNC"],
  fsession: ["do_sys_openat2", "FUNC"],
  fmod_ret: ["security_file_open", "FUNC"],
  lsm: ["bpf_lsm_file_open", "FUNC"],
  lsm_cgroup: ["bpf_lsm_socket_create", "FUNC"],
  iter: ["bpf_iter_task", "FUNC"],
};

function optionsOf(def: SectionDef): ProgramOptions {
  const base = def.sec.replace(/(\.s)?\+$/, "");
  // Cgroup hooks for answers accept only 1.
  const result = def.sec.startsWith("cgroup") || def.sec.startsWith("lsm_cgroup") ? 1 : 0;
  const target = TARGETS[base];
  // Sleeping is allowed in few functions: this one is marked for tests (Linux 6.2).
  const name = sleepsAnywhere(def) ? "bpf_fentry_test1" : target?.[0];
  return target === undefined ? { result } : { result, attachBtfId: kernelTypeId(name!, target[1]) };
}

/** fentry.s and kin. */
function sleepsAnywhere(def: SectionDef): boolean {
  return /^f(entry|exit|session|mod_ret)\.s\+$/.test(def.sec);
}

function missing(def: SectionDef): boolean {
  if (NOT_ALONE.test(def.sec) || !kernelAtLeast(def.since)) return true;
  const trampoline = def.attach === "trace" && !def.sec.startsWith("tp_btf") || def.sec.startsWith("lsm_cgroup");
  if (trampoline && unmet("fentry") !== undefined) return true;
  if (sleepsAnywhere(def) && !kernelAtLeast("6.5")) return true;
  if (def.sec.startsWith("lsm") && unmet("lsm") !== undefined) return true;
  return false;
}

kernelTest("every row of the section table loads on the kernels it names", { needs: ["btf"] }, () => {
  const refused: string[] = [];
  let loaded = 0;
  for (const def of SECTIONS as readonly SectionDef[]) {
    if (missing(def)) continue;
    try {
      using _prog = new CountingProgram(def.sec.replace(/\+$/, ""), optionsOf(def));
      loaded++;
    } catch (error) {
      refused.push(`${def.sec}: ${(error as Error).message.slice(0, 300)}`);
    }
  }
  assertEquals(refused, []);
  assertEquals(loaded > 60, true, `only ${loaded} rows loaded`);
});
