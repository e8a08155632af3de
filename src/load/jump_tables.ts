/**
 * Jump tables of one program as maps of instructions (BPF_MAP_TYPE_INSN_ARRAY, Linux 6.19): the verifier follows each
 * entry and keeps it true while it rewrites the program. One map for each table and program, frozen before the program
 * is loaded; the program then holds it. As libbpf does (`create_jt_map`).
 */
import { BPF_MAP_TYPE_INSN_ARRAY } from "../abi/bpf.gen.ts";
import { EINVAL } from "../abi/errno.gen.ts";
import { WaggleError } from "../errors.ts";
import { bpfTry, checkBpf } from "../syscall/bpf_call.ts";
import { mapFreeze, mapUpdate } from "../syscall/bpf_map.ts";
import { Fd } from "../syscall/fd.ts";
import type { Cleanup } from "./cleanup.ts";

/** `struct bpf_insn_array_value`: u32 orig_off, xlated_off, jitted_off, and padding. */
const VALUE_SIZE = 16;

/** The tables of one program; `cleanup` closes their maps. */
export class JumpTables {
  readonly #program: string;
  readonly #cleanup: Cleanup;
  readonly #maps = new Map<number, number>();

  constructor(program: string, cleanup: Cleanup) {
    this.#program = program;
    this.#cleanup = cleanup;
  }

  /** Descriptor of the map of a table, whose entries lead to these instructions of the program. Throws `SyscallError`. */
  fd(table: number, targets: readonly number[]): number {
    let fd = this.#maps.get(table);
    if (fd === undefined) this.#maps.set(table, fd = this.#create(targets));
    return fd;
  }

  #create(targets: readonly number[]): number {
    const result = bpfTry("BPF_MAP_CREATE", {
      map_type: BPF_MAP_TYPE_INSN_ARRAY,
      map_name: ".jumptables",
      key_size: 4,
      value_size: VALUE_SIZE,
      max_entries: targets.length,
    });
    const hint = result === -EINVAL
      ? "jump tables need Linux 6.19: compile with -mcpu=v3, or with -mllvm -bpf-min-jump-table-entries=1000"
      : undefined;
    checkBpf(result, "BPF_MAP_CREATE", () => `create a jump table of program "${this.#program}"`, hint);
    const { number } = this.#cleanup.own(new Fd(result));
    const wrong = targets.findIndex((target) => target < 0 || target > 0xffff_ffff);
    if (wrong >= 0) {
      throw new WaggleError(
        `Cannot create a jump table of program "${this.#program}": entry ${wrong} leads to instruction ${
          targets[wrong]
        }`,
      );
    }
    const key = new Uint32Array(1);
    const value = new Uint32Array(VALUE_SIZE / 4);
    for (const [i, target] of targets.entries()) {
      key[0] = i;
      value[0] = target;
      mapUpdate(number, new Uint8Array(key.buffer), new Uint8Array(value.buffer));
    }
    mapFreeze(number);
    return number;
  }
}
