/**
 * Arguments of static probes (USDT). Where they lie differs from one place of the probe to the next, so the program asks
 * a map: attaching writes there, for each place, registers, offsets and sizes, and the place's number is the cookie of
 * its uprobe (or found by the instruction's address, on kernels before 5.15). Maps and their layout are those of
 * libbpf's usdt.bpf.h up to version 1.6, so that libbpf attaches such objects as well; an index register goes into bytes
 * that are 0 there.
 */
import { MACHINES } from "../../abi/pt_regs.ts";
import { helperId } from "../../asm/helpers.ts";
import { array, struct } from "../../bytes/composites.ts";
import type { Layout } from "../../bytes/layout.ts";
import { bool, i16, i32, i64, u16, u32, u64, u8 } from "../../bytes/scalars.ts";
import { intType, U64 } from "../check/int_types.ts";
import type { StaticArgument } from "../definitions.ts";
import { FunctionBuilder } from "../ir/builder.ts";
import type { Block, IrFunction, Value } from "../ir/ir.ts";
import type { Lowering } from "./lowering.ts";
import type { Module } from "./module.ts";
import type { IntVal } from "./values.ts";

const SPECS_MAP = "__bpf_usdt_specs";
const ADDRESSES_MAP = "__bpf_usdt_ip_to_spec_id";
const FUNCTION = "usdt_argument";
const MAX_SPECS = 256;
/** What a probe may have at most, as <sys/sdt.h> and usdt.bpf.h have it. */
const MAX_USDT_ARGUMENTS = 12;

const ArgumentSpec = struct({
  val_off: u64,
  arg_type: u8,
  scale_bitshift: u8,
  idx_reg_off: u16,
  reg_off: i16,
  arg_signed: bool,
  arg_bitshift: u8,
}, "__bpf_usdt_arg_spec");
const Spec = struct({
  args: array(ArgumentSpec, MAX_USDT_ARGUMENTS),
  usdt_cookie: u64,
  arg_cnt: i16,
}, "__bpf_usdt_spec");

/** Values of `arg_type`. */
const CONSTANT = 0n;
const REGISTER = 1n;
const MEMORY = 2n;
const INDEXED = 3n;

/** `ctx.arg0` of a static probe; 0 if the probe has fewer arguments, or memory that is not there. */
export function usdtArgument(f: Lowering, ctx: Value, index: number): IntVal {
  const { module } = f;
  if (!module.functions.some((fn) => fn.name === FUNCTION)) {
    addMaps(module);
    module.functions.push(argumentFunction(f));
  }
  const word = f.b.callFunction(FUNCTION, [ctx, f.b.const(BigInt(index))], { writes: 0 });
  const known = knownArguments(f)?.[index];
  return f.int(word, known === undefined ? U64 : intType(known.size * 8, known.signed));
}

/** How many arguments the program may name. */
export function usdtArgumentCount(f: Lowering): number {
  return knownArguments(f)?.length ?? MAX_USDT_ARGUMENTS;
}

/** What the file says of the probe of the program's key; undefined where it cannot be read. */
function knownArguments(f: Lowering): readonly StaticArgument[] | undefined {
  const { target } = f.hook;
  if (target.kind !== "usdt" || f.module.facts.portable !== false) return undefined;
  return f.module.facts.staticProbe?.(target.path, target.provider, target.name);
}

function addMaps(module: Module): void {
  const define = (name: string, kind: "array" | "hash", key: unknown, value: unknown, maxEntries: number): void => {
    const layouts = { key: key as Layout<unknown>, value: value as Layout<unknown> };
    const rest = { flags: 0, pinned: false, slots: [], linear: undefined };
    module.extraMaps.set(name, { kind, ...layouts, maxEntries, ...rest });
  };
  define(SPECS_MAP, "array", i32, Spec, MAX_SPECS);
  // libbpf wants both. Where the kernel is known to have cookies, the second one is not made.
  if (module.facts.portable !== false || !module.facts.has("bpf_cookie")) {
    define(ADDRESSES_MAP, "hash", i64, u32, 4 * MAX_SPECS);
  }
}

