/**
 * Names: takes a function's syntax tree and says for every identifier which declaration it means, and how each variable
 * is used. A kernel function may use its parameters, what it declares itself, and the few names below; any other
 * identifier is an error, since JavaScript cannot look into a closure.
 */
import type { Block, Expr, Func, Ident, Pattern, Stmt, VarDecl } from "../syntax/ast.ts";
import { didYouMean } from "../diagnostics.ts";

/** One declaration. */
export interface Symbol {
  readonly name: string;
  /** `js` is one of the global names of JavaScript. */
  readonly kind: "variable" | "parameter" | "js";
  readonly constant: boolean;
  /** Assigned again after its declaration. */
  reassigned: boolean;
  /** A field or an element of it is assigned. */
  mutated: boolean;
  /** A `var` in an inner block: the function's, and `undefined` until that block runs. */
  hoisted: boolean;
  uses: number;
}

/** Names that need no declaration: minifiers leave them alone. */
export const JS_GLOBALS: ReadonlySet<string> = new Set(["undefined", "Math", "Number", "BigInt", "Boolean"]);

/** Globals of JavaScript that people try, and what to use. */
const JS_HINTS: Readonly<Record<string, string>> = {
  console: "to print write print(`…`), taken from the second parameter",
  Date: "for the time write nsecs() or bootNs(), taken from the second parameter",
  NaN: "BPF has integers only",
  Infinity: "BPF has integers only",
  JSON: "emit a record and format it in the script",
  Array: "declare an array in a map's schema",
  Object: "use a plain object literal",
  String: "emit the value and format it in the script",
  Map: "declare a map under `maps`",
  Set: "declare a hash under `maps`",
};

export type Report = (
  code: string,
  text: string,
  node: { start: number; end: number },
  notes?: readonly string[],
) => void;

export interface Bindings {
  /** By identifier (uses and declarations alike). */
  readonly symbols: ReadonlyMap<Ident, Symbol>;
  /** For each loop, the variables that it assigns, or a part of them. */
  readonly assignedIn: ReadonlyMap<Stmt, ReadonlySet<Symbol>>;
}

class Scope {
  readonly names = new Map<string, Symbol>();
  readonly parent: Scope | undefined;
  constructor(parent: Scope | undefined) {
    this.parent = parent;
  }
  find(name: string): Symbol | undefined {
    return this.names.get(name) ?? this.parent?.find(name);
  }
  *visible(): Iterable<string> {
    yield* this.names.keys();
    if (this.parent !== undefined) yield* this.parent.visible();
  }
}

/** `known` are all names the second parameter could give, for "did you mean". */
export function bind(func: Func, known: Iterable<string>, report: Report): Bindings {
  return new Binder(known, report).run(func);
}

class Binder {
  readonly #symbols = new Map<Ident, Symbol>();
  readonly #assignedIn = new Map<Stmt, Set<Symbol>>();
  readonly #loops: Set<Symbol>[] = [];
  readonly #known: Iterable<string>;
  readonly #report: Report;
  #scope = new Scope(undefined);
  /** Where `var` declares. */
  #functionScope = this.#scope;

  constructor(known: Iterable<string>, report: Report) {
    this.#known = known;
    this.#report = report;
  }

  run(func: Func): Bindings {
    for (const { target, init } of func.params) {
      this.#declare(target, "parameter", false);
      if (init !== undefined) {
        this.#report("parameter-default", "a parameter of a kernel function has no default", init);
      }
    }
    this.#scope = this.#functionScope = new Scope(this.#scope);
    this.#statements(func.body.body);
    return { symbols: this.#symbols, assignedIn: this.#assignedIn };
  }

  #declare(pattern: Pattern, kind: Symbol["kind"], constant: boolean, scope = this.#scope): void {
    if (pattern.type === "Ident") {
      const { names } = scope;
      const existing = names.get(pattern.name);
      // `var x` twice is one variable.
      const symbol = existing ??
        { name: pattern.name, kind, constant, reassigned: false, mutated: false, hoisted: false, uses: 0 };
      names.set(pattern.name, symbol);
      this.#symbols.set(pattern, symbol);
      return;
    }
    const items = pattern.type === "ObjectPattern" ? pattern.props : pattern.elements;
    for (const item of items) {
      if (item === undefined) continue;
      if (item.init !== undefined) this.#expr(item.init);
      this.#declare(item.target, kind, constant, scope);
    }
  }

