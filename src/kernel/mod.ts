/**
 * Facts of the running kernel: its BTF and that of its modules, symbols, configuration, version, processors, what it can
 * do, and the programs, maps and links in it, whoever made them. Read when asked for, through libc.
 *
 * @module
 */
export { kernelBtf, type ModuleBtf, moduleBtfs, parseBtfFile, tryKernelBtf } from "./btf.ts";
export { type BtfDetails, btfDetails, listBtfs, openBtf } from "./btf_objects.ts";
export { onlineCpus, possibleCpus } from "./cpus.ts";
export { type FeatureDef, featureDef, type FeatureName, FEATURES, hasFeature, probeFeature } from "./features.ts";
export { type Holder, listHolders, listTaskFds, type TaskFd } from "./holders.ts";
export { kernelSymbols } from "./kallsyms.ts";
export { kernelConfig } from "./kconfig.ts";
export { linkDetails, linkDetailsOf, listLinks } from "./link_details.ts";
export type * from "./link_types.ts";
export { listMaps, type MapDetails, mapDetails } from "./map_details.ts";
export { listNetPrograms, type NetProgram } from "./net_programs.ts";
export type { ObjectRef } from "./object_ref.ts";
export type { XdpComponent, XdpVerdict } from "./xdp_dispatcher.ts";
export { listPrograms, type OffloadDevice, type ProgramDetails, programDetails } from "./program_details.ts";
export {
  dumpProgram,
  type JitedFunction,
  type ProgramDump,
  type SourceLine,
  type TranslatedInsn,
} from "./program_dump.ts";
export { jitedText, translatedText } from "./program_dump_text.ts";
export { type ProgramRuns, RunStats } from "./run_stats.ts";
export { type SymbolAt, symbolsAt } from "./symbols_at.ts";
export { type KernelVersion, kernelVersion } from "./version.ts";
