/**
 * What the compiler has to say: collects diagnostics of all functions of one run and turns them into one
 * `CompileError`, with the source line and a caret under each.
 */
import { CompileError, type Diagnostic, nearestNames, type SourceLocation } from "../errors.ts";

/** Stops the expression being compiled; the diagnostic has been recorded. */
export class Abandon extends Error {}

/** Diagnostics of one compilation. */
export class Diagnostics {
  readonly errors: Diagnostic[] = [];
  readonly warnings: Diagnostic[] = [];
  /** The same place and code twice is one mistake seen by two passes. */
  readonly #seen = new Set<string>();

  error(code: string, text: string, loc: SourceLocation | undefined, notes: readonly string[] = []): void {
    this.#add(this.errors, { code, text, loc, notes });
  }

  warning(code: string, text: string, loc: SourceLocation | undefined, notes: readonly string[] = []): void {
    this.#add(this.warnings, { code, text, loc, notes });
  }

  /** Throws `CompileError` if there is an error. */
  check(name: string): void {
    if (this.errors.length === 0) return;
    const count = this.errors.length === 1 ? "" : ` (${this.errors.length} errors)`;
    const text = this.errors.map(formatDiagnostic).join("\n\n");
    throw new CompileError(`Cannot compile "${name}"${count}:\n\n${text}`, { diagnostics: this.errors });
  }

  /** A state to come back to. */
  mark(): { errors: number; warnings: number } {
    return { errors: this.errors.length, warnings: this.warnings.length };
  }

  /** Forgets what was said since `mark`: the function is lowered again with better knowledge. */
  rollback(mark: { errors: number; warnings: number }): void {
    for (const gone of [...this.errors.splice(mark.errors), ...this.warnings.splice(mark.warnings)]) {
      this.#seen.delete(identity(gone));
    }
  }

  #add(list: Diagnostic[], diagnostic: Diagnostic): void {
    const id = identity(diagnostic);
    if (this.#seen.has(id)) return;
    this.#seen.add(id);
    list.push(diagnostic);
  }
}

function identity({ code, text, loc }: Diagnostic): string {
  return `${code}|${loc?.file}|${loc?.line}|${loc?.column}|${text}`;
}

/** `file:line:column`, the message, the source line with carets, the notes. */
export function formatDiagnostic({ code, text, loc, notes }: Diagnostic): string {
  const lines: string[] = [];
  if (loc === undefined) lines.push(`error ${code}: ${text}`);
  else {
    const number = String(loc.line);
    const gutter = " ".repeat(number.length);
    const { text: line, column, length } = excerpt(loc);
    const before = line.slice(0, column).replace(/[^\t]/g, " ");
    lines.push(`${loc.file}:${loc.line}:${loc.column}: error ${code}: ${text}`);
    lines.push(`  ${number} | ${line}`, `  ${gutter} | ${before}${"^".repeat(length)}`);
  }
  for (const note of notes) lines.push(`  note: ${note}`);
  return lines.join("\n");
}

/** Minified code is one long line: shows the part around the mistake. `column` counts from 0 in the excerpt. */
function excerpt({ lineText, column, length }: SourceLocation): { text: string; column: number; length: number } {
  const width = 140;
  if (lineText.length <= width) return { text: lineText, column: column - 1, length: Math.max(1, length) };
  const from = Math.max(0, column - 1 - 50);
  const to = Math.min(lineText.length, from + width);
  const [head, tail] = [from > 0 ? "…" : "", to < lineText.length ? "…" : ""];
  return {
    text: head + lineText.slice(from, to) + tail,
    column: column - 1 - from + head.length,
    length: Math.max(1, Math.min(length, to - column + 1)),
  };
}

/** `did you mean …?` as a note; none if nothing is near. */
export function didYouMean(wanted: string, known: Iterable<string>): string[] {
  const nearest = nearestNames(wanted, new Set(known));
  return nearest.length === 0 ? [] : [`did you mean ${nearest.map((name) => `\`${name}\``).join(" or ")}?`];
}
