/** Stack trace maps on the host: return addresses by id, and the names of their functions. */
import { StackTraceMap } from "../maps/stack_trace.ts";
import { KernelNames } from "./kernel_names.ts";
import { UserNames } from "./user_names.ts";

/** The stacks of a BPF_MAP_TYPE_STACK_TRACE. */
export class StackTraces extends StackTraceMap<bigint> {
  #kernel: KernelNames | undefined;
  #user: UserNames | undefined;

  /** Functions of a kernel stack, innermost first; nothing for an id that is not there. */
  kernelNames(id: number): string[] {
    const names = this.#kernel ??= new KernelNames();
    return (this.get(id) ?? []).map((address) => names.name(address));
  }

  /** Functions of a stack of process `pid`, innermost first. */
  userNames(id: number, pid: number): string[] {
    const names = this.#user ??= new UserNames();
    return (this.get(id) ?? []).map((address) => names.name(pid, address));
  }
}
