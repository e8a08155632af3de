/**
 * Whether two mentions of one global have compatible types in BTF: an extern and its definition, two weak definitions.
 * Values must agree down to their members, what is behind a pointer by name only. Map definitions must be the same in
 * every attribute. Answers with the first difference, in words; undefined if there is none.
 */
import type { Btf } from "../btf/btf.ts";
import type { BtfComposite, BtfType } from "../btf/types.ts";
import { resolve, resolveId, sizeOf } from "../btf/walk.ts";

/** Deeper nesting of values does not exist. */
const MAX_DEPTH = 64;

/** Compares two types by value. */
export function typesDiffer(a: Btf, idA: number, b: Btf, idB: number): string | undefined {
  return differ({ a, b }, idA, idB, true, 0);
}

interface Pair {
  a: Btf;
  b: Btf;
}

function differ(pair: Pair, idA: number, idB: number, exact: boolean, depth: number): string | undefined {
  const [a, b] = [resolve(pair.a, idA), resolve(pair.b, idB)];
  if (depth > MAX_DEPTH) return "types nest too deeply";
  if (!exact && (a.kind === "FWD") !== (b.kind === "FWD")) return forwardDiffers(a, b);
  if (a.kind !== b.kind) return `${describe(a)} and ${describe(b)}`;
  switch (a.kind) {
    case "UNKN":
      return undefined;
    case "PTR":
      return differ(pair, a.type, (b as typeof a).type, false, depth + 1);
    case "ARRAY":
      return differ(pair, a.type, (b as typeof a).type, exact, depth + 1);
    case "INT":
    case "FLOAT":
      return sizesDiffer(a, b as typeof a);
    case "FUNC_PROTO":
      return protosDiffer(pair, a, b as typeof a, exact, depth);
    default:
  }
  if (a.name !== b.name) return `${describe(a)} and ${describe(b)}`;
  switch (a.kind) {
    case "ENUM":
    case "ENUM64":
      return sizesDiffer(a, b as typeof a);
    case "STRUCT":
    case "UNION":
      return exact ? membersDiffer(pair, a, b as BtfComposite, depth) : undefined;
    case "FUNC":
    case "VAR": {
      const other = b as typeof a;
      if ((a.linkage === "static") !== (other.linkage === "static")) return `linkage ${a.linkage} and ${other.linkage}`;
      return differ(pair, a.type, other.type, exact, depth + 1);
    }
    default:
      return undefined;
  }
}

function describe(type: BtfType): string {
  return type.name === "" ? type.kind : `${type.kind} "${type.name}"`;
}

function sizesDiffer(a: { size: number }, b: { size: number }): string | undefined {
  return a.size === b.size ? undefined : `sizes ${a.size} and ${b.size}`;
}

function forwardDiffers(a: BtfType, b: BtfType): string | undefined {
  const kind = (type: BtfType): string => type.kind === "FWD" ? (type.union ? "UNION" : "STRUCT") : type.kind;
  return a.name === b.name && kind(a) === kind(b) ? undefined : `${kind(a)} "${a.name}" and ${kind(b)} "${b.name}"`;
}

function membersDiffer(pair: Pair, a: BtfComposite, b: BtfComposite, depth: number): string | undefined {
  const what = describe(a);
  if (a.size !== b.size) return `${what}: sizes ${a.size} and ${b.size}`;
  if (a.members.length !== b.members.length) return `${what}: ${a.members.length} and ${b.members.length} members`;
  for (const [i, m] of a.members.entries()) {
    const other = b.members[i]!;
    if (m.name !== other.name) return `${what}: members "${m.name}" and "${other.name}"`;
    if (m.bitOffset !== other.bitOffset || m.bitSize !== other.bitSize) {
      return `${what}: member "${m.name}" is at different places`;
    }
    const problem = differ(pair, m.type, other.type, true, depth + 1);
    if (problem !== undefined) return `${what}: member "${m.name}": ${problem}`;
  }
  return undefined;
}

