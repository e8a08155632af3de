/**
 * The parser: takes what `Function.prototype.toString()` gives (a method, a function or an arrow, as written or as a
 * bundler reprinted it) and returns its syntax tree. Throws `SyntaxProblem` at the first thing that is not in the
 * accepted subset. Expressions are in expression.ts, statements in statement.ts.
 */
import type { Func } from "./ast.ts";
import { TokenCursor } from "./cursor.ts";
import { parseArrow, parseAssignment, parseFunctionExpression, parseParams, startsArrow } from "./expression.ts";
import { parseKey } from "./pattern.ts";
import { parseBlock } from "./statement.ts";

export function parseFunction(text: string): Func {
  const p = new TokenCursor(text, { body: parseBlock, assignment: parseAssignment });
  const func = parseAny(p);
  if (p.token.kind !== "end") p.unexpected("the end of the function");
  return func;
}

function parseAny(p: TokenCursor): Func {
  if (p.is("function")) return parseFunctionExpression(p);
  if (p.is("class")) p.unsupported("class");
  if (startsArrow(p)) return parseArrow(p);
  if (p.isName("async") && p.peek(() => (p.advance(), !p.is("(") || startsArrow(p)))) p.unsupported("async");
  if ((p.isName("get") || p.isName("set")) && !p.peek(() => (p.advance(), p.is("(")))) p.unsupported("getter");
  if (p.is("*")) p.unsupported("generator");
  const start = p.token.start;
  const name = p.is("[") ? skipComputedKey(p) : parseKey(p);
  const params = parseParams(p);
  return { type: "Func", name, params, body: p.grammar.body(p), start, end: p.previousEnd };
}

/** `[key](ctx, $) {…}`: the key's value is known to the caller. */
function skipComputedKey(p: TokenCursor): string {
  p.skipBrackets();
  return "";
}
