/** JavaScript that cannot become BPF: for each form the message, and what to write instead. */

export interface Unsupported {
  readonly text: string;
  readonly notes: readonly string[];
}

const row = (text: string, ...notes: string[]): Unsupported => ({ text, notes });

export const UNSUPPORTED = {
  class: row("classes cannot be compiled to BPF", "use a plain object literal, or a function under `functions`"),
  new: row(
    "`new` cannot be compiled to BPF: there is no memory to allocate from",
    "declare a map under `maps` instead",
  ),
  this: row(
    "`this` cannot be used in a kernel function",
    "what it needs arrives by destructuring the second parameter",
  ),
  super: row("`super` cannot be used in a kernel function"),
  async: row(
    "a kernel function cannot be async",
    "it runs to its end when the hook fires; emit an event and await it in the script",
  ),
  await: row("`await` cannot be used in a kernel function", "emit an event and await it in the script"),
  generator: row("a kernel function cannot be a generator", "use a loop"),
  yield: row("`yield` cannot be used in a kernel function", "emit an event instead"),
  try: row(
    "`try` cannot be compiled to BPF: nothing throws there",
    "a failing read yields zero, a failing call a negative number: test for them",
  ),
  throw: row("`throw` cannot be compiled to BPF", "return early, or emit an event that says what is wrong"),
  regex: row(
    "regular expressions cannot be compiled to BPF",
    "compare with `===` or `startsWith`, or match in the script",
  ),
  spread: row("`...` cannot be compiled to BPF: the shape must be known", "write the fields or arguments out"),
  fraction: row(
    "fractions cannot be compiled to BPF: it has integers only",
    "scale first: count microseconds, not seconds",
  ),
  unsafeNumber: row("the number is too large to be exact", "write it as a BigInt literal, with a final `n`"),
  delete: row("`delete` cannot be compiled to BPF", "to remove a key from a map write `map.delete(key)`"),
  in: row(
    "`in` cannot be compiled to BPF",
    "for a map write `map.has(key)`, for a field of the kernel `exists(value.field)`",
  ),
  instanceof: row("`instanceof` cannot be compiled to BPF"),
  forIn: row("`for…in` cannot be compiled to BPF", "use `for (const i of range(n))`"),
  with: row("`with` cannot be compiled to BPF"),
  debugger: row("`debugger` cannot be compiled to BPF", "use print(`…`)"),
  import: row("`import()` and `import.meta` cannot be used in a kernel function"),
  getter: row("getters and setters cannot be compiled to BPF", "use plain fields"),
  method: row("methods in an object cannot be compiled to BPF", "put the function under `functions`"),
  computedKey: row(
    "computed keys cannot be compiled to BPF: the fields must be known",
    "write the name, or use an array",
  ),
  taggedTemplate: row("tagged templates cannot be compiled to BPF", "use print(`…`)"),
  restPattern: row("`...rest` cannot be compiled to BPF", "name what you take"),
  functionDeclaration: row(
    "functions inside a kernel function cannot be compiled to BPF",
    "put it under `functions` and take it from the second parameter",
  ),
  typeof: row(
    "`typeof` cannot be compiled to BPF: types are known before it runs",
    "to test for absence write `x === undefined`",
  ),
  arguments: row("`arguments` cannot be used in a kernel function"),
} as const satisfies Record<string, Unsupported>;

export type UnsupportedKey = keyof typeof UNSUPPORTED;
