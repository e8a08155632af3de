import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { assert, assertEquals } from "@std/assert";
import { kernelTest } from "../../support/harness.ts";
import { buildDump, compareObject } from "../../conformance/compare.ts";
import { moduleBtfs } from "../../../src/kernel/btf.ts";
import { type BpfObject, load } from "../../../src/script/open.ts";

const PATH = fileURLToPath(new URL("../../data/modules.bpf.o", import.meta.url));

function loadOnly(...programs: string[]): BpfObject {
  return load(PATH, { programs: Object.fromEntries(programs.map((name) => [name, { autoload: true }])) });
}

function run(object: BpfObject, program: string): number {
  return object.program(program).testRun({ data: new Uint8Array(64) }).retval;
}

kernelTest("load() calls functions of a module", { needs: ["btf", "kernel:6.12", "nat"] }, () => {
  using object = loadOnly("look_up");
  assertEquals(run(object, "look_up"), 2);
});

/** Whether `struct nf_conn___init` is one type for both modules: nf_conntrack has its own since 7.x, nf_nat the kernel's. */
function typesAgree(): boolean {
  const ids = moduleBtfs().filter((m) => m.name === "nf_nat" || m.name === "nf_conntrack")
    .map(({ btf }) => btf.find("nf_conn___init", "STRUCT"));
  return ids.length === 2 && ids[0] === ids[1];
}

kernelTest("load() calls functions of two modules in one program", { needs: ["btf", "kernel:6.12", "nat"] }, () => {
  if (!typesAgree()) return console.log("note: not called: the verifier takes the modules' types for different ones");
  using object = loadOnly("look_up", "translate");
  assertEquals([run(object, "look_up"), run(object, "translate")], [2, 77]);
});

kernelTest("load() finds a type for CO-RE that only a module has", {
  needs: ["btf", "kernel:6.12", "veth", "modulebtf"],
}, () => {
  using object = loadOnly("describe");
  assertEquals(run(object, "describe"), 1);
  const { btf } = moduleBtfs().find((m) => m.name === "veth")!;
  const type = btf.type(btf.find("veth_priv", "STRUCT")!);
  assert(type.kind === "STRUCT");
  const member = type.members.find((m) => m.name === "rq")!;
  assertEquals(object.globals["rq_offset"], member.bitOffset / 8);
  assertEquals(object.globals["exists"], 1);
});

kernelTest("load() traces a function of a module", { needs: ["fentry", "kernel:6.12", "veth"] }, () => {
  using object = loadOnly("trace_module");
  object.attach();
  const script = "ip link add left type veth peer name right && ip link set right up && " +
    "ip link set left up && ip address add 192.0.2.1/24 dev left && (ping -c 1 -W 1 192.0.2.2 || true) && sleep 2";
  const { status, stderr } = spawnSync("unshare", ["-n", "sh", "-c", script], { encoding: "utf8" });
  assertEquals(status, 0, stderr);
  assert(Number(object.globals["sent"]) > 0, "no packet went through veth_xmit");
});

const dump = buildDump();
kernelTest("load() makes of module functions and types what libbpf makes", {
  needs: ["btf", "kernel:6.12", "nat", "veth"],
}, () => {
  if (dump === undefined) return console.log("note: not compared: there is no C compiler or no libbpf");
  const { differences, bothLoad } = compareObject(dump, PATH);
  assertEquals(differences, []);
  assert(bothLoad >= 3, `only ${bothLoad} programs were loaded`);
});
