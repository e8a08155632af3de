/**
 * The map `__bpf_usdt_specs` of objects that were built with libbpf's usdt.bpf.h: where the arguments of each static
 * probe are. One slot for each different set of places; the number of the slot is the cookie of the uprobe. Slots are
 * written by the map's BTF, because the struct grew (indexed memory came with libbpf 1.7).
 */
import { btfCodec } from "../btf/codec.ts";
import type { Btf } from "../btf/btf.ts";
import { NotSupportedError, WaggleError } from "../errors.ts";
import { MAX_USDT_ARGUMENTS, parseUsdtArguments, type UsdtArgument } from "../kernel/usdt_args.ts";
import { mapUpdate } from "../syscall/bpf_map.ts";
import type { Fd } from "../syscall/fd.ts";
import { arch } from "../syscall/libc.ts";
import type { ObjectMap } from "./types.ts";

/** `enum __bpf_usdt_arg_type`. */
const ARG_TYPES = { constant: 0, register: 1, memory: 2, indexed: 3 } as const;

/** Free slots of each map; maps may be shared by programs that attach one after another. */
const slots: WeakMap<Fd, Slots> = new WeakMap();

class Slots {
  readonly #room: number;
  readonly #free: number[] = [];
  #next = 0;

  constructor(room: number) {
    this.#room = room;
  }

  take(): number | undefined {
    return this.#free.pop() ?? (this.#next < this.#room ? this.#next++ : undefined);
  }

  giveBack(taken: readonly number[]): void {
    this.#free.push(...taken);
  }
}

/** The slots of one attachment. */
export class UsdtSpecs implements Disposable {
  readonly #map: ObjectMap;
  readonly #btf: Btf;
  readonly #cookie: bigint;
  readonly #slots: Slots;
  readonly #byArguments = new Map<string, number>();

  constructor(map: ObjectMap, btf: Btf, cookie: bigint) {
    this.#map = map;
    this.#btf = btf;
    this.#cookie = cookie;
    let known = slots.get(map.fd);
    if (known === undefined) slots.set(map.fd, known = new Slots(map.spec.maxEntries));
    this.#slots = known;
  }

  /** The slot of these arguments, written if there was none. Throws what `parseUsdtArguments` does. */
  slotOf(args: string): number {
    const known = this.#byArguments.get(args);
    if (known !== undefined) return known;
    const parsed = parseUsdtArguments(args, arch());
    const slot = this.#slots.take();
    if (slot === undefined) {
      throw new WaggleError(`Cannot attach static probes: map "${this.#map.spec.name}" is full`, {
        hint: `compile with a larger BPF_USDT_MAX_SPEC_CNT than ${this.#map.spec.maxEntries}`,
      });
    }
    this.#byArguments.set(args, slot);
    this.#write(slot, parsed);
    return slot;
  }

  /** Frees the slots. */
  [Symbol.dispose](): void {
    this.#slots.giveBack([...this.#byArguments.values()]);
    this.#byArguments.clear();
  }

  #write(slot: number, args: readonly UsdtArgument[]): void {
    const codec = btfCodec(this.#btf, this.#map.spec.valueTypeId);
    const value = new Uint8Array(codec.size);
    const id = this.#btf.find("__bpf_usdt_arg_spec", "STRUCT");
    const members = (id === undefined ? [] : btfCodec(this.#btf, id).fields ?? []).map((field) => field.name);
    const records = Array.from({ length: MAX_USDT_ARGUMENTS }, (_, i) => argumentRecord(args[i], members));
    codec.write(
      new DataView(value.buffer),
      0,
      { args: records, usdt_cookie: this.#cookie, arg_cnt: args.length },
      "__bpf_usdt_spec",
    );
    const key = new Uint8Array(4);
    new DataView(key.buffer).setUint32(0, slot, true);
    mapUpdate(this.#map.fd.number, key, value);
  }
}

/** `struct __bpf_usdt_arg_spec`. Its shift clears what is above the argument in a register of 64 bits. */
function argumentRecord(argument: UsdtArgument | undefined, members: readonly string[]): Record<string, unknown> {
  const place = argument?.place ?? { kind: "constant", value: 0n } as const;
  // Old objects have no members for it.
  if (place.kind === "indexed" && !members.includes("idx_reg_off")) {
    throw new NotSupportedError("an argument of a static probe in indexed memory", {
      hint: "compile the object with the usdt.bpf.h of libbpf 1.7 or later",
    });
  }
  const offset = place.kind === "constant" ? place.value : place.kind === "register" ? 0n : place.offset;
  const known: Record<string, unknown> = {
    val_off: BigInt.asUintN(64, offset),
    arg_type: ARG_TYPES[place.kind],
    reg_off: place.kind === "constant" ? 0 : place.register,
    arg_signed: argument?.signed ?? false,
    arg_bitshift: argument === undefined ? 0 : 64 - 8 * argument.size,
    idx_reg_off: place.kind === "indexed" ? place.index : 0,
    scale_bitshift: place.kind === "indexed" ? place.shift : 0,
  };
  return Object.fromEntries(members.map((name) => [name, known[name] ?? 0]));
}
