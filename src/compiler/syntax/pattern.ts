/** Destructuring: `{ a, b: c = 1 }` and `[a, b]`, where a name is bound or assigned. */
import type { ArrayPattern, Expr, ObjectPattern, Pattern, PatternProp } from "./ast.ts";
import type { TokenCursor } from "./cursor.ts";
import { SyntaxProblem } from "./lex.ts";

export function parsePattern(p: TokenCursor): Pattern {
  if (p.is("{")) return parseObjectPattern(p);
  if (p.is("[")) return parseArrayPattern(p);
  const { text, start, end } = p.name();
  return { type: "Ident", name: text, start, end };
}

function parseObjectPattern(p: TokenCursor): ObjectPattern {
  const start = p.expect("{").start;
  const props: PatternProp[] = [];
  while (!p.is("}")) {
    if (p.is("...")) p.unsupported("restPattern");
    if (p.is("[")) p.unsupported("computedKey");
    const at = p.token;
    const key = parseKey(p);
    const target: Pattern = p.eat(":") ? parsePattern(p) : { type: "Ident", name: key, start: at.start, end: at.end };
    const init = p.eat("=") ? p.grammar.assignment(p) : undefined;
    props.push({ key, target, init, start: at.start, end: p.previousEnd });
    if (!p.eat(",")) break;
  }
  p.expect("}");
  return { type: "ObjectPattern", props, start, end: p.previousEnd };
}

function parseArrayPattern(p: TokenCursor): ArrayPattern {
  const start = p.expect("[").start;
  const elements: ArrayPattern["elements"] = [];
  while (!p.is("]")) {
    if (p.is("...")) p.unsupported("restPattern");
    if (p.eat(",")) {
      elements.push(undefined);
      continue;
    }
    const target = parsePattern(p);
    elements.push({ target, init: p.eat("=") ? p.grammar.assignment(p) : undefined });
    if (!p.eat(",")) break;
  }
  p.expect("]");
  return { type: "ArrayPattern", elements, start, end: p.previousEnd };
}

/** What was read as a literal and turned out to stand left of `=`. */
export function toPattern(expr: Expr): Pattern {
  const { start, end } = expr;
  switch (expr.type) {
    case "Ident":
      return expr;
    case "Object":
      return {
        type: "ObjectPattern",
        props: expr.props.map((prop) => ({
          ...withDefault(prop.value),
          key: prop.key,
          start: prop.start,
          end: prop.end,
        })),
        start,
        end,
      };
    case "Array":
      return { type: "ArrayPattern", elements: expr.elements.map(withDefault), start, end };
    default:
      throw new SyntaxProblem("syntax", "destructuring can assign to variables only", start, end);
  }
}

function withDefault(expr: Expr): { target: Pattern; init: Expr | undefined } {
  if (expr.type !== "Assign" || expr.op !== "") return { target: toPattern(expr), init: undefined };
  return { target: toPattern(expr.target as Expr), init: expr.value };
}

/** The key of a property or of a method: a name, a string or a number. */
export function parseKey(p: TokenCursor): string {
  if (p.token.kind === "number") return String(Number(p.advance().text));
  if (p.token.kind !== "name" && p.token.kind !== "keyword" && p.token.kind !== "string") {
    p.unexpected("a field's name");
  }
  return p.advance().text;
}
