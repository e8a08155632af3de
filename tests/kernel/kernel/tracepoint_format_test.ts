import { assert, assertEquals, assertThrows } from "@std/assert";
import { FormatError } from "../../../src/errors.ts";
import { parseTracepointFormat } from "../../../src/kernel/tracepoint_format.ts";
import { openTracefs } from "../../../src/kernel/tracefs.ts";
import { kernelTest, test } from "../../support/harness.ts";

const FORMAT = `name: block_rq_complete
ID: 2107
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:dev_t dev;\toffset:8;\tsize:4;\tsigned:0;
\tfield:const char * name;\toffset:16;\tsize:8;\tsigned:0;
\tfield:char rwbs[10];\toffset:34;\tsize:10;\tsigned:0;
\tfield:__data_loc char[] cmd;\toffset:44;\tsize:4;\tsigned:0;
\tfield:__rel_loc u64[] list;\toffset:48;\tsize:4;\tsigned:0;
\tfield:unsigned long args[6];\toffset:56;\tsize:48;\tsigned:0;
\tfield:char sym[KSYM_NAME_LEN];\toffset:104;\tsize:512;\tsigned:0;
\tfield:int old;\toffset:616;\tsize:4;

print fmt: "\tfield:not one;	offset:1;", REC->dev
`;

test("parseTracepointFormat() reads names, types, places and kinds of fields", () => {
  const { category, name, id, fields } = parseTracepointFormat(FORMAT, "block");
  assertEquals([category, name, id, fields.length], ["block", "block_rq_complete", 2107, 10]);
  const rows = fields.map((f) => [f.name, f.type, f.offset, f.size, f.signed, f.dynamic, f.length]);
  assertEquals(rows.slice(1), [
    ["common_pid", "int", 4, 4, true, "none", undefined],
    ["dev", "dev_t", 8, 4, false, "none", undefined],
    ["name", "const char *", 16, 8, false, "none", undefined],
    ["rwbs", "char[10]", 34, 10, false, "none", 10],
    ["cmd", "char[]", 44, 4, false, "data", undefined],
    ["list", "u64[]", 48, 4, false, "relative", undefined],
    ["args", "unsigned long[6]", 56, 48, false, "none", 6],
    ["sym", "char[KSYM_NAME_LEN]", 104, 512, false, "none", undefined],
    ["old", "int", 616, 4, false, "none", undefined],
  ]);
});

for (
  const [what, text] of [
    ["no name", FORMAT.replace(/^name.*\n/, "")],
    ["no id", FORMAT.replace(/^ID.*\n/m, "")],
    ["a wrong id", FORMAT.replace("2107", "-7")],
    ["a field without a place", FORMAT.replace("offset:8;", "")],
    ["a field without a name", FORMAT.replace("dev_t dev;", "dev;")],
    ["an endless line", FORMAT.replace("dev_t dev", `dev_t ${"x".repeat(5000)}`)],
    ["nothing", ""],
  ] as const
) {
  test(`parseTracepointFormat() refuses ${what}`, () => {
    assertThrows(() => parseTracepointFormat(text, "block"), FormatError);
  });
}

kernelTest("parseTracepointFormat() reads every tracepoint of this kernel", { needs: ["tracefs"] }, () => {
  using tracefs = openTracefs();
  let count = 0;
  for (const category of ["sched", "syscalls", "block", "net", "sock", "skb", "irq", "timer", "writeback", "ext4"]) {
    for (const name of tracefs.events(category)) {
      const format = parseTracepointFormat(tracefs.format(category, name), category);
      assertEquals([format.category, format.name], [category, name]);
      assert(format.fields.length >= 4 && format.fields[0]!.name === "common_type", name);
      count++;
    }
  }
  assert(count > 100, `${count} tracepoints`);
});
