/** Random integer expressions and conditions, by the rules of docs/language.md, "Numbers" and "Truth and absence". */
import { GLOBALS, intName, INTS, type IntShape } from "./shapes.ts";
import { type Both, type Cond, type Int, Writer } from "./scope.ts";

const LITERALS = [
  0n,
  1n,
  2n,
  3n,
  5n,
  7n,
  8n,
  10n,
  31n,
  63n,
  64n,
  100n,
  127n,
  128n,
  255n,
  256n,
  1000n,
  32768n,
  65535n,
  65536n,
  (1n << 31n) - 1n,
  1n << 31n,
  (1n << 32n) - 1n,
  1n << 32n,
  (1n << 53n) - 1n,
  1n << 53n,
  (1n << 62n) + 1n,
  (1n << 63n) - 1n,
];
const U64_LITERALS = [...LITERALS, 1n << 63n, (1n << 64n) - 1n];
const TEXTS = ["", "a", "ab", "abc", "bash", "bas", "waggle", "abcdefg"];
const UNSIGNED_GLOBALS = ["gu64", "gu32", "gu16", "gu8", "limit"];
const SIGNED_GLOBALS = ["gi64", "gi32", "gi16", "gi8"];

export class Expressions extends Writer {
  // Leaves

  protected literal(list: readonly bigint[] = U64_LITERALS): Int {
    const value = this.c.pick(list);
    return { ...literalOf(value, this.c.below(4)), signed: value < 0n, small: value >= 0n && value < 1n << 32n };
  }

  /** A literal from 1 up: where zero would be an error. */
  protected positive(): Int {
    return this.literal(LITERALS.slice(1));
  }

  protected negative(): Int {
    return this.literal([-1n, -2n, -5n, -128n, -129n, -65536n, -(1n << 31n), -(1n << 53n)]);
  }

