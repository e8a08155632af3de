/**
 * What a random program has at hand while it is written: choices, fuel, variables, and the names of the scope that it
 * uses. Each piece of a program is two texts, the kernel function's and the reference's.
 */
import type { Choices } from "./choices.ts";

/** An integer expression; both texts can stand anywhere without parentheses. */
export interface Int {
  readonly text: string;
  /** Gives a `bigint` canonical for the sign. */
  readonly js: string;
  readonly signed: boolean;
  /** Unsigned and of at most 32 bits: may meet signed values. */
  readonly small: boolean;
  /** Surely not known at compile time. */
  readonly varying: boolean;
  /** Made of literals only: a bundler may fold it, by JavaScript's rules. */
  readonly literal: boolean;
}

/** A condition; `js` gives anything that JavaScript can test, `bool` says that it is a boolean. */
export interface Cond {
  readonly text: string;
  readonly js: string;
  readonly varying: boolean;
  readonly bool: boolean;
}

export interface Both {
  readonly text: string;
  readonly js: string;
}

export interface IntVariable {
  readonly name: string;
  readonly signed: boolean;
  /** Only ever given small unsigned values. */
  readonly small: boolean;
  /** As of expressions. */
  readonly varying: boolean;
  readonly writable: boolean;
}

/** A variable that holds an object literal. */
export interface ObjectVariable {
  readonly name: string;
  readonly fields: readonly { readonly name: string; readonly signed: boolean }[];
}

export interface FunctionShape {
  readonly name: string;
  readonly params: readonly { readonly signed: boolean }[];
  readonly signed: boolean;
}

export class Writer {
  protected readonly c: Choices;
  protected ints: IntVariable[] = [];
  protected bools: string[] = [];
  protected objects: ObjectVariable[] = [];
  protected functions: readonly FunctionShape[] = [];
  /** Names of the scope in use. */
  readonly used: Set<string> = new Set();
  /** Expressions and statements that it may still have. */
  protected fuel = 0;
  /** Above 0 nothing may have an effect that others could see too early or too late. */
  protected quiet = 0;
  /** Maps whose entries are held on to: nothing may be put in or taken out. */
  protected readonly held: Set<string> = new Set();
  #count = 0;
  readonly #scope: string;
  /** Text of the arguments of the context. */
  readonly words: readonly string[];

  /** `scope` is the parameter's name where the scope is not destructured. */
  constructor(c: Choices, scope: string, words: readonly string[]) {
    this.c = c;
    this.#scope = scope;
    this.words = words;
  }

  /** A name of the scope, as the program writes it. */
  protected use(name: string): string {
    this.used.add(name);
    return this.#scope === "" ? name : `${this.#scope}.${name}`;
  }

  protected fresh(prefix: string): string {
    return `${prefix}${this.#count++}`;
  }

  /** Runs `write` with variables that end with it. */
  protected block<T>(write: () => T): T {
    const { ints, bools, objects } = this;
    [this.ints, this.bools, this.objects] = [[...ints], [...bools], [...objects]];
    const result = write();
    [this.ints, this.bools, this.objects] = [ints, bools, objects];
    return result;
  }

  protected quietly<T>(write: () => T): T {
    this.quiet++;
    const result = write();
    this.quiet--;
    return result;
  }
}
