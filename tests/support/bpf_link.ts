/** Puts compiled functions one behind the other and resolves what they refer to: for the interpreter, or for the kernel. */
import type { FunctionCode } from "../../src/compiler/codegen/codegen.ts";
import type { Machine } from "./bpf_machine.ts";

export interface LinkTarget {
  /** Both slots' immediates and the `src` field of the ldimm64 of a map. */
  map(name: string): { src: number; low: number; high: number };
  /** The same for an address in a map's value. */
  mapValue(name: string, offset: number): { src: number; low: number; high: number };
}

/** The whole program; the first function begins at slot 0. */
export function linkFunctions(functions: ReadonlyMap<string, FunctionCode>, target: LinkTarget): Uint8Array {
  const starts = new Map<string, number>();
  let slots = 0;
  for (const [name, code] of functions) {
    starts.set(name, slots);
    slots += code.insns.length / 8;
  }
  const out = new Uint8Array(slots * 8);
  const view = new DataView(out.buffer);
  for (const [name, code] of functions) {
    const start = starts.get(name)!;
    out.set(code.insns, start * 8);
    for (const relocation of code.relocations) {
      const insn = start + relocation.insn;
      const imm64 = (src: number, low: number, high: number) => {
        out[insn * 8 + 1] = out[insn * 8 + 1]! & 15 | src << 4;
        view.setInt32(insn * 8 + 4, low, true);
        view.setInt32(insn * 8 + 12, high, true);
      };
      switch (relocation.kind) {
        case "map": {
          const { src, low, high } = target.map(relocation.map);
          imm64(src, low, high);
          break;
        }
        case "map_value": {
          const { src, low, high } = target.mapValue(relocation.map, relocation.offset);
          imm64(src, low, high);
          break;
        }
        case "call":
          view.setInt32(insn * 8 + 4, starts.get(relocation.name)! - insn - 1, true);
          break;
        case "func":
          imm64(4, starts.get(relocation.name)! - insn - 1, 0);
          break;
        default:
          throw new Error(`Cannot link ${relocation.kind} in a test`);
      }
    }
  }
  return out;
}

/** Maps of the interpreter's machine. */
export function machineTarget(machine: Machine): LinkTarget {
  return {
    map: (name) => ({ src: 0, low: Number(machine.handle(name)), high: 0 }),
    mapValue: (name, offset) => ({ src: 0, low: machine.map(name).address + offset, high: 0 }),
  };
}

/** Maps of the kernel, by fd. */
export function kernelTarget(fds: ReadonlyMap<string, number>): LinkTarget {
  return {
    map: (name) => ({ src: 1, low: fds.get(name)!, high: 0 }),
    mapValue: (name, offset) => ({ src: 2, low: fds.get(name)!, high: offset }),
  };
}
