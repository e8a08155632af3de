/**
 * TypeScript source seen without a parser: where its comments and literals are, what it imports, where its functions
 * begin and end. Exact enough for the checks of this folder, and the same on every runtime.
 */

/** What `mask` blanks out. */
export interface MaskOptions {
  readonly comments: boolean;
  readonly strings: boolean;
}

/** A `/` after one of these begins a regular expression, not a division. */
const BEFORE_REGEX = /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|do|else|void|throw|await|yield))\s*$/;

/** The source with comments and the contents of strings, templates and regular expressions replaced by spaces. */
export function mask(text: string, options: MaskOptions = { comments: true, strings: true }): string {
  const out = [...text].length === text.length
    ? text.split("")
    : Array.from({ length: text.length }, (_, i) => text[i]!);
  const blank = (from: number, to: number) => {
    for (let i = from; i < to; i++) if (out[i] !== "\n") out[i] = " ";
  };
  scan(text, (kind, from, to) => {
    if (kind === "comment" ? options.comments : options.strings) blank(from, to);
  });
  return out.join("");
}

type Visit = (kind: "comment" | "string", from: number, to: number) => void;

/** Calls `visit` for each comment, and for the inside of each literal (the quotes stay outside). */
function scan(text: string, visit: Visit): void {
  const templates: number[] = []; // for each open template, how many braces are open inside its current ${}
  let at = text.startsWith("#!") ? text.indexOf("\n") : 0;
  if (at < 0) return;
  while (at < text.length) {
    const c = text[at]!;
    const two = text.slice(at, at + 2);
    if (two === "//" || two === "/*") at = comment(text, at, visit);
    else if (c === '"' || c === "'") at = literal(text, at, c, visit);
    else if (c === "`") at = template(text, at + 1, templates, visit);
    else if (c === "/" && BEFORE_REGEX.test(lineBefore(text, at))) at = regex(text, at, visit);
    else if (c === "}" && templates.at(-1) === 0) {
      templates.pop();
      at = template(text, at + 1, templates, visit);
    } else {
      if (templates.length > 0 && c === "{") templates[templates.length - 1]! += 1;
      if (templates.length > 0 && c === "}") templates[templates.length - 1]! -= 1;
      at += 1;
    }
  }
}

function lineBefore(text: string, at: number): string {
  return text.slice(text.lastIndexOf("\n", at - 1) + 1, at);
}

function comment(text: string, at: number, visit: Visit): number {
  const close = text[at + 1] === "/" ? text.indexOf("\n", at) : text.indexOf("*/", at + 2);
  const end = close < 0 ? text.length : text[at + 1] === "/" ? close : close + 2;
  visit("comment", at, end);
  return end;
}

function literal(text: string, at: number, quote: string, visit: Visit): number {
  let end = at + 1;
  while (end < text.length && text[end] !== quote && text[end] !== "\n") end += text[end] === "\\" ? 2 : 1;
  visit("string", at + 1, Math.min(end, text.length));
  return end + 1;
}

function template(text: string, at: number, templates: number[], visit: Visit): number {
  let end = at;
  while (end < text.length && text[end] !== "`" && !(text[end] === "$" && text[end + 1] === "{")) {
    end += text[end] === "\\" ? 2 : 1;
  }
  visit("string", at, Math.min(end, text.length));
  if (text[end] !== "$") return end + 1;
  templates.push(0);
  return end + 2;
}

function regex(text: string, at: number, visit: Visit): number {
  let end = at + 1;
  let inClass = false;
  while (end < text.length && text[end] !== "\n" && (inClass || text[end] !== "/")) {
    if (text[end] === "[") inClass = true;
    if (text[end] === "]") inClass = false;
    end += text[end] === "\\" ? 2 : 1;
  }
  visit("string", at + 1, Math.min(end, text.length));
  return end + 1;
}

/** One import of a file. */
export interface ImportEdge {
  readonly specifier: string;
  readonly line: number;
  /** True if nothing of it is left when the types are stripped. */
  readonly typeOnly: boolean;
  readonly dynamic: boolean;
}

