import type { Pointer } from "../kernel_types.ts";
export interface task_struct { readonly pid: number; readonly comm: string; readonly real_parent: Pointer<task_struct> }
export interface KernelStructs { task_struct: task_struct }
