/**
 * The token table. Punctuators are matched longest first; `precedence` makes a binary operator of one, as in
 * https://tc39.es/ecma262/#sec-exp-operator (a higher number binds tighter); `assign` marks assignment operators.
 */

export interface Punctuator {
  readonly text: string;
  /** Binary operators only. */
  readonly precedence?: number;
  readonly assign?: true;
}

export const PUNCTUATORS: readonly Punctuator[] = [
  { text: "{" },
  { text: "}" },
  { text: "(" },
  { text: ")" },
  { text: "[" },
  { text: "]" },
  { text: ";" },
  { text: "," },
  { text: ":" },
  { text: "." },
  { text: "..." },
  { text: "?" },
  { text: "?." },
  { text: "=>" },
  { text: "!" },
  { text: "~" },
  { text: "++" },
  { text: "--" },
  { text: "#" },
  { text: "@" },
  { text: "??", precedence: 1 },
  { text: "||", precedence: 2 },
  { text: "&&", precedence: 3 },
  { text: "|", precedence: 4 },
  { text: "^", precedence: 5 },
  { text: "&", precedence: 6 },
  { text: "==", precedence: 7 },
  { text: "!=", precedence: 7 },
  { text: "===", precedence: 7 },
  { text: "!==", precedence: 7 },
  { text: "<", precedence: 8 },
  { text: ">", precedence: 8 },
  { text: "<=", precedence: 8 },
  { text: ">=", precedence: 8 },
  { text: "<<", precedence: 9 },
  { text: ">>", precedence: 9 },
  { text: ">>>", precedence: 9 },
  { text: "+", precedence: 10 },
  { text: "-", precedence: 10 },
  { text: "*", precedence: 11 },
  { text: "/", precedence: 11 },
  { text: "%", precedence: 11 },
  { text: "**", precedence: 12 },
  { text: "=", assign: true },
  { text: "+=", assign: true },
  { text: "-=", assign: true },
  { text: "*=", assign: true },
  { text: "/=", assign: true },
  { text: "%=", assign: true },
  { text: "**=", assign: true },
  { text: "&=", assign: true },
  { text: "|=", assign: true },
  { text: "^=", assign: true },
  { text: "<<=", assign: true },
  { text: ">>=", assign: true },
  { text: ">>>=", assign: true },
  { text: "&&=", assign: true },
  { text: "||=", assign: true },
  { text: "??=", assign: true },
];

/** Words that cannot name a variable. `let`, `of`, `async`, `get`, `using` can, and are told apart by what follows. */
export const KEYWORDS: ReadonlySet<string> = new Set([
  "break",
  "case",
  "catch",
  "class",
  "const",
  "continue",
  "debugger",
  "default",
  "delete",
  "do",
  "else",
  "enum",
  "export",
  "extends",
  "false",
  "finally",
  "for",
  "function",
  "if",
  "import",
  "in",
  "instanceof",
  "new",
  "null",
  "return",
  "super",
  "switch",
  "this",
  "throw",
  "true",
  "try",
  "typeof",
  "var",
  "void",
  "while",
  "with",
  "yield",
]);

export type TokenKind = "end" | "name" | "keyword" | "number" | "bigint" | "string" | "template" | "punct";

export interface Token {
  kind: TokenKind;
  /** The token's text; of strings and templates the decoded value. */
  text: string;
  start: number;
  end: number;
  /** A line break stands between the token before and this one. */
  newline: boolean;
  /** Templates: `${` follows, not the closing backquote. */
  more: boolean;
}
