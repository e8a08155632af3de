/**
 * What the BPF interpreter (bpf_vm.ts) and the IR evaluator (ir_eval.ts) share: one flat memory with a context, maps and
 * stacks in it, and a few helpers of the kernel, so that both can be compared byte for byte.
 */

/** A map: its values lie one behind the other in the machine's memory. */
export interface MachineMap {
  readonly name: string;
  readonly valueSize: number;
  readonly entries: number;
  /** Address of the first value. */
  readonly address: number;
  /** Hashes: bytes of the key, and the address of each value by the key's bytes. */
  readonly keySize: number;
  readonly items: Map<string, number> | undefined;
  /** Queues and stacks: what is in it, the oldest first. */
  readonly queue: Uint8Array[] | undefined;
}

const CTX = 0x1000;
const MAPS = 0x4000;
const RECORDS = 0x9000;
const STACK_TOP = 0x13000;
const HANDLES = 0x100;
const E2BIG = BigInt.asUintN(64, -7n);
const ENOENT = BigInt.asUintN(64, -2n);
const EEXIST = BigInt.asUintN(64, -17n);

export class Machine {
  readonly memory: Uint8Array = new Uint8Array(STACK_TOP + 0x1000);
  readonly view: DataView = new DataView(this.memory.buffer);
  readonly maps: MachineMap[] = [];
  /** Address of the context. */
  readonly ctx = CTX;
  /** What was submitted to ring buffers, one behind the other. */
  readonly records: number[] = [];
  /** Records that are reserved: address and size. */
  readonly #reserved = new Map<bigint, number>();
  #nextRecord = RECORDS;
  readonly #stacks = new Set<string>();
  /** The next stack frame ends here. */
  stack: number = STACK_TOP;
  #nextMap = MAPS;

  /** Adds an array map with 8-byte steps between values. */
  addMap(name: string, valueSize: number, entries: number): MachineMap {
    const address = this.#room(Math.ceil(valueSize / 8) * 8 * entries);
    return this.#add({ name, valueSize, entries, address, keySize: 4, items: undefined, queue: undefined });
  }

  /** Adds a hash, of any kind: the machine has one CPU, and throws nothing out of an LRU hash. */
  addHash(name: string, keySize: number, valueSize: number, entries: number): MachineMap {
    return this.#add({ name, valueSize, entries, address: 0, keySize, items: new Map(), queue: undefined });
  }

  /** Adds a queue or a stack. */
  addQueue(name: string, valueSize: number, entries: number, lastFirst: boolean): MachineMap {
    if (lastFirst) this.#stacks.add(name);
    return this.#add({ name, valueSize, entries, address: 0, keySize: 0, items: undefined, queue: [] });
  }

