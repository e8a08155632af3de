/** Every command of bpf(2) up to Linux 6.18, as one typed function each. */
export * from "./bpf_call.ts";
export * from "./bpf_map.ts";
export * from "./bpf_prog.ts";
export * from "./bpf_link.ts";
export * from "./bpf_object.ts";
