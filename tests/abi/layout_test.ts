/** The layout tables against the running kernel's BTF: it is the kernel's own description of the same structs. */
import { assertEquals } from "@std/assert";
import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { BPF_ATTR, BPF_ATTR_SIZE, bpf_common_attr, bpf_iter_link_info } from "../../src/abi/attr.ts";
import {
  bpf_btf_info,
  bpf_func_info,
  bpf_line_info,
  bpf_link_info,
  bpf_map_info,
  bpf_prog_info,
  bpf_token_info,
} from "../../src/abi/info.ts";
import { perf_event_attr, perf_event_header, perf_event_mmap_page } from "../../src/abi/perf.ts";
import { ifinfomsg, nlattr, nlmsghdr, sockaddr_nl, tcmsg } from "../../src/abi/netlink.ts";
import { type Fields, structSize, typeSize } from "../../src/abi/struct.ts";
import { Btf } from "../../src/btf/btf.ts";
import type { BtfComposite } from "../../src/btf/types.ts";
import { resolve, sizeOf } from "../../src/btf/walk.ts";
import { skippedTest, test } from "../support/harness.ts";

const PATH = "/sys/kernel/btf/vmlinux";
const kernelTest = existsSync(PATH) ? test : (name: string) => skippedTest(name, "needs a kernel with BTF");

let parsed: Btf | undefined;
const vmlinux = (): Btf => parsed ??= Btf.parse(readFileSync(PATH));

interface Place {
  offset: number;
  size: number;
}

/** Every member by dotted path, through anonymous structs and unions and named ones. */
function members(btf: Btf, type: BtfComposite, prefix = "", base = 0, out = new Map<string, Place>()) {
  for (const member of type.members) {
    const offset = base + Math.floor(member.bitOffset / 8);
    const inner = resolve(btf, member.type);
    if (member.name !== "") out.set(prefix + member.name, { offset, size: sizeOf(btf, member.type) });
    if (inner.kind === "STRUCT" || inner.kind === "UNION") {
      members(btf, inner, member.name === "" ? prefix : `${prefix}${member.name}.`, offset, out);
    }
  }
  return out;
}

function kernelStruct(name: string): { places: Map<string, Place>; size: number } | undefined {
  const btf = vmlinux();
  const id = btf.find(name, "STRUCT") ?? btf.find(name, "UNION");
  if (id === undefined) return undefined;
  return { places: members(btf, btf.type(id) as BtfComposite), size: sizeOf(btf, id) };
}

const [major, minor] = release().split(".").map(Number);
/** Older kernels lack fields; what they have is compared all the same. */
const OLD = major! < 6 || major === 6 && minor! < 18;
/** Fields newer than Linux 6.18; on newer kernels they are compared like the others. */
const NEWER = /^(tracing_multi\.|uprobe_multi\.path_fd|config4|link_create\.(tracing_multi\.|uprobe_multi\.path_fd))/;

function compare(fields: Fields, places: Map<string, Place>, prefix = ""): void {
  let compared = 0;
  for (const [name, [offset, type]] of Object.entries(fields)) {
    const place = places.get(prefix + name);
    if (place === undefined && (OLD || NEWER.test(prefix + name))) continue;
    assertEquals({ name, offset, size: typeSize(type) }, { name, offset: place?.offset, size: place?.size });
    compared++;
  }
  assertEquals(compared > 0 || OLD, true);
}

