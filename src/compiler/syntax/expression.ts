/**
 * Expressions, by recursive descent; binary operators by precedence climbing over the token table, see
 * https://en.wikipedia.org/wiki/Operator-precedence_parser. One function a level of the grammar, from the loosest
 * (`a, b`) to the tightest (`a.b`). What cannot become BPF is refused here, with what to write instead.
 */
import type {
  ArrayLit,
  AssignOp,
  BinaryOp,
  Call,
  Expr,
  Func,
  LogicalOp,
  NumberLit,
  ObjectLit,
  Param,
  Pattern,
  Property,
  TemplateLit,
} from "./ast.ts";
import type { TokenCursor } from "./cursor.ts";
import { SyntaxProblem } from "./lex.ts";
import { parseKey, parsePattern, toPattern } from "./pattern.ts";
import { PUNCTUATORS } from "./tokens.ts";
import type { UnsupportedKey } from "./unsupported.ts";

const PRECEDENCE = new Map(
  PUNCTUATORS.flatMap((p) => p.precedence === undefined ? [] : [[p.text, p.precedence] as const]),
);
const ASSIGN = new Set(PUNCTUATORS.filter((p) => p.assign).map((p) => p.text));
const LOGICAL = new Set(["&&", "||", "??"]);

/** Keywords that start an expression which is refused. */
const REFUSED: Readonly<Record<string, UnsupportedKey>> = {
  class: "class",
  new: "new",
  this: "this",
  super: "super",
  import: "import",
  yield: "yield",
  delete: "delete",
};

/** `a, b`. */
export function parseExpression(p: TokenCursor): Expr {
  const start = p.token.start;
  const first = parseAssignment(p);
  if (!p.is(",")) return first;
  const exprs = [first];
  while (p.eat(",")) exprs.push(parseAssignment(p));
  return { type: "Sequence", exprs, start, end: p.previousEnd };
}

/** `a = b`, arrows, and whatever binds tighter. */
export function parseAssignment(p: TokenCursor): Expr {
  const start = p.token.start;
  if (startsArrow(p)) return parseArrow(p);
  const left = parseConditional(p);
  if (p.token.kind !== "punct" || !ASSIGN.has(p.token.text)) return left;
  const op = p.advance().text.slice(0, -1) as AssignOp;
  const target = assignable(p, left, op);
  const value = parseAssignment(p);
  return { type: "Assign", op, target, value, start, end: p.previousEnd };
}

function assignable(p: TokenCursor, left: Expr, op: AssignOp): Expr | Pattern {
  if (left.type === "Ident" || left.type === "Member" || left.type === "Index") return left;
  if (op === "" && (left.type === "Array" || left.type === "Object")) return toPattern(left);
  throw new SyntaxProblem("syntax", "this cannot be assigned to", left.start, p.previousEnd);
}

/** `a ? b : c`. */
function parseConditional(p: TokenCursor): Expr {
  const start = p.token.start;
  const test = parseBinary(p, 1);
  if (!p.eat("?")) return test;
  const then = parseAssignment(p);
  p.expect(":");
  const otherwise = parseAssignment(p);
  return { type: "Conditional", test, then, else: otherwise, start, end: p.previousEnd };
}

/** Operators that bind at least as tightly as `least`. */
function parseBinary(p: TokenCursor, least: number): Expr {
  const start = p.token.start;
  let left = parseUnary(p);
  for (;;) {
    if (p.is("in") || p.is("instanceof")) p.unsupported(p.token.text as "in" | "instanceof");
    const precedence = p.token.kind === "punct" ? PRECEDENCE.get(p.token.text) : undefined;
    if (precedence === undefined || precedence < least) return left;
    const { text: op, start: opStart } = p.advance();
    // `**` is the one that groups to the right.
    const right = parseBinary(p, op === "**" ? precedence : precedence + 1);
    const range = { start, end: p.previousEnd };
    left = LOGICAL.has(op)
      ? { type: "Logical", op: op as LogicalOp, left, right, ...range }
      : { type: "Binary", op: op as BinaryOp, left, right, opStart, ...range };
  }
}

/** `!a`, `++a`, `a++`. */
function parseUnary(p: TokenCursor): Expr {
  const { start, text, kind } = p.token;
  if (kind === "punct" && (text === "++" || text === "--")) {
    p.advance();
    const arg = parseUnary(p);
    return { type: "Update", op: text, prefix: true, arg, start, end: p.previousEnd };
  }
  if (
    (kind === "punct" && (text === "!" || text === "-" || text === "+" || text === "~")) ||
    (kind === "keyword" && (text === "void" || text === "typeof"))
  ) {
    if (text === "typeof") p.unsupported("typeof");
    p.advance();
    const arg = parseUnary(p);
    return { type: "Unary", op: text as "!" | "-" | "+" | "~" | "void", arg, start, end: p.previousEnd };
  }
  if (
    p.isName("await") &&
    p.peek(() => (p.advance(), !p.token.newline && ["name", "number", "string"].includes(p.token.kind)))
  ) {
    p.unsupported("await");
  }
  const arg = parseCallOrMember(p);
  if ((p.is("++") || p.is("--")) && !p.token.newline) {
    const op = p.advance().text as "++" | "--";
    return { type: "Update", op, prefix: false, arg, start, end: p.previousEnd };
  }
  return arg;
}

