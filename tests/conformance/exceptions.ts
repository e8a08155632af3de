/** Differences from libbpf that are meant, each with its reason. */

interface Exception {
  /** Matches the file's name. */
  file: RegExp;
  /** Matches the difference. */
  difference: RegExp;
  reason: string;
}

const EXCEPTIONS: readonly Exception[] = [];

/** Whether a difference is listed. */
export function isException(file: string, difference: string): boolean {
  return EXCEPTIONS.some((e) => e.file.test(file) && e.difference.test(difference));
}
