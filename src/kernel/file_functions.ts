/**
 * Functions of a program or library by name or pattern, also where the file was stripped and its symbols are in a
 * separate debug file, or in one within it.
 */
import { NotFoundError } from "../errors.ts";
import type { ElfFile } from "../object/elf.ts";
import { embeddedDebugFile, findDebugFile } from "./debug_file.ts";
import { findFunction, type FunctionPlace, matchFunctions, withElf } from "./elf_symbols.ts";

/** Where a function starts, from the start of the file. Throws `NotFoundError`. */
export function functionOffset(path: string, symbol: string): number {
  return withElf(path, (elf) => {
    try {
      return findFunction(elf, symbol).offset;
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
      const found = inDebugFile(path, elf, (debug) => findFunction(debug, symbol, elf).offset);
      if (found === undefined) throw error;
      return found;
    }
  });
}

/** The functions whose name matches, each once per place. `pattern` has `*` and `?`. Throws `NotFoundError`. */
export function matchingFunctions(path: string, pattern: RegExp, text: string): FunctionPlace[] {
  return withElf(path, (elf) => {
    const own = matchFunctions(elf, pattern);
    const more = inDebugFile(path, elf, (debug) => matchFunctions(debug, pattern, elf)) ?? [];
    const places = new Map([...own, ...more].map((place) => [place.offset, place]));
    if (places.size === 0) throw new NotFoundError("function", text, [], { where: `"${path}"` });
    return [...places.values()];
  });
}

/** Undefined where there is no debug file. A file with a symbol table of its own needs none. */
function inDebugFile<T>(path: string, elf: ElfFile, use: (debug: ElfFile) => T): T | undefined {
  if (elf.symbols.count > 1) return undefined;
  const file = findDebugFile(path, elf);
  if (file !== undefined) return withElf(file, use);
  const embedded = embeddedDebugFile(path, elf);
  return embedded === undefined ? undefined : use(embedded);
}
