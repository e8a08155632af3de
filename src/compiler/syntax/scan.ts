/** All tokens of a text at once, without a parser: for text that may hold types, JSX or anything else between. */
import { Lexer, SyntaxProblem } from "./lex.ts";
import type { Token } from "./tokens.ts";

/** Tokens from `offset`; `wanted` says after each one whether to go on. Characters that start no token are skipped. */
export function scanTokens(text: string, offset: number, wanted: (token: Token, depth: number) => boolean): Token[] {
  const lexer = new Lexer(text, offset);
  const tokens: Token[] = [];
  /** For each open template expression, the brackets open inside it. */
  const templates: number[] = [];
  let depth = 0;
  for (;;) {
    let token = nextToken(lexer);
    if (token.kind === "end") return tokens;
    if (token.kind === "punct") {
      if (token.text === "}" && templates.at(-1) === depth) {
        templates.pop();
        token = templateOr(lexer, token);
      } else if ("([{".includes(token.text)) depth++;
      else if (")]}".includes(token.text)) depth--;
    }
    if (token.kind === "template" && token.more) templates.push(depth);
    tokens.push(token);
    if (!wanted(token, depth)) return tokens;
  }
}

function nextToken(lexer: Lexer): Token {
  for (;;) {
    const before = lexer.offset;
    try {
      return lexer.next();
    } catch (error) {
      if (!(error instanceof SyntaxProblem)) throw error;
      // An apostrophe in a regular expression or in JSX: one character further it may make sense again.
      lexer.offset = Math.max(before + 1, error.start + 1);
    }
  }
}

function templateOr(lexer: Lexer, brace: Token): Token {
  try {
    return lexer.template(brace.start);
  } catch (error) {
    if (!(error instanceof SyntaxProblem)) throw error;
    lexer.offset = brace.end;
    return brace;
  }
}
