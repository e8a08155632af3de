/** The parser's place in the text: the current token, looking ahead, and the ways to insist on one. */
import type { Block, Expr } from "./ast.ts";
import { Lexer, SyntaxProblem } from "./lex.ts";
import type { Token } from "./tokens.ts";
import { UNSUPPORTED, type UnsupportedKey } from "./unsupported.ts";

/** Rules that need each other: expressions hold functions, functions hold statements, patterns hold expressions. */
export interface Grammar {
  /** `{ … }`. */
  readonly body: (cursor: TokenCursor) => Block;
  /** An expression without a comma. */
  readonly assignment: (cursor: TokenCursor) => Expr;
}

export class TokenCursor {
  token: Token;
  /** End of the token before. */
  previousEnd = 0;
  readonly grammar: Grammar;
  readonly #lexer: Lexer;

  constructor(text: string, grammar: Grammar) {
    this.#lexer = new Lexer(text);
    this.grammar = grammar;
    this.token = this.#lexer.next();
  }

  /** Goes on; returns the token left behind. */
  advance(): Token {
    const left = this.token;
    this.previousEnd = left.end;
    this.token = this.#lexer.next();
    return left;
  }

  /** The text of a template after the `}` that is the current token. */
  resumeTemplate(): Token {
    const part = this.#lexer.template(this.token.start);
    this.token = part;
    return part;
  }

  is(text: string): boolean {
    return this.token.text === text && (this.token.kind === "punct" || this.token.kind === "keyword");
  }

  isName(text: string): boolean {
    return this.token.text === text && this.token.kind === "name";
  }

  eat(text: string): boolean {
    if (!this.is(text)) return false;
    this.advance();
    return true;
  }

  expect(text: string): Token {
    if (!this.is(text)) this.unexpected(`\`${text}\``);
    return this.advance();
  }

  /** An identifier's name; keywords are refused. */
  name(): Token {
    if (this.token.kind !== "name") this.unexpected("a name");
    return this.advance();
  }

  /** The end of a statement: `;`, or where one may be left out. */
  semicolon(): void {
    if (this.eat(";") || this.is("}") || this.token.kind === "end" || this.token.newline) return;
    this.unexpected("`;`");
  }

  /** What `look` sees when it goes ahead; the cursor stays. */
  peek<T>(look: () => T): T {
    const { token, previousEnd } = this;
    const { offset } = this.#lexer;
    try {
      return look();
    } finally {
      this.token = token;
      this.previousEnd = previousEnd;
      this.#lexer.offset = offset;
    }
  }

  /** Skips from an opening bracket behind the one that closes it. */
  skipBrackets(): void {
    let depth = 0;
    do {
      const { kind, text, more } = this.token;
      if (kind === "end") this.unexpected("a closing bracket");
      if (kind === "punct" && (text === "(" || text === "[" || text === "{")) depth++;
      else if (kind === "punct" && (text === ")" || text === "]" || text === "}")) depth--;
      if (kind === "template" && more) this.#skipTemplate();
      else this.advance();
    } while (depth > 0);
  }

  #skipTemplate(): void {
    let part = this.token;
    while (part.more) {
      this.advance();
      while (!this.is("}")) {
        if (this.is("(") || this.is("[") || this.is("{")) this.skipBrackets();
        else if (this.token.kind === "template" && this.token.more) this.#skipTemplate();
        else if (this.token.kind === "end") this.unexpected("`}`");
        else this.advance();
      }
      part = this.resumeTemplate();
    }
    this.advance();
  }

  unexpected(wanted: string): never {
    const { kind, text, start, end } = this.token;
    const found = kind === "end" ? "the end of the text" : kind === "string" ? JSON.stringify(text) : `\`${text}\``;
    throw new SyntaxProblem("syntax", `expected ${wanted}, found ${found}`, start, Math.max(end, start + 1));
  }

  unsupported(key: UnsupportedKey, start = this.token.start, end = this.token.end): never {
    const { text, notes } = UNSUPPORTED[key];
    throw new SyntaxProblem("unsupported", text, start, end, notes);
  }
}
