/**
 * Other linkers, as judges: `bpftool gen object` and libbpf itself, the latter of any version: the system's, or that of
 * the folder `WAGGLE_LIBBPF` (tests/conformance/libbpf makes one).
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** A linker. */
export interface Judge {
  readonly name: string;
  /**
   * Links files into `output`, and the result once more, as the selftests' Makefile does: a variable or map that was
   * extern before it was defined has a wrong offset in BTF after libbpf's first link (up to 1.8 at least), with which
   * libbpf itself refuses maps. The error text if it refuses the files.
   */
  readonly link: (output: string, files: readonly string[]) => Uint8Array | string;
}

/** The linkers that are there. */
export function judges(): Judge[] {
  const found: Judge[] = [];
  const bpftool = spawnSync("bpftool", ["version"], { encoding: "utf8" });
  if (bpftool.status === 0) {
    const version = /libbpf v([\d.]+)/.exec(bpftool.stdout)?.[1] ?? "?";
    found.push(judge(`bpftool, libbpf ${version}`, "bpftool", ["gen", "object"]));
  }
  const program = buildLinker();
  if (program !== undefined) {
    found.push(judge(`libbpf ${execFileSync(program).toString().trim().replace(/^v/, "")}`, program, []));
  }
  return found;
}

function judge(name: string, command: string, words: readonly string[]): Judge {
  return {
    name,
    link(output, files) {
      for (const [out, inputs] of [[`${output}.first.o`, files], [output, [`${output}.first.o`]]] as const) {
        const { status, stderr, signal } = spawnSync(command, [...words, out, ...inputs], { encoding: "utf8" });
        if (status !== 0) return stderr.trim() || `status ${status ?? signal}`;
      }
      return new Uint8Array(readFileSync(output));
    },
  };
}

/** libbpf_link.c as a program; undefined where there is no compiler or no libbpf. */
function buildLinker(): string | undefined {
  const source = fileURLToPath(new URL("./libbpf_link.c", import.meta.url));
  const folder = process.env["WAGGLE_LIBBPF"];
  const library = folder === undefined ? ["-lbpf"] : [`-I${folder}/headers`, `${folder}/libbpf.a`, "-lelf", "-lz"];
  const kind = folder === undefined ? "system" : `${statSync(`${folder}/libbpf.a`).mtimeMs}`;
  const binary = join(tmpdir(), `waggle_libbpf_link_${statSync(source).mtimeMs}_${kind}`);
  if (existsSync(binary)) return binary;
  for (const compiler of ["cc", "clang-19", "clang"]) {
    if (spawnSync(compiler, ["-O2", "-o", binary, source, ...library]).status === 0) return binary;
  }
  return undefined;
}