/** `static u64 usdt_argument(struct pt_regs *ctx, u64 index)`. */
function argumentFunction({ module, source }: Lowering): IrFunction {
  const b = new FunctionBuilder(FUNCTION, { params: 2, linkage: "static" });
  // The kernel wants a line for the start of every function.
  const { file, line, column, lineText } = source.locate(0, 1);
  b.at({ file, line, column, text: lineText });
  const [ctx, index] = [b.param(0), b.param(1)];
  const call = (name: string, ...args: Value[]): Value =>
    b.callHelper(helperId(name), name, args, { writes: name.startsWith("probe_read") ? 1 : 0 });
  const enter = (block: Block): void => {
    b.seal(block);
    b.setBlock(block);
  };
  const none = b.newBlock();
  /** Goes on only if the comparison holds. */
  const need = (op: "eq" | "ne" | "ult", x: Value, y: Value): void => {
    const on = b.newBlock();
    b.branchIf(op, x, y, on, none);
    enter(on);
  };
  const slot = b.slotAddress(b.newSlot("word", 8, 8));
  const word = (): Value => b.load(8, slot, 0, { volatile: true });
  const readKernel = (from: Value): Value => {
    need("eq", call("probe_read_kernel", slot, b.const(8n), from), b.const(0n));
    return word();
  };

  const key = b.slotAddress(b.newSlot("key", 8, 8));
  b.store(4, key, 0, specNumber(module, b, ctx, key, none, call));
  const spec = call("map_lookup_elem", b.mapFd(SPECS_MAP), key);
  need("ne", spec, b.const(0n));
  const fields = offsetsOf(Spec);
  need("ult", index, b.load(2, spec, fields["arg_cnt"]!));
  need("ult", index, b.const(BigInt(MAX_USDT_ARGUMENTS)));
  const argument = b.add(spec, b.mul(index, b.const(BigInt(ArgumentSpec.size))));
  const at = offsetsOf(ArgumentSpec);
  const field = (name: keyof typeof at & string, size: 1 | 2 | 8): Value => b.load(size, argument, at[name]!);

  const result = b.newLocal("result");
  const [finish, inRegister] = [b.newBlock(), b.newBlock()];
  const type = field("arg_type", 1);
  const offset = field("val_off", 8);
  b.setLocal(result, offset);
  b.branchIf("eq", type, b.const(CONSTANT), finish, inRegister);
  enter(inRegister);
  const register = readKernel(b.add(ctx, field("reg_off", 2)));
  b.setLocal(result, register);
  const [inMemory, indexed, address] = [b.newBlock(), b.newBlock(), b.newBlock()];
  b.branchIf("eq", type, b.const(REGISTER), finish, inMemory);
  enter(inMemory);
  const base = b.newLocal("base");
  b.setLocal(base, register);
  b.branchIf("eq", type, b.const(MEMORY), address, indexed);
  enter(indexed);
  need("eq", type, b.const(INDEXED));
  const second = readKernel(b.add(ctx, field("idx_reg_off", 2)));
  b.setLocal(base, b.add(register, b.shl(second, field("scale_bitshift", 1))));
  b.jump(address);
  enter(address);
  need("eq", call("probe_read_user", slot, b.const(8n), b.add(b.getLocal(base), offset)), b.const(0n));
  b.setLocal(result, word());
  b.jump(finish);
  enter(finish);
  // What is above the argument in 64 bits is cleared, or filled with its sign.
  const shift = field("arg_bitshift", 1);
  const up = b.shl(b.getLocal(result), shift);
  const [signed, unsigned] = [b.newBlock(), b.newBlock()];
  b.branchIf("ne", field("arg_signed", 1), b.const(0n), signed, unsigned);
  enter(signed);
  b.ret(b.ashr(up, shift));
  enter(unsigned);
  b.ret(b.shr(up, shift));
  enter(none);
  b.ret(b.const(0n));
  return b.finish();
}

/** The number of the place that the program runs for. */
function specNumber(
  module: Module,
  b: FunctionBuilder,
  ctx: Value,
  key: Value,
  none: Block,
  call: (name: string, ...args: Value[]) => Value,
): Value {
  const cookie = (): Value => call("get_attach_cookie", ctx);
  const byAddress = (): Value => {
    const machine = MACHINES[module.facts.arch];
    b.store(8, key, 0, b.load(8, ctx, machine.regs[machine.ip]!, { invariant: true }));
    const found = call("map_lookup_elem", b.mapFd(ADDRESSES_MAP), key);
    const there = b.newBlock();
    b.branchIf("ne", found, b.const(0n), there, none);
    b.seal(there);
    b.setBlock(there);
    return b.load(4, found, 0);
  };
  if (module.facts.portable === false) return module.facts.has("bpf_cookie") ? cookie() : byAddress();
  // Decided when it is loaded: the verifier does not look into the branch that is not taken.
  const exists = cookieHelperExists(module, b);
  if (exists === undefined) return cookie();
  const number = b.newLocal("number");
  const [modern, old, join] = [b.newBlock(), b.newBlock(), b.newBlock()];
  b.branchIf("ne", exists, b.const(0n), modern, old);
  for (const [block, make] of [[modern, cookie], [old, byAddress]] as const) {
    b.seal(block);
    b.setBlock(block);
    b.setLocal(number, make());
    b.jump(join);
  }
  b.seal(join);
  b.setBlock(join);
  return b.getLocal(number);
}

function cookieHelperExists(module: Module, b: FunctionBuilder): Value | undefined {
  const { types } = module;
  const id = types?.btf.find("bpf_func_id", "ENUM");
  const type = id === undefined ? undefined : types!.btf.type(id);
  if (type?.kind !== "ENUM") return undefined;
  const index = type.values.findIndex((value) => value.name === "BPF_FUNC_get_attach_cookie");
  return index < 0 ? undefined : b.coreConst(module.record(id!, [index], "ENUMVAL_EXISTS"), 1n);
}

function offsetsOf(layout: Layout<unknown>): Readonly<Record<string, number>> {
  const { desc } = layout;
  if (desc.kind !== "struct") throw new TypeError("not a struct");
  return Object.fromEntries(desc.fields.map((field) => [field.name, field.offset]));
}
