/**
 * The tokeniser: one token at a time, on demand, since only the parser knows whether a `}` closes a block or a
 * template's expression. Takes text and an offset, returns tokens with their offsets; throws `SyntaxProblem`.
 * Follows https://tc39.es/ecma262/#sec-ecmascript-language-lexical-grammar for what engines and bundlers print.
 */
import { KEYWORDS, type Punctuator, PUNCTUATORS, type Token, type TokenKind } from "./tokens.ts";

/** Text that is not in the accepted subset. `start` and `end` are offsets into the text. */
export class SyntaxProblem extends Error {
  readonly code: string;
  readonly start: number;
  readonly end: number;
  readonly notes: readonly string[];

  constructor(code: string, text: string, start: number, end: number, notes: readonly string[] = []) {
    super(text);
    this.code = code;
    this.start = start;
    this.end = end;
    this.notes = notes;
  }
}

/** Punctuators by first character, longest first. */
const BY_FIRST: ReadonlyMap<string, readonly Punctuator[]> = (() => {
  const map = new Map<string, Punctuator[]>();
  for (const row of PUNCTUATORS) {
    const list = map.get(row.text[0]!) ?? [];
    list.push(row);
    map.set(row.text[0]!, list);
  }
  for (const list of map.values()) list.sort((a, b) => b.text.length - a.text.length);
  return map;
})();

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  b: "\b",
  f: "\f",
  v: "\v",
  "0": "\0",
  "\n": "",
  "\u2028": "",
  "\u2029": "",
};

function isNameStart(c: number): boolean {
  return (c >= 97 && c <= 122) || (c >= 65 && c <= 90) || c === 36 || c === 95 || c > 127;
}

function isDigit(c: number): boolean {
  return c >= 48 && c <= 57;
}

export class Lexer {
  readonly text: string;
  offset: number;

  constructor(text: string, offset = 0) {
    this.text = text;
    this.offset = offset;
  }

  /** The next token; `end` at the end of the text. */
  next(): Token {
    const newline = this.#skipSpace();
    const start = this.offset;
    const code = this.text.charCodeAt(start);
    if (start >= this.text.length) return this.#token("end", "", start, newline);
    if (isNameStart(code) || code === 92) return this.#name(start, newline);
    if (isDigit(code) || (code === 46 && isDigit(this.text.charCodeAt(start + 1)))) return this.#number(start, newline);
    if (code === 34 || code === 39) return this.#string(start, code, newline);
    if (code === 96) return this.template(start, newline);
    return this.#punctuator(start, newline);
  }

  /** A template's text from `start`, which holds the opening backquote or the `}` of an expression before. */
  template(start: number, newline = false): Token {
    let value = "";
    let i = start + 1;
    for (; i < this.text.length; i++) {
      const c = this.text[i]!;
      if (c === "`" || (c === "$" && this.text[i + 1] === "{")) {
        const more = c === "$";
        this.offset = i + (more ? 2 : 1);
        return { kind: "template", text: value, start, end: this.offset, newline, more };
      }
      if (c === "\\") {
        const escape = this.#escape(i);
        value += escape.text;
        i = escape.end - 1;
      } else if (c === "\r") {
        if (this.text[i + 1] !== "\n") value += "\n";
      } else value += c;
    }
    throw new SyntaxProblem("syntax", "the template literal is not closed", start, this.text.length);
  }

