/** BPF_MAP_TYPE_STACK_TRACE (4.6): call stacks that bpf_get_stackid stored, by id. */
import { BPF_F_STACK_BUILD_ID, BPF_STACK_BUILD_ID_EMPTY, BPF_STACK_BUILD_ID_VALID } from "../abi/bpf.gen.ts";
import type { Codec } from "../bytes/codec.ts";
import type { Fd } from "../syscall/fd.ts";
import type { MapParams } from "./base.ts";
import { u32Codec } from "./codecs.ts";
import { BpfMap } from "./map.ts";

/** A frame of a map with BPF_F_STACK_BUILD_ID: a place in a file, or, if that failed, an address. */
export interface BuildIdFrame {
  /** The file's build id in hexadecimal; undefined if only the address is known. */
  readonly buildId: string | undefined;
  /** Offset in the file. */
  readonly offset: bigint;
  /** Address, if there is no build id. */
  readonly ip: bigint | undefined;
}

/** struct bpf_stack_build_id: s32 status, u8 build_id[20], u64 offset or ip. */
const BUILD_ID_FRAME = 32;
const BUILD_ID_SIZE = 20;

/** Addresses, innermost first; frames after the last are zero and left out. */
function addressesCodec(size: number): Codec<bigint[]> {
  return {
    size,
    align: 8,
    read(view, offset) {
      const frames: bigint[] = [];
      for (let at = 0; at + 8 <= size; at += 8) {
        const ip = view.getBigUint64(offset + at, true);
        if (ip === 0n) break;
        frames.push(ip);
      }
      return frames;
    },
    write: refuse,
  };
}

function buildIdsCodec(size: number): Codec<BuildIdFrame[]> {
  return {
    size,
    align: 8,
    read(view, offset) {
      const frames: BuildIdFrame[] = [];
      for (let at = offset; at + BUILD_ID_FRAME <= offset + size; at += BUILD_ID_FRAME) {
        const status = view.getInt32(at, true);
        if (status === BPF_STACK_BUILD_ID_EMPTY) break;
        const place = view.getBigUint64(at + 24, true);
        frames.push(
          status === BPF_STACK_BUILD_ID_VALID
            ? { buildId: hex(view, at + 4), offset: place, ip: undefined }
            : { buildId: undefined, offset: 0n, ip: place },
        );
      }
      return frames;
    },
    write: refuse,
  };
}

function refuse(): never {
  throw new TypeError("Cannot write a stack: only programs write stacks");
}

function hex(view: DataView, offset: number): string {
  let text = "";
  for (let i = 0; i < BUILD_ID_SIZE; i++) text += view.getUint8(offset + i).toString(16).padStart(2, "0");
  return text;
}

/** A map of stacks. Values are addresses (`bigint[]`), or `BuildIdFrame[]` with BPF_F_STACK_BUILD_ID. */
export class StackTraceMap<F extends bigint | BuildIdFrame = bigint> extends BpfMap<number, F[]> {
  constructor(fd: Fd, params: MapParams) {
    const codec = params.flags & BPF_F_STACK_BUILD_ID
      ? buildIdsCodec(params.valueSize)
      : addressesCodec(params.valueSize);
    super(fd, params, u32Codec, codec as unknown as Codec<F[]>);
  }

  /** The most frames a stack can have. */
  get maxDepth(): number {
    return this.valueSize / (this.flags & BPF_F_STACK_BUILD_ID ? BUILD_ID_FRAME : 8);
  }
}
