/** Random statements, by the rules of docs/language.md, "Statements and expressions". */
import { Effects } from "./effects.ts";
import { operation, read } from "./expressions.ts";
import type { Both, IntVariable } from "./scope.ts";
import { INTS, type IntShape, MAPS } from "./shapes.ts";

/** Both texts, a line each. */
const both = (text: string, js: string): Both => ({ text, js });

export class Statements extends Effects {
  #loops = 0;
  /** Loops whose bodies the verifier walks through once a round. */
  #labels: string[] = [];

  /** Statements of one block. */
  protected statements(count: number, depth: number): Both {
    return this.block(() => joinLines(Array.from({ length: count }, () => this.statement(depth))));
  }

  protected body(depth: number): Both {
    const { text, js } = this.statements(1 + this.c.below(3), depth - 1);
    return both(`{\n${text}\n}`, `{\n${js}\n}`);
  }

  protected statement(depth: number): Both {
    const nested = depth > 0 && this.fuel > 0;
    switch (this.c.below(nested ? 17 : 9)) {
      case 1:
        return this.#declaration();
      case 2:
        return this.#assignment();
      case 3:
        return this.#mapStatement();
      case 4:
        return this.#objectStatement();
      case 5:
        return this.#destructuring();
      case 6:
        return this.#logicalStatement();
      case 7:
        return this.#jump();
      case 8:
        return this.#maybe();
      case 9:
      case 10:
        return this.#if(depth);
      case 11:
      case 12:
        return this.#loop(depth);
      case 13:
        return this.#switch(depth);
      case 14:
        return this.#lookedUp(depth);
      case 15:
        return this.#entry(depth);
      case 16:
        return this.#labeled(depth);
      default: {
        const { text, js } = this.globalStatement(2);
        return both(`${text};`, `${js};`);
      }
    }
  }

  // Variables

