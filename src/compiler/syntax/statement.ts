/** Statements: one function each, told apart by the first token. */
import type { Block, Declarator, Expr, For, ForOf, Stmt, Switch, SwitchCase, VarDecl } from "./ast.ts";
import type { TokenCursor } from "./cursor.ts";
import { parseAssignment, parseExpression } from "./expression.ts";
import { parsePattern } from "./pattern.ts";
import type { UnsupportedKey } from "./unsupported.ts";

const REFUSED: Readonly<Record<string, UnsupportedKey>> = {
  class: "class",
  try: "try",
  throw: "throw",
  with: "with",
  debugger: "debugger",
  function: "functionDeclaration",
};

export function parseBlock(p: TokenCursor): Block {
  const start = p.expect("{").start;
  const body: Stmt[] = [];
  while (!p.is("}")) body.push(parseStatement(p));
  p.expect("}");
  return { type: "Block", body, start, end: p.previousEnd };
}

export function parseStatement(p: TokenCursor): Stmt {
  const { start, kind, text, end } = p.token;
  if (kind === "keyword") {
    const parse = STATEMENTS[text];
    if (parse !== undefined) return parse(p);
    const refused = REFUSED[text];
    if (refused !== undefined) p.unsupported(refused);
  }
  if (p.is("{")) return parseBlock(p);
  if (p.eat(";")) return { type: "Empty", start, end };
  if (startsDeclaration(p)) return declaration(p);
  if (kind === "name" && p.peek(() => (p.advance(), p.is(":")))) {
    p.advance();
    p.advance();
    return { type: "Labeled", label: text, body: parseStatement(p), start, end: p.previousEnd };
  }
  if (kind === "name" && text === "async" && p.peek(() => (p.advance(), p.is("function")))) p.unsupported("async");
  const expr = parseExpression(p);
  p.semicolon();
  return { type: "Expr", expr, start, end: p.previousEnd };
}

const STATEMENTS: Readonly<Record<string, (p: TokenCursor) => Stmt>> = {
  var: declaration,
  const: declaration,
  if: parseIf,
  return: parseReturn,
  for: parseFor,
  while: parseWhile,
  do: parseDoWhile,
  switch: parseSwitch,
  break: (p) => parseJump(p, "Break"),
  continue: (p) => parseJump(p, "Continue"),
};

/** `let` and `using` are names unless a name or a pattern follows. */
function startsDeclaration(p: TokenCursor): boolean {
  if (p.is("var") || p.is("const")) return true;
  if (p.isName("using")) {
    return p.peek(() => (p.advance(), p.token.kind === "name" && !p.token.newline && p.token.text !== "of"));
  }
  return p.isName("let") && p.peek(() => (p.advance(), p.token.kind === "name" || p.is("{") || p.is("[")));
}

function declaration(p: TokenCursor): VarDecl {
  const decl = parseDeclarators(p);
  p.semicolon();
  return decl;
}

function parseDeclarators(p: TokenCursor): VarDecl {
  const { start, text } = p.advance();
  const decls: Declarator[] = [];
  do {
    const from = p.token.start;
    const target = parsePattern(p);
    const init = p.eat("=") ? parseAssignment(p) : undefined;
    decls.push({ target, init, start: from, end: p.previousEnd });
  } while (p.eat(","));
  return { type: "Var", kind: text as VarDecl["kind"], decls, start, end: p.previousEnd };
}

function parseTest(p: TokenCursor): Expr {
  p.expect("(");
  const test = parseExpression(p);
  p.expect(")");
  return test;
}

function parseIf(p: TokenCursor): Stmt {
  const start = p.expect("if").start;
  const test = parseTest(p);
  const then = parseStatement(p);
  const otherwise = p.eat("else") ? parseStatement(p) : undefined;
  return { type: "If", test, then, else: otherwise, start, end: p.previousEnd };
}

function parseReturn(p: TokenCursor): Stmt {
  const start = p.expect("return").start;
  const bare = p.is(";") || p.is("}") || p.token.kind === "end" || p.token.newline;
  const value = bare ? undefined : parseExpression(p);
  p.semicolon();
  return { type: "Return", value, start, end: p.previousEnd };
}

function parseFor(p: TokenCursor): For | ForOf {
  const start = p.expect("for").start;
  if (p.isName("await")) p.unsupported("await");
  p.expect("(");
  let init: VarDecl | Expr | undefined;
  if (startsDeclaration(p)) init = parseDeclarators(p);
  else if (!p.is(";")) init = parseExpression(p);
  if (p.isName("of")) return parseForOf(p, start, init);
  if (p.is("in")) p.unsupported("forIn", start, p.token.end);
  p.expect(";");
  const test = p.is(";") ? undefined : parseExpression(p);
  p.expect(";");
  const update = p.is(")") ? undefined : parseExpression(p);
  p.expect(")");
  const body = parseStatement(p);
  return { type: "For", init, test, update, body, start, end: p.previousEnd };
}

function parseForOf(p: TokenCursor, start: number, init: VarDecl | Expr | undefined): ForOf {
  const decl = init !== undefined && init.type === "Var" ? init.decls[0] : undefined;
  if (decl === undefined) p.unexpected("a declaration before `of`, such as `const x`");
  p.advance();
  const iterable = parseAssignment(p);
  p.expect(")");
  const body = parseStatement(p);
  return { type: "ForOf", target: decl.target, iterable, body, start, end: p.previousEnd };
}

function parseWhile(p: TokenCursor): Stmt {
  const start = p.expect("while").start;
  const test = parseTest(p);
  const body = parseStatement(p);
  return { type: "While", test, body, start, end: p.previousEnd };
}

function parseDoWhile(p: TokenCursor): Stmt {
  const start = p.expect("do").start;
  const body = parseStatement(p);
  p.expect("while");
  const test = parseTest(p);
  p.eat(";");
  return { type: "DoWhile", test, body, start, end: p.previousEnd };
}

function parseSwitch(p: TokenCursor): Switch {
  const start = p.expect("switch").start;
  const value = parseTest(p);
  const cases: SwitchCase[] = [];
  p.expect("{");
  while (!p.is("}")) {
    const from = p.token.start;
    const test = p.eat("default") ? undefined : (p.expect("case"), parseExpression(p));
    p.expect(":");
    const body: Stmt[] = [];
    while (!p.is("case") && !p.is("default") && !p.is("}")) body.push(parseStatement(p));
    cases.push({ test, body, start: from, end: p.previousEnd });
  }
  p.expect("}");
  return { type: "Switch", value, cases, start, end: p.previousEnd };
}

function parseJump(p: TokenCursor, type: "Break" | "Continue"): Stmt {
  const start = p.advance().start;
  const label = p.token.kind === "name" && !p.token.newline ? p.advance().text : undefined;
  p.semicolon();
  return { type, label, start, end: p.previousEnd };
}
