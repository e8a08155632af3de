/**
 * Reads a tracepoint's `format` file: the text tracefs gives for `events/<category>/<name>/format`. Pure: takes the text,
 * returns the fields. The file's form is written by `trace_format_open` and `f_show` of kernel/trace/trace_events.c.
 */
import type { TracepointField, TracepointFormat } from "../abi/tracepoint_format.ts";
import { FormatError } from "../errors.ts";

/** The record's own fields start here; `common_type`, `common_flags`, `common_preempt_count` and `common_pid` come first. */
export const COMMON_BYTES = 8;

/** Longer lines than this are not fields; print formats may have tens of kilobytes but are not looked at. */
const LONGEST_FIELD = 4096;

/** Parses a format file. Throws `FormatError` when it has no id or a field line that cannot be read. */
export function parseTracepointFormat(text: string, category: string): TracepointFormat {
  const fields: TracepointField[] = [];
  let name = "";
  let id = -1;
  let start = 0;
  while (start < text.length) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    if (text.startsWith("print fmt:", start)) break;
    if (text.startsWith("name:", start)) name = text.slice(start + 5, end).trim();
    else if (text.startsWith("ID:", start)) id = Number(text.slice(start + 3, end));
    else if (text.startsWith("\tfield:", start)) {
      if (end - start > LONGEST_FIELD) {
        throw new FormatError(`tracepoint ${category}:${name}`, "a field line is too long");
      }
      fields.push(parseField(text.slice(start + 7, end), `tracepoint ${category}:${name}`));
    }
    start = end + 1;
  }
  if (name === "" || !Number.isInteger(id) || id < 0) {
    throw new FormatError(`tracepoint ${category}:${name}`, "the format file has no name or id");
  }
  return { category, name, id, fields };
}

const FIELD = /^(.+);\toffset:(\d+);\tsize:(\d+);(?:\tsigned:([01]);)?/;

/** `const char * filename;\toffset:24;\tsize:8;\tsigned:0;` without the leading `field:`. */
function parseField(line: string, path: string): TracepointField {
  const parts = FIELD.exec(line);
  if (parts === null) throw new FormatError(path, `cannot read the field "${line.slice(0, 80)}"`);
  const [, declaration, offset, size, signed] = parts;
  return {
    ...parseDeclaration(declaration!, path),
    offset: Number(offset),
    size: Number(size),
    signed: signed === "1",
  };
}

/** The name is the last word; an array's brackets follow it, or follow the type in `__data_loc char[] name`. */
function parseDeclaration(
  declaration: string,
  path: string,
): Pick<TracepointField, "name" | "type" | "dynamic" | "length"> {
  const parts = /^(.*[\s*])([A-Za-z_]\w*)((?:\[[^\]]*\])*)$/.exec(declaration);
  if (parts === null) throw new FormatError(path, `cannot read the declaration "${declaration.slice(0, 80)}"`);
  const [, before, name, brackets] = parts;
  let type = before!.trim();
  let dynamic: TracepointField["dynamic"] = "none";
  if (type.startsWith("__data_loc ")) dynamic = "data";
  else if (type.startsWith("__rel_loc ")) dynamic = "relative";
  if (dynamic !== "none") type = type.slice(type.indexOf(" ") + 1);
  type += brackets;
  const length = /\[(\d+)\]$/.exec(type);
  return { name: name!, type, dynamic, length: length === null ? undefined : Number(length[1]) };
}
