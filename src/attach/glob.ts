/** Patterns of function names: `*` is any run of characters, `?` any one; everything else is itself. */
export function globToRegExp(glob: string): RegExp {
  const source = glob.replace(/[.+^${}()|[\]\\]/g, "\\$&").replace(/\*+/g, ".*").replaceAll("?", ".");
  return new RegExp(`^${source}$`);
}

/** Whether a name has wildcards. */
export function isGlob(name: string): boolean {
  return /[*?]/.test(name);
}
