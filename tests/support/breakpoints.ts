/** Whether the processor's breakpoints work: some virtual machines let them be set, and never report them. */
import { spawnSync } from "node:child_process";

/** Watches a variable by a perf event (`PERF_TYPE_BREAKPOINT`), writes to it, and prints how often that was seen. */
const WATCH = `
import ctypes, os, platform, struct
x = ctypes.c_long()
number = {"x86_64": 298, "aarch64": 241}[platform.machine()]
attr = struct.pack("<IIQQQQQIIQQ", 5, 112, 0, 1, 0, 0, 0, 0, 2, ctypes.addressof(x), 8).ljust(112, b"\\0")
fd = ctypes.CDLL(None).syscall(number, attr, 0, -1, -1, 0)
x.value = 1
print(struct.unpack("<q", os.read(fd, 8))[0])
`;

export function breakpointsWork(): boolean {
  const { stdout } = spawnSync("python3", ["-c", WATCH], { encoding: "utf8" });
  return Number(stdout) > 0;
}