/** `a.b`, `a[i]`, `a(b)`, `a?.b`, in any sequence. */
function parseCallOrMember(p: TokenCursor): Expr {
  const start = p.token.start;
  let expr = parsePrimary(p);
  let chained = false;
  for (;;) {
    const optional = p.eat("?.");
    chained ||= optional;
    if (p.is("(")) {
      const args = parseArguments(p);
      expr = { type: "Call", callee: expr, args, optional, start, end: p.previousEnd } satisfies Call;
    } else if (p.eat("[")) {
      const index = parseExpression(p);
      p.expect("]");
      expr = index.type === "String"
        ? {
          type: "Member",
          object: expr,
          property: index.value,
          optional,
          nameStart: index.start,
          start,
          end: p.previousEnd,
        }
        : { type: "Index", object: expr, index, optional, start, end: p.previousEnd };
    } else if (optional || p.eat(".")) {
      if (p.token.kind !== "name" && p.token.kind !== "keyword") p.unexpected("a field's name");
      const name = p.advance();
      expr = {
        type: "Member",
        object: expr,
        property: name.text,
        optional,
        nameStart: name.start,
        start,
        end: p.previousEnd,
      };
    } else if (p.token.kind === "template") p.unsupported("taggedTemplate");
    else return chained ? { type: "Chain", expr, start, end: p.previousEnd } : expr;
  }
}

function parseArguments(p: TokenCursor): Expr[] {
  const args: Expr[] = [];
  p.expect("(");
  while (!p.is(")")) {
    if (p.is("...")) p.unsupported("spread");
    args.push(parseAssignment(p));
    if (!p.eat(",")) break;
  }
  p.expect(")");
  return args;
}

function parsePrimary(p: TokenCursor): Expr {
  const { kind, text, start, end } = p.token;
  switch (kind) {
    case "number":
    case "bigint":
      return parseNumber(p);
    case "string":
      p.advance();
      return { type: "String", value: text, start, end };
    case "template":
      return parseTemplate(p);
    case "name":
      if (text === "async" && p.peek(() => (p.advance(), p.is("function") || startsArrow(p)))) p.unsupported("async");
      if (text === "arguments") p.unsupported("arguments");
      p.advance();
      return { type: "Ident", name: text, start, end };
    case "keyword":
      return parseKeyword(p);
    default:
      return parsePunctuation(p);
  }
}

function parseKeyword(p: TokenCursor): Expr {
  const { text, start, end } = p.token;
  if (text === "true" || text === "false") {
    p.advance();
    return { type: "Bool", value: text === "true", start, end };
  }
  if (text === "null") {
    p.advance();
    return { type: "Null", start, end };
  }
  if (text === "function") return parseFunctionExpression(p);
  const refused = REFUSED[text];
  if (refused !== undefined) p.unsupported(refused);
  return p.unexpected("an expression");
}

function parsePunctuation(p: TokenCursor): Expr {
  if (p.eat("(")) {
    const expr = parseExpression(p);
    p.expect(")");
    return expr;
  }
  if (p.is("{")) return parseObject(p);
  if (p.is("[")) return parseArray(p);
  if (p.is("/") || p.is("/=")) p.unsupported("regex");
  if (p.is("...")) p.unsupported("spread");
  return p.unexpected("an expression");
}

