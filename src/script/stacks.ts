/** Stack trace maps on the host: return addresses by id, and the names of their functions. */
import { BpfMap } from "../maps/map.ts";
import type { MapParams } from "../maps/base.ts";
import type { Codec } from "../bytes/codec.ts";
import { u32 } from "../bytes/scalars.ts";
import type { Fd } from "../syscall/fd.ts";
import type { HostStackTraces } from "./host_maps.ts";
import { KernelNames } from "./kernel_names.ts";
import { UserNames } from "./user_names.ts";

/** Return addresses until the first zero. */
function framesCodec(size: number): Codec<bigint[]> {
  return {
    size,
    align: 8,
    read(view, offset) {
      const frames: bigint[] = [];
      for (let at = 0; at < size; at += 8) {
        const address = view.getBigUint64(offset + at, true);
        if (address === 0n) break;
        frames.push(address);
      }
      return frames;
    },
    write: () => {
      throw new TypeError("Cannot write a stack: only the kernel makes them");
    },
  };
}

/** The stacks of a BPF_MAP_TYPE_STACK_TRACE. */
export class StackTraces extends BpfMap<number, bigint[]> implements HostStackTraces {
  #kernel: KernelNames | undefined;
  #user: UserNames | undefined;

  constructor(fd: Fd, params: MapParams) {
    super(fd, params, u32, framesCodec(params.valueSize));
  }

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
