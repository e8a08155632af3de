/**
 * What a tracepoint's `format` file says: its id and where each field lies in the record. Types only; the parser is
 * `kernel/tracepoint_format.ts`, the compiler reads it. See Documentation/trace/events.rst of the kernel, section 2.
 */

/** One field of a tracepoint's record. */
export interface TracepointField {
  readonly name: string;
  /** The C type as the kernel prints it, array brackets moved here from the name: `unsigned long`, `char[16]`. */
  readonly type: string;
  /** Bytes from the start of the record. The first 8 (`common_*`) are closed to programs. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
  readonly signed: boolean;
  /**
   * `data`: a `__data_loc` word (offset from the record's start in the low 16 bits, length in the high 16).
   * `relative`: a `__rel_loc` word, the offset counting from the end of the word itself (5.16).
   */
  readonly dynamic: "none" | "data" | "relative";
  /** Elements of a fixed array; undefined for scalars and for arrays whose length the kernel prints as a name. */
  readonly length: number | undefined;
}

export interface TracepointFormat {
  readonly category: string;
  readonly name: string;
  /** `perf_event_attr.config` of the tracepoint; -1 where `name` is a pattern. */
  readonly id: number;
  /** In the order of the file, `common_*` first. Those that all have alike where `name` is a pattern. */
  readonly fields: readonly TracepointField[];
}