  #token(kind: TokenKind, text: string, start: number, newline: boolean): Token {
    return { kind, text, start, end: this.offset, newline, more: false };
  }

  /** Skips white space and comments; true if there was a line break. */
  #skipSpace(): boolean {
    let newline = false;
    const text = this.text;
    for (;;) {
      const c = text.charCodeAt(this.offset);
      if (c === 10 || c === 13 || c === 0x2028 || c === 0x2029) {
        newline = true;
        this.offset++;
      } else if (c === 32 || c === 9 || c === 11 || c === 12 || c === 0xa0 || c === 0xfeff) this.offset++;
      else if (c === 47 && text[this.offset + 1] === "/") {
        while (this.offset < text.length && text[this.offset] !== "\n") this.offset++;
      } else if (c === 47 && text[this.offset + 1] === "*") {
        const close = text.indexOf("*/", this.offset + 2);
        const end = close < 0 ? text.length : close + 2;
        if (text.slice(this.offset, end).includes("\n")) newline = true;
        this.offset = end;
      } else return newline;
    }
  }

  #name(start: number, newline: boolean): Token {
    let i = start;
    let escaped: string | undefined;
    for (;;) {
      const c = this.text.charCodeAt(i);
      if (c === 92) {
        const escape = this.#escape(i);
        escaped = (escaped ?? this.text.slice(start, i)) + escape.text;
        i = escape.end;
      } else if (isNameStart(c) || isDigit(c)) {
        if (escaped !== undefined) escaped += this.text[i];
        i++;
      } else break;
    }
    this.offset = i;
    const name = escaped ?? this.text.slice(start, i);
    return this.#token(KEYWORDS.has(name) ? "keyword" : "name", name, start, newline);
  }

  #number(start: number, newline: boolean): Token {
    const match =
      /0[xX][\da-fA-F_]+n?|0[oO][0-7_]+n?|0[bB][01_]+n?|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?n?/y;
    match.lastIndex = start;
    const found = match.exec(this.text)![0];
    this.offset = start + found.length;
    if (isNameStart(this.text.charCodeAt(this.offset))) {
      throw new SyntaxProblem("syntax", "a name follows the number without a space", start, this.offset + 1);
    }
    const digits = found.replaceAll("_", "");
    return digits.endsWith("n")
      ? this.#token("bigint", digits.slice(0, -1), start, newline)
      : this.#token("number", digits, start, newline);
  }

  #string(start: number, quote: number, newline: boolean): Token {
    let value = "";
    let i = start + 1;
    for (; i < this.text.length; i++) {
      const c = this.text.charCodeAt(i);
      if (c === quote) {
        this.offset = i + 1;
        return this.#token("string", value, start, newline);
      }
      if (c === 10) break;
      if (c === 92) {
        const escape = this.#escape(i);
        value += escape.text;
        i = escape.end - 1;
      } else value += this.text[i];
    }
    throw new SyntaxProblem("syntax", "the string is not closed", start, i);
  }

  /** The escape sequence whose backslash stands at `at`. */
  #escape(at: number): { text: string; end: number } {
    const c = this.text[at + 1] ?? "";
    const hex = c === "x" ? /^[\da-fA-F]{2}/ : c === "u" ? /^(?:[\da-fA-F]{4}|\{[\da-fA-F]{1,6}\})/ : undefined;
    if (hex !== undefined) {
      const digits = hex.exec(this.text.slice(at + 2, at + 10))?.[0];
      const code = digits === undefined ? NaN : parseInt(digits.replace(/[{}]/g, ""), 16);
      if (!(code <= 0x10ffff)) throw new SyntaxProblem("syntax", "the escape sequence is not complete", at, at + 2);
      return { text: String.fromCodePoint(code), end: at + 2 + digits!.length };
    }
    if (c === "\r" && this.text[at + 2] === "\n") return { text: "", end: at + 3 };
    return { text: SIMPLE_ESCAPES[c] ?? c, end: at + 2 };
  }

  #punctuator(start: number, newline: boolean): Token {
    const rows = BY_FIRST.get(this.text[start]!);
    for (const { text } of rows ?? []) {
      if (!this.text.startsWith(text, start)) continue;
      // `a?.5:b` is a conditional with a fraction, not optional chaining.
      if (text === "?." && isDigit(this.text.charCodeAt(start + 2))) continue;
      this.offset = start + text.length;
      return this.#token("punct", text, start, newline);
    }
    this.offset = start + 1;
    throw new SyntaxProblem(
      "syntax",
      `the character ${JSON.stringify(this.text[start])} is not expected here`,
      start,
      start + 1,
    );
  }
}
