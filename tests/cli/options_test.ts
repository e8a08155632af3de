import { assertEquals, assertThrows } from "@std/assert";
import { readFileSync } from "node:fs";
import { commandHelp, objectRef } from "../../src/cli/command.ts";
import { exportedGlobals, withoutInlineNever, withoutStackProbe } from "../../src/cli/llvm_ir.ts";
import { COMMANDS, VERSION } from "../../src/cli/main.ts";
import { optionsHelp, parseOptions, UsageError } from "../../src/cli/options.ts";
import { fields, json, table } from "../../src/cli/output.ts";
import { test } from "../support/harness.ts";
import { ROOT } from "../support/script.ts";

const TABLE = {
  output: { also: ["-o"], value: "FILE", doc: "where to write" },
  level: { also: ["-O"], value: "LEVEL", oneOf: ["1", "2"], doc: "how much" },
  export: { value: "NAME,...", list: true, doc: "what to keep" },
  whole: { doc: "all of it" },
} as const;

test("`parseOptions()` reads every spelling", () => {
  const args = ["a", "-o", "x", "-O2", "--export=p,q", "--export", "r", "--whole", "b", "--no-whole", "c", "--", "-d"];
  const { options, positional, flagsAt } = parseOptions(TABLE, args);
  assertEquals(options, { output: "x", level: "2", export: ["p", "q", "r"], whole: false });
  assertEquals(positional, ["a", "b", "c", "-d"]);
  assertEquals(flagsAt.map((flags) => flags.has("whole")), [false, true, false, false]);
});

test("`parseOptions()` refuses what is not in the table", () => {
  assertThrows(() => parseOptions(TABLE, ["--exprt", "x"]), UsageError, "did you mean --export?");
  assertThrows(() => parseOptions(TABLE, ["-o"]), UsageError, "it needs FILE");
  assertThrows(() => parseOptions(TABLE, ["-O3"]), UsageError, "it takes 1, 2");
  assertThrows(() => parseOptions(TABLE, ["--whole=yes"]), UsageError, "takes no value");
  assertThrows(() => parseOptions(TABLE, ["-x"]), UsageError, "there is no such option");
});

test("the help lists every option and every form", async () => {
  assertEquals(
    optionsHelp({ output: TABLE.output, whole: TABLE.whole }),
    "  -o, --output FILE  where to write\n  --whole            all of it",
  );
  for (const [name, load] of Object.entries(COMMANDS)) {
    const command = await load();
    const help = commandHelp(name, command);
    for (const option of Object.keys(command.options)) {
      assertEquals(help.includes(`--${option}`), true, `${name}: ${option}`);
    }
    assertEquals(help.startsWith(`usage: waggle ${name} `), true);
  }
});

test("`objectRef()` takes ids, names, pins, and bpftool's words", () => {
  assertEquals(objectRef(["12"], "map"), { id: 12 });
  assertEquals(objectRef(["counts"], "map"), { name: "counts" });
  assertEquals(objectRef(["/sys/fs/bpf/x"], "map"), { path: "/sys/fs/bpf/x" });
  assertEquals(objectRef(["id", "3"], "map"), { id: 3 });
  assertEquals(objectRef(["name", "12"], "map"), { name: "12" });
  assertEquals(objectRef(["pinned", "x"], "map"), { path: "x" });
  assertThrows(() => objectRef([], "map"), UsageError, "give its id, name or pin");
  assertThrows(() => objectRef(["id", "x"], "map"), UsageError);
  assertThrows(() => objectRef(["1", "2", "3"], "map"), UsageError);
});

test("output shows 64-bit numbers, bytes and missing values", () => {
  assertEquals(json({ a: 5n, b: 1n << 60n, c: Uint8Array.of(1, 255) }), '{"a":5,"b":"1152921504606846976","c":"01ff"}');
  assertEquals(table(["id", "name"], [[1, "x"], [22, undefined]]), "id  name\n1   x\n22");
  assertEquals(fields({ id: 1, name: "n", none: undefined }), "id    1\nname  n");
});

test("`exportedGlobals()` finds functions and variables with sections", () => {
  const text = [
    'define dso_local i32 @prog(ptr %0) #0 section "xdp" !dbg !3 {',
    "define internal i32 @helper(i32 %0) {",
    '@counts = dso_local global %struct.anon zeroinitializer, section ".maps", align 8',
    '@"odd name" = constant [4 x i8] c"GPL\\00", section "license"',
    '@llvm.used = appending global [1 x ptr] [ptr @prog], section "llvm.metadata"',
    '@text = private constant [9 x i8] c"section \\22"',
  ].join("\n");
  assertEquals(exportedGlobals(text), ["prog", "counts", "odd name"]);
});

test("`withoutInlineNever()` leaves functions that must not be optimised", () => {
  const text =
    "attributes #0 = { noinline nounwind }\nattributes #1 = { noinline optnone }\ndefine noinline i32 @a() #0 {";
  assertEquals(
    withoutInlineNever(text),
    "attributes #0 = { nounwind }\nattributes #1 = { noinline optnone }\ndefine i32 @a() #0 {",
  );
});

test("`withoutStackProbe()` takes out the host's assembly only", () => {
  assertEquals(withoutStackProbe('module asm "x"\nmodule asm "__rust_probestack:"\ny'), "y");
  assertEquals(withoutStackProbe('module asm "x"\ny'), 'module asm "x"\ny');
});

test("the command's version is the package's", () => {
  assertEquals((JSON.parse(readFileSync(`${ROOT}deno.json`, "utf8")) as { version: string }).version, VERSION);
});