const STATIC_IMPORT =
  /\b(import|export)\b(?:\s+(type)\b(?!\s*(?:,|from\b)))?(?:[\w$\s{},*]*?\bfrom)?\s*(["'])(.*?)\3/dg;
const DYNAMIC_IMPORT = /\bimport\s*\(\s*(["'])(.*?)\1\s*[,)]/dg;

/** All imports and re-exports, static and dynamic; a dynamic one only if its specifier is a literal. */
export function importsOf(text: string): ImportEdge[] {
  const masked = mask(text); // specifiers are blank here: only positions are taken from it
  const edges: ImportEdge[] = [];
  for (const [pattern, dynamic] of [[STATIC_IMPORT, false], [DYNAMIC_IMPORT, true]] as const) {
    for (const match of masked.matchAll(pattern)) {
      const [from, to] = match.indices![dynamic ? 2 : 4]!;
      const typeOnly = !dynamic && (match[2] === "type" || onlyTypes(match[0]));
      edges.push({ specifier: text.slice(from, to), line: lineAt(text, match.index), typeOnly, dynamic });
    }
  }
  return edges;
}

/** Whether every name of `import { type A, type B } from` is a type. */
function onlyTypes(statement: string): boolean {
  const names = /\{([^}]*)\}/.exec(statement)?.[1]?.split(",").map((name) => name.trim()).filter((name) => name !== "");
  if (names === undefined || names.length === 0 || /\bimport\s+[\w$]+\s*,/.test(statement)) return false;
  return names.every((name) => /^type\s/.test(name));
}

/** A function, method or arrow function with a body in braces. */
export interface FunctionSpan {
  readonly name: string;
  /** First and last line, from 1. */
  readonly line: number;
  readonly lines: number;
}

const FUNCTION_HEAD =
  /\bfunction\b\s*\*?\s*([\w$]*)\s*(?:<[^(]*>)?\(|(?:^|\n)[ \t]*(?:(?:public|private|protected|static|override|async|get|set|readonly)\s+)*\*?\s*(#?[\w$]+|\[[\w$.]+\])\s*(?:<[^(\n]*>)?\((?=[^;]*\{)|=>\s*(?=\{)/g;

const NOT_METHODS = new Set([
  "if",
  "for",
  "while",
  "switch",
  "catch",
  "return",
  "function",
  "constructor_",
  "with",
  "super",
]);

/** The functions of a file with their length in lines, from the line of the name to the closing brace. */
export function functionsOf(text: string): FunctionSpan[] {
  const masked = mask(text);
  const spans: FunctionSpan[] = [];
  for (const match of masked.matchAll(FUNCTION_HEAD)) {
    const arrow = match[0].startsWith("=>");
    const name = match[1] ?? match[2] ?? "";
    if (NOT_METHODS.has(name) && match[1] === undefined) continue;
    const body = arrow ? masked.indexOf("{", match.index) : bodyAfter(masked, match.index + match[0].length - 1);
    if (body < 0) continue;
    const end = closing(masked, body);
    const start = match.index + (match[0].length - match[0].trimStart().length);
    const line = lineAt(text, start);
    spans.push({
      name: arrow ? arrowName(masked, match.index) : name || "(anonymous)",
      line,
      lines: lineAt(text, end) - line + 1,
    });
  }
  return spans;
}

/** Position of the `{` of the body, given that of the `(` of the parameters; -1 for a call or a signature. */
function bodyAfter(masked: string, parenthesis: number): number {
  let at = closing(masked, parenthesis) + 1;
  while (/\s/.test(masked[at] ?? "")) at += 1;
  if (masked[at] === "{") return at;
  if (masked[at] !== ":") return -1;
  return bodyAfterType(masked, at + 1);
}

/** Skips a return type: braces that follow `:`, `|`, `&`, `<`, `,`, `(` or `=>` belong to it. */
function bodyAfterType(masked: string, from: number): number {
  let before = ":";
  for (let at = from; at < masked.length; at++) {
    const c = masked[at]!;
    if (/\s/.test(c)) continue;
    if (c === ";" || c === "}" || c === ")") return -1;
    if (c === "{" && !/[:|&<,(>=]/.test(before)) return at;
    if (c === "{" && before === ">" && masked[at - 2] !== "=" && !masked.slice(0, at).trimEnd().endsWith("=>")) {
      return at;
    }
    if (c === "{" || c === "(" || c === "[") {
      at = closing(masked, at);
      before = "}";
      continue;
    }
    before = c;
  }
  return -1;
}

function closing(masked: string, open: number): number {
  const pairs: Readonly<Record<string, string>> = { "(": ")", "{": "}", "[": "]" };
  const stack: string[] = [];
  for (let at = open; at < masked.length; at++) {
    const c = masked[at]!;
    if (pairs[c] !== undefined) stack.push(pairs[c]);
    else if (c === stack.at(-1)) {
      stack.pop();
      if (stack.length === 0) return at;
    }
  }
  return masked.length - 1;
}

function arrowName(masked: string, at: number): string {
  const head = masked.slice(Math.max(0, at - 400), at);
  return /(?:const|let)\s+([\w$]+)[^=]*=\s*(?:async\s*)?(?:\([^]*|[\w$]+\s*)$/.exec(head)?.[1] ?? "(arrow)";
}

/** The line of a position, from 1. */
export function lineAt(text: string, position: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at >= 0 && at < position; at = text.indexOf("\n", at + 1)) line += 1;
  return line;
}