  #add(map: MachineMap): MachineMap {
    this.maps.push(map);
    return map;
  }

  /** Memory for values, never used twice: what has been deleted is garbage where it was. */
  #room(size: number): number {
    const address = this.#nextMap;
    this.#nextMap += Math.ceil(size / 8) * 8;
    if (this.#nextMap > RECORDS) throw new RangeError("Too many values for the test machine");
    return address;
  }

  map(name: string): MachineMap {
    const map = this.maps.find((m) => m.name === name);
    if (map === undefined) throw new Error(`No map "${name}"`);
    return map;
  }

  /** What a program holds as the map itself. */
  handle(name: string): bigint {
    return BigInt(HANDLES + this.maps.indexOf(this.map(name)));
  }

  /** The bytes of a map's values. */
  contents(name: string): Uint8Array {
    const { address, valueSize, entries } = this.map(name);
    return this.memory.slice(address, address + Math.ceil(valueSize / 8) * 8 * entries);
  }

  read(address: bigint, size: number): bigint {
    const at = this.#check(address, size);
    switch (size) {
      case 1:
        return BigInt(this.view.getUint8(at));
      case 2:
        return BigInt(this.view.getUint16(at, true));
      case 4:
        return BigInt(this.view.getUint32(at, true));
      default:
        return this.view.getBigUint64(at, true);
    }
  }

  write(address: bigint, size: number, value: bigint): void {
    const at = this.#check(address, size);
    switch (size) {
      case 1:
        return this.view.setUint8(at, Number(value & 0xffn));
      case 2:
        return this.view.setUint16(at, Number(value & 0xffffn), true);
      case 4:
        return this.view.setUint32(at, Number(value & 0xffffffffn), true);
      default:
        return this.view.setBigUint64(at, BigInt.asUintN(64, value), true);
    }
  }

  copy(to: bigint, from: bigint, length: number): void {
    const at = this.#check(to, length);
    const source = this.#check(from, length);
    this.memory.copyWithin(at, source, source + length);
  }

  /** An atomic operation; gives the old value, zero-extended. */
  atomic(op: string, address: bigint, size: number, value: bigint, expected: bigint): bigint {
    const bits = size * 8;
    const old = this.read(address, size);
    const results: Record<string, bigint> = {
      add: old + value,
      or: old | value,
      and: old & value,
      xor: old ^ value,
      xchg: value,
      cmpxchg: old === BigInt.asUintN(bits, expected) ? value : old,
    };
    this.write(address, size, BigInt.asUintN(bits, BigInt.asUintN(64, results[op]!)));
    return old;
  }

  /** Copies up to NUL, and ends with one; gives the bytes written. */
  #readString(to: bigint, size: number, from: bigint): bigint {
    for (let i = 0; i < size; i++) {
      const byte = i === size - 1 ? 0n : this.read(from + BigInt(i), 1);
      this.write(to + BigInt(i), 1, byte);
      if (byte === 0n) return BigInt(i + 1);
    }
    return 0n;
  }

  /** A helper by its number; the result is unsigned. */
  helper(id: number, args: readonly bigint[]): bigint {
    const arg = (i: number) => args[i] ?? 0n;
    switch (id) {
      case 1:
        return this.#lookup(arg(0), arg(1));
      case 2:
        return this.#update(this.#mapOf(arg(0)), arg(1), arg(2), Number(arg(3)));
      case 3:
        return this.#mapOf(arg(0)).items!.delete(this.#key(this.#mapOf(arg(0)), arg(1))) ? 0n : ENOENT;
      case 87: // bpf_map_push_elem
        return this.#push(this.#mapOf(arg(0)), arg(1));
      case 88: // bpf_map_pop_elem
      case 89: // bpf_map_peek_elem
        return this.#take(this.#mapOf(arg(0)), arg(1), id === 88);
      case 113: // bpf_probe_read_kernel
        this.copy(arg(0), arg(2), Number(arg(1)));
        return 0n;
      case 115: // bpf_probe_read_kernel_str
        return this.#readString(arg(0), Number(arg(1)), arg(2));
      case 131: // bpf_ringbuf_reserve
        return this.#reserve(Number(arg(1)));
      case 132: { // bpf_ringbuf_submit
        const size = this.#reserved.get(arg(0));
        if (size === undefined) throw new Error("Submits what is not reserved");
        this.records.push(...this.memory.slice(Number(arg(0)), Number(arg(0)) + size));
        this.#reserved.delete(arg(0));
        return 0n;
      }
      default:
        throw new Error(`No helper ${id} in the test machine`);
    }
  }

  /** Memory full of garbage, as a ring buffer's is; none when there have been many. */
  #reserve(size: number): bigint {
    if (this.#nextRecord + size > STACK_TOP - 9 * 512) return 0n;
    const at = this.#nextRecord;
    this.#nextRecord += size + 7 & ~7;
    this.memory.fill(0xc3, at, at + size);
    this.#reserved.set(BigInt(at), size);
    return BigInt(at);
  }

  #mapOf(handle: bigint): MachineMap {
    const map = this.maps[Number(handle) - HANDLES];
    if (map === undefined) throw new Error(`${handle} is no map`);
    return map;
  }

  #lookup(handle: bigint, key: bigint): bigint {
    const map = this.#mapOf(handle);
    if (map.items !== undefined) return BigInt(map.items.get(this.#key(map, key)) ?? 0);
    const { address, valueSize, entries } = map;
    const index = Number(this.read(key, 4));
    return index < entries ? BigInt(address + index * Math.ceil(valueSize / 8) * 8) : 0n;
  }

  #key({ keySize }: MachineMap, at: bigint): string {
    const from = this.#check(at, keySize);
    return this.memory.slice(from, from + keySize).join();
  }

  #update(map: MachineMap, key: bigint, value: bigint, flags: number): bigint {
    if (map.items === undefined) {
      const at = this.#lookup(BigInt(HANDLES + this.maps.indexOf(map)), key);
      if (at === 0n) return E2BIG;
      this.copy(at, value, map.valueSize);
      return 0n;
    }
    const text = this.#key(map, key);
    if (flags === 1 && map.items.has(text)) return EEXIST;
    if (!map.items.has(text) && map.items.size >= map.entries) return E2BIG;
    const at = this.#room(map.valueSize);
    this.copy(BigInt(at), value, map.valueSize);
    map.items.set(text, at);
    return 0n;
  }

  #push({ queue, entries, valueSize }: MachineMap, value: bigint): bigint {
    if (queue!.length >= entries) return E2BIG;
    const from = this.#check(value, valueSize);
    queue!.push(this.memory.slice(from, from + valueSize));
    return 0n;
  }

  #take({ queue, name, valueSize }: MachineMap, to: bigint, remove: boolean): bigint {
    const at = this.#stacks.has(name) ? -1 : 0;
    const value = queue!.at(at);
    if (value === undefined) {
      // As the kernel does.
      this.memory.fill(0, this.#check(to, valueSize), Number(to) + valueSize);
      return ENOENT;
    }
    this.memory.set(value, this.#check(to, valueSize));
    if (remove) queue!.splice(at, 1);
    return 0n;
  }

  #check(address: bigint, size: number): number {
    if (address < BigInt(CTX) || address + BigInt(size) > BigInt(STACK_TOP)) {
      throw new RangeError(`Access to ${size} bytes at 0x${address.toString(16)}`);
    }
    return Number(address);
  }
}
