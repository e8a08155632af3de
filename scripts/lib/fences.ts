/** Code fences: in Markdown, and in the @example blocks of doc comments. */
import { lineAt } from "./source.ts";

/** One fenced block of TypeScript or JavaScript. */
export interface Fence {
  /** Words after the language: `ignore`, `run`. */
  readonly words: readonly string[];
  readonly code: string;
  readonly line: number;
}

const MARKDOWN_FENCE = /^```(ts|typescript|js|javascript)\b([^\n]*)\n([^]*?)^```/gm;
const COMMENT_FENCE = /^[ \t]*\*[ \t]*```(ts|typescript|js|javascript)\b([^\n]*)\n([^]*?)^[ \t]*\*[ \t]*```/gm;

/** The fences of a Markdown file, or of the comments of a source file. */
export function fencesOf(file: string, text: string): Fence[] {
  const inComment = !file.endsWith(".md");
  return [...text.matchAll(inComment ? COMMENT_FENCE : MARKDOWN_FENCE)].map((match) => ({
    words: (match[2] ?? "").trim().split(/\s+/).filter((word) => word !== ""),
    code: inComment ? (match[3] ?? "").replace(/^[ \t]*\* ?/gm, "") : match[3] ?? "",
    line: lineAt(text, match.index),
  }));
}
