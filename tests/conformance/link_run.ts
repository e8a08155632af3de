/** Runs programs in the kernel, of one object and of its parts linked in several ways: the results must be the same. */
import { loadObject } from "../../src/load/load.ts";
import type { LinkInput } from "../../src/object/link.ts";
import { link } from "../../src/object/link.ts";
import { parseObject } from "../../src/object/parse.ts";

/** What differs, in words. */
export function runLinked(whole: LinkInput, parts: readonly LinkInput[], programs: readonly string[]): string[] {
  const expected = String(results(whole.bytes, programs));
  const ways: [string, Uint8Array][] = [
    ["linked", link(parts).bytes],
    ["linked, garbage collected", link(parts, { gcSections: true }).bytes],
    ["linked, nothing exported", link(parts, { gcSections: true, exports: [], minimizeCore: true }).bytes],
    ["linked in two steps", link([{ name: "first", bytes: link(parts.slice(0, 2)).bytes }, ...parts.slice(2)]).bytes],
  ];
  return ways.flatMap(([way, bytes]) => {
    const got = String(results(bytes, programs));
    return got === expected ? [] : [`${way}: programs return ${got} and not ${expected}`];
  });
}

/** The first and second result of each program on 64 zero bytes of packet. */
function results(bytes: Uint8Array, programs: readonly string[]): number[] {
  using object = loadObject(parseObject(bytes, { name: "run.o" }));
  const data = new Uint8Array(64);
  return [0, 1].flatMap(() => programs.map((name) => object.programs.get(name)!.testRun({ data }).retval));
}
