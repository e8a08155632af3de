// Run by the ring buffer tests: runs a program of the parent many times, in a process of its own.
import process from "node:process";
import { fdById, progTestRun } from "../../../../src/syscall/bpf.ts";

const [id = 0, rounds = 0, repeat = 0] = process.argv.slice(2).map(Number);
using prog = fdById("prog", id);
for (let i = 0; i < rounds; i++) progTestRun(prog.number, { data: new Uint8Array(64), repeat });
