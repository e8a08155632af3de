/** /proc/PID/fdinfo/FD: what the kernel prints of a descriptor, and of BPF objects nowhere else (memlock, frozen). */
import { tryReadText } from "../syscall/files.ts";

/** The fields of a descriptor by name; empty where it is gone or the process may not look. */
export function fdInfo(fd: number, pid: number | "self" = "self"): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of (tryReadText(`/proc/${pid}/fdinfo/${fd}`) ?? "").split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return fields;
}

/** A decimal or hexadecimal field; undefined if the kernel does not print it. */
export function fdInfoNumber(fields: ReadonlyMap<string, string>, name: string): number | undefined {
  const text = fields.get(name);
  return text === undefined ? undefined : Number(text);
}
