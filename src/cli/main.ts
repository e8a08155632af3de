#!/usr/bin/env -S deno run --allow-ffi
/**
 * The `waggle` command: `waggle COMMAND ...`. Ends with status 0, 1 if something failed or nothing was found, 2 for wrong
 * arguments. On Deno it needs `--allow-ffi`; linking bitcode also `--allow-run --allow-read --allow-write`, as it runs
 * LLVM's tools.
 */
import { nearestNames, WaggleError } from "../errors.ts";
import { host, scriptArgs } from "../syscall/command_line.ts";
import { type Command, commandHelp } from "./command.ts";
import { UsageError } from "./options.ts";
import { print, printError } from "./output.ts";

/** As in deno.json. */
export const VERSION = "0.1.0";

const facts = () => import("./facts.ts");
const objects = () => import("./objects.ts");

/** Every command by name. Loaded when it is run: linking takes a third of the start-up time of everything together. */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  link: async () => (await import("./link.ts")).linkCommand,
  probes: async () => (await facts()).probes,
  features: async () => (await facts()).features,
  types: async () => (await facts()).types,
  prog: async () => (await objects()).prog,
  map: async () => (await objects()).map,
  btf: async () => (await objects()).btf,
  net: async () => (await objects()).net,
  perf: async () => (await objects()).perf,
};

async function help(): Promise<string> {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  const commands = Object.entries(COMMANDS).map(async ([name, load]) =>
    `  ${name.padEnd(width)}  ${(await load()).summary}`
  );
  return `usage: waggle COMMAND [...]\n\n${
    (await Promise.all(commands)).join("\n")
  }\n\n\`waggle COMMAND --help\` says more. Options: --help, --version.`;
}

/** Runs the command; returns the exit status. */
export async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  const wantsHelp = (arg: string | undefined): boolean => arg === "--help" || arg === "-h";
  if (name === "--version" || name === "-V") return print(`waggle ${VERSION}`), 0;
  if (wantsHelp(name) || (name === "help" && rest.length === 0)) return print(await help()), 0;
  if (name === undefined) return printError(await help()), 2;
  const [asked, words] = name === "help" ? [rest[0]!, ["--help"]] : [name, rest];
  const command = Object.hasOwn(COMMANDS, asked) ? await COMMANDS[asked]!() : undefined;
  try {
    if (command === undefined) throw unknownCommand(asked);
    const end = words.indexOf("--");
    if ((end < 0 ? words : words.slice(0, end)).some(wantsHelp)) return print(commandHelp(asked, command)), 0;
    if (words[0] === "--version") return print(`waggle ${VERSION}`), 0;
    return await command.run(words);
  } catch (error) {
    return report(asked, error);
  }
}

function unknownCommand(name: string): UsageError {
  const [nearest] = nearestNames(name, Object.keys(COMMANDS));
  return new UsageError(`Cannot run "${name}": there is no such command`, {
    hint: nearest === undefined ? "see waggle --help" : `did you mean "${nearest}"?`,
  });
}

/** Errors of waggle are for people; of anything else the stack is needed. */
function report(name: string, error: unknown): number {
  if (!(error instanceof WaggleError) && !(error instanceof TypeError && error.message.startsWith("Cannot "))) {
    throw error;
  }
  printError(`waggle ${name}: ${error.message}`);
  return error instanceof UsageError ? 2 : 1;
}

if (import.meta.main) host().setExitStatus(await main(scriptArgs()));
