/**
 * Makes globals local that nobody outside asks for. The verifier then checks such functions where they are called, with
 * what is known there, instead of alone and for all arguments. Programs, maps, license and struct_ops stay global, since
 * loaders find them by name.
 */
import { STB_LOCAL } from "../abi/elf.ts";
import { isProgramSection, isReserved } from "./link_gc.ts";
import type { Linked } from "./link_merge.ts";

/** Makes local what is defined, not in `keep` and not looked up by loaders. */
export function internalize(linked: Linked, keep: ReadonlySet<string>): void {
  for (const symbol of linked.globals.values()) {
    const { section } = symbol;
    if (symbol.extern || section === undefined || keep.has(symbol.name)) continue;
    if (isProgramSection(section) || isReserved(section) || section.name === ".maps") continue;
    symbol.bind = STB_LOCAL;
    symbol.visibility = 0;
    symbol.weak = false;
    linked.btf.setLinkage(symbol, "static");
  }
}
