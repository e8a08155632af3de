/**
 * The smallest maps, programs and BTF blobs that probes load to see what the kernel says. Nothing stays open.
 */
import { BPF_MAP_TYPE_ARRAY, BPF_PROG_TYPE_SOCKET_FILTER } from "../abi/bpf.gen.ts";
import { EACCES, EPERM } from "../abi/errno.gen.ts";
import { Builder, r0 } from "../asm/build.ts";
import { BtfBuilder } from "../btf/write.ts";
import { type BpfInput, bpfTry } from "../syscall/bpf_call.ts";
import { progLoadWithLog } from "../syscall/bpf_prog.ts";
import { Fd } from "../syscall/fd.ts";

/** Supported, not supported, or could not tell: the process lacks the privilege to ask. */
export type Verdict = boolean | undefined;

/** A result of a system call as a verdict: what is refused for lack of privilege proves nothing. */
export function verdict(result: number): Verdict {
  if (result >= 0) return true;
  return result === -EPERM || result === -EACCES ? undefined : false;
}

/** The same for a call that returns a file descriptor, which is closed. */
export function fdVerdict(result: number): Verdict {
  if (result >= 0) new Fd(result).close();
  return verdict(result);
}

/** `r0 = 0; exit`. */
export function trivialProgram(): Builder {
  return new Builder().mov(r0, 0).exit();
}

/** Tries to load a program; a socket filter that does nothing unless said otherwise. */
export function tryProgram(attr: Partial<BpfInput<"BPF_PROG_LOAD">> & { code?: Builder } = {}): Verdict {
  const { code = trivialProgram(), ...rest } = attr;
  const insns = code.bytes();
  return fdVerdict(bpfTry("BPF_PROG_LOAD", {
    prog_type: BPF_PROG_TYPE_SOCKET_FILTER,
    license: "GPL",
    ...rest,
    insns,
    insn_cnt: insns.length / 8,
  }));
}

/**
 * Whether programs of a type may call a helper. A program that calls it without arguments fails either way; the
 * verifier's log tells whether it knew the helper.
 */
export function tryHelper(progType: number, helper: number, expectedAttachType = 0): Verdict {
  const { fd, errno, log } = progLoadWithLog({
    prog_type: progType,
    expected_attach_type: expectedAttachType,
    license: "GPL",
    insns: new Builder().call(helper).exit().bytes(),
  }, { level: 1, size: 4096 });
  fd?.close();
  if (errno === 0) return true;
  // "invalid func" for a number beyond the last helper, "unknown func" (later "program of this type cannot use
  // helper") for one that the type may not call.
  if (/invalid func|unknown func|cannot use helper/.test(log)) return false;
  return errno === EPERM && log === "" ? undefined : log !== "";
}

/** Tries to create a map; an array of one 4-byte value unless said otherwise. */
export function tryMap(attr: Partial<BpfInput<"BPF_MAP_CREATE">> = {}): Verdict {
  return fdVerdict(bpfTry("BPF_MAP_CREATE", { ...ARRAY, ...attr }));
}

/** An array map for a probe that needs one; undefined if even that is refused. */
export function probeArray(valueSize = 4): Fd | undefined {
  const result = bpfTry("BPF_MAP_CREATE", { ...ARRAY, value_size: valueSize });
  return result < 0 ? undefined : new Fd(result);
}

const ARRAY = { map_type: BPF_MAP_TYPE_ARRAY, key_size: 4, value_size: 4, max_entries: 1 } as const;

/** Tries to load BTF made by `build`. */
export function tryBtf(build: (builder: BtfBuilder) => void): Verdict {
  const builder = new BtfBuilder();
  build(builder);
  const btf = builder.toBytes();
  return fdVerdict(bpfTry("BPF_BTF_LOAD", { btf, btf_size: btf.length }));
}

/** Adds `int` and returns its id. */
export function addInt(builder: BtfBuilder): number {
  return builder.add({
    kind: "INT",
    name: "int",
    size: 4,
    bits: 32,
    bitOffset: 0,
    signed: true,
    char: false,
    bool: false,
  });
}