  #variables(signed: boolean): Int[] {
    const plain = this.ints.filter((v) => v.signed === signed).map((v) => ({
      ...read(v.name, v.signed, v.small),
      varying: v.varying,
    }));
    const fields = this.objects.flatMap(({ name, fields }) =>
      fields.filter((f) => f.signed === signed).map((f) => read(`${name}.${f.name}`, signed, false))
    );
    return [...plain, ...fields];
  }

  protected leaf(signed: boolean): Int {
    const form = this.c.below(8);
    if (form === 0) return signed ? this.negative() : this.literal();
    const variables = this.#variables(signed);
    if (form < 4 && variables.length > 0) return this.c.pick(variables);
    if (form === 4 || !signed && form === 5) return this.word(signed);
    return this.global(signed);
  }

  /** A word of the context; functions have none. */
  protected word(signed: boolean): Int {
    if (this.words.length === 0) return this.global(signed);
    const i = this.c.below(this.words.length);
    const word = { ...read(this.words[i]!, false, false), js: `ctx.arg${i}`, varying: true };
    return signed ? this.cast(INTS.i64, word) : word;
  }

  protected global(signed: boolean): Int {
    const form = this.c.below(4);
    if (form < 2) {
      const name = this.c.pick(signed ? SIGNED_GLOBALS : UNSIGNED_GLOBALS);
      const { shape, constant } = GLOBALS[name]!;
      const { bits } = shape as IntShape;
      // A constant global is known to the verifier, not to the compiler.
      return { ...read(this.use(name), signed, !signed && bits <= 32), js: `$.g.${name}`, varying: constant !== true };
    }
    if (form === 2) return this.#element(signed ? "odd" : "even");
    const path = this.c.pick(signed ? ["x", "inner.q"] : ["y", "inner.p"]);
    return {
      ...read(`${this.use("point")}.${path}`, signed, path === "inner.p"),
      js: `$.g.point.${path}`,
      varying: true,
    };
  }

  #element(array: "odd" | "even"): Int {
    const at = this.element(array);
    return { ...read(at.text, array === "odd", array === "even"), js: at.js, varying: true };
  }

  /** An element of an array global, as a place. */
  protected element(array: "odd" | "even"): Both {
    const length = array === "odd" ? 5 : 8;
    const name = this.use(array);
    if (this.c.below(2) === 0) {
      const at = this.c.below(length);
      return { text: `${name}[${at}]`, js: `$.g.${array}[${at}]` };
    }
    const index = this.quietly(() => this.varying(this.c.below(2) === 1, 1));
    return { text: `${name}[${index.text}]`, js: `$.g.${array}[$.index(${index.js}, ${length}n)]` };
  }

  // Integers

  /** An expression that is certainly not constant. */
  protected varying(signed: boolean, depth: number): Int {
    const a = this.int(signed, depth);
    if (a.varying) return a;
    const b = this.words.length > 0 ? this.word(signed) : this.global(signed);
    return this.binary("^", a, b.varying ? b : this.#gu64(signed));
  }

  #gu64(signed: boolean): Int {
    const name = signed ? "gi64" : "gu64";
    return { ...read(this.use(name), signed, false), js: `$.g.${name}`, varying: true };
  }

  protected any(depth: number): Int {
    return this.int(this.c.below(2) === 1, depth);
  }

  protected int(signed: boolean, depth: number): Int {
    if (this.fuel-- <= 0 || depth <= 0) return this.leaf(signed);
    const form = this.c.below(16);
    switch (form) {
      case 1:
      case 2:
      case 3:
        return this.#arithmetic(signed, depth);
      case 4:
        return this.#division(signed, depth);
      case 5:
      case 6:
        return this.#bits(signed, depth);
      case 7:
        return this.#shift(signed, depth);
      case 8:
        return this.#conditional(signed, depth);
      case 9:
        return this.#logical(signed, depth);
      case 10:
      case 11:
        return this.#cast(signed, depth);
      case 12:
        return this.#unary(signed, depth);
      case 13:
        return this.#builtin(signed, depth);
      case 14:
        return this.special(signed, depth) ?? this.leaf(signed);
      default:
        return this.leaf(signed);
    }
  }

  /** Looked-up values, calls, assignments: see Effects. */
  protected special(_signed: boolean, _depth: number): Int | undefined {
    return undefined;
  }

  protected cast(to: IntShape, a: Int): Int {
    const name = intName(to);
    return {
      text: `${this.use(name)}(${a.text})`,
      js: `$.w.${name}(${a.js})`,
      signed: to.signed,
      small: !to.signed && to.bits <= 32,
      varying: a.varying,
      literal: false,
    };
  }

  /** `a op b`, of the sign that the language gives it. */
  protected binary(op: string, first: Int, b: Int): Int {
    const a = first.literal && b.literal ? this.cast(first.signed ? INTS.i64 : INTS.u64, first) : first;
    const signed = signOf(op, a, b);
    const value = { text: `(${a.text} ${op} ${b.text})`, js: operation(op, a.js, b.js, signed), signed };
    const result: Int = { ...value, small: false, varying: a.varying || b.varying, literal: false };
    // The type of a constant follows from its value.
    return result.varying ? result : this.cast(signed ? INTS.i64 : INTS.u64, result);
  }

  #arithmetic(signed: boolean, depth: number): Int {
    const op = this.c.pick(signed ? ["-", "+", "*"] : ["+", "*"]);
    if (op === "-") return this.binary(op, this.any(depth - 1), this.any(depth - 1));
    const [a, b] = [this.int(signed, depth - 1), signed ? this.any(depth - 1) : this.int(false, depth - 1)];
    return this.c.below(2) === 0 ? this.binary(op, a, b) : this.binary(op, b, a);
  }

  #division(signed: boolean, depth: number): Int {
    const op = this.c.pick(["/", "%"]);
    const a = this.int(signed, depth - 1);
    return this.binary(op, a, this.divisor(signed, depth));
  }

  /** Not a constant zero. */
  protected divisor(signed: boolean, depth: number): Int {
    const form = this.c.below(4);
    if (form === 0) return this.positive();
    if (form === 1 && signed) return this.negative();
    const b = this.varying(signed, depth - 1);
    return b;
  }

  #bits(signed: boolean, depth: number): Int {
    const op = this.c.pick(["&", "|", "^"]);
    if (op === "&" && signed) return this.binary(op, this.int(true, depth - 1), this.int(true, depth - 1));
    const a = this.int(signed, depth - 1);
    const b = signed || op === "&" ? this.any(depth - 1) : this.int(false, depth - 1);
    return this.c.below(2) === 0 ? this.binary(op, a, b) : this.binary(op, b, a);
  }

  #shift(signed: boolean, depth: number): Int {
    const op = this.c.pick(signed ? ["<<", ">>"] : ["<<", ">>", ">>>"]);
    const a = op === ">>>" ? this.any(depth - 1) : this.int(signed, depth - 1);
    return this.binary(op, a, this.count(depth));
  }

  /** How far to shift: a constant below 64, or anything. */
  protected count(depth: number): Int {
    if (this.c.below(2) === 0) return this.literal([0n, 1n, 3n, 7n, 8n, 16n, 31n, 32n, 40n, 56n, 63n]);
    return this.varying(this.c.below(2) === 1, depth - 1);
  }

  #conditional(signed: boolean, depth: number): Int {
    const test = this.cond(depth - 1);
    const [a, b] = [this.wide(signed, depth - 1), this.wide(signed, depth - 1)];
    return {
      text: `(${test.text} ? ${a.text} : ${b.text})`,
      js: `(${test.js} ? ${a.js} : ${b.js})`,
      signed,
      small: false,
      varying: test.varying && (a.varying || b.varying),
      literal: false,
    };
  }

  /** Of that sign whatever it is joined with: a constant gets a cast. */
  protected wide(signed: boolean, depth: number): Int {
    const a = this.int(signed, depth);
    // What is unsigned has as many bits as its operands leave it.
    const full = signed || /^[\w.$]+$/.test(a.text);
    return a.varying && !a.small && full ? a : this.cast(signed ? INTS.i64 : INTS.u64, a);
  }

  #logical(signed: boolean, depth: number): Int {
    const op = this.c.pick(["||", "&&"]);
    const first = this.wide(signed, depth - 1);
    const a = first.varying ? first : this.varying(signed, 0);
    const b = this.wide(signed, depth - 1);
    return {
      text: `(${a.text} ${op} ${b.text})`,
      js: `(${a.js} ${op} ${b.js})`,
      signed,
      small: false,
      varying: a.varying && b.varying,
      literal: false,
    };
  }

  #cast(signed: boolean, depth: number): Int {
    const shapes = Object.values(INTS).filter((shape) => shape.signed === signed);
    if (!signed && this.c.once(4)) {
      const test = this.bool(depth - 1);
      return { ...this.cast(this.c.pick(shapes), { ...read(test.text, false, true), ...test }), literal: false };
    }
    return this.cast(this.c.pick(shapes), this.any(depth - 1));
  }

  #unary(signed: boolean, depth: number): Int {
    const op = this.c.pick(signed ? ["-", "~", "+"] : ["~", "+"]);
    const given = op === "-" ? this.any(depth - 1) : this.int(signed, depth - 1);
    const a = given.literal ? this.cast(given.signed ? INTS.i64 : INTS.u64, given) : given;
    const js = op === "+" ? a.js : `$.w.${signed ? "i64" : "u64"}(${op}${a.js})`;
    const result: Int = { ...a, text: `(${op} ${a.text})`, js, signed, small: false, literal: false };
    return result.varying ? result : this.cast(signed ? INTS.i64 : INTS.u64, result);
  }

  #builtin(signed: boolean, depth: number): Int {
    const form = this.c.below(signed ? 2 : 7);
    if (form < 2) return this.#extreme(form === 0 ? "min" : "max", signed, depth);
    const a = this.varying(form === 2, depth - 1);
    const call = (text: string, js: string, small: boolean): Int => ({ ...a, text, js, signed: false, small });
    switch (form) {
      case 2:
        return call(`${this.use("abs")}(${a.text})`, `((a) => $.w.u64(a < 0n ? -a : a))(${a.js})`, false);
      case 3:
        return call(`${this.use("log2")}(${a.text})`, `$.log2(${a.js})`, true);
      case 4: {
        const [name, bits] = this.c.pick([["ntohs", 16], ["htonl", 32], ["ntohll", 64]] as const);
        return call(`${this.use(name)}(${a.text})`, `$.swap(${a.js}, ${bits})`, bits < 64);
      }
      case 5: {
        // To the power of 0 everything is the constant 1.
        const power = 1 + this.c.below(4);
        return call(`(${a.text} ** ${power})`, `$.w.u64(${a.js} ** ${power}n)`, false);
      }
      default:
        return call(`Number(${a.text})`, a.js, a.small);
    }
  }

  #extreme(which: "min" | "max", signed: boolean, depth: number): Int {
    const name = this.c.below(2) === 0 ? this.use(which) : `Math.${which}`;
    const a = this.varying(signed, depth - 1);
    const b = signed && this.c.below(2) === 1 ? this.int(true, depth - 1) : this.#comparand(signed, depth);
    return {
      text: `${name}(${a.text}, ${b.text})`,
      js: `((a, b) => a ${which === "min" ? "<" : ">"} b ? a : b)(${a.js}, ${b.js})`,
      signed,
      small: false,
      varying: true,
      literal: false,
    };
  }

  // Conditions

  /** What a value of that sign can be compared with by `<` without being an error. */
  #comparand(signed: boolean, depth: number): Int {
    if (this.c.below(3) === 0) return signed && this.c.below(2) === 1 ? this.negative() : this.positive63();
    return this.varying(signed, depth - 1);
  }

  protected positive63(): Int {
    return this.literal(LITERALS.slice(1));
  }

  /** A boolean. */
  protected bool(depth: number): Cond {
    const form = depth <= 0 || this.fuel-- <= 0 ? this.c.below(3) : this.c.below(10);
    switch (form) {
      case 1:
        return this.#flag();
      case 2:
      case 3:
      case 4:
      case 5:
        return this.#comparison(depth);
      case 6: {
        const a = this.cond(depth - 1);
        return { text: `!${a.text}`, js: `!${a.js}`, varying: a.varying, bool: true };
      }
      case 7: {
        const op = this.c.pick(["&&", "||"]);
        const [a, b] = [this.bool(depth - 1), this.bool(depth - 1)];
        return {
          ...a,
          text: `(${a.text} ${op} ${b.text})`,
          js: `(${a.js} ${op} ${b.js})`,
          varying: a.varying && b.varying,
        };
      }
      case 8:
        return this.#text();
      case 9:
        return this.specialBool(depth) ?? this.#comparison(depth);
      default:
        return this.#comparison(0);
    }
  }

  protected specialBool(_depth: number): Cond | undefined {
    return undefined;
  }

  /** Anything that can be tested. */
  protected cond(depth: number): Cond {
    const form = this.c.below(6);
    if (form < 4) return this.bool(depth);
    if (form === 4) {
      const a = this.varying(this.c.below(2) === 1, Math.max(0, depth));
      return { text: a.text, js: a.js, varying: true, bool: false };
    }
    const op = this.c.pick(["&&", "||"]);
    const [a, b] = [this.cond(depth - 1), this.bool(depth - 1)];
    return { text: `(${a.text} ${op} ${b.text})`, js: `(${a.js} ${op} ${b.js})`, varying: a.varying, bool: false };
  }

  #flag(): Cond {
    if (this.bools.length > 0 && this.c.below(2) === 1) {
      const name = this.c.pick(this.bools);
      return { text: name, js: name, varying: false, bool: true };
    }
    const path = this.c.pick(["flag", "point.on"]);
    const [root, ...rest] = path.split(".");
    return { text: [this.use(root!), ...rest].join("."), js: `$.g.${path}`, varying: true, bool: true };
  }

  #comparison(depth: number): Cond {
    const signed = this.c.below(2) === 1;
    const op = this.c.pick(["===", "<", "!==", "<=", ">", ">=", "==", "!="]);
    const a = this.varying(signed, depth - 1);
    const b = this.#comparand(signed, depth);
    const [x, y] = this.c.below(2) === 0 ? [a, b] : [b, a];
    const js = op.length === 2 && /[!=]/.test(op[0]!) ? `${op}=` : op;
    return { text: `(${x.text} ${op} ${y.text})`, js: `(${x.js} ${js} ${y.js})`, varying: true, bool: true };
  }

  #text(): Cond {
    const [name, js] = this.textPlace();
    const form = this.c.below(4);
    if (form === 0) return { text: `!${name}`, js: `!${js}`, varying: true, bool: true };
    const other = JSON.stringify(this.c.pick(TEXTS));
    if (form === 1) {
      return { text: `${name}.startsWith(${other})`, js: `${js}.startsWith(${other})`, varying: true, bool: true };
    }
    const op = this.c.pick(["===", "!=="]);
    const [right, rightJs] = form === 2 ? [other, other] : this.textPlace();
    return { text: `(${name} ${op} ${right})`, js: `(${js} ${op} ${rightJs})`, varying: true, bool: true };
  }

  protected textPlace(): readonly [text: string, js: string] {
    const name = this.c.pick(["name", "title"]);
    return [this.use(name), `$.g.${name}`];
  }

  /** A string that fits `length` bytes, or another string that is cut to fit. */
  protected text(length: number): Both {
    if (this.c.below(3) > 0) {
      const [text, js] = this.textPlace();
      return { text, js };
    }
    const literal = JSON.stringify(this.c.pick(TEXTS.filter((text) => text.length < length)));
    return { text: literal, js: literal };
  }
}

