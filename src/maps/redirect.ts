/**
 * Maps that packets are redirected through: BPF_MAP_TYPE_DEVMAP, DEVMAP_HASH (network devices) and CPUMAP. A value may
 * carry a program that runs at the destination (5.8, 5.9).
 */
import type { Codec } from "../bytes/codec.ts";
import { describeValue } from "../bytes/layout.ts";
import type { Fd } from "../syscall/fd.ts";
import type { MapParams } from "./base.ts";
import { u32Codec } from "./codecs.ts";
import { type FdLike, fdNumber } from "./fd_map.ts";
import { BpfMap } from "./map.ts";

/** Where a packet goes. Read back, `prog` is the id of the program, 0 for none. */
export interface DevTarget {
  /** Index of the network device. */
  readonly ifindex: number;
  /** When written: an XDP program of attach type BPF_XDP_DEVMAP. */
  readonly prog?: FdLike;
}

/** A CPU's queue. */
export interface CpuTarget {
  /** Packets the queue holds, 1 to 16384. */
  readonly queueSize: number;
  /** When written: an XDP program of attach type BPF_XDP_CPUMAP. */
  readonly prog?: FdLike;
}

/** struct bpf_devmap_val and bpf_cpumap_val: a number, then a program's fd when written and its id when read. */
function targetCodec<F extends "ifindex" | "queueSize">(
  field: F,
  size: number,
): Codec<{ [K in F]: number } & { prog?: FdLike }> {
  return {
    size,
    align: 4,
    read(view, offset) {
      const prog = size >= 8 ? view.getUint32(offset + 4, true) : 0;
      return { [field]: view.getUint32(offset, true), prog } as { [K in F]: number } & { prog: number };
    },
    write(view, offset, value, path = "value") {
      if (typeof value !== "object" || value === null) {
        throw new TypeError(`Cannot encode ${path}: takes an object with ${field}, not ${describeValue(value)}`);
      }
      u32Codec.write(view, offset, value[field], `${path}.${field}`);
      if (size < 8) {
        if (value.prog !== undefined) {
          throw new TypeError(`Cannot encode ${path}.prog: the map's values have ${size} bytes, no room for a program`);
        }
        return;
      }
      // fd 0 means no program here: the kernel takes only positive ones.
      view.setUint32(offset + 4, value.prog === undefined ? 0 : fdNumber(value.prog, `${path}.prog`), true);
    },
  };
}

/** Network devices by index or key. */
export class DevMap extends BpfMap<number, DevTarget> {
  constructor(fd: Fd, params: MapParams) {
    super(fd, params, u32Codec, targetCodec("ifindex", params.valueSize));
  }

  /** Puts a device in: its index, or the index and a program. */
  override set(key: number, target: DevTarget | number): this {
    return super.set(key, typeof target === "number" ? { ifindex: target } : target);
  }
}

/** CPUs by number. */
export class CpuMap extends BpfMap<number, CpuTarget> {
  constructor(fd: Fd, params: MapParams) {
    super(fd, params, u32Codec, targetCodec("queueSize", params.valueSize));
  }

  /** Puts a queue in for a CPU: its size, or the size and a program. */
  override set(cpu: number, target: CpuTarget | number): this {
    return super.set(cpu, typeof target === "number" ? { queueSize: target } : target);
  }
}
