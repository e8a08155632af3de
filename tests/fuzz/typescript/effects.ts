/** Random expressions that look into maps, call functions, or change something on the way. */
import { Expressions, operation, read, signOf } from "./expressions.ts";
import type { Both, Cond, Int, IntVariable } from "./scope.ts";
import { GLOBALS, intName, INTS, type IntShape, MAPS, type Shape } from "./shapes.ts";

/** Maps that hold one integer, with keys that are integers. */
const SCALAR_MAPS = ["counts", "levels", "bytes", "local", "table"];
const NUMBERS = ["gu64", "gi64", "gu32", "gi32", "gu16", "gi16", "gu8", "gi8"];

export class Effects extends Expressions {
  /** Variables that may be `undefined`. */
  protected maybes: { name: string; signed: boolean }[] = [];

  protected override block<T>(write: () => T): T {
    const { maybes } = this;
    this.maybes = [...maybes];
    const result = super.block(write);
    this.maybes = maybes;
    return result;
  }

  // Keys and values

  /** A key that is often there. */
  protected key(map: string): Both {
    const { key } = MAPS[map]!;
    if (key?.k === "struct") return this.keyObject();
    if (this.c.below(3) > 0) return this.literal([0n, 1n, 2n, 3n]);
    const key3 = this.binary("&", this.quietly(() => this.varying(false, 1)), this.literal([3n, 1n]));
    return this.c.below(3) > 0 ? key3 : this.storable(key as IntShape, 1);
  }

  protected keyObject(): Both {
    const candidates = this.objects.filter(({ fields }) => fields.map((f) => f.name).join() === "a,b,c");
    if (candidates.length > 0 && this.c.below(2) === 1) {
      const { name } = this.c.pick(candidates);
      return { text: name, js: name };
    }
    return this.fieldsOf([["a", () => this.#near()], ["b", () => this.#near()], ["c", () => this.#near()]]);
  }

  #near(): Both {
    if (this.c.below(3) > 0) return this.literal([0n, 1n, 2n]);
    return this.binary("&", this.varying(false, 0), this.literal([1n]));
  }

  /** An object literal, its fields in any order. */
  protected fieldsOf(fields: readonly (readonly [name: string, write: () => Both])[]): Both {
    const from = this.c.below(fields.length);
    const parts = [...fields.slice(from), ...fields.slice(0, from)].map(([name, write]) => ({ name, ...write() }));
    return {
      text: `{ ${parts.map((part) => `${part.name}: ${part.text}`).join(", ")} }`,
      js: `({ ${parts.map((part) => `${part.name}: ${part.js}`).join(", ")} })`,
    };
  }

  /** What can be stored in a place of that type: a constant must fit. */
  protected storable(shape: IntShape, depth: number): Int {
    const value = this.any(depth);
    if (value.varying) return value;
    return shape.signed && this.c.below(2) === 1
      ? this.literal([-1n, -2n, -100n])
      : this.literal([0n, 1n, 7n, 100n, 127n]);
  }

  /** A value of that shape, to be stored. */
  protected storedValue(shape: Shape, depth: number): Both {
    switch (shape.k) {
      case "int":
        return this.storable(shape, depth);
      case "bool":
        return this.bool(depth);
      case "str":
        return this.text(shape.length);
      case "array": {
        const items = Array.from({ length: shape.length }, () => this.storable(shape.of, 0));
        return { text: `[${items.map((i) => i.text).join(", ")}]`, js: `[${items.map((i) => i.js).join(", ")}]` };
      }
      default:
        return this.fieldsOf(
          Object.entries(shape.fields).map((
            [name, field],
          ) => [name, () => this.storedValue(field, Math.min(depth, 1))]),
        );
    }
  }

  protected map(name: string): Both {
    return { text: this.use(name), js: `$.m.${name}` };
  }

  /** `map.get(key)`, and the sign of what is there. */
  protected lookup(): Both & { readonly signed: boolean } {
    const form = this.c.below(8);
    if (form < 5) {
      const name = this.c.pick(SCALAR_MAPS);
      const [map, key] = [this.map(name), this.quietly(() => this.key(name))];
      const { signed } = MAPS[name]!.value as IntShape;
      return { text: `${map.text}.get(${key.text})`, js: `${map.js}.get(${key.js})`, signed };
    }
    if (form === 5) {
      const name = this.c.pick(["fifo", "lifo"]);
      const map = this.map(name);
      return { text: `${map.text}.peek()`, js: `${map.js}.peek()`, signed: name === "lifo" };
    }
    const [name, path, signed] = this.c.pick(
      [["entries", "n", false], ["entries", "s", true], ["entries", "inner.q", true], ["slots", "m", true]] as const,
    );
    const [map, key] = [this.map(name), this.quietly(() => this.key(name))];
    const get = (m: string, k: string): string => `${m}.get(${k})?.${path}`;
    return { text: get(map.text, key.text), js: get(map.js, key.js), signed };
  }

  protected override special(signed: boolean, depth: number): Int | undefined {
    const form = this.c.below(this.quiet > 0 ? 2 : 8);
    switch (form) {
      case 0:
      case 1:
        return this.#defaulted(signed, depth);
      case 2:
      case 3:
        return this.#call(signed, depth);
      case 4:
      case 5:
        return this.#assigned(signed, depth);
      case 6:
        return this.#updatedGlobal(signed, depth);
      default:
        return signed ? this.#setResult(depth) : this.#popped();
    }
  }

  /** `a ?? b`. */
  #defaulted(signed: boolean, depth: number): Int | undefined {
    const maybes = this.maybes.filter((v) => v.signed === signed);
    const left = maybes.length > 0 && this.c.below(2) === 1
      ? read(this.c.pick(maybes).name, signed, false)
      : this.lookup();
    if (left.signed !== signed) return undefined;
    const right = this.quietly(() => this.wide(signed, depth - 1));
    return this.#value(`(${left.text} ?? ${right.text})`, `(${left.js} ?? ${right.js})`, signed);
  }

  #value(text: string, js: string, signed: boolean): Int {
    return { text, js, signed, small: false, varying: false, literal: false };
  }

