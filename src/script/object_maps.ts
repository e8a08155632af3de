/** From a loaded map to the class of its kind, with keys and values typed by the object's BTF or by schemas. */
import { BPF_MAP_TYPE_ARENA, BPF_MAP_TYPE_STRUCT_OPS } from "../abi/bpf.gen.ts";
import { btfCodec } from "../btf/codec.ts";
import type { Btf } from "../btf/btf.ts";
import type { Codec } from "../bytes/codec.ts";
import { toLayout } from "../bytes/composites.ts";
import type { Schema } from "../bytes/layout.ts";
import { nearestNames, NotFoundError, WaggleError } from "../errors.ts";
import type { LoadedMap } from "../load/map.ts";
import { ArenaMap } from "../maps/arena.ts";
import type { MapBase, MapParams } from "../maps/base.ts";
import { type MapCodecs, wrapMap } from "../maps/wrap.ts";
import type { MapSpec, ObjectSpec } from "../object/spec.ts";
import { dupFd } from "../syscall/fd.ts";

/** Types of a map's keys and values (of rings: events), where those of the object's BTF are not wanted. */
export interface MapTypes {
  readonly key?: Schema | Codec<unknown> | undefined;
  readonly value?: Schema | Codec<unknown> | undefined;
}

/** What the events of a ring are: a type of the object's BTF by name, or a schema. */
export type EventType = string | Schema | Codec<unknown>;

/** Opens a map over a descriptor of its own, which closes with it. */
export function openLoadedMap(spec: ObjectSpec, loaded: LoadedMap, types: MapTypes = {}): MapBase {
  const fd = dupFd(loaded.fd.number);
  const params = paramsOf(loaded);
  if (params.type === BPF_MAP_TYPE_ARENA && loaded.arena !== undefined) return new ArenaMap(fd, params, loaded.arena);
  let codecs: MapCodecs;
  try {
    const own = codecsOf(spec.btf, loaded.spec);
    codecs = {
      ...own,
      ...(types.key && { key: codecOf(types.key) }),
      ...(types.value && { value: codecOf(types.value) }),
    };
  } catch (error) {
    fd.close();
    throw error;
  }
  return wrapMap(fd, params, codecs);
}

/** The codec of a ring's events; undefined without a type. */
export function eventCodec(spec: ObjectSpec, type: EventType | undefined): Codec<unknown> | undefined {
  if (type === undefined) return undefined;
  if (typeof type !== "string") return codecOf(type);
  const { btf } = spec;
  if (btf === undefined) throw new WaggleError(`Cannot decode events as "${type}": the object has no BTF`);
  const name = type.replace(/^(struct|union|enum)\s+/, "");
  const id = btf.findAll(name).find((found) =>
    ["STRUCT", "UNION", "TYPEDEF", "INT", "ENUM", "ENUM64"].includes(btf.type(found).kind)
  );
  if (id === undefined) {
    const known = Array.from(btf.ids("STRUCT"), (found) => btf.nameOf(found)).filter((found) => found !== "");
    throw new NotFoundError("type", name, known, {
      where: "the object's BTF",
      hint: structHint(name, known),
    });
  }
  return btfCodec(btf, id);
}

/** Compilers leave a struct out that only local variables use. */
function structHint(name: string, known: readonly string[]): string {
  const near = nearestNames(name, known);
  if (near.length > 0) return `did you mean ${near.map((n) => `"${n}"`).join(" or ")}?`;
  return `the compiler drops types that only local variables use: add "struct ${name} *unused;" to the source, or pass a schema`;
}

function codecsOf(btf: Btf | undefined, map: MapSpec): MapCodecs {
  if (btf === undefined || map.type === BPF_MAP_TYPE_STRUCT_OPS) return {};
  const of = (id: number): Codec<unknown> | undefined => (id === 0 ? undefined : btfCodec(btf, id));
  return {
    key: of(map.keyTypeId),
    value: of(map.valueTypeId),
    ...(map.inner !== undefined && { inner: codecsOf(btf, map.inner) }),
  };
}

function codecOf(type: Schema | Codec<unknown>): Codec<unknown> {
  const codec = type as Partial<Codec<unknown>>;
  const isCodec = typeof codec.read === "function" && typeof codec.write === "function";
  return isCodec ? (type as Codec<unknown>) : toLayout(type as Schema);
}

function paramsOf({ name, spec }: LoadedMap): MapParams {
  const { type, keySize, valueSize, maxEntries, flags, mapExtra } = spec;
  return { name, type, keySize, valueSize, maxEntries, flags, mapExtra };
}