function parseNumber(p: TokenCursor): NumberLit {
  const { kind, text, start, end } = p.advance();
  const match = /^(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(text);
  if (kind === "bigint" || match === null) {
    return { type: "Number", value: exact(p, BigInt(text), kind, start, end), start, end };
  }
  const digits = `${match[1]}${match[2]}` || "0";
  const exponent = Number(match[3] ?? 0) - match[2]!.length;
  if (exponent > 400) p.unsupported("unsafeNumber", start, end);
  if (exponent >= 0) {
    return { type: "Number", value: exact(p, BigInt(digits) * 10n ** BigInt(exponent), kind, start, end), start, end };
  }
  const divisor = 10n ** BigInt(Math.min(-exponent, 400));
  if (BigInt(digits) % divisor !== 0n) p.unsupported("fraction", start, end);
  return { type: "Number", value: exact(p, BigInt(digits) / divisor, kind, start, end), start, end };
}

/** A Number literal beyond 2^53 has already lost digits, in the engine and in every minifier. */
function exact(p: TokenCursor, value: bigint, kind: string, start: number, end: number): bigint {
  if (kind === "number" && value > BigInt(Number.MAX_SAFE_INTEGER)) p.unsupported("unsafeNumber", start, end);
  return value;
}

function parseTemplate(p: TokenCursor): TemplateLit {
  const start = p.token.start;
  const quasis = [p.token.text];
  const exprs: Expr[] = [];
  let part = p.token;
  while (part.more) {
    p.advance();
    exprs.push(parseExpression(p));
    if (!p.is("}")) p.unexpected("`}`");
    part = p.resumeTemplate();
    quasis.push(part.text);
  }
  p.advance();
  return { type: "Template", quasis, exprs, start, end: p.previousEnd };
}

function parseObject(p: TokenCursor): ObjectLit {
  const start = p.expect("{").start;
  const props: Property[] = [];
  while (!p.is("}")) {
    props.push(parseProperty(p));
    if (!p.eat(",")) break;
  }
  p.expect("}");
  return { type: "Object", props, start, end: p.previousEnd };
}

function parseProperty(p: TokenCursor): Property {
  const { start, kind, text } = p.token;
  if (p.is("...")) p.unsupported("spread");
  if (p.is("[")) p.unsupported("computedKey");
  if (p.is("*")) p.unsupported("generator");
  const key = parseKey(p);
  if (p.is("(")) p.unsupported("method", start, p.previousEnd);
  if (p.eat(":")) return { key, value: parseAssignment(p), start, end: p.previousEnd };
  if ((text === "get" || text === "set") && p.token.kind !== "punct") p.unsupported("getter", start, p.previousEnd);
  if (text === "async" && p.token.kind !== "punct") p.unsupported("async", start, p.previousEnd);
  if (kind !== "name") p.unexpected("`:`");
  const value: Expr = { type: "Ident", name: key, start, end: p.previousEnd };
  if (p.is("=")) {
    // Only a destructuring assignment has a default here: `({ a = 1 } = b)`.
    p.advance();
    const init = parseAssignment(p);
    return {
      key,
      value: { type: "Assign", op: "", target: value, value: init, start, end: p.previousEnd },
      start,
      end: p.previousEnd,
    };
  }
  return { key, value, start, end: p.previousEnd };
}

function parseArray(p: TokenCursor): ArrayLit {
  const start = p.expect("[").start;
  const elements: Expr[] = [];
  while (!p.is("]")) {
    if (p.is("...")) p.unsupported("spread");
    elements.push(parseAssignment(p));
    if (!p.eat(",")) break;
  }
  p.expect("]");
  return { type: "Array", elements, start, end: p.previousEnd };
}

/** Whether `a =>` or `(…) =>` stands here. */
export function startsArrow(p: TokenCursor): boolean {
  if (p.token.kind === "name") return p.peek(() => (p.advance(), p.is("=>")));
  return p.is("(") && p.peek(() => arrowFollows(p));
}

/** Text that cannot even be skipped is no arrow; parsing it again as an expression finds the better message. */
function arrowFollows(p: TokenCursor): boolean {
  try {
    p.skipBrackets();
    return p.is("=>");
  } catch (error) {
    if (error instanceof SyntaxProblem) return false;
    throw error;
  }
}

export function parseArrow(p: TokenCursor): Func {
  const start = p.token.start;
  const params: Param[] = p.token.kind === "name" ? [{ target: parsePattern(p), init: undefined }] : parseParams(p);
  p.expect("=>");
  if (p.is("{")) return { type: "Func", name: "", params, body: p.grammar.body(p), start, end: p.previousEnd };
  const value = parseAssignment(p);
  const range = { start: value.start, end: value.end };
  const body = { type: "Block", body: [{ type: "Return", value, ...range }], ...range } as const;
  return { type: "Func", name: "", params, body: { ...body, body: [...body.body] }, start, end: p.previousEnd };
}

export function parseFunctionExpression(p: TokenCursor): Func {
  const start = p.expect("function").start;
  if (p.is("*")) p.unsupported("generator");
  const name = p.token.kind === "name" ? p.advance().text : "";
  const params = parseParams(p);
  return { type: "Func", name, params, body: p.grammar.body(p), start, end: p.previousEnd };
}

export function parseParams(p: TokenCursor): Param[] {
  p.expect("(");
  const params: Param[] = [];
  while (!p.is(")")) {
    if (p.is("...")) p.unsupported("restPattern");
    const target = parsePattern(p);
    params.push({ target, init: p.eat("=") ? parseAssignment(p) : undefined });
    if (!p.eat(",")) break;
  }
  p.expect(")");
  return params;
}
