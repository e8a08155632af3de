/** Syntax trees as text: nested lists, for tests. */
import type { Expr, Func, Pattern, Stmt } from "../../../src/compiler/syntax/ast.ts";

function list(...parts: (string | undefined)[]): string {
  return `(${parts.filter((part) => part !== undefined && part !== "").join(" ")})`;
}

export function show(func: Func): string {
  const params = func.params.map((param) =>
    pattern(param.target) + (param.init === undefined ? "" : `=${expr(param.init)}`)
  );
  return list("func", func.name, `(${params.join(" ")})`, stmt(func.body));
}

function pattern(p: Pattern): string {
  if (p.type === "Ident") return p.name;
  if (p.type === "ObjectPattern") {
    return `{${
      p.props.map(({ key, target, init }) => `${key}: ${pattern(target)}${init === undefined ? "" : `=${expr(init)}`}`)
        .join(", ")
    }}`;
  }
  return `[${
    p.elements.map((e) => e === undefined ? "" : pattern(e.target) + (e.init === undefined ? "" : `=${expr(e.init)}`))
      .join(", ")
  }]`;
}

function stmt(s: Stmt): string {
  switch (s.type) {
    case "Var":
      return list(s.kind, ...s.decls.map((d) => pattern(d.target) + (d.init === undefined ? "" : `=${expr(d.init)}`)));
    case "Expr":
      return expr(s.expr);
    case "If":
      return list("if", expr(s.test), stmt(s.then), s.else && stmt(s.else));
    case "Return":
      return list("return", s.value && expr(s.value));
    case "For":
      return list(
        "for",
        s.init === undefined ? "-" : s.init.type === "Var" ? stmt(s.init) : expr(s.init),
        s.test ? expr(s.test) : "-",
        s.update ? expr(s.update) : "-",
        stmt(s.body),
      );
    case "ForOf":
      return list("forof", pattern(s.target), expr(s.iterable), stmt(s.body));
    case "While":
      return list("while", expr(s.test), stmt(s.body));
    case "DoWhile":
      return list("dowhile", stmt(s.body), expr(s.test));
    case "Block":
      return list("block", ...s.body.map(stmt));
    case "Switch":
      return list(
        "switch",
        expr(s.value),
        ...s.cases.map((c) => list(c.test === undefined ? "default" : `case ${expr(c.test)}`, ...c.body.map(stmt))),
      );
    case "Labeled":
      return list("label", s.label, stmt(s.body));
    case "Empty":
      return "(empty)";
    default:
      return list(s.type.toLowerCase(), s.label);
  }
}

function expr(e: Expr): string {
  switch (e.type) {
    case "Number":
      return String(e.value);
    case "String":
      return JSON.stringify(e.value);
    case "Bool":
      return String(e.value);
    case "Null":
      return "null";
    case "Template":
      return list(
        "``",
        ...e.quasis.flatMap((quasi, i) => i < e.exprs.length ? [quasi, expr(e.exprs[i]!)] : [quasi || " "]),
      ).replace("  ", " ");
    case "Ident":
      return e.name;
    case "Member":
      return list(e.optional ? "?." : ".", expr(e.object), e.property);
    case "Index":
      return list(e.optional ? "?.[]" : "[]", expr(e.object), expr(e.index));
    case "Call":
      return list(e.optional ? "?.call" : "call", expr(e.callee), ...e.args.map(expr));
    case "Chain":
      return list("chain", expr(e.expr));
    case "Unary":
      return list(e.op, expr(e.arg));
    case "Update":
      return list(`${e.prefix ? "pre" : "post"}${e.op}`, expr(e.arg));
    case "Binary":
    case "Logical":
      return list(e.op, expr(e.left), expr(e.right));
    case "Conditional":
      return list("?", expr(e.test), expr(e.then), expr(e.else));
    case "Assign":
      return list(
        `${e.op}=`,
        e.target.type === "ObjectPattern" || e.target.type === "ArrayPattern" ? pattern(e.target) : expr(e.target),
        expr(e.value),
      );
    case "Sequence":
      return list(",", ...e.exprs.map(expr));
    case "Object":
      return `{${e.props.map((p) => `${p.key}: ${expr(p.value)}`).join(", ")}}`;
    case "Array":
      return `[${e.elements.map(expr).join(" ")}]`;
    default:
      return show(e);
  }
}
