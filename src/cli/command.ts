/** What a command of `waggle` is, and the words that name an object of the system. */
import type { ObjectRef } from "../../mod.ts";
import { optionsHelp, type OptionTable, UsageError } from "./options.ts";

/** A command. */
export interface Command {
  /** One line for the list of commands. */
  readonly summary: string;
  /** What follows the command's name: `PATTERN [options]`; several lines for several forms. */
  readonly usage: string;
  /** More for `--help`. */
  readonly help?: string;
  readonly options: OptionTable;
  /** Runs it; returns the exit status. */
  readonly run: (args: readonly string[]) => number | Promise<number>;
}

/** The help of one command. */
export function commandHelp(name: string, command: Command): string {
  const usage = command.usage.split("\n").map((form, i) => `${i === 0 ? "usage: " : "       "}waggle ${name} ${form}`);
  const parts = [usage.join("\n"), command.summary];
  if (command.help !== undefined) parts.push(command.help);
  if (Object.keys(command.options).length > 0) parts.push(`options:\n${optionsHelp(command.options)}`);
  return parts.join("\n\n");
}

/** Options that most commands have. */
export const COMMON = {
  json: { also: ["-j"], doc: "print JSON" },
} as const satisfies OptionTable;

/**
 * Reads `ID`, `NAME`, `PATH`, or bpftool's `id ID`, `name NAME`, `pinned PATH`. A word with a slash is a path. Throws
 * `UsageError`.
 */
export function objectRef(words: readonly string[], what: string): ObjectRef {
  const [first, second, ...rest] = words;
  if (first === undefined) throw new UsageError(`Cannot choose a ${what}: give its id, name or pin`);
  if (second === undefined) {
    if (/^\d+$/.test(first)) return { id: Number(first) };
    return first.includes("/") ? { path: first } : { name: first };
  }
  if (rest.length > 0) throw new UsageError(`Cannot choose a ${what}: ${words.join(" ")} is more than one`);
  if (first === "id" && /^\d+$/.test(second)) return { id: Number(second) };
  if (first === "name") return { name: second };
  if (first === "pinned") return { path: second };
  throw new UsageError(`Cannot choose a ${what}: give id ID, name NAME or pinned PATH, not ${first} ${second}`);
}

/** Splits off the subcommand. Throws `UsageError` if it is none of `known`. */
export function subcommand<S extends string>(words: readonly string[], known: readonly S[]): [S, string[]] {
  const [word, ...rest] = words;
  const found = known.find((name) => name === word);
  if (found === undefined) {
    const given = word === undefined ? "nothing" : `"${word}"`;
    throw new UsageError(`Cannot run ${given}: expected ${known.join(", ")}`);
  }
  return [found, rest];
}