/** Commands whose layout is a named member of the union. */
const MEMBER: Readonly<Record<string, string>> = {
  BPF_MAP_LOOKUP_BATCH: "batch",
  BPF_MAP_LOOKUP_AND_DELETE_BATCH: "batch",
  BPF_MAP_UPDATE_BATCH: "batch",
  BPF_MAP_DELETE_BATCH: "batch",
  BPF_PROG_TEST_RUN: "test",
  BPF_OBJ_GET_INFO_BY_FD: "info",
  BPF_PROG_QUERY: "query",
  BPF_RAW_TRACEPOINT_OPEN: "raw_tracepoint",
  BPF_TASK_FD_QUERY: "task_fd_query",
  BPF_LINK_CREATE: "link_create",
  BPF_LINK_UPDATE: "link_update",
  BPF_LINK_DETACH: "link_detach",
  BPF_ENABLE_STATS: "enable_stats",
  BPF_ITER_CREATE: "iter_create",
  BPF_PROG_BIND_MAP: "prog_bind_map",
  BPF_TOKEN_CREATE: "token_create",
  BPF_PROG_STREAM_READ_BY_FD: "prog_stream_read",
  BPF_PROG_ASSOC_STRUCT_OPS: "prog_assoc_struct_ops",
};

kernelTest("`BPF_ATTR` has the offsets and sizes of the kernel's `union bpf_attr`", () => {
  const attr = kernelStruct("bpf_attr")!;
  assertEquals(attr.size <= BPF_ATTR_SIZE, true, `union bpf_attr has ${attr.size} bytes now`);
  for (const [command, fields] of Object.entries(BPF_ATTR)) {
    const member = MEMBER[command];
    if (member === "prog_assoc_struct_ops" && !attr.places.has(member)) continue; // Linux 6.19
    compare(fields, attr.places, member === undefined ? "" : `${member}.`);
  }
});

kernelTest("`BPF_ATTR` leaves out no field that the kernel has", () => {
  const known = new Set<string>();
  for (const [command, fields] of Object.entries(BPF_ATTR)) {
    const member = MEMBER[command];
    for (const name in fields) known.add(member === undefined ? name : `${member}.${name}`);
  }
  // The union's second name of `count`.
  known.add("query.prog_cnt");
  const missing = [...kernelStruct("bpf_attr")!.places.keys()].filter((name) => {
    const isStruct = Object.values(MEMBER).includes(name) ||
      /^link_create\.\w+$/.test(name) && [...known].some((k) => k.startsWith(`${name}.`));
    return !known.has(name) && !isStruct;
  });
  assertEquals(missing, []);
});

const STRUCTS: readonly [name: string, fields: Fields][] = [
  ["bpf_prog_info", without(bpf_prog_info, "gpl_compatible")],
  ["bpf_map_info", bpf_map_info],
  ["bpf_btf_info", bpf_btf_info],
  ["bpf_link_info", bpf_link_info],
  ["bpf_token_info", bpf_token_info],
  ["bpf_common_attr", bpf_common_attr],
  ["bpf_iter_link_info", bpf_iter_link_info],
  ["bpf_func_info", bpf_func_info],
  ["bpf_line_info", bpf_line_info],
  ["perf_event_attr", without(perf_event_attr, "flags")],
  ["perf_event_mmap_page", perf_event_mmap_page],
  ["perf_event_header", perf_event_header],
  ["sockaddr_nl", sockaddr_nl],
  ["nlmsghdr", nlmsghdr],
  ["nlattr", nlattr],
  ["ifinfomsg", ifinfomsg],
  ["tcmsg", tcmsg],
];

function without(fields: Fields, name: string): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([n]) => n !== name));
}

for (const [name, fields] of STRUCTS) {
  kernelTest(`\`${name}\` has the offsets and sizes of the kernel's struct`, () => {
    const found = kernelStruct(name);
    // bpf_common_attr came with Linux 7.1, bpf_token_info with 6.17.
    if (found === undefined && (OLD || /common_attr|token_info/.test(name))) return;
    compare(fields, found!.places);
  });
}

test("`structSize()` rounds up to the widest member", () => {
  assertEquals(structSize({ a: [0, "u64"], b: [8, "u8"] }), 16);
  assertEquals(structSize({ a: [0, "u32"], name: [4, "char[3]"] }), 8);
  assertEquals(structSize(bpf_link_info), 64);
  assertEquals(structSize(bpf_prog_info), 232);
  assertEquals(structSize(perf_event_attr), 144);
});
