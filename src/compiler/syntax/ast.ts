/**
 * The syntax tree of the accepted JavaScript subset: plain data, one variant a form. `start` and `end` are offsets into
 * the text that was parsed. Names follow ESTree where there is a counterpart.
 */

export interface Range {
  start: number;
  end: number;
}

export type BinaryOp =
  | "+"
  | "-"
  | "*"
  | "/"
  | "%"
  | "**"
  | "&"
  | "|"
  | "^"
  | "<<"
  | ">>"
  | ">>>"
  | "=="
  | "!="
  | "==="
  | "!=="
  | "<"
  | "<="
  | ">"
  | ">=";
export type LogicalOp = "&&" | "||" | "??";
export type UnaryOp = "-" | "+" | "!" | "~" | "void" | "typeof";
/** The operator before `=`; empty for plain assignment. */
export type AssignOp = "" | BinaryOp | LogicalOp;

export interface NumberLit extends Range {
  type: "Number";
  value: bigint;
}
export interface StringLit extends Range {
  type: "String";
  value: string;
}
export interface BoolLit extends Range {
  type: "Bool";
  value: boolean;
}
export interface NullLit extends Range {
  type: "Null";
}
/** `quasis` has one more item than `exprs`. */
export interface TemplateLit extends Range {
  type: "Template";
  quasis: string[];
  exprs: Expr[];
}
export interface Ident extends Range {
  type: "Ident";
  name: string;
}
/** `a.b`, `a?.b`, `a["b"]`. `nameStart` is where the property's name stands. */
export interface Member extends Range {
  type: "Member";
  object: Expr;
  property: string;
  optional: boolean;
  nameStart: number;
}
export interface Index extends Range {
  type: "Index";
  object: Expr;
  index: Expr;
  optional: boolean;
}
export interface Call extends Range {
  type: "Call";
  callee: Expr;
  args: Expr[];
  optional: boolean;
}
/** Bounds what `?.` inside it skips. */
export interface Chain extends Range {
  type: "Chain";
  expr: Expr;
}
export interface Unary extends Range {
  type: "Unary";
  op: UnaryOp;
  arg: Expr;
}
export interface Update extends Range {
  type: "Update";
  op: "++" | "--";
  prefix: boolean;
  arg: Expr;
}
export interface Binary extends Range {
  type: "Binary";
  op: BinaryOp;
  left: Expr;
  right: Expr;
  opStart: number;
}
export interface Logical extends Range {
  type: "Logical";
  op: LogicalOp;
  left: Expr;
  right: Expr;
}
export interface Conditional extends Range {
  type: "Conditional";
  test: Expr;
  then: Expr;
  else: Expr;
}
export interface Assign extends Range {
  type: "Assign";
  op: AssignOp;
  target: Expr | Pattern;
  value: Expr;
}
export interface Sequence extends Range {
  type: "Sequence";
  exprs: Expr[];
}
export interface Property extends Range {
  key: string;
  value: Expr;
}
export interface ObjectLit extends Range {
  type: "Object";
  props: Property[];
}
export interface ArrayLit extends Range {
  type: "Array";
  elements: Expr[];
}
export interface Func extends Range {
  type: "Func";
  name: string;
  params: Param[];
  /** An arrow's expression body is a block with one return. */
  body: Block;
}

export type Expr =
  | NumberLit
  | StringLit
  | BoolLit
  | NullLit
  | TemplateLit
  | Ident
  | Member
  | Index
  | Call
  | Chain
  | Unary
  | Update
  | Binary
  | Logical
  | Conditional
  | Assign
  | Sequence
  | ObjectLit
  | ArrayLit
  | Func;

export interface PatternProp extends Range {
  key: string;
  target: Pattern;
  init: Expr | undefined;
}
export interface ObjectPattern extends Range {
  type: "ObjectPattern";
  props: PatternProp[];
}
/** A hole is `undefined`. */
export interface ArrayPattern extends Range {
  type: "ArrayPattern";
  elements: ({ target: Pattern; init: Expr | undefined } | undefined)[];
}
export type Pattern = Ident | ObjectPattern | ArrayPattern;
export interface Param {
  target: Pattern;
  init: Expr | undefined;
}

export interface Declarator extends Range {
  target: Pattern;
  init: Expr | undefined;
}
export interface VarDecl extends Range {
  type: "Var";
  kind: "let" | "const" | "var" | "using";
  decls: Declarator[];
}
export interface ExprStmt extends Range {
  type: "Expr";
  expr: Expr;
}
export interface If extends Range {
  type: "If";
  test: Expr;
  then: Stmt;
  else: Stmt | undefined;
}
export interface Return extends Range {
  type: "Return";
  value: Expr | undefined;
}
export interface For extends Range {
  type: "For";
  init: VarDecl | Expr | undefined;
  test: Expr | undefined;
  update: Expr | undefined;
  body: Stmt;
}
export interface ForOf extends Range {
  type: "ForOf";
  target: Pattern;
  iterable: Expr;
  body: Stmt;
}
export interface While extends Range {
  type: "While";
  test: Expr;
  body: Stmt;
}
export interface DoWhile extends Range {
  type: "DoWhile";
  test: Expr;
  body: Stmt;
}
export interface Block extends Range {
  type: "Block";
  body: Stmt[];
}
export interface SwitchCase extends Range {
  test: Expr | undefined;
  body: Stmt[];
}
export interface Switch extends Range {
  type: "Switch";
  value: Expr;
  cases: SwitchCase[];
}
export interface Break extends Range {
  type: "Break";
  label: string | undefined;
}
export interface Continue extends Range {
  type: "Continue";
  label: string | undefined;
}
export interface Labeled extends Range {
  type: "Labeled";
  label: string;
  body: Stmt;
}
export interface Empty extends Range {
  type: "Empty";
}

export type Stmt =
  | VarDecl
  | ExprStmt
  | If
  | Return
  | For
  | ForOf
  | While
  | DoWhile
  | Block
  | Switch
  | Break
  | Continue
  | Labeled
  | Empty;
