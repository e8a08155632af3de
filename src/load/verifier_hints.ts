/**
 * Complaints of the verifier and what to do about them: one row per pattern, searched in the last lines of the log,
 * first match wins. The patterns are the kernel's texts (kernel/bpf/verifier.c).
 */

interface LogHint {
  readonly pattern: RegExp;
  readonly hint: string;
}

const LOG_HINTS: readonly LogHint[] = [
  {
    pattern: /invalid mem access '(map_value_or_null|mem_or_null|ringbuf_mem_or_null|ptr_.*or_null)'/,
    hint: "the pointer may be null here: test it before use",
  },
  {
    pattern: /R\d+ invalid mem access 'scalar'|R\d+ invalid mem access 'inv'/,
    hint:
      "this is a number to the verifier, not a pointer: read kernel memory with bpf_probe_read_kernel() or BPF_CORE_READ(), user memory with bpf_probe_read_user()",
  },
  {
    pattern: /Unreleased reference|reference has not been|BPF_EXIT instruction.*would lead to reference leak/,
    hint: "something acquired (a ring buffer record, a socket, a task) is not released on every path",
  },
  {
    pattern: /BPF program is too large\. Processed (\d+) insn|too many instructions|jump sequence .* is too complex/,
    hint:
      "the verifier gave up: make loops shorter or use bpf_loop(), split the program into global functions or tail calls",
  },
  {
    pattern: /back-edge from insn|infinite loop detected/,
    hint: "the verifier cannot see that this loop ends: give it a constant bound, or use bpf_loop()",
  },
  {
    pattern: /combined stack size|stack limit/,
    hint: "512 bytes of stack are all there is: move large variables to a per-CPU array map",
  },
  {
    pattern: /invalid (indirect )?(read|access) (from|to) stack/,
    hint: "part of the memory handed over was never written: clear the variable with = {} first, padding included",
  },
  { pattern: /invalid access to packet/, hint: "compare the pointer with data_end before every access to the packet" },
  {
    pattern:
      /invalid access to map value|R\d+ (min|max) value is|unbounded memory access|math between .* pointer and register with unbounded/,
    hint: "an index or length is not bounded: compare it with its limit (or mask it) right before use",
  },
  {
    pattern: /cannot call GPL-restricted function|cannot use helper .*GPL|from non-GPL/,
    hint: `this helper is for GPL programs: char LICENSE[] SEC("license") = "GPL"`,
  },
  {
    pattern: /program of this type cannot use helper|unknown func (\w+)#\d+/,
    hint: "this program type, or this kernel, does not have the helper",
  },
  { pattern: /calling kernel function .* is not allowed/, hint: "this program type may not call this kernel function" },
  {
    pattern: /attach_btf_id .* is not a function|attach to unsupported member|not found in kernel or module/,
    hint: "the attach target is not what this program type can attach to",
  },
  {
    pattern: /BTF is required|Missing btf_id|missing btf func_info/i,
    hint: "compile with -g: the verifier needs the program's types",
  },
  {
    pattern: /R0 !read_ok|R0 is not a known value|At program exit the register R0/,
    hint: "the return value is missing or out of the range that this program type may return",
  },
  {
    pattern: /write into map forbidden|cannot write into rdonly/i,
    hint: "constants (const volatile, .rodata) are read-only for the program",
  },
  {
    pattern: /dereference of modified ctx ptr|invalid bpf_context access/,
    hint:
      "the context cannot be accessed at this offset: the program type has another context, or the field has another size",
  },
  {
    pattern: /sleep|non-sleepable/,
    hint: "sleepable helpers need a sleepable section (fentry.s, uprobe.s, lsm.s, iter.s, syscall)",
  },
  {
    pattern: /unknown opcode/,
    hint: "this kernel does not know the instruction: compile with a lower -mcpu (v3 needs 5.1, v4 needs 6.6)",
  },
];

/** The hint for a log, if one is known. */
export function hintsForLog(log: string): string | undefined {
  const tail = log.split("\n").slice(-12).join("\n");
  return LOG_HINTS.find((row) => row.pattern.test(tail))?.hint;
}
