/**
 * How the kernel's memory looks in the editor. Integers of every width are `number`, and so are pointers: a pointer to
 * a struct is a number that also has the struct's fields. Types only: the compiler reads the real layouts from BTF.
 */
import type { KernelStructs } from "./ctx/structs.gen.ts";

/** Fields nobody listed: each may be a number or a pointer to more. Misspelt ones are found by the compiler. */
export interface Unlisted {
  readonly [field: string]: KernelPointer;
}

/** A pointer, or an integer, of which the editor knows no more. */
export type KernelPointer = number & Unlisted;

/** A pointer to (or a part that is) a struct whose fields are known, as far as they are. */
export type Pointer<Fields> = number & Fields & Unlisted;

/** The struct called `Name`: its fields where they are known, `KernelPointer` otherwise. */
export type KernelStruct<Name extends string> = Name extends keyof KernelStructs ? Pointer<KernelStructs[Name]>
  : KernelPointer;

/** A name of a struct, completed in the editor for those whose fields are known. */
export type StructName = keyof KernelStructs | (string & Record<never, never>);

/** An address in the memory of the current process. Read it with `userString` or `user`. */
export type UserPointer = number;
