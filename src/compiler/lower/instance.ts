/**
 * The script's own functions: compiled once for each list of argument types they are called with, as static functions,
 * which the verifier checks where they are called from. The first word passed is always the caller's context, since
 * builtins may need it; so four arguments are left.
 */
import type { Call, Expr } from "../syntax/ast.ts";
import { Cell, typeKey, typeOfVal, type VarType } from "./cells.ts";
import type { Lowering } from "./lowering.ts";
import { bindParameter, lowerRounds, parseSource } from "./program.ts";
import { scopeOf } from "./scope.ts";
import { describe, ERROR, UNDEFINED, type Val } from "./values.ts";
import type { Instance, Module, ParsedFunction } from "./module.ts";

const MAX_ARGUMENTS = 4;

export function callFunction(f: Lowering, name: string, args: readonly Val[], call: Call): Val {
  const parsed = parsedFunction(f, name);
  if (parsed === undefined) return ERROR;
  const wanted = parsed.func.params.length - 1;
  if (args.length !== Math.max(0, wanted)) {
    f.fail(
      "arguments",
      `${name} takes ${Math.max(0, wanted)} argument${wanted === 1 ? "" : "s"}, this call has ${args.length}`,
      call,
      ["its first parameter is the scope and is not passed"],
    );
  }
  const types = args.map((arg, i) => passable(f, arg, call.args[i]!));
  const runtime = args.filter((_, i) => types[i]!.k !== "static" && types[i]!.k !== "undefined");
  if (runtime.length > MAX_ARGUMENTS) {
    f.fail("arguments", `a function takes at most ${MAX_ARGUMENTS} values, this call passes ${runtime.length}`, call, [
      "pass a struct in a map, or take globals from the scope",
    ]);
  }
  const instance = instanceOf(f, parsed, types, call);
  f.effect();
  const returns = instance.result.k !== "undefined";
  const ir = f.b.callFunction(instance.name, [f.hook.frameContext(f), ...runtime.map((arg) => f.word(arg))], {
    returns,
  });
  return returned(f, instance.result, ir);
}

export function parsedFunction(f: Lowering, name: string): ParsedFunction | undefined {
  const { parsed, input } = f.module;
  if (!parsed.has(name)) parsed.set(name, parseSource(f.module, input.functions[name]!, name));
  return parsed.get(name);
}

/** The type of an argument; what cannot be passed in a register is an error. */
function passable(f: Lowering, val: Val, node: Expr): VarType {
  if (val.k === "opt") return f.wrong("a value that is there", val, node);
  const type = typeOfVal(val);
  if (type.k === "object" || type.k === "tuple") {
    f.fail("argument-type", `${describe(val)} cannot be passed to a function`, node, ["pass its fields one by one"]);
  }
  if (type.k === "int" && val.k === "int") return { k: "int", t: { bits: widen(type.t.bits), signed: type.t.signed } };
  return type;
}

/** Constants of different size should not make instances of their own. */
function widen(bits: number): number {
  return bits <= 32 ? 32 : 64;
}

function instanceOf(f: Lowering, parsed: ParsedFunction, types: readonly VarType[], call: Call): Instance {
  const { module } = f;
  // Programs of one type share an instance: a function cannot see the fields of its caller's context.
  const { def, typed, hasContext, scratch } = f.hook;
  const kind = `${def?.prog}|${def?.ctx}|${typed}|${hasContext}|${scratch}`;
  const key = `${parsed.key}|${kind}|${types.map(typeKey).join("|")}`;
  const known = module.instances.get(key);
  if (known?.done === false) {
    f.fail("recursion", `${parsed.key} calls itself`, call, ["BPF has a stack of 512 bytes: use a loop"]);
  }
  if (known !== undefined) return known;
  const name = freshName(module, parsed.key);
  const pending: Instance = { name, result: { k: "undefined" }, done: false };
  module.instances.set(key, pending);
  const runtime = types.filter((type) => type.k !== "static" && type.k !== "undefined");
  // The caller may be the body of a loop, which has the context in its frame.
  const ctx: typeof f.hook.ctx = (g) => g.b.param(0);
  const own = f.hook.hasContext ? { ctx, frameContext: ctx } : {};
  const hook = { ...f.hook, ...own, key: "", defaultReturn: 0n, checkReturn };
  const { fn, rounds } = lowerRounds(
    module,
    parsed,
    { name, params: 1 + runtime.length, linkage: "static", hook, restart: (g) => bindStatics(g, parsed, types) },
    (g) => bindAll(g, parsed, types),
  );
  module.functions.push(fn);
  const instance: Instance = {
    name,
    result: resultType(f, rounds.result ?? { k: "undefined" }, parsed.key, call),
    done: true,
  };
  module.instances.set(key, instance);
  return instance;
}

/** The function's own name for its first instance. */
export function freshName(module: Module, key: string): string {
  const taken = [...module.instances.values()].filter(({ name }) => name === key || name.startsWith(`${key}__`)).length;
  return taken === 0 ? key : `${key}__${taken + 1}`;
}

function checkReturn(f: Lowering, val: Val, node: Expr): void {
  if (val.k === "int" || val.k === "bool" || val.k === "ptr" || val.k === "undefined") return;
  f.fail("return-type", `a function returns an integer, a boolean or a pointer, this is ${describe(val)}`, node, [
    "write what it makes into a map, or return a part",
  ]);
}

function resultType(f: Lowering, type: VarType, name: string, call: Call): VarType {
  if (type.k === "opt") {
    f.fail("return-type", `${name} returns a value on some ways only`, call, [
      "return 0, or whatever means nothing, on the others",
    ]);
  }
  return type;
}

/** The scope first, then the arguments in registers 2 to 5. */
function bindAll(g: Lowering, parsed: ParsedFunction, types: readonly VarType[]): void {
  const { func } = parsed;
  bindParameter(g, func, func.params[0], () => scopeOf(g));
  let register = 1;
  types.forEach((type, i) => {
    const val = fromRegister(g, type, () => g.b.param(register++));
    const param = func.params[i + 1]!;
    if (param.target.type === "Ident") {
      const symbol = g.symbol(param.target);
      if (symbol === undefined) return;
      if (symbol.reassigned) g.write(symbol, val, param.target);
      else g.bound.set(symbol, { val });
    } else bindParameter(g, func, param, () => val);
  });
}

/** What needs no register is bound in bodies of loops too; the rest travels there as variables do. */
function bindStatics(g: Lowering, parsed: ParsedFunction, types: readonly VarType[]): void {
  const { func } = parsed;
  bindParameter(g, func, func.params[0], () => scopeOf(g));
  types.forEach((type, i) => {
    if (type.k !== "static" && type.k !== "undefined") return;
    bindParameter(g, func, func.params[i + 1], () => type.k === "static" ? type.val : UNDEFINED);
  });
}

function fromRegister(g: Lowering, type: VarType, next: () => ReturnType<Lowering["word"]>): Val {
  switch (type.k) {
    case "static":
      return type.val;
    case "undefined":
      return UNDEFINED;
    default: {
      const cell = new Cell(g, "argument", type);
      cell.setWord(next());
      return cell.read();
    }
  }
}

function returned(f: Lowering, type: VarType, ir: ReturnType<Lowering["word"]>): Val {
  if (type.k === "undefined") return UNDEFINED;
  const cell = new Cell(f, "result", type);
  cell.setWord(ir);
  return cell.read();
}