  #declare(signed: boolean, varying: boolean, writable: boolean): IntVariable {
    return { name: this.fresh("v"), signed, small: false, varying, writable };
  }

  #declaration(): Both {
    if (this.c.once(5)) {
      const [name, value] = [this.fresh("b"), this.bool(2)];
      this.bools.push(name);
      return both(`const ${name} = ${value.text};`, `const ${name} = ${value.js};`);
    }
    const signed = this.c.below(2) === 1;
    const keyword = this.c.pick(["let", "const", "var"]);
    const value = this.wide(signed, 3);
    // `var` would be seen by the whole function.
    const variable = this.#declare(signed, value.varying, keyword !== "const");
    const written = keyword === "var" && this.#loops > 0 ? "let" : keyword;
    if (this.c.once(6)) return this.#declaredLater(variable, value);
    this.ints.push(variable);
    return both(`${written} ${variable.name} = ${value.text};`, `let ${variable.name} = ${value.js};`);
  }

  #declaredLater(variable: IntVariable, value: Both): Both {
    const test = this.cond(1);
    const other = this.wide(variable.signed, 1);
    this.ints.push({ ...variable, writable: true });
    const write = (test: string, a: string, b: string): string =>
      `let ${variable.name};\nif (${test}) ${variable.name} = ${a};\nelse ${variable.name} = ${b};`;
    return both(write(test.text, value.text, other.text), write(test.js, value.js, other.js));
  }

  #assignment(): Both {
    const targets = this.ints.filter((v) => v.writable && !v.small);
    if (targets.length === 0) return this.#declaration();
    const target = this.c.pick(targets);
    const { name, signed } = target;
    if (this.c.below(2) === 1) {
      const { text, js } = this.compound(target, 2);
      return both(`${text};`, `${js};`);
    }
    const value = this.wide(signed, 3);
    const op = this.c.pick(["", "", "||", "&&"]);
    return both(`${name} ${op}= ${value.text};`, `${name} ${op}= ${value.js};`);
  }

  #objectStatement(): Both {
    if (this.objects.length === 0 || this.c.below(3) === 0) {
      const isKey = this.c.below(2) === 1;
      const fields = isKey
        ? [{ name: "a", signed: false }, { name: "b", signed: false }, { name: "c", signed: true }]
        : [{ name: "x", signed: this.c.below(2) === 1 }, { name: "y", signed: this.c.below(2) === 1 }];
      const name = this.fresh("o");
      // Not constants: they might not fit where the object is stored.
      const value = this.fieldsOf(fields.map((f) => [f.name, () => this.#field(f.signed)]));
      this.objects.push({ name, fields });
      return both(`const ${name} = ${value.text};`, `const ${name} = ${value.js};`);
    }
    const object = this.c.pick(this.objects);
    const field = this.c.pick(object.fields);
    const place: IntVariable = {
      name: `${object.name}.${field.name}`,
      signed: field.signed,
      small: false,
      varying: false,
      writable: true,
    };
    if (this.c.below(2) === 0) {
      const { text, js } = this.compound(place, 1);
      return both(`${text};`, `${js};`);
    }
    const value = this.#field(field.signed);
    return both(`${place.name} = ${value.text};`, `${place.name} = ${value.js};`);
  }

  /** Of 64 bits, so that the field keeps its sign whatever is added to it. */
  #field(signed: boolean): Both {
    const value = this.varying(signed, 1);
    return signed ? value : this.cast(INTS.u64, value);
  }

  #destructuring(): Both {
    switch (this.c.below(4)) {
      case 1: {
        const [a, b] = [this.#declare(true, false, true), this.#declare(false, false, true)];
        const values = [this.wide(true, 1), this.any(0), this.wide(false, 1)];
        this.ints.push(a, b);
        const write = (items: readonly string[]): string => `let [${a.name}, , ${b.name}] = [${items.join(", ")}];`;
        return both(write(values.map((v) => v.text)), write(values.map((v) => v.js)));
      }
      case 2: {
        const variables = this.ints.filter((v) => v.writable && !v.small);
        const pair = variables.slice(0, 2);
        if (pair.length < 2 || pair[0]!.signed !== pair[1]!.signed) break;
        const line = `[${pair[0]!.name}, ${pair[1]!.name}] = [${pair[1]!.name}, ${pair[0]!.name}];`;
        return both(line, `;${line}`);
      }
      case 3: {
        const [x, q] = [this.#declare(true, true, true), this.#declare(true, true, true)];
        this.ints.push(x, q);
        const write = (point: string): string => `let { x: ${x.name}, inner: { q: ${q.name} } } = ${point};`;
        return both(write(this.use("point")), write("$.g.point"));
      }
      default:
    }
    const name = this.#declare(false, false, true);
    const value = this.wide(false, 1);
    const other = this.wide(false, 1);
    this.ints.push(name);
    const write = (a: string, b: string): string =>
      `let { p: ${name.name}, r: { s: ${name.name}s } = { s: ${b} } } = { p: ${a} };`;
    this.ints.push({ ...name, name: `${name.name}s` });
    return both(write(value.text, other.text), write(value.js, other.js));
  }

  // Maps

  #mapStatement(): Both {
    switch (this.c.below(5)) {
      case 1: {
        const name = this.c.pick(["counts", "levels", "local", "table"].filter((map) => !this.held.has(map)));
        const [map, key] = [this.map(name), this.quietly(() => this.key(name))];
        const by = this.c.below(3) === 0 ? both("", "") : this.quietly(() => this.any(1));
        const comma = by.text === "" ? "" : ", ";
        return both(`${map.text}.add(${key.text}${comma}${by.text});`, `${map.js}.add(${key.js}${comma}${by.js});`);
      }
      case 2: {
        const [text, js] = this.emitted(2);
        return both(`${text};`, `${js};`);
      }
      case 3: {
        const name = this.c.pick(["fifo", "lifo"]);
        const map = this.map(name);
        const value = this.quietly(() => this.storedValue(MAPS[name]!.value, 1));
        return both(`${map.text}.push(${value.text});`, `${map.js}.push(${value.js});`);
      }
      case 4: {
        const name = this.c.pick(
          ["counts", "levels", "bytes", "local", "entries"].filter((map) => !this.held.has(map)),
        );
        const [map, key] = [this.map(name), this.quietly(() => this.key(name))];
        return both(`${map.text}.delete(${key.text});`, `${map.js}.delete(${key.js});`);
      }
      default: {
        const { text, js } = this.setCall(2);
        return both(`${text};`, `${js};`);
      }
    }
  }

  /** A scalar is looked up, tested one way or another, and used. */
  #lookedUp(depth: number): Both {
    const { text, js, signed } = this.lookup();
    const name = this.fresh("s");
    const form = this.c.below(5);
    const test = ["!NAME", "NAME", "NAME === undefined", "NAME !== undefined", "NAME && NAME > 3"][form]!.replaceAll(
      "NAME",
      name,
    );
    const there = this.block(() => {
      this.ints.push({ name, signed, small: false, varying: true, writable: false });
      return this.body(depth);
    });
    const absent = this.block(() => {
      this.maybes.push({ name, signed });
      return this.body(depth);
    });
    const [yes, no] = form === 0 || form === 2 ? [absent, there] : [there, absent];
    const head = (value: string, test: string): string => `const ${name} = ${value};\nif (${test}) `;
    return both(
      `${head(text, test)}${yes.text} else ${no.text}`,
      `${head(js, test.replace("> 3", "> 3n"))}${yes.js} else ${no.js}`,
    );
  }

  /** An entry of a map is changed in place. */
  #entry(depth: number): Both {
    const name = this.c.pick(["entries", "slots"].filter((map) => !this.held.has(map)));
    if (name === undefined) return this.#mapStatement();
    const map = this.map(name);
    const insert = name === "entries" && this.c.below(2) === 1;
    const [key, value] = this.quietly(
      () => [this.key(name), insert ? this.storedValue(MAPS[name]!.value, 1) : undefined],
    );
    const entry = this.fresh("e");
    const call = (map: string, key: string, value: string | undefined): string =>
      value === undefined ? `${map}.get(${key})` : `${map}.getOrInsert(${key}, ${value})`;
    this.held.add(name);
    const [changes, rest] = this.block(() => [this.#changes(name, entry), this.body(depth)]);
    this.held.delete(name);
    const write = (call: string, changes: string, rest: string): string =>
      `const ${entry} = ${call};\nif (${entry}) {\n${changes}\n${rest}\n}`;
    return both(
      write(call(map.text, key.text, value?.text), changes.text, rest.text),
      write(call(map.js, key.js, value?.js), changes.js, rest.js),
    );
  }

  #changes(name: string, entry: string): Both {
    const ints: readonly (readonly [path: string, shape: IntShape])[] = name === "slots"
      ? [["n", INTS.u64], ["m", INTS.i32]]
      : [["n", INTS.u64], ["s", INTS.i16], ["inner.p", INTS.u8], ["inner.q", INTS.i32]];
    return joinLines(Array.from({ length: 1 + this.c.below(2) }, () => {
      const [path, shape] = this.c.pick(ints);
      const place = `${entry}.${path}`;
      const type = `${shape.signed ? "i" : "u"}${shape.bits}`;
      switch (this.c.below(name === "slots" ? 3 : 5)) {
        case 1:
          return both(`${place}++;`, `${place} = $.w.${type}(${place} + 1n);`);
        case 2: {
          const { text, op, by } = this.quietly(() => this.updateText(place, shape, 1));
          return both(`${text};`, `${place} = $.w.${type}(${operation(op, place, by.js, shape.signed)});`);
        }
        case 3: {
          const value = this.text(8);
          return both(`${entry}.label = ${value.text};`, `${entry}.label = ${value.js}.slice(0, 7);`);
        }
        case 4: {
          const variable = this.#declare(shape.signed, true, true);
          this.ints.push(variable);
          const cast = this.cast(shape.signed ? INTS.i64 : INTS.u64, read(place, shape.signed, false));
          return both(`let ${variable.name} = ${cast.text};`, `let ${variable.name} = ${cast.js};`);
        }
        default: {
          const value = this.storable(shape, 1);
          return both(`${place} = ${value.text};`, `${place} = $.w.${type}(${value.js});`);
        }
      }
    }));
  }

  // Control flow

  #if(depth: number): Both {
    const test = this.cond(2);
    const then = this.body(depth);
    if (this.c.below(3) === 0) return both(`if (${test.text}) ${then.text}`, `if (${test.js}) ${then.js}`);
    const rest = this.c.once(4) ? this.#if(depth - 1) : this.body(depth);
    return both(`if (${test.text}) ${then.text} else ${rest.text}`, `if (${test.js}) ${then.js} else ${rest.js}`);
  }

  /** `if (…) return/break/continue`. */
  #jump(): Both {
    const test = this.cond(1);
    const form = this.c.below(this.#loops > 0 ? 4 : 1);
    if (form === 0) {
      const value = this.result(1);
      return both(`if (${test.text}) return ${value.text};`, `if (${test.js}) return ${value.js};`);
    }
    const label = this.#labels.length > 0 && this.c.below(2) === 1 ? ` ${this.c.pick(this.#labels)}` : "";
    const word = form === 1 ? "break" : "continue";
    return both(`if (${test.text}) ${word}${label};`, `if (${test.js}) ${word}${label};`);
  }

  /** What the function returns. */
  protected result(depth: number): Both {
    return this.wide(true, depth);
  }

  #maybe(): Both {
    const signed = this.c.below(2) === 1;
    const name = this.fresh("may");
    const [test, value] = [this.cond(1), this.wide(signed, 1)];
    this.maybes.push({ name, signed });
    const write = (test: string, value: string): string => `let ${name};\nif (${test}) ${name} = ${value};`;
    return both(write(test.text, value.text), write(test.js, value.js));
  }

  /** `a && b()` as a statement, `a, b`, a conditional as a statement. */
  #logicalStatement(): Both {
    const test = this.cond(1);
    const change = (): Both => {
      const { text, js } = this.globalStatement(1);
      return both(`(${text})`, `(${js})`);
    };
    const form = this.c.below(3);
    const first = change();
    if (form === 0) return both(`${test.text} && ${first.text};`, `${test.js} && ${first.js};`);
    const second = change();
    return form === 1
      ? both(`${first.text}, ${second.text};`, `${first.js}, ${second.js};`)
      : both(`${test.text} ? ${first.text} : ${second.text};`, `${test.js} ? ${first.js} : ${second.js};`);
  }

  #loop(depth: number, name = ""): Both {
    if (this.#loops >= 2) return this.#if(depth);
    const counter = this.fresh("it");
    const times = 1 + this.c.below(5);
    // Loops over arrays are unrolled: with others around or inside of them the verifier has too many ways to walk.
    const form = this.c.below(this.#loops === 0 ? 9 : 7);
    const levels = form >= 7 ? 2 : 1;
    // Values first: they belong to what is outside of the loop.
    const bound = this.quietly(() => this.varying(false, 1));
    const items = form === 5 ? [this.wide(false, 1), this.wide(false, 1), this.literal()] : [];
    const descends = form === 1;
    this.#loops += levels;
    const label = name === "" ? "" : `${name}: `;
    if (name !== "") this.#labels.push(name);
    const inner = this.block(() => {
      this.ints.push({
        name: counter,
        signed: descends || form === 8,
        small: !descends && form < 5,
        varying: false,
        writable: false,
      });
      return this.body(depth);
    });
    if (name !== "") this.#labels.pop();
    this.#loops -= levels;
    const [head, jsHead] = this.#loopHead(form, counter, times, bound, items);
    if (form === 3) {
      return both(
        `let ${counter} = 0;\n${label}${head}{\n${counter}++;\n${inner.text}\n}`,
        `let ${counter} = 0n;\n${label}${jsHead}{\n${counter}++;\n${inner.js}\n}`,
      );
    }
    if (form === 4) {
      return both(
        `let ${counter} = 0;\n${label}do {\n${counter}++;\n${inner.text}\n} while (${counter} < ${times});`,
        `let ${counter} = 0n;\n${label}do {\n${counter}++;\n${inner.js}\n} while (${counter} < ${times}n);`,
      );
    }
    return both(`${label}${head}${inner.text}`, `${label}${jsHead}${inner.js}`);
  }

  #loopHead(form: number, i: string, times: number, bound: Both, items: readonly Both[]): [text: string, js: string] {
    switch (form) {
      case 1:
        return [`for (let ${i} = ${times}; ${i} > 0; ${i}--) `, `for (let ${i} = ${times}n; ${i} > 0n; ${i}--) `];
      case 2:
        return [
          `for (let ${i} = 0; ${i} < ${times * 2}; ${i} += 2) `,
          `for (let ${i} = 0n; ${i} < ${times * 2}n; ${i} += 2n) `,
        ];
      case 3:
        return [`while (${i} < ${times}) `, `while (${i} < ${times}n) `];
      case 5:
        return [
          `for (const ${i} of [${items.map((item) => item.text).join(", ")}]) `,
          `for (const ${i} of [${items.map((item) => item.js).join(", ")}]) `,
        ];
      case 7:
        return [`for (const ${i} of ${this.use("even")}) `, `for (const ${i} of $.g.even) `];
      case 8:
        return [`for (const ${i} of ${this.use("odd")}) `, `for (const ${i} of $.g.odd) `];
      case 6:
        return [
          `for (let ${i} = 0; ${i} < (${bound.text} & 7); ${i}++) `,
          `for (let ${i} = 0n; ${i} < (${bound.js} & 7n); ${i}++) `,
        ];
      default:
        return [`for (let ${i} = 0; ${i} < ${times}; ${i}++) `, `for (let ${i} = 0n; ${i} < ${times}n; ${i}++) `];
    }
  }

  #labeled(depth: number): Both {
    return this.#loop(depth, this.fresh("l"));
  }

  #switch(depth: number): Both {
    const signed = this.c.below(2) === 1;
    const value = signed
      ? this.cast(INTS.i8, this.varying(true, 2))
      : this.binary("&", this.varying(false, 2), this.literal([3n]));
    const cases = (signed ? ["-1", "0", "5"] : ["0", "1", "2"]).slice(0, 1 + this.c.below(3));
    const fallback = this.c.below(cases.length + 2);
    const parts = cases.map((test) => ({ test, body: this.body(depth), falls: this.c.once(3) }));
    if (fallback > 0) parts.splice(fallback - 1, 0, { test: "", body: this.body(depth), falls: this.c.once(3) });
    const write = (value: string, suffix: string, body: (part: (typeof parts)[number]) => string): string =>
      `switch (${value}) {\n${
        parts.map((part) =>
          `${part.test === "" ? "default" : `case ${part.test}${suffix}`}:\n${body(part)}${
            part.falls ? "" : "\nbreak;"
          }`
        ).join("\n")
      }\n}`;
    return both(write(value.text, "", (part) => part.body.text), write(value.js, "n", (part) => part.body.js));
  }
}

function joinLines(lines: readonly Both[]): Both {
  return both(lines.map((line) => line.text).join("\n"), lines.map((line) => line.js).join("\n"));
}
