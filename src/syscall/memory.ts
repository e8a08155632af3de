/**
 * Memory that the kernel reads and writes. Everything a pointer argument names lives in mmap'ed pages, never in
 * garbage-collected arrays, whose address may change or whose memory may go between taking the address and the call.
 *
 * Three kinds: `arena()` for the arguments of one call, released at the end of a block; `pool()` for small blocks that
 * live as long as their owner; `Mapping` for whole regions.
 */
import { MAP_ANONYMOUS, MAP_FIXED_NOREPLACE, MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE } from "../abi/defines.ts";
import { EEXIST, EINVAL } from "../abi/errno.gen.ts";
import { call, call64, check } from "./libc.ts";
import { type Runtime, runtime } from "./runtime/mod.ts";

const CHUNK = 1 << 20;

/**
 * The page size: 4096 on x86-64; arm64 kernels may have 16 or 64 KiB pages, seen by asking mmap for an offset that only
 * a smaller page allows.
 */
export function pageSize(): number {
  const rt = runtime();
  if (rt.arch === "x86_64") return 4096;
  let size = pageSizes.get(rt);
  if (size === undefined) pageSizes.set(rt, size = probePageSize());
  return size;
}

const pageSizes: WeakMap<Runtime, number> = new WeakMap();

function probePageSize(): number {
  const length = 1 << 18;
  const address = check(
    call64("mmap", 0, length, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
    "mmap",
    "Cannot find the page size",
  );
  try {
    // munmap takes page-aligned addresses only; the smallest that it takes above the start is one page.
    for (const size of [4096, 16384]) {
      if (call("munmap", address + length - size, size) !== -EINVAL) return size;
    }
    return 65536;
  } finally {
    call("munmap", address, length);
  }
}

/** Rounds up to a multiple of `unit`, a power of two or not. */
export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/**
 * A region of mapped memory that this object owns. Closing detaches `buffer` before it unmaps, so that views made
 * earlier become empty instead of pointing to nothing.
 */
export class Mapping implements Disposable {
  /** The first byte, page-aligned. */
  readonly address: number;
  /** Bytes. */
  readonly length: number;
  #buffer: ArrayBuffer | undefined;
  #closed = false;

  private constructor(address: number, length: number) {
    this.address = address;
    this.length = length;
  }

  /**
   * Maps zeroed private memory of at least `length` bytes, below 2 GiB where there is room: low addresses are passed
   * to the kernel faster (see runtime/deno.ts).
   */
  static anonymous(length: number): Mapping {
    const size = roundUp(Math.max(length, 1), pageSize());
    return new Mapping(mapLow(size), size);
  }

  /**
   * Maps `length` bytes of a file or kernel object. Throws `SyscallError`.
   *
   * @param options.prot PROT_READ by default
   * @param options.flags MAP_SHARED by default
   * @param options.offset bytes, a multiple of the page size
   * @param options.what what is mapped, for the error's message
   */
  static ofFd(
    fd: number,
    length: number,
    options: { prot?: number; flags?: number; offset?: number; address?: number; what?: string } = {},
  ): Mapping {
    const { prot = PROT_READ, flags = MAP_SHARED, offset = 0, address = 0 } = options;
    const size = roundUp(Math.max(length, 1), pageSize());
    const result = call64("mmap", address, size, prot, flags, fd, offset);
    check(result, "mmap", () => `Cannot map ${options.what ?? `file descriptor ${fd}`}`);
    return new Mapping(result, size);
  }

  /** The region as an ArrayBuffer, not copied. Throws `TypeError` once closed. */
  get buffer(): ArrayBuffer {
    if (this.#closed) throw new TypeError("Cannot use memory: it is unmapped");
    return this.#buffer ??= runtime().view(this.address, this.length);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Changes the protection of the whole region. */
  protect(prot: number): void {
    check(call("mprotect", this.address, this.length, prot), "mprotect", "Cannot protect memory");
  }

  /** Unmaps. A second call does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // Takes the memory away from every view of the buffer; both engines move it without a copy.
    this.#buffer?.transfer();
    this.#buffer = undefined;
    call("munmap", this.address, this.length);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

const LOW_START = 0x4000_0000;
const LOW_END = 0x7000_0000;
let nextLow = LOW_START;

function mapLow(size: number): number {
  const prot = PROT_READ | PROT_WRITE;
  const flags = MAP_PRIVATE | MAP_ANONYMOUS;
  for (let tries = 0; tries < 8 && nextLow + size <= LOW_END; tries++) {
    const wanted = nextLow;
    nextLow += roundUp(size, CHUNK);
    const address = call64("mmap", wanted, size, prot, flags | MAP_FIXED_NOREPLACE, -1, 0);
    if (address >= 0) return address; // kernels before 4.17 do not know the flag and may choose another place
    if (address !== -EEXIST) break;
  }
  return check(call64("mmap", 0, size, prot, flags, -1, 0), "mmap", `Cannot map ${size} bytes of memory`);
}

/** A piece of kernel-visible memory. */
export interface Block {
  readonly address: number;
  readonly length: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
}

function blockOf(buffer: ArrayBuffer, offset: number, address: number, length: number): Block {
  return {
    address,
    length,
    bytes: new Uint8Array(buffer, offset, length),
    view: new DataView(buffer, offset, length),
  };
}

const encoder = new TextEncoder();

/** Text below this many characters is copied faster by a loop than by an encoder. */
const SHORT_TEXT = 128;

/** A stack of memory for the arguments of system calls. Use it through `scope()`. */
export class Arena {
  readonly #chunks: { address: number; bytes: Uint8Array<ArrayBuffer> }[] = [];
  /** Chunk in use and first free byte in it. */
  #chunk = 0;
  #offset = 0;
  #depth = 0;

  /** Starts a block of allocations that end together. Scopes nest and must be closed in reverse order. */
  scope(): Scope {
    this.#depth++;
    return new Scope(this, this.#chunk, this.#offset, this.#depth);
  }

  /** For `Scope`: zeroed memory at the top of the stack. */
  allocate(size: number, align: number): Block {
    const offset = this.#take(size, align);
    const { bytes, address } = this.#chunks[this.#chunk]!;
    bytes.fill(0, offset, offset + size);
    return blockOf(bytes.buffer, offset, address + offset, size);
  }

  /** For `Scope`: memory at the top of the stack that holds what it held before. */
  room(size: number): Block {
    const offset = this.#take(size, 8);
    const { bytes, address } = this.#chunks[this.#chunk]!;
    return blockOf(bytes.buffer, offset, address + offset, size);
  }

  /** For `Scope`: copies bytes in and returns their address. No views are made: most arguments come this way. */
  copy(from: Uint8Array, align: number): number {
    const offset = this.#take(from.length, align);
    const { bytes, address } = this.#chunks[this.#chunk]!;
    bytes.set(from, offset);
    return address + offset;
  }

  /** For `Scope`: copies ASCII text in with a zero byte behind it; undefined if it is anything else. */
  copyAscii(text: string): number | undefined {
    const start = this.#take(text.length + 1, 1);
    const { bytes, address } = this.#chunks[this.#chunk]!;
    for (let i = 0; i < text.length; i++) {
      const c = text.charCodeAt(i);
      if (c === 0 || c > 0x7f) return undefined;
      bytes[start + i] = c;
    }
    bytes[start + text.length] = 0;
    return address + start;
  }

  /** Offset in the current chunk, which may be another one afterwards. */
  #take(size: number, align: number): number {
    if (size > CHUNK / 4) throw new RangeError(`Cannot take ${size} bytes of the arena: map them instead`);
    // Alignments are powers of two.
    let offset = (this.#offset + align - 1) & -align;
    if (this.#chunks.length === 0 || offset + size > CHUNK) {
      if (this.#chunks.length > 0) this.#chunk++;
      if (this.#chunk === this.#chunks.length) {
        const { address, buffer } = Mapping.anonymous(CHUNK);
        this.#chunks.push({ address, bytes: new Uint8Array(buffer) });
      }
      offset = 0;
    }
    this.#offset = offset + size;
    return offset;
  }

  /** For `Scope`: gives back everything above a mark. */
  release(chunk: number, offset: number, depth: number): void {
    if (depth !== this.#depth) {
      throw new TypeError("Cannot close an arena scope: an inner scope is still open, or this one was closed before");
    }
    this.#depth--;
    this.#chunk = chunk;
    this.#offset = offset;
  }
}

/** Allocations that end together, with `using`. */
export class Scope implements Disposable {
  readonly #arena: Arena;
  readonly #chunk: number;
  readonly #offset: number;
  readonly #depth: number;
  #large: Mapping[] | undefined;

  constructor(arena: Arena, chunk: number, offset: number, depth: number) {
    this.#arena = arena;
    this.#chunk = chunk;
    this.#offset = offset;
    this.#depth = depth;
  }

  /** `size` zeroed bytes. Large ones get pages of their own. */
  alloc(size: number, align = 8): Block {
    if (size <= CHUNK / 4) return this.#arena.allocate(size, align);
    const mapping = Mapping.anonymous(size);
    (this.#large ??= []).push(mapping);
    return blockOf(mapping.buffer, 0, mapping.address, size);
  }

  /** `size` bytes for the kernel to write to, which hold anything until then. */
  room(size: number): Block {
    return size <= CHUNK / 4 ? this.#arena.room(size) : this.alloc(size);
  }

  /** Copies bytes in and returns their address; 0 for no bytes. */
  bytes(bytes: Uint8Array | undefined, align = 8): number {
    if (bytes === undefined || bytes.length === 0) return 0;
    if (bytes.length <= CHUNK / 4) return this.#arena.copy(bytes, align);
    const block = this.alloc(bytes.length, align);
    block.bytes.set(bytes);
    return block.address;
  }

  /** Copies text in as UTF-8 with its terminating zero byte, and returns its address. */
  string(text: string): number {
    const address = text.length < SHORT_TEXT ? this.#arena.copyAscii(text) : undefined;
    if (address !== undefined) return address;
    if (text.includes("\0")) throw new TypeError(`Cannot pass ${JSON.stringify(text)}: it holds a zero byte`);
    return this.bytes(encoder.encode(`${text}\0`), 1);
  }

  /** Copies 32-bit numbers in and returns their address; 0 for none. */
  u32s(values: ArrayLike<number>): number {
    if (values.length === 0) return 0;
    const block = this.alloc(values.length * 4, 8);
    for (let i = 0; i < values.length; i++) block.view.setUint32(i * 4, values[i]!, true);
    return block.address;
  }

  /** Copies 64-bit numbers in and returns their address; 0 for none. */
  u64s(values: ArrayLike<number | bigint>): number {
    if (values.length === 0) return 0;
    const block = this.alloc(values.length * 8, 8);
    for (let i = 0; i < values.length; i++) {
      block.view.setBigUint64(i * 8, BigInt.asUintN(64, BigInt(values[i]!)), true);
    }
    return block.address;
  }

  /** Copies strings in and returns the address of an array of pointers to them; 0 for none. */
  strings(values: readonly string[]): number {
    return this.u64s(values.map((text) => this.string(text)));
  }

  [Symbol.dispose](): void {
    this.#arena.release(this.#chunk, this.#offset, this.#depth);
    for (const mapping of this.#large ?? []) mapping.close();
    this.#large = undefined;
  }
}

/** Small blocks that live as long as their owner: size classes of powers of two, carved from chunks. */
export class Pool {
  readonly #free: Map<number, Block[]> = new Map();
  #chunk: Mapping | undefined;
  #offset = 0;

  /** A block that its owner gives back by closing it; zeroed unless told otherwise. */
  alloc(size: number, options: { zero?: boolean } = {}): OwnedBlock {
    if (size > CHUNK / 4) return new OwnedBlock(undefined, Mapping.anonymous(size), size);
    let rounded = 64;
    while (rounded < size) rounded *= 2;
    const block = this.#free.get(rounded)?.pop() ?? this.#carve(rounded);
    if (options.zero !== false) block.bytes.fill(0);
    return new OwnedBlock(this, block, size);
  }

  /** For `OwnedBlock`. */
  give(block: Block): void {
    const list = this.#free.get(block.length);
    if (list === undefined) this.#free.set(block.length, [block]);
    else list.push(block);
  }

  #carve(size: number): Block {
    if (this.#chunk === undefined || this.#offset + size > CHUNK) {
      this.#chunk = Mapping.anonymous(CHUNK);
      this.#offset = 0;
    }
    const offset = this.#offset;
    this.#offset += size;
    return blockOf(this.#chunk.buffer, offset, this.#chunk.address + offset, size);
  }
}

/** A block of a pool, or pages of its own if it is large. */
export class OwnedBlock implements Block, Disposable {
  readonly address: number;
  readonly length: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  readonly #pool: Pool | undefined;
  #memory: Block | Mapping | undefined;

  constructor(pool: Pool | undefined, memory: Block | Mapping, length: number) {
    this.#pool = pool;
    this.#memory = memory;
    this.address = memory.address;
    this.length = length;
    const [buffer, offset] = memory instanceof Mapping
      ? [memory.buffer, 0]
      : [memory.bytes.buffer, memory.bytes.byteOffset];
    this.bytes = new Uint8Array(buffer, offset, length);
    this.view = new DataView(buffer, offset, length);
  }

  /** Gives the memory back. A second call does nothing. */
  close(): void {
    const memory = this.#memory;
    this.#memory = undefined;
    if (memory instanceof Mapping) memory.close();
    else if (memory !== undefined) this.#pool?.give(memory);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

interface State {
  arena: Arena;
  pool: Pool;
}

const states: WeakMap<Runtime, State> = new WeakMap();
let lastRuntime: Runtime | undefined;
let lastState: State | undefined;

/** Memory belongs to the runtime it was mapped with: a test with the fake runtime must not see real addresses. */
function state(): State {
  const rt = runtime();
  if (rt === lastRuntime && lastState !== undefined) return lastState;
  let found = states.get(rt);
  if (found === undefined) states.set(rt, found = { arena: new Arena(), pool: new Pool() });
  lastRuntime = rt;
  return lastState = found;
}

/** The arena for the arguments of system calls. */
export function arena(): Arena {
  return state().arena;
}

/** The pool of small long-lived blocks. */
export function pool(): Pool {
  return state().pool;
}
