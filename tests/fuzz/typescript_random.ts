/**
 * Random well-typed kernel functions: TypeScript text, and the same computed in plain JavaScript with BigInt, by the
 * rules of docs/language.md and not by the compiler's code. Each expression has a type; where an operation would mix
 * signs, the text has the cast that docs/language.md asks for.
 */

/** An integer type of the language. */
interface Int {
  readonly bits: 8 | 16 | 32 | 64;
  readonly signed: boolean;
}

const TYPES: readonly Int[] = [8, 16, 32, 64, 64, 64].flatMap((bits) =>
  [true, false].map((signed): Int => ({ bits: bits as Int["bits"], signed }))
);
const U64: Int = { bits: 64, signed: false };
const I64: Int = { bits: 64, signed: true };

type Env = Map<string, bigint>;

interface Node {
  readonly text: string;
  readonly value: (env: Env) => bigint;
}

interface Step {
  readonly text: string;
  readonly run: (env: Env) => Exit;
}

/** How a statement ended: on, or out of something. */
type Exit = undefined | "break" | "continue" | { readonly result: bigint };

export interface RandomProgram {
  readonly text: string;
  /** Names of the globals, all u64. */
  readonly globals: readonly string[];
  /** The result, and the globals afterwards. */
  readonly run: (words: readonly bigint[]) => { result: bigint; globals: readonly bigint[] };
}

function name({ bits, signed }: Int): string {
  return `${signed ? "i" : "u"}${bits}`;
}

function wrap(value: bigint, { bits, signed }: Int): bigint {
  return signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
}

