/**
 * Command line options from a table: `--name value`, `--name=value`, `-o value`, `-ovalue`, `--` ends them. The table
 * gives the parser, the types of what it returns, and the help.
 */
import { nearestNames, WaggleError } from "../errors.ts";

/** One option. */
export interface OptionDef {
  /** Other spellings, with their dashes: `-o`, `-flavor`. */
  readonly also?: readonly string[];
  /** What its value is called in the help; without it the option is a flag. */
  readonly value?: string;
  /** Allowed values. */
  readonly oneOf?: readonly string[];
  /** May be given often, and each value may be a list with commas. */
  readonly list?: boolean;
  readonly doc: string;
}

/** Option names without dashes. */
export type OptionTable = Readonly<Record<string, OptionDef>>;

/** What an option is when parsed: a boolean, a list, or the last value given. */
type OptionValue<D extends OptionDef> = D extends { readonly value: string }
  ? (D extends { readonly list: true } ? string[] : string | undefined)
  : boolean;

/** Parsed arguments. */
export interface Parsed<T extends OptionTable> {
  readonly options: { -readonly [N in keyof T]: OptionValue<T[N]> };
  readonly positional: string[];
  /** The flags that were on when each positional argument came: for flags that hold for what follows. */
  readonly flagsAt: ReadonlySet<string>[];
}

/** Wrong arguments; the command ends with status 2. */
export class UsageError extends WaggleError {
  override readonly name: string = "UsageError";
}

/** Parses arguments. Throws `UsageError`. */
export function parseOptions<T extends OptionTable>(table: T, args: readonly string[]): Parsed<T> {
  const values: Record<string, boolean | string | string[] | undefined> = {};
  for (const [name, def] of Object.entries(table)) {
    values[name] = def.value === undefined ? false : def.list ? [] : undefined;
  }
  const positional: string[] = [];
  const flagsAt: ReadonlySet<string>[] = [];
  const flags = new Set<string>();
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === "--") {
      for (const rest of args.slice(i + 1)) positional.push(rest), flagsAt.push(new Set(flags));
      break;
    }
    if (!arg.startsWith("-") || arg === "-") {
      positional.push(arg);
      flagsAt.push(new Set(flags));
      continue;
    }
    const { name, def, inline, off } = findOption(table, arg);
    if (def.value === undefined) {
      if (inline !== undefined) throw new UsageError(`Cannot use ${arg}: the option takes no value`);
      values[name] = !off;
      off ? flags.delete(name) : flags.add(name);
      continue;
    }
    const value = inline ?? args[++i];
    if (value === undefined) throw new UsageError(`Cannot use ${arg}: it needs ${def.value}`);
    addValue(values, name, def, value);
  }
  return { options: values as Parsed<T>["options"], positional, flagsAt };
}

function addValue(values: Record<string, unknown>, name: string, def: OptionDef, value: string): void {
  const parts = def.list ? value.split(",").filter((part) => part !== "") : [value];
  for (const part of parts) {
    if (def.oneOf !== undefined && !def.oneOf.includes(part)) {
      throw new UsageError(`Cannot use --${name} ${part}: it takes ${def.oneOf.join(", ")}`);
    }
  }
  if (def.list) (values[name] as string[]).push(...parts);
  else values[name] = value;
}

interface Found {
  name: string;
  def: OptionDef;
  inline: string | undefined;
  /** `--no-name`. */
  off: boolean;
}

function findOption(table: OptionTable, arg: string): Found {
  const equals = arg.indexOf("=");
  const spelling = equals < 0 ? arg : arg.slice(0, equals);
  const inline = equals < 0 ? undefined : arg.slice(equals + 1);
  for (const [name, def] of Object.entries(table)) {
    if (spelling === `--${name}` || def.also?.includes(spelling)) return { name, def, inline, off: false };
    if (def.value === undefined && spelling === `--no-${name}`) return { name, def, inline, off: true };
    // -O2, -Ldir: the value follows a single letter at once.
    const short = def.value === undefined ? undefined : def.also?.find((s) => s.length === 2 && arg.startsWith(s));
    if (short !== undefined && arg.length > 2) return { name, def, inline: arg.slice(2), off: false };
  }
  const known = Object.keys(table).map((name) => `--${name}`);
  const [nearest] = nearestNames(spelling, known);
  throw new UsageError(`Cannot use ${arg}: there is no such option`, {
    hint: nearest === undefined ? "see --help" : `did you mean ${nearest}?`,
  });
}

/** The options, one a line. */
export function optionsHelp(table: OptionTable): string {
  const rows = Object.entries(table).map(([name, def]) => {
    const spellings = [...(def.also ?? []).filter((s) => s.length === 2), `--${name}`].join(", ");
    return [`  ${spellings}${def.value === undefined ? "" : ` ${def.value}`}`, def.doc] as const;
  });
  const width = Math.min(30, Math.max(0, ...rows.map(([left]) => left.length)));
  return rows.map(([left, doc]) => {
    const text = doc.replaceAll("\n", `\n${" ".repeat(width + 2)}`);
    return left.length > width ? `${left}\n${" ".repeat(width + 2)}${text}` : `${left.padEnd(width)}  ${text}`;
  }).join("\n");
}
