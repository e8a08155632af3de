import { parseIr } from "../../../src/compiler/ir/parse.ts";
import { verifyFunction } from "../../../src/compiler/ir/verify.ts";
import { assertThrows } from "@std/assert";
import { test } from "../../support/harness.ts";

/** Text that parses, and the complaint about it. */
const MALFORMED: readonly (readonly [string, string, string])[] = [
  [
    "a use that its definition does not dominate",
    "b0:\n  v0 = param 0\n  branch eq v0, 0, b1, b2\nb1:\n  v1 = add v0, 1\n  jump b3\nb2:\n  jump b3\nb3:\n  ret v1\n",
    "does not dominate",
  ],
  ["a use in front of its definition", "b0:\n  v1 = add v0, 1\n  v0 = param 0\n  ret v1\n", "comes later"],
  ["a branch to one block twice", "b0:\n  v0 = param 0\n  branch eq v0, 0, b1, b1\nb1:\n  ret 0\n", "same block twice"],
  ["an unreachable block", "b0:\n  ret 0\nb1:\n  ret 1\n", "unreachable"],
  ["an access outside of its slot", "slot s 8 align 8\nb0:\n  store u64 [&s+4], 1\n  ret 0\n", "outside of slot"],
  ["an unaligned access to a slot", "slot s 8 align 8\nb0:\n  store u32 [&s+2], 1\n  ret 0\n", "not aligned"],
  ["the result of a call without one", "b0:\n  v0 = call helper 1 f() void\n  ret v0\n", "has no result"],
  ["an entry with predecessors", "b0:\n  jump b0\n", "entry has predecessors"],
  ["a parameter too many", "b0:\n  v0 = param 3\n  ret v0\n", "no parameter 3"],
  ["a wrong number of arguments", "b0:\n  v0 = add 1\n  ret v0\n", "1 arguments"],
];

for (const [what, text, message] of MALFORMED) {
  test(`verifyFunction() refuses ${what}`, () => {
    const [fn] = parseIr(`function f global params 1\n${text}`);
    assertThrows(() => verifyFunction(fn!, "a pass"), Error, message);
    assertThrows(() => verifyFunction(fn!, "a pass"), Error, '"f"');
    assertThrows(() => verifyFunction(fn!, "a pass"), Error, "after a pass");
  });
}
