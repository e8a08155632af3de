/**
 * Fields of map values that belong to the kernel: spin locks and timers. The kernel keeps them out of every copy between
 * a map and user space, so on the host they do not exist; programs only hand them to the helpers made for them. The
 * kernel finds them by the names of their structs in the map's BTF (kernel/bpf/btf.c, btf_get_field_type).
 */
import type { Layout, LayoutDesc } from "./layout.ts";
import { u32, u64 } from "./scalars.ts";

/** A field that only the kernel touches. */
export interface KernelOwned extends Layout<undefined, undefined> {
  readonly kernelOwned: true;
}

function owned(name: string, fields: readonly [string, Layout<unknown>][]): KernelOwned {
  const { size, align } = fields[0]![1];
  return {
    desc: {
      kind: "struct",
      name,
      fields: fields.map(([field, layout], i) => ({ name: field, offset: i * size, layout })),
    },
    size: size * fields.length,
    align,
    kernelOwned: true,
    read: () => undefined,
    // Zeros are there already, and the kernel does not look at them.
    write: () => {},
  };
}

/**
 * A lock for the other fields of a value of `hash`, `arrayMap` or a storage: `lock(value, () => { … })` in kernel
 * functions, `{ lock: true }` when the script reads or writes. Linux 5.1; not for kprobes, tracepoints and perf events.
 *
 * @example
 * ```ts
 * import { hash, spinLock, u32, u64 } from "@waggle/waggle";
 *
 * const flows = hash(u32, { guard: spinLock, packets: u64, bytes: u64 });
 * ```
 */
export const spinLock: KernelOwned = owned("bpf_spin_lock", [["val", u32 as Layout<unknown>]]);

/**
 * A timer in a value of `hash`, `lruHash` or `arrayMap`: `map.startTimer(value, nanoseconds, callback)` in kernel
 * functions. Linux 5.15; not for kprobes, tracepoints and perf events.
 *
 * @example
 * ```ts
 * import { hash, timer, u32, u64 } from "@waggle/waggle";
 *
 * const sessions = hash(u32, { expiry: timer, packets: u64 });
 * ```
 */
export const timer: KernelOwned = owned("bpf_timer", [
  ["opaque0", u64 as Layout<unknown>],
  ["opaque1", u64 as Layout<unknown>],
]);

const NAMES: ReadonlySet<string> = new Set(["bpf_spin_lock", "bpf_timer"]);

/** The kernel's name of such a field; undefined if it is an ordinary one. */
export function ownedName(desc: LayoutDesc): string | undefined {
  return desc.kind === "struct" && desc.name !== undefined && NAMES.has(desc.name) ? desc.name : undefined;
}

/** The kernel's fields of a value, by their structs' names. The kernel wants them in the value itself, one of each. */
export function ownedFields(desc: LayoutDesc): string[] {
  if (desc.kind === "array") return ownedFields(desc.element.desc);
  if (desc.kind !== "struct" && desc.kind !== "union") return [];
  const name = ownedName(desc);
  return name === undefined ? desc.fields.flatMap((field) => ownedFields(field.layout.desc)) : [name];
}