type Proto = Extract<BtfType, { kind: "FUNC_PROTO" }>;

function protosDiffer(pair: Pair, a: Proto, b: Proto, exact: boolean, depth: number): string | undefined {
  if (a.params.length !== b.params.length) return `${a.params.length} and ${b.params.length} parameters`;
  for (const [i, param] of a.params.entries()) {
    const problem = differ(pair, param.type, b.params[i]!.type, exact, depth + 1);
    if (problem !== undefined) return `parameter ${i}: ${problem}`;
  }
  const problem = differ(pair, a.type, b.type, exact, depth + 1);
  return problem === undefined ? undefined : `return type: ${problem}`;
}

/** Compares the definitions of a map by the types of its two variables. */
export function mapsDiffer(a: Btf, idA: number, b: Btf, idB: number): string | undefined {
  return definitionsDiffer({ a, b }, resolveId(a, idA), resolveId(b, idB), 0);
}

function definitionsDiffer(pair: Pair, idA: number, idB: number, depth: number): string | undefined {
  const [a, b] = [pair.a.type(idA), pair.b.type(idB)];
  if (a.kind !== "STRUCT" || b.kind !== "STRUCT") return `map definitions are ${describe(a)} and ${describe(b)}`;
  const [left, right] = [attributes(pair.a, a), attributes(pair.b, b)];
  for (const name of new Set([...left.keys(), ...right.keys()])) {
    const [x, y] = [left.get(name), right.get(name)];
    if (x?.size !== y?.size || x?.number !== y?.number) return `map attribute "${name}" differs`;
    if (x?.typeId === undefined || y?.typeId === undefined) {
      if (x?.typeId !== y?.typeId) return `map attribute "${name}" is missing on one side`;
      continue;
    }
    const problem = name === "values" && depth === 0
      ? innerDiffers(pair, x.typeId, y.typeId)
      : differ(pair, x.typeId, y.typeId, true, 0);
    if (problem !== undefined) return `map attribute "${name}": ${problem}`;
  }
  return undefined;
}

/** `values` of a map of maps points to the inner definition; of a program array to a prototype. */
function innerDiffers(pair: Pair, idA: number, idB: number): string | undefined {
  const target = (btf: Btf, id: number): number => {
    const type = resolve(btf, id);
    return type.kind === "PTR" ? resolveId(btf, type.type) : resolveId(btf, id);
  };
  const [a, b] = [target(pair.a, idA), target(pair.b, idB)];
  if (pair.a.type(a).kind === "STRUCT" && pair.b.type(b).kind === "STRUCT") return definitionsDiffer(pair, a, b, 1);
  return differ(pair, a, b, true, 0);
}

interface Attribute {
  number: number | bigint | undefined;
  typeId: number | undefined;
  size: number | undefined;
}

/** Attributes by name: `__uint` is the length of an array behind a pointer, `__ulong` an enum value, the others types. */
function attributes(btf: Btf, type: BtfComposite): Map<string, Attribute> {
  const found = new Map<string, Attribute>();
  const sizes = new Map<string, number>();
  for (const member of type.members) {
    const value = resolve(btf, member.type);
    const target = value.kind === "PTR" ? resolve(btf, value.type) : undefined;
    const name = member.name;
    if (name === "key" || name === "value") {
      const typeId = value.kind === "PTR" ? value.type : member.type;
      found.set(name, { number: undefined, typeId, size: undefined });
      sizes.set(`${name}_size`, sizeOf(btf, typeId));
    } else if (name === "values" && value.kind === "ARRAY") {
      found.set(name, { number: undefined, typeId: value.type, size: undefined });
    } else if (target?.kind === "ARRAY") sizes.set(name, target.nelems);
    else if (value.kind === "ENUM64" || value.kind === "ENUM") {
      found.set(name, { number: value.values[0]?.value, typeId: undefined, size: undefined });
    }
  }
  for (const [name, size] of sizes) {
    found.set(name, { ...(found.get(name) ?? { number: undefined, typeId: undefined }), size });
  }
  return found;
}
