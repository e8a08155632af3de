/**
 * What all functions of one compilation share: the input, the facts, the diagnostics, and what was asked for on the way
 * (CO-RE records, maps that only the compiler knows, formats of `print`, functions to compile).
 */
import type { LayoutDesc } from "../../bytes/layout.ts";
import { KernelTypes } from "../check/kernel_types.ts";
import type { CompileFacts, CompileInput, MapDefinition, PrintFormat } from "../definitions.ts";
import type { Diagnostics } from "../diagnostics.ts";
import type { CoreRecord, IrFunction } from "../ir/ir.ts";
import type { CoreKind } from "../../object/spec.ts";
import type { Call, Expr, Func, Stmt } from "../syntax/ast.ts";
import type { SourceLocation } from "../../errors.ts";
import type { SourceText } from "../syntax/source.ts";
import type { VarType } from "./cells.ts";
import type { Lowering } from "./lowering.ts";
import type { MapVal, Val } from "./values.ts";

/** A record whose type id and access string are those of the kernel's BTF until `local_btf.ts` rewrites them. */
export interface PendingRecord {
  typeId: number;
  access: string;
  kind: CoreKind;
}

/** Where a global lies. */
export interface GlobalPlace {
  readonly map: ".bss" | ".data" | ".rodata";
  readonly offset: number;
  readonly desc: LayoutDesc;
  readonly size: number;
  readonly align: number;
}

/** A function of the script, parsed. */
export interface ParsedFunction {
  readonly key: string;
  readonly func: Func;
  readonly source: SourceText;
}

/** A function under `functions`, compiled for one list of argument types. */
export interface Instance {
  readonly name: string;
  readonly result: VarType;
  /** False while it is being compiled: a call of it now is recursion. */
  done: boolean;
}

/**
 * The parts of lowering that need each other: expressions hold calls, calls compile functions, functions hold statements
 * and those expressions again. Handed in once (rules.ts), so that files import only what lies below them.
 */
export interface Rules {
  readonly lower: (f: Lowering, expr: Expr, wanted?: boolean) => Val;
  readonly place: (f: Lowering, expr: Expr) => Val;
  readonly statement: (f: Lowering, stmt: Stmt, label: string | undefined) => void;
  readonly callFunction: (f: Lowering, name: string, args: readonly Val[], call: Call) => Val;
  /** Compiles a function as the callback of a map's timer; gives its name. */
  readonly callback: (f: Lowering, name: string, map: MapVal, call: Call) => string;
}

/** How far a compilation had come. */
export interface ModuleMark {
  readonly said: { readonly errors: number; readonly warnings: number };
  readonly functions: number;
  readonly instances: number;
  readonly prints: number;
}

export class Module {
  readonly rules: Rules;
  readonly input: CompileInput;
  readonly facts: CompileFacts;
  readonly diagnostics: Diagnostics;
  #types: KernelTypes | undefined;
  readonly functions: IrFunction[] = [];
  /** Names of functions under `functions`, and their text once parsed. */
  readonly parsed = new Map<string, ParsedFunction | undefined>();
  readonly instances = new Map<string, Instance>();
  /** Source of each IR function, for its line info. */
  readonly globals = new Map<string, GlobalPlace>();
  readonly records = new Map<string, PendingRecord>();
  /** Maps the compiler adds: scratch memory, the ring of `print`. */
  readonly extraMaps = new Map<string, MapDefinition>();
  readonly prints: PrintFormat[] = [];
  readonly kfuncs = new Set<string>();
  /** Calls that were handed a reference, by place. */
  readonly acquired = new Map<string, { name: string; release: string; at: SourceLocation }>();
  /** Variables of the kernel, by name: the type of those that BTF describes, 0 for those found by address only. */
  readonly symbols = new Map<string, number>();
  /** Bytes of scratch memory by function. */
  readonly scratch = new Map<string, number>();
  /** Values of the scope that are the same for every program. */
  readonly usedMaps = new Set<string>();

  constructor(input: CompileInput, diagnostics: Diagnostics, rules: Rules) {
    this.rules = rules;
    this.input = input;
    this.facts = input.facts;
    this.diagnostics = diagnostics;
  }

  /**
   * The kernel's types, opened when they are first asked for: reading them costs 10 to 25 ms, and a script that only uses
   * tracepoints of the machine it runs on needs none.
   */
  get types(): KernelTypes | undefined {
    if (this.#types === undefined && this.facts.kernelBtf !== undefined) {
      this.#types = new KernelTypes(this.facts.kernelBtf);
    }
    return this.#types;
  }

  /** The same, if something has asked for them. */
  get typesInUse(): KernelTypes | undefined {
    return this.#types;
  }

  /** A state to come back to. */
  mark(): ModuleMark {
    const { diagnostics, functions, instances, prints } = this;
    return {
      said: diagnostics.mark(),
      functions: functions.length,
      instances: instances.size,
      prints: prints.length,
    };
  }

  /**
   * A function is lowered again with better knowledge: what was said is forgotten, and so are the functions it called,
   * which may be called with other types now and have to say again what is wrong in them.
   */
  rollback(mark: ModuleMark): void {
    this.diagnostics.rollback(mark.said);
    this.functions.length = mark.functions;
    this.prints.length = mark.prints;
    for (const key of [...this.instances.keys()].slice(mark.instances)) this.instances.delete(key);
  }

  /** The CO-RE record of a place in kernel type `typeId`; equal ones are one object. */
  record(typeId: number, path: readonly number[], kind: CoreKind): CoreRecord {
    const access = path.join(":");
    const id = `${kind}|${typeId}|${access}`;
    let record = this.records.get(id);
    if (record === undefined) this.records.set(id, record = { typeId, access, kind });
    return record;
  }
}
