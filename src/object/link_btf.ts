/**
 * The BTF of a linked object: types of all inputs one after the other, one VAR or FUNC for each global, DATASECs made
 * anew, `.BTF.ext` carried over. Duplicates stay until the end, where deduplication takes them all at once.
 */
import type { Btf } from "../btf/btf.ts";
import { DedupGraph } from "../btf/dedup_graph.ts";
import { BTF_KIND, BTF_MAX_VLEN } from "../btf/kinds.ts";
import type { BtfFuncLinkage, BtfType } from "../btf/types.ts";
import { LinkExt } from "./link_ext.ts";
import { mapsDiffer, typesDiffer } from "./link_match.ts";
import type { Linked } from "./link_merge.ts";
import type { InputObject, InputSection, LinkedSection, LinkedSymbol, LinkedVar } from "./link_model.ts";
import { LinkError } from "./link_model.ts";

/** Where the VAR or FUNC of a global came from. */
interface Origin {
  btf: Btf;
  id: number;
}

export class LinkBtf {
  readonly types: DedupGraph;
  readonly ext = new LinkExt();
  /** Whether any input had BTF, and `.BTF.ext`. */
  present = false;
  extPresent = false;
  readonly #origins = new Map<LinkedSymbol, Origin>();
  /** Room for the names of one input. */
  #known = new Uint32Array(0);

  /** `expected` is how many bytes of BTF will come. */
  constructor(expected: number) {
    this.types = new DedupGraph(expected);
  }

  /** The section of BTF in which an object declares an extern: `.ksyms`, `.kconfig`; none for plain externs. */
  declaringSection(object: InputObject, name: string, linked: Linked): LinkedSection | undefined {
    const { btf } = object;
    if (btf === undefined) return undefined;
    const declares = (section: InputSection | undefined): boolean =>
      section !== undefined && section.vars.some((v) => btf.nameOf(v.type) === name);
    const section = object.ephemeral.find(declares) ?? object.sections.find(declares);
    return section === undefined ? undefined : linked.section(section.name);
  }

  /** Throws `LinkError` unless what an object says about a global, which it defines or not, fits what is known. */
  check(object: InputObject, name: string, known: LinkedSymbol, extern: boolean): void {
    const id = object.globalByName.get(name);
    const origin = this.#origins.get(known);
    if (id === undefined && origin === undefined) return; // There is nothing to compare.
    // Rust has no types for what it declares extern, and rustc's `symbols.o` none for what it asks for: there is nothing
    // to compare, and the definition brings the type. libbpf refuses that.
    if ((id === undefined && extern) || (origin === undefined && known.extern)) return;
    if (id === undefined || origin === undefined || object.btf === undefined) {
      throw new LinkError(object.name, `"${name}" is in "${known.owner?.name}" too, and one of them has no BTF`, {
        subject: name,
      });
    }
    const isMap = (known.section ?? known.declaredIn)?.name === ".maps";
    const problem = isMap && origin.btf.kindOf(origin.id) === object.btf.kindOf(id)
      ? mapsDiffer(origin.btf, variableType(origin.btf, origin.id), object.btf, variableType(object.btf, id))
      : typesDiffer(origin.btf, origin.id, object.btf, id);
    if (problem === undefined) return;
    throw new LinkError(object.name, `"${name}" has another type than in "${known.owner?.name}": ${problem}`, {
      subject: name,
    });
  }

  /** The definition that won is still to come: its type replaces that of the extern or weak one. */
  redefine(symbol: LinkedSymbol): void {
    this.#origins.delete(symbol);
  }