  #inScope(run: () => void): void {
    const outer = this.#scope;
    this.#scope = new Scope(outer);
    run();
    this.#scope = outer;
  }

  #block(block: Block): void {
    this.#inScope(() => this.#statements(block.body));
  }

  #statements(body: readonly Stmt[]): void {
    for (const stmt of body) this.#stmt(stmt);
  }

  #stmt(stmt: Stmt): void {
    switch (stmt.type) {
      case "Var":
        return this.#variables(stmt);
      case "Expr":
        return this.#expr(stmt.expr);
      case "If":
        this.#expr(stmt.test);
        this.#inScope(() => this.#stmt(stmt.then));
        if (stmt.else !== undefined) this.#inScope(() => this.#stmt(stmt.else!));
        return;
      case "Return":
        return this.#maybe(stmt.value);
      case "Block":
        return this.#block(stmt);
      case "Labeled":
        return this.#stmt(stmt.body);
      case "Switch":
        this.#expr(stmt.value);
        return this.#inScope(() => {
          for (const { test, body } of stmt.cases) {
            this.#maybe(test);
            this.#statements(body);
          }
        });
      case "For":
      case "ForOf":
      case "While":
      case "DoWhile":
        return this.#loop(stmt);
      default:
    }
  }

  #variables(decl: VarDecl): void {
    for (const { target, init } of decl.decls) {
      this.#maybe(init);
      const isVar = decl.kind === "var";
      this.#declare(
        target,
        "variable",
        decl.kind === "const" || decl.kind === "using",
        isVar ? this.#functionScope : this.#scope,
      );
      if (isVar && this.#scope !== this.#functionScope) this.#hoist(target);
    }
  }

  #hoist(target: Pattern): void {
    if (target.type === "Ident") {
      const symbol = this.#symbols.get(target)!;
      symbol.reassigned = true;
      symbol.hoisted = true;
      for (const loop of this.#loops) loop.add(symbol);
      return;
    }
    for (const item of target.type === "ObjectPattern" ? target.props : target.elements) {
      if (item !== undefined) this.#hoist(item.target);
    }
  }

  #loop(stmt: Extract<Stmt, { type: "For" | "ForOf" | "While" | "DoWhile" }>): void {
    this.#inScope(() => {
      const assigned = new Set<Symbol>();
      if (stmt.type === "For" && stmt.init !== undefined) {
        if (stmt.init.type === "Var") this.#variables(stmt.init);
        else this.#expr(stmt.init);
      }
      if (stmt.type === "ForOf") this.#expr(stmt.iterable);
      this.#loops.push(assigned);
      if (stmt.type === "ForOf") this.#declare(stmt.target, "variable", false);
      else this.#maybe(stmt.test);
      this.#inScope(() => this.#stmt(stmt.body));
      if (stmt.type === "For") this.#maybe(stmt.update);
      this.#loops.pop();
      this.#assignedIn.set(stmt, assigned);
    });
  }

  #maybe(expr: Expr | undefined): void {
    if (expr !== undefined) this.#expr(expr);
  }

  #expr(expr: Expr): void {
    switch (expr.type) {
      case "Ident":
        return this.#use(expr);
      case "Member":
        return this.#expr(expr.object);
      case "Index":
        this.#expr(expr.object);
        return this.#expr(expr.index);
      case "Call":
        this.#expr(expr.callee);
        return expr.args.forEach((arg) => arg.type === "Func" ? this.#closure(arg) : this.#expr(arg));
      case "Chain":
        return this.#expr(expr.expr);
      case "Unary":
        return this.#expr(expr.arg);
      case "Update":
        this.#expr(expr.arg);
        return this.#assign(expr.arg);
      case "Binary":
      case "Logical":
        this.#expr(expr.left);
        return this.#expr(expr.right);
      case "Conditional":
        this.#expr(expr.test);
        this.#expr(expr.then);
        return this.#expr(expr.else);
      case "Assign":
        if (expr.target.type === "ObjectPattern" || expr.target.type === "ArrayPattern") {
          this.#assignPattern(expr.target);
        } else {
          this.#expr(expr.target);
          this.#assign(expr.target);
        }
        return this.#expr(expr.value);
      case "Sequence":
        return expr.exprs.forEach((e) => this.#expr(e));
      case "Template":
        return expr.exprs.forEach((e) => this.#expr(e));
      case "Object":
        return expr.props.forEach((prop) => this.#expr(prop.value));
      case "Array":
        return expr.elements.forEach((e) => this.#expr(e));
      case "Func":
        this.#report("closure", "a function inside a kernel function cannot be compiled", expr, [
          "put it under `functions` and take it from the second parameter",
        ]);
        return;
      default:
    }
  }

  /** A function that is run where it stands: `lock(value, () => { … })`. Which calls take one is known later. */
  #closure(func: Func): void {
    if (func.params.length > 0) {
      this.#report("closure", "a function that is run in place has no parameters", func.params[0]!.target);
    }
    this.#inScope(() => this.#statements(func.body.body));
  }

  #use(ident: Ident): void {
    const symbol = this.#scope.find(ident.name) ?? this.#jsGlobal(ident);
    if (symbol === undefined) return;
    symbol.uses++;
    this.#symbols.set(ident, symbol);
  }

  #jsGlobal(ident: Ident): Symbol | undefined {
    const { name } = ident;
    if (JS_GLOBALS.has(name)) {
      return { name, kind: "js", constant: true, reassigned: false, mutated: false, hoisted: false, uses: 0 };
    }
    const available = new Set(this.#known);
    const notes = available.has(name)
      ? [`take it from the second parameter: (ctx, { ${name} })`]
      : JS_HINTS[name] !== undefined
      ? [JS_HINTS[name]]
      : [
        ...didYouMean(name, [...this.#scope.visible(), ...available]),
        "a value of the script goes under `globals`, a function under `functions`, a map under `maps`; take it from the second parameter",
      ];
    this.#report(
      "free-identifier",
      `\`${name}\` is not visible here: a kernel function can use its two parameters and nothing else`,
      ident,
      notes,
    );
    return undefined;
  }

  #assignPattern(pattern: Pattern): void {
    if (pattern.type === "Ident") {
      this.#use(pattern);
      return this.#assign(pattern);
    }
    for (const item of pattern.type === "ObjectPattern" ? pattern.props : pattern.elements) {
      if (item === undefined) continue;
      this.#maybe(item.init);
      this.#assignPattern(item.target);
    }
  }

  #assign(target: Expr | Pattern): void {
    if (target.type === "Member" || target.type === "Index" || target.type === "Chain") {
      let root: Expr = target;
      while (root.type === "Member" || root.type === "Index") root = root.object;
      const symbol = root.type === "Ident" ? this.#symbols.get(root) : undefined;
      if (symbol === undefined) return;
      symbol.mutated = true;
      for (const loop of this.#loops) loop.add(symbol);
      return;
    }
    const symbol = target.type === "Ident" ? this.#symbols.get(target) : undefined;
    if (symbol === undefined) return;
    if (symbol.constant) {
      this.#report("assign-const", `\`${symbol.name}\` is a constant`, target, ["declare it with `let`"]);
    }
    symbol.reassigned = true;
    for (const loop of this.#loops) loop.add(symbol);
  }
}
