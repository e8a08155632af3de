import { assertEquals, assertThrows } from "@std/assert";
import type { Layout } from "../../src/bytes/layout.ts";
import { ipv4, ipv4Text, ipv6, mac } from "../../src/script/addresses.ts";
import { test } from "../support/harness.ts";

/** What comes back after encoding; a second text where the first is not the canonical one. */
function roundTrip(layout: Layout<string>, text: string): string {
  const view = new DataView(new ArrayBuffer(layout.size));
  layout.write(view, 0, text);
  return layout.read(view, 0);
}

const ROWS: readonly [string, Layout<string>, string, string?][] = [
  ["ipv4", ipv4, "10.0.0.255"],
  ["ipv6", ipv6, "::"],
  ["ipv6", ipv6, "::1"],
  ["ipv6", ipv6, "fe80::"],
  ["ipv6", ipv6, "2001:db8::1:0:0:1"],
  ["ipv6", ipv6, "2001:0db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["ipv6", ipv6, "1:0:2:3:4:5:6:7"],
  ["ipv6", ipv6, "::ffff:10.1.2.3"],
  ["mac", mac, "02:00:5e:10:00:Ff", "02:00:5e:10:00:ff"],
];

for (const [name, layout, text, canonical] of ROWS) {
  test(`${name} encodes and decodes ${text}`, () => assertEquals(roundTrip(layout, text), canonical ?? text));
}

for (
  const [name, layout, text] of [
    ["ipv4", ipv4, "10.0.0.256"],
    ["ipv4", ipv4, "10.0.0"],
    ["ipv6", ipv6, "1:2:3:4:5:6:7"],
    ["ipv6", ipv6, "1::2::3"],
    ["ipv6", ipv6, "::12345"],
    ["ipv6", ipv6, "1:2:3:4:5:6:7:8::"],
    ["mac", mac, "02:00:5e:10:00"],
  ] as const
) {
  test(`${name} refuses ${text}`, () => {
    assertThrows(() => roundTrip(layout, text), TypeError, "is no ");
  });
}

test("ipv4Text() reads a number in network byte order", () => {
  assertEquals(ipv4Text(0x0100007f), "127.0.0.1");
  assertEquals(ipv4Text(0xff0000c0), "192.0.0.255");
});
