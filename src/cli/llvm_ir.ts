/** The few things that linking has to see or change in a module of textual LLVM IR. */

/** A global's name: plain, or quoted. */
const NAME = String.raw`@("(?:[^"\\]|\\.)*"|[-\w$.]+)`;

/** Functions and variables that were put into a section: programs, maps, license. */
export function exportedGlobals(text: string): string[] {
  const names: string[] = [];
  const pattern = new RegExp(String.raw`^(?:define\b[^\n]*?${NAME}\(|${NAME} = )[^\n]*\bsection "`, "gm");
  for (const [, fn, variable] of text.matchAll(pattern)) names.push((fn ?? variable)!.replace(/^"|"$/g, ""));
  return names.filter((name) => !name.startsWith("llvm."));
}

/** Without `noinline`, except where `optnone` demands it. */
export function withoutInlineNever(text: string): string {
  return text.replaceAll(
    /^(define\b|attributes #)[^\n]*$/gm,
    (line) => /\boptnone\b/.test(line) ? line : line.replaceAll(/\bnoinline /g, ""),
  );
}

/** Without inline assembly of Rust's stack probes, which are of the host's machine. */
export function withoutStackProbe(text: string): string {
  const lines = text.split("\n");
  const assembly = lines.filter((line) => line.startsWith("module asm "));
  if (!assembly.some((line) => line.includes("__rust_probestack"))) return text;
  return lines.filter((line) => !line.startsWith("module asm ")).join("\n");
}
