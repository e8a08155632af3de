/**
 * A program with static probes, compiled when a test needs it, without <sys/sdt.h>: the notes are written by hand. It
 * passes all its probes once for each line it reads and answers with the value of a probe's semaphore.
 */
import { assertEquals } from "@std/assert";
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";

const NOTE = String.raw`
#define NOTE(provider, name, semaphore, args) \
  "990: nop\n" \
  ".pushsection .note.stapsdt,\"?\",\"note\"\n" \
  ".balign 4\n .4byte 992f-991f, 994f-993f, 3\n" \
  "991: .asciz \"stapsdt\"\n 992: .balign 4\n" \
  "993: .8byte 990b\n .8byte _.stapsdt.base\n .8byte " semaphore "\n" \
  ".asciz \"" provider "\"\n .asciz \"" name "\"\n .asciz \"" args "\"\n" \
  "994: .balign 4\n .popsection\n" \
  ".ifndef _.stapsdt.base\n" \
  ".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n" \
  ".weak _.stapsdt.base\n .hidden _.stapsdt.base\n" \
  "_.stapsdt.base: .space 1\n .size _.stapsdt.base,1\n" \
  ".popsection\n .endif\n"
`;

const PROGRAM = String.raw`#include <stdio.h>
${NOTE}
unsigned short test_counted_semaphore __attribute__((section(".probes"))) = 0;
void in_library(int value);

__attribute__((noinline)) static void twice(int a, long b) {
  asm volatile(NOTE("test", "add", "0", "-4@%0 -8@%1") :: "r"(a), "r"(b));
}

__attribute__((noinline)) static void round_of_probes(int n) {
  volatile int in_memory = -70000 - n;
  volatile unsigned short small = 65535;
  unsigned char byte = 200;
  asm volatile(NOTE("test", "forms", "0", "-4@%0 2@%1 1@%2 -1@%2 -4@-9") :: "m"(in_memory), "m"(small), "r"((long)byte));
  twice(40, 2);
  asm volatile(NOTE("test", "add", "0", "-4@%0 -8@%1") :: "r"(1), "m"((volatile long){ 1000000000000 }));
  asm volatile(NOTE("test", "nothing", "0", "") ::);
  if (test_counted_semaphore) asm volatile(NOTE("test", "counted", "test_counted_semaphore", "-4@%0") :: "r"(n));
  in_library(n);
}

int main(void) {
  char line[16];
  printf("ready\n"), fflush(stdout);
  for (int n = 1; fgets(line, sizeof line, stdin); n++) {
    round_of_probes(n);
    printf("%d %d\n", n, test_counted_semaphore), fflush(stdout);
  }
}
`.replace("-4@-9", machine() === "x64" ? "-4@$-9" : "-4@-9");

const LIBRARY = `${NOTE}
void in_library(int value) { asm volatile(NOTE("testlib", "called", "0", "-4@%0") :: "r"(value)); }
`;

function machine(): string {
  return spawnSync("uname", ["-m"], { encoding: "utf8" }).stdout.trim() === "x86_64" ? "x64" : "arm64";
}

/** The built files. Dispose removes them. */
export class UsdtFiles implements Disposable {
  readonly folder: string = mkdtempSync("/tmp/waggle-usdt-");
  readonly program: string = `${this.folder}/program`;
  readonly library: string = `${this.folder}/libusdttest.so`;

  /** `flags` are for the program: `-pie`, `-no-pie`. */
  constructor(flags: readonly string[] = []) {
    writeFileSync(`${this.folder}/program.c`, PROGRAM);
    writeFileSync(`${this.folder}/library.c`, LIBRARY);
    const options = ["-O1", "-fno-strict-aliasing"];
    this.#cc([...options, "-shared", "-fPIC", "-o", this.library, `${this.folder}/library.c`]);
    const rest = ["-o", this.program, `${this.folder}/program.c`, this.library, `-Wl,-rpath,${this.folder}`];
    this.#cc([...options, ...flags, ...rest]);
  }

  start(): UsdtProcess {
    return new UsdtProcess(this.program);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true });
  }

  #cc(args: readonly string[]): void {
    const { status, stderr } = spawnSync("cc", args, { encoding: "utf8" });
    assertEquals(status, 0, stderr);
  }
}

/** A running program. */
export class UsdtProcess implements Disposable {
  readonly #child: ChildProcessWithoutNullStreams;
  #output = "";
  #rounds = 0;

  constructor(path: string) {
    this.#child = spawn(path, []);
    this.#child.stdout.on("data", (chunk) => this.#output += String(chunk));
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Waits until it has started. */
  ready(): Promise<string> {
    return this.#until(/ready/);
  }

  /** Passes all probes once; resolves to the value of the semaphore. */
  async round(): Promise<number> {
    const n = ++this.#rounds;
    this.#child.stdin.write("go\n");
    return Number(await this.#until(new RegExp(`^${n} (\\d+)$`, "m")));
  }

  async #until(pattern: RegExp): Promise<string> {
    for (let i = 0; i < 3000; i++) {
      const match = pattern.exec(this.#output);
      if (match !== null) return match[1] ?? "";
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Error(`no ${pattern} in "${this.#output}"`);
  }

  [Symbol.dispose](): void {
    this.#child.stdin.end();
    this.#child.kill("SIGKILL");
  }
}