  #call(signed: boolean, depth: number): Int | undefined {
    const functions = this.functions.filter((fn) => fn.signed === signed);
    if (functions.length === 0) return undefined;
    const fn = this.c.pick(functions);
    const args = fn.params.map((param) => this.wide(param.signed, depth - 1));
    const text = `${this.use(fn.name)}(${args.map((arg) => arg.text).join(", ")})`;
    return this.#value(text, `$.f.${fn.name}(${args.map((arg) => arg.js).join(", ")})`, signed);
  }

  /** `(v = e)`, `(v += e)`, `v++`. */
  #assigned(signed: boolean, depth: number): Int | undefined {
    const targets = this.ints.filter((v) => v.writable && !v.small && v.signed === signed);
    if (targets.length === 0) return undefined;
    const target = this.c.pick(targets);
    const wrap = `$.w.${signed ? "i64" : "u64"}`;
    const { name } = target;
    switch (this.c.below(3)) {
      case 0: {
        const value = this.wide(signed, depth - 1);
        return this.#value(`(${name} = ${value.text})`, `(${name} = ${value.js})`, signed);
      }
      case 1: {
        const { text, js } = this.compound(target, depth);
        return this.#value(`(${text})`, `(${js})`, signed);
      }
      default: {
        const sign = this.c.pick(["+", "-"]);
        const prefix = this.c.below(2) === 1;
        const text = prefix ? `(${sign}${sign}${name})` : `(${name}${sign}${sign})`;
        const js = prefix
          ? `(${name} = ${wrap}(${name} ${sign} 1n))`
          : `((old) => (${name} = ${wrap}(old ${sign} 1n), old))(${name})`;
        return this.#value(text, js, signed);
      }
    }
  }

  /** `v op= e`, which keeps the variable's sign. */
  protected compound(target: IntVariable, depth: number): Both {
    const { name, signed } = target;
    const ops = signed
      ? ["+", "-", "*", "/", "%", "|", "^", "<<", ">>", "&"]
      : ["+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", ">>>"];
    const op = this.c.pick(ops);
    const by = this.operand(op, signed, depth);
    const js = operation(op, name, by.js, signed);
    return { text: `${name} ${op}= ${by.text}`, js: `${name} = ${js}` };
  }

  /** The right side of `op=`. */
  protected operand(op: string, signed: boolean, depth: number): Int {
    if (op === "/" || op === "%") return this.divisor(signed, depth);
    if (/[<>]/.test(op)) return this.count(depth);
    if (op === "&" && signed) return this.int(true, depth - 1);
    return this.any(depth - 1);
  }

  /** `++global`, `global -= e`: at the width of the global. */
  #updatedGlobal(signed: boolean, depth: number): Int {
    const name = this.c.pick(NUMBERS.filter((g) => (GLOBALS[g]!.shape as IntShape).signed === signed));
    const shape = GLOBALS[name]!.shape as IntShape;
    const type = intName(shape);
    if (this.c.below(2) === 0) {
      const [sign, prefix] = [this.c.pick(["+", "-"]), this.c.below(2) === 1];
      const text = prefix ? `(${sign}${sign}${this.use(name)})` : `(${this.use(name)}${sign}${sign})`;
      return this.#value(text, `$.update($.g, "${name}", "${type}", (v) => v ${sign} 1n, ${!prefix})`, signed);
    }
    const { text, op, by } = this.quietly(() => this.updateText(this.use(name), shape, depth));
    return this.#value(
      `(${text})`,
      `$.update($.g, "${name}", "${type}", (v) => ${jsOf(op, by, signed)}, false)`,
      signed,
    );
  }

  /** `place op= e`. */
  protected updateText(place: string, shape: IntShape, depth: number): { text: string; op: string; by: Int } {
    const op = this.c.pick(["+", "-", "&", "|", "^", "*", "/", "%", "<<", ">>"]);
    const by = this.operand(op, shape.signed, depth);
    return { text: `${place} ${op}= ${by.text}`, op, by };
  }

  #setResult(depth: number): Int {
    const { text, js } = this.setCall(depth);
    return this.#value(text, js, true);
  }

  protected setCall(depth: number): Both {
    const name = this.c.pick([...SCALAR_MAPS, "entries", "slots"].filter((map) => !this.held.has(map)));
    const map = this.map(name);
    return this.quietly(() => {
      const [key, value] = [this.key(name), this.storedValue(MAPS[name]!.value, depth)];
      return { text: `${map.text}.set(${key.text}, ${value.text})`, js: `${map.js}.set(${key.js}, ${value.js})` };
    });
  }

  #popped(): Int {
    const map = this.map("fifo");
    const right = this.quietly(() => this.wide(false, 0));
    return this.#value(`(${map.text}.pop() ?? ${right.text})`, `(${map.js}.pop() ?? ${right.js})`, false);
  }

  protected override specialBool(depth: number): Cond | undefined {
    const form = this.c.below(this.quiet > 0 ? 2 : 4);
    const cond = (text: string, js: string): Cond => ({ text, js, varying: true, bool: true });
    if (form === 0) {
      const { text, js } = this.lookup();
      const op = this.c.pick(["===", "!=="]);
      return cond(`(${text} ${op} undefined)`, `(${js} ${op} undefined)`);
    }
    if (form === 3) return cond(...this.emitted(depth));
    const name = this.c.pick(["counts", "levels", "bytes", "local", "entries"].filter((map) => !this.held.has(map)));
    const [map, key] = [this.map(name), this.quietly(() => this.key(name))];
    const method = form === 1 ? "has" : "delete";
    return cond(`${map.text}.${method}(${key.text})`, `${map.js}.${method}(${key.js})`);
  }

  protected emitted(depth: number): [text: string, js: string] {
    const ring = this.use("ring");
    const record = this.quietly(() => this.storedValue(MAPS["ring"]!.value, depth));
    return [`${ring}.emit(${record.text})`, `$.emit(${record.js})`];
  }

  /** `place = e` and kin, as a statement: a global, an element, a field of a struct global. */
  protected globalStatement(depth: number): Both {
    const form = this.c.below(6);
    if (form === 4) {
      const value = this.bool(depth);
      const [path, js] = this.c.below(2) === 0 ? [this.use("flag"), "flag"] : [`${this.use("point")}.on`, "point.on"];
      return { text: `${path} = ${value.text}`, js: `$.g.${js} = ${value.js}` };
    }
    if (form === 5) {
      const name = this.c.pick(["name", "title"]);
      const length = (GLOBALS[name]!.shape as { length: number }).length;
      const value = this.text(length);
      return { text: `${this.use(name)} = ${value.text}`, js: `$.g.${name} = ${value.js}.slice(0, ${length - 1})` };
    }
    const { text, js, shape } = this.#intPlace(form);
    const wrap = `$.w.${intName(shape)}`;
    if (this.c.below(2) === 0) {
      const value = this.storable(shape, depth);
      return { text: `${text} = ${value.text}`, js: `${js} = ${wrap}(${value.js})` };
    }
    const change = this.quietly(() => this.updateText(text, shape, depth));
    return { text: change.text, js: `${js} = ${wrap}(${operation(change.op, js, change.by.js, shape.signed)})` };
  }

  #intPlace(form: number): Both & { shape: IntShape } {
    if (form < 2) {
      const name = this.c.pick(NUMBERS);
      return { text: this.use(name), js: `$.g.${name}`, shape: GLOBALS[name]!.shape as IntShape };
    }
    if (form === 2) {
      const array = this.c.pick(["odd", "even"] as const);
      const place = this.element(array);
      return { ...place, shape: array === "odd" ? INTS.i16 : INTS.u32 };
    }
    const [path, shape] = this.c.pick(
      [["x", INTS.i32], ["y", INTS.u64], ["inner.p", INTS.u8], ["inner.q", INTS.i16]] as const,
    );
    return { text: `${this.use("point")}.${path}`, js: `$.g.point.${path}`, shape };
  }
}

function jsOf(op: string, by: Int, signed: boolean): string {
  return operation(op, "v", by.js, signOf(op, { ...by, signed }, by));
}
