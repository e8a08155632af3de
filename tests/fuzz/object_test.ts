import { assertGreater } from "@std/assert";
import { test } from "../support/harness.ts";
import { fixtures, fuzzObjects } from "./object.ts";

test("parseObject() gives a spec or a FormatError for mutated objects", () => {
  const { inputs, parsed } = fuzzObjects(fixtures(), 15_000, 20_260);
  // Where nearly everything is refused at the door, the rooms behind are not tested.
  assertGreater(parsed, inputs / 10);
});