/** A variable or a place. */
export function read(text: string, signed: boolean, small: boolean): Int {
  return { text, js: text, signed, small, varying: false, literal: false };
}

function literalOf(value: bigint, notation: number): Pick<Int, "text" | "js" | "varying" | "literal"> {
  const safe = value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= -BigInt(Number.MAX_SAFE_INTEGER);
  const digits = value >= 0n && notation === 1 ? `0x${value.toString(16)}` : String(value);
  const text = safe && notation !== 2 ? digits : `${digits}n`;
  return { text: value < 0n ? `(${text})` : text, js: `(${value}n)`, varying: false, literal: true };
}

/** docs/language.md, "Numbers". */
export function signOf(op: string, a: Int, b: Int): boolean {
  switch (op) {
    case "-":
      return true;
    case "&":
      return a.signed && b.signed;
    case "<<":
    case ">>":
      return a.signed;
    case ">>>":
      return false;
    default:
      return a.signed || b.signed;
  }
}

/** The same on canonical integers. */
export function operation(op: string, a: string, b: string, signed: boolean): string {
  const wrap = `$.w.${signed ? "i64" : "u64"}`;
  switch (op) {
    case "/":
      return `${wrap}($.div(${a}, ${b}))`;
    case "%":
      return `${wrap}($.mod(${a}, ${b}))`;
    case "<<":
    case ">>":
      return `${wrap}(${a} ${op} (${b} & 63n))`;
    case ">>>":
      return `${wrap}($.w.u64(${a}) >> (${b} & 63n))`;
    default:
      return `${wrap}(${a} ${op} ${b})`;
  }
}
