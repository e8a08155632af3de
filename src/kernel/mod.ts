/**
 * Facts of the running kernel: its BTF and that of its modules, symbols, configuration, version, processors, and what
 * it can do. Read when asked for, through libc.
 *
 * @module
 */
export { kernelBtf, type ModuleBtf, moduleBtfs, tryKernelBtf } from "./btf.ts";
export { onlineCpus, possibleCpus } from "./cpus.ts";
export { type FeatureDef, featureDef, type FeatureName, FEATURES, hasFeature, probeFeature } from "./features.ts";
export { kernelSymbols } from "./kallsyms.ts";
export { kernelConfig } from "./kconfig.ts";
export { type KernelVersion, kernelVersion } from "./version.ts";
