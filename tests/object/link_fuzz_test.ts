import { assert } from "@std/assert";
import { FormatError } from "../../src/errors.ts";
import { link, LinkError } from "../../src/object/link.ts";
import { mutate, randomizer } from "../fuzz/btf_inputs.ts";
import { toolTest } from "../btf/support.ts";
import { object } from "./link_support.ts";

toolTest("damaged objects give a linked object, a `LinkError` or a `FormatError`", ["clang-19"], () => {
  const good = object(
    "good.o",
    `extern int f(int); extern int v; char _license[] SEC("license") = "GPL"; SEC("xdp") int p(void *c) { return f(v); }`,
  );
  const other = object(
    "other.o",
    `struct { __uint(type, 1); __uint(max_entries, 4); __type(key, u32); __type(value, u64); } m SEC(".maps");
    int v = 3; static int s; char _license[] SEC("license") = "GPL";
    static __noinline int local(int a) { s += a; return s; } int f(int a) { return local(a); }
    SEC("tc") int q(void *c) { u32 k = 0; bpf_trace_printk("x", 2); return bpf_map_lookup_elem(&m, &k) ? local(1) : f(2); }`,
  );
  let [linked, refused] = [0, 0];
  for (let i = 0; i < 700; i++) {
    const random = randomizer(99 + i * 31);
    const bytes = mutate(other.bytes, random);
    const inputs = random(2) === 0 ? [good, { name: "bad.o", bytes }] : [{ name: "bad.o", bytes }];
    const start = performance.now();
    try {
      link(inputs, random(2) === 0 ? {} : { gcSections: true, exports: [], minimizeCore: true });
      linked++;
    } catch (error) {
      if (!(error instanceof LinkError || error instanceof FormatError)) {
        throw new Error(`Input ${i} is a finding`, { cause: error });
      }
      refused++;
    }
    assert(performance.now() - start < 2000, `input ${i} is slow`);
  }
  assert(linked > 100 && refused > 100, `${linked} linked, ${refused} refused`);
});
