import { assert, assertEquals } from "@std/assert";
import { callSite, framePosition } from "../../src/script/call_site.ts";
import { test } from "../support/harness.ts";

const DENO = `Error
    at bpf (file:///home/me/src/bpf.ts:3:11)
    at file:///home/me/my%20script.ts:5:15
    at async Promise.all (index 0)`;
const BUN = `Error: x
    at bpf (/home/me/src/bpf.ts:3:11)
    at main (/home/me/my script.ts:12:7)
    at processTicksAndRejections (native:7:39)`;

test("framePosition() reads stacks of both runtimes", () => {
  assertEquals(framePosition(DENO, 1), { file: "/home/me/my script.ts", line: 5, column: 15 });
  assertEquals(framePosition(DENO, 0), { file: "/home/me/src/bpf.ts", line: 3, column: 11 });
  assertEquals(framePosition(BUN, 1), { file: "/home/me/my script.ts", line: 12, column: 7 });
  assertEquals(framePosition(BUN, 2), undefined);
  assertEquals(framePosition(DENO, 9), undefined);
  assertEquals(framePosition("", 0), undefined);
  assertEquals(framePosition("Error\n    at data:text/javascript,x:1:2", 0), undefined);
});

/** Stands for `bpf`. */
function called(keys: readonly string[]): ReturnType<typeof callSite> {
  const site = callSite(new Error().stack, keys);
  return site;
}

test("callSite() finds the file and position of the caller", () => {
  const site = called(["xdp:some-key"]); // the position
  assert(site !== undefined && site.file.endsWith("call_site_test.ts"));
  assert(site.fileText.split("\n")[site.line - 1]!.includes("; // the position"));
  // A tail call: JavaScriptCore drops the frame of the arrow function.
  const through = (() => called(["xdp:other-key"]))();
  assert(through !== undefined && through.file.endsWith("call_site_test.ts"));
  assertEquals(called([`no file has ${Math.random()}`]), undefined);
  assertEquals(callSite("Error\n    at a (/no/such/file.ts:1:1)\n    at /no/such/file.ts:1:1", []), undefined);
});