/** Small, fast, seedable: mulberry32. */
function random(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const GLOBALS = ["ga", "gb"];

class Generator {
  readonly #next: (below: number) => number;
  /** Variables in scope, with their types. */
  #variables: { name: string; type: Int }[] = [];
  #count = 0;
  #loopDepth = 0;

  constructor(seed: number) {
    this.#next = random(seed);
  }

  program(): RandomProgram {
    const steps = this.#steps(3 + this.#next(5), 3);
    const result = this.#int(I64, 3);
    const casts = TYPES.map(name).join(", ").split(", ").filter((cast, i, all) => all.indexOf(cast) === i);
    const text = `(ctx, { ${[...casts, ...GLOBALS].join(", ")} }) => {\n${
      steps.map((step) => step.text).join("\n")
    }\nreturn ${result.text};\n}`;
    return {
      text,
      globals: GLOBALS,
      run: (words) => {
        const env: Env = new Map([
          ...words.map((word, i) => [`ctx.arg${i}`, BigInt.asUintN(64, word)] as const),
          ...GLOBALS.map((global) => [global, 0n] as const),
        ]);
        const exit = runAll(steps, env);
        const value = typeof exit === "object" ? exit.result : result.value(env);
        return { result: BigInt.asIntN(64, value), globals: GLOBALS.map((global) => env.get(global)!) };
      },
    };
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#next(items.length)]!;
  }

  // Expressions

  /** An expression of exactly this type. */
  #int(type: Int, depth: number): Node {
    if (depth === 0 || this.#next(5) === 0) return this.#leaf(type);
    if (type.bits < 64) return this.#cast(type, this.#int(this.#pick([U64, I64]), depth - 1));
    switch (this.#next(9)) {
      case 0:
      case 1:
        return this.#arithmetic(type, depth);
      case 2:
        return this.#division(type, depth);
      case 3:
        return this.#bits(type, depth);
      case 4:
        return this.#shift(type, depth);
      case 5:
        return this.#conditional(type, depth);
      case 6:
        return this.#cast(type, this.#int(this.#pick(TYPES), depth - 1));
      case 7:
        return this.#unary(type, depth);
      default:
        return this.#logical(type, depth);
    }
  }

  #leaf(type: Int): Node {
    const variables = this.#variables.filter((v) => v.type.bits === type.bits && v.type.signed === type.signed);
    if (variables.length > 0 && this.#next(2) === 0) {
      const variable = this.#pick(variables).name;
      return { text: variable, value: (env) => env.get(variable)! };
    }
    if (this.#next(2) === 0) {
      const source = this.#pick(["ctx.arg0", "ctx.arg1", "ctx.arg2", ...GLOBALS]);
      return this.#cast(type, { text: source, value: (env) => env.get(source)! });
    }
    const constant = wrap(
      this.#pick([
        0n,
        1n,
        2n,
        3n,
        7n,
        10n,
        63n,
        64n,
        100n,
        255n,
        256n,
        1000n,
        65535n,
        1n << 31n,
        1n << 32n,
        (1n << 53n) - 1n,
        -1n,
        -2n,
        -100n,
      ]),
      type,
    );
    const literal = constant > BigInt(Number.MAX_SAFE_INTEGER) || constant < -BigInt(Number.MAX_SAFE_INTEGER)
      ? `${constant}n`
      : String(constant);
    return this.#cast(type, { text: literal, value: () => constant });
  }

  #cast(type: Int, node: Node): Node {
    return { text: `${name(type)}(${node.text})`, value: (env) => wrap(node.value(env), type) };
  }

  #arithmetic(type: Int, depth: number): Node {
    const [a, b] = [this.#int(type, depth - 1), this.#int(type, depth - 1)];
    const op = this.#pick(["+", "-", "*"]);
    const value = (env: Env): bigint => {
      const [x, y] = [a.value(env), b.value(env)];
      return wrap(op === "+" ? x + y : op === "-" ? x - y : x * y, type);
    };
    return this.#cast(type, { text: `(${a.text} ${op} ${b.text})`, value });
  }

  /** A constant divisor of zero is an error, so a constant is never alone. */
  #division(type: Int, depth: number): Node {
    const [a, b] = [this.#int(type, depth - 1), this.#int(type, depth - 1)];
    const op = this.#pick(["/", "%"]);
    const safe = `(${b.text} | (${name(type)}(ctx.arg2) & ${name(type)}(1)))`;
    const value = (env: Env): bigint => {
      const x = a.value(env);
      const y = wrap(b.value(env) | (wrap(env.get("ctx.arg2")!, type) & 1n), type);
      if (y === 0n) return op === "/" ? 0n : x;
      return wrap(op === "/" ? x / y : x % y, type);
    };
    return this.#cast(type, { text: `(${a.text} ${op} ${safe})`, value });
  }

  #bits(type: Int, depth: number): Node {
    const [a, b] = [this.#int(type, depth - 1), this.#int(type, depth - 1)];
    const op = this.#pick(["&", "|", "^"]);
    const value = (env: Env): bigint => {
      const [x, y] = [a.value(env), b.value(env)];
      return wrap(op === "&" ? x & y : op === "|" ? x | y : x ^ y, type);
    };
    return this.#cast(type, { text: `(${a.text} ${op} ${b.text})`, value });
  }

  #shift(type: Int, depth: number): Node {
    const a = this.#int(type, depth - 1);
    const constant = this.#next(2) === 0;
    const count = this.#next(64);
    const by: Node = constant ? { text: String(count), value: () => BigInt(count) } : this.#variable(U64, depth - 1);
    const op = this.#pick(["<<", ">>", ">>>"]);
    const value = (env: Env): bigint => {
      const [x, y] = [a.value(env), by.value(env) & 63n];
      return wrap(op === "<<" ? x << y : op === ">>" ? x >> y : BigInt.asUintN(64, x) >> y, type);
    };
    return this.#cast(type, { text: `(${a.text} ${op} ${by.text})`, value });
  }

  #unary(type: Int, depth: number): Node {
    const a = this.#int(type, depth - 1);
    const op = this.#pick(["-", "~"]);
    return this.#cast(type, {
      text: `(${op} ${a.text})`,
      value: (env) => wrap(op === "-" ? -a.value(env) : ~a.value(env), type),
    });
  }

  #conditional(type: Int, depth: number): Node {
    const [test, a, b] = [this.#condition(depth - 1), this.#int(type, depth - 1), this.#int(type, depth - 1)];
    return {
      text: `(${test.text} ? ${a.text} : ${b.text})`,
      value: (env) => test.value(env) !== 0n ? a.value(env) : b.value(env),
    };
  }

  /** `a || b` and `a && b` of numbers give one of them. */
  #logical(type: Int, depth: number): Node {
    const [a, b] = [this.#int(type, depth - 1), this.#int(type, depth - 1)];
    const or = this.#next(2) === 0;
    const value = (env: Env): bigint => {
      const x = a.value(env);
      return (x !== 0n) === or ? x : b.value(env);
    };
    return this.#cast(type, { text: `(${a.text} ${or ? "||" : "&&"} ${b.text})`, value });
  }

  /** A boolean, as 0 or 1. */
  #condition(depth: number): Node {
    if (depth > 0 && this.#next(3) === 0) {
      const [a, b] = [this.#condition(depth - 1), this.#condition(depth - 1)];
      const op = this.#pick(["&&", "||"]);
      return {
        text: `(${a.text} ${op} ${b.text})`,
        value: (env) =>
          op === "&&" ? (a.value(env) !== 0n ? b.value(env) : 0n) : a.value(env) !== 0n ? 1n : b.value(env),
      };
    }
    if (this.#next(6) === 0) {
      const a = this.#condition(Math.max(0, depth - 1));
      return { text: `!${a.text}`, value: (env) => a.value(env) === 0n ? 1n : 0n };
    }
    const type = this.#pick([U64, I64]);
    const [a, b] = [this.#variable(type, depth), this.#variable(type, depth)];
    const op = this.#pick(["<", "<=", ">", ">=", "===", "!=="]);
    const value = (env: Env): bigint => {
      const [x, y] = [a.value(env), b.value(env)];
      return (op === "<"
          ? x < y
          : op === "<="
          ? x <= y
          : op === ">"
          ? x > y
          : op === ">="
          ? x >= y
          : op === "==="
          ? x === y
          : x !== y)
        ? 1n
        : 0n;
    };
    return { text: `(${a.text} ${op} ${b.text})`, value };
  }

  /** Not a constant: comparing an unsigned value with zero by `<` is an error. */
  #variable(type: Int, depth: number): Node {
    const a = this.#int(type, Math.max(0, depth));
    const mask = this.#cast(type, { text: "ctx.arg1", value: (env) => env.get("ctx.arg1")! });
    return this.#cast(type, {
      text: `(${a.text} ^ ${mask.text})`,
      value: (env) => wrap(a.value(env) ^ mask.value(env), type),
    });
  }

  // Statements

  #steps(count: number, depth: number): Step[] {
    const outer = [...this.#variables];
    const steps = Array.from({ length: count }, () => this.#step(depth));
    if (depth < 3) this.#variables = outer;
    return steps;
  }

  #step(depth: number): Step {
    switch (this.#next(depth === 0 ? 5 : 9)) {
      case 0:
      case 1:
        return this.#declaration(depth);
      case 2:
        return this.#assignment(depth);
      case 3:
        return this.#global();
      case 4:
        return this.#loopDepth > 0 ? this.#jump() : this.#assignment(depth);
      case 5:
      case 6:
        return this.#branch(depth);
      case 7:
        return this.#loopDepth < 2 ? this.#loop(depth) : this.#branch(depth);
      default:
        return this.#switch(depth);
    }
  }

  #declaration(_depth: number): Step {
    const type = this.#pick([U64, I64]);
    const value = this.#int(type, 3);
    const variable = `v${this.#count++}`;
    this.#variables.push({ name: variable, type });
    return {
      text: `let ${variable} = ${value.text};`,
      run: (env) => {
        env.set(variable, value.value(env));
        return undefined;
      },
    };
  }

  #assignment(depth: number): Step {
    if (this.#variables.length === 0) return this.#declaration(depth);
    const { name: variable, type } = this.#pick(this.#variables);
    const value = this.#int(type, 2);
    const op = this.#pick(["", "", "+", "-", "^", "|", "&", "*"]);
    const compute = (old: bigint, by: bigint): bigint =>
      op === ""
        ? by
        : op === "+"
        ? old + by
        : op === "-"
        ? old - by
        : op === "^"
        ? old ^ by
        : op === "|"
        ? old | by
        : op === "&"
        ? old & by
        : old * by;
    return {
      text: `${variable} ${op}= ${value.text};`,
      run: (env) => {
        env.set(variable, wrap(compute(env.get(variable)!, value.value(env)), type));
        return undefined;
      },
    };
  }

  #global(): Step {
    const global = this.#pick(GLOBALS);
    const value = this.#int(U64, 2);
    const op = this.#pick(["", "+", "^"]);
    return {
      text: `${global} ${op}= ${value.text};`,
      run: (env) => {
        const by = value.value(env);
        const old = env.get(global)!;
        env.set(global, wrap(op === "" ? by : op === "+" ? old + by : old ^ by, U64));
        return undefined;
      },
    };
  }

  #jump(): Step {
    const test = this.#condition(1);
    const kind = this.#pick(["break", "continue"] as const);
    return { text: `if (${test.text}) ${kind};`, run: (env) => test.value(env) !== 0n ? kind : undefined };
  }

  #branch(depth: number): Step {
    const test = this.#condition(2);
    const then = this.#steps(1 + this.#next(3), depth - 1);
    const otherwise = this.#next(2) === 0 ? this.#steps(1 + this.#next(2), depth - 1) : [];
    const early = this.#next(8) === 0 ? this.#int(I64, 1) : undefined;
    const tail = early === undefined ? "" : `\nreturn ${early.text};`;
    return {
      text: `if (${test.text}) {\n${textOf(then)}${tail}\n} else {\n${textOf(otherwise)}\n}`,
      run: (env) => {
        if (test.value(env) === 0n) return runAll(otherwise, env);
        const exit = runAll(then, env);
        return exit !== undefined || early === undefined ? exit : { result: early.value(env) };
      },
    };
  }

  #loop(depth: number): Step {
    const counter = `n${this.#count++}`;
    const times = 1 + this.#next(6);
    this.#loopDepth++;
    const body = this.#steps(1 + this.#next(3), depth - 1);
    this.#loopDepth--;
    return {
      text: `for (let ${counter} = 0; ${counter} < ${times}; ${counter}++) {\n${textOf(body)}\n}`,
      run: (env) => {
        for (let i = 0; i < times; i++) {
          const exit = runAll(body, env);
          if (exit === "break") break;
          if (typeof exit === "object") return exit;
        }
        return undefined;
      },
    };
  }

  #switch(depth: number): Step {
    const value = this.#int(U64, 2);
    const masked = `(${value.text} & 3)`;
    const cases = [0n, 1n, 2n].map((constant) => ({
      constant,
      body: this.#steps(1, depth - 1),
      falls: this.#next(3) === 0,
    }));
    const rest = this.#steps(1, depth - 1);
    const text = cases.map(({ constant, body, falls }) =>
      `case ${constant}:\n${blockOf(body)}${falls ? "" : "\nbreak;"}`
    ).join("\n");
    return {
      text: `switch (${masked}) {\n${text}\ndefault:\n${blockOf(rest)}\n}`,
      run: (env) => {
        const at = Number(value.value(env) & 3n);
        for (let i = at; i < 3; i++) {
          const exit = runAll(cases[i]!.body, env);
          if (exit === "break") return undefined;
          if (exit !== undefined) return exit;
          if (!cases[i]!.falls) return undefined;
        }
        const exit = runAll(rest, env);
        return exit === "break" ? undefined : exit;
      },
    };
  }
}

function runAll(steps: readonly Step[], env: Env): Exit {
  for (const step of steps) {
    const exit = step.run(env);
    if (exit !== undefined) return exit;
  }
  return undefined;
}

function textOf(steps: readonly Step[]): string {
  return steps.map((step) => step.text).join("\n");
}

function blockOf(steps: readonly Step[]): string {
  return `{\n${textOf(steps)}\n}`;
}

/** The program of a seed: always the same one. */
export function randomProgram(seed: number): RandomProgram {
  return new Generator(seed).program();
}

/** Arguments that meet the corners: small, large, negative. */
export function randomWords(seed: number): bigint[] {
  const next = random(seed ^ 0x5eed);
  const corners = [
    0n,
    1n,
    2n,
    5n,
    63n,
    64n,
    255n,
    1n << 31n,
    1n << 32n,
    1n << 63n,
    (1n << 64n) - 1n,
    (1n << 63n) - 1n,
    (1n << 64n) - 5n,
  ];
  return [0, 1, 2].map(() =>
    next(2) === 0 ? corners[next(corners.length)]! : (BigInt(next(2 ** 31)) << 32n) | BigInt(next(2 ** 31))
  );
}