  /** Appends the types and records of an object whose symbols are linked. */
  add(object: InputObject, linked: Linked): void {
    const { btf, ext } = object;
    if (btf === undefined) return;
    this.present = true;
    const shift = this.types.typeCount - btf.firstId;
    const { length } = btf.strings.bytes;
    if (this.#known.length < length) this.#known = new Uint32Array(length * 2);
    else this.#known.fill(0, 0, length);
    const names = this.types.append(btf, { known: this.#known });
    for (const id of object.symbolic) this.#place(btf, id, id + shift, linked);
    for (const section of object.sections) {
      if (section !== undefined) this.#addVars(object, btf, section, shift, linked);
    }
    for (const section of object.ephemeral) this.#addVars(object, btf, section, shift, linked);
    if (ext === undefined) return;
    this.extPresent = true;
    this.ext.add(object, shift, names);
  }

  /** Functions, variables and tags: one for each global. DATASECs are made anew. `own` is the new id. */
  #place(btf: Btf, id: number, own: number, linked: Linked): void {
    const kind = this.types.kind(own);
    if (kind === BTF_KIND.DATASEC) this.types.drop(own);
    if (kind !== BTF_KIND.VAR && kind !== BTF_KIND.FUNC && kind !== BTF_KIND.DECL_TAG) return;
    // Static ones, which most are, belong to no symbol.
    if (kind === BTF_KIND.FUNC && (this.types.word(own, 1) & BTF_MAX_VLEN) === 0) return;
    if (kind === BTF_KIND.VAR && this.types.word(own, 3) === 0) return;
    const type = btf.type(id);
    if (isDropped(type, linked) || (type.kind === "DECL_TAG" && isDropped(btf.type(type.type), linked))) {
      this.types.drop(own);
    }
    const symbol = globalSymbol(type, linked);
    if (symbol === undefined) return;
    if (symbol.btfId === 0) symbol.btfId = own;
    else this.types.join(own, symbol.btfId);
    // A global's VAR or FUNC is that of its definition, or of its first mention while there is none.
    if (this.#origins.has(symbol)) return;
    this.#origins.set(symbol, { btf, id });
    if (symbol.btfId !== own && this.types.kind(symbol.btfId) === kind) this.types.replace(symbol.btfId, own);
  }

  #addVars(object: InputObject, btf: Btf, section: InputSection, shift: number, linked: Linked): void {
    const out = section.out;
    if (out === undefined || section.datasec === 0) return;
    out.hasBtf = true;
    for (const info of section.vars) {
      const symbol = globalSymbol(btf.type(info.type), linked);
      if (symbol === undefined) {
        const type = info.type + shift;
        if (this.types.kind(type) === 0) continue;
        out.vars.push({ type, offset: section.outOffset + info.offset, size: info.size, symbol });
        continue;
      }
      const home = symbol.section ?? symbol.declaredIn;
      if (home !== out) {
        throw new LinkError(
          object.name,
          `"${symbol.name}" is in section "${out.name}" here and in "${home?.name ?? "none"}" elsewhere`,
          {
            subject: symbol.name,
          },
        );
      }
      this.#placeGlobal(object, out, symbol, info.size);
    }
  }

  /** One entry for each global, with the place and the size that its definition gives it. */
  #placeGlobal(object: InputObject, out: LinkedSection, symbol: LinkedSymbol, size: number): void {
    const known = out.vars.find((v) => v.symbol === symbol);
    if (known === undefined) out.vars.push({ type: symbol.btfId, offset: symbol.value, size, symbol });
    else if (symbol.owner === object) Object.assign(known, { offset: symbol.value, size });
  }

  /** Adds the DATASECs: one for each section that BTF describes, and `.extern` for what nobody defined. */
  finish(sections: readonly LinkedSection[], symbols: readonly LinkedSymbol[]): void {
    for (const section of sections) {
      if (section.hasBtf) this.#addDatasec(section.name, section.size, section.vars);
    }
    const open = symbols.filter((s) =>
      s.extern && s.declaredIn === undefined && s.btfId !== 0 && this.#kind(s.btfId) === BTF_KIND.VAR
    );
    if (open.length > 0) this.#addDatasec(".extern", 0, open.map((s) => ({ type: s.btfId, offset: 0, size: 0 })));
  }

  #addDatasec(name: string, size: number, vars: readonly Pick<LinkedVar, "type" | "offset" | "size">[]): void {
    const sorted = [...vars].sort((a, b) => a.offset - b.offset);
    const info = (BTF_KIND.DATASEC << 24) | sorted.length;
    this.types.add([this.types.names.addText(name), info, size, ...sorted.flatMap((v) => [v.type, v.offset, v.size])]);
  }

  #kind(id: number): number {
    return this.types.kind(id);
  }

  /** Functions that only a tag names: `__exception_cb(name)` on a program. */
  taggedFunctions(objects: readonly InputObject[]): string[] {
    const prefix = "exception_callback:";
    const tags = objects.flatMap(({ btf }) =>
      btf === undefined ? [] : Array.from(btf.ids("DECL_TAG"), (id) => btf.nameOf(id))
    );
    return tags.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  }

  /** Gives the FUNC or VAR of a symbol another linkage. */
  setLinkage(symbol: LinkedSymbol, linkage: BtfFuncLinkage): void {
    const number = { static: 0, global: 1, extern: 2 }[linkage];
    const kind = symbol.btfId === 0 ? 0 : this.#kind(symbol.btfId);
    if (kind === BTF_KIND.FUNC) this.types.setWord(symbol.btfId, 1, (BTF_KIND.FUNC << 24) | number);
    else if (kind === BTF_KIND.VAR) this.types.setWord(symbol.btfId, 3, number);
  }
}

function isGlobal(type: BtfType): boolean {
  return (type.kind === "VAR" || type.kind === "FUNC") && type.linkage !== "static";
}

function globalSymbol(type: BtfType, linked: Linked): LinkedSymbol | undefined {
  return isGlobal(type) ? linked.globals.get(type.name) : undefined;
}

/** A variable without symbol: that of a license or version that an earlier input brought. */
function isDropped(type: BtfType, linked: Linked): boolean {
  return type.kind === "VAR" && isGlobal(type) && !linked.globals.has(type.name);
}

function variableType(btf: Btf, id: number): number {
  const type = btf.type(id);
  return type.kind === "VAR" || type.kind === "FUNC" ? type.type : id;
}
