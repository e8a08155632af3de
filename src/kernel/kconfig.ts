/**
 * The configuration the running kernel was built with: /boot/config-RELEASE, or /proc/config.gz where the kernel keeps
 * it itself (CONFIG_IKCONFIG_PROC). Values are strings as written: `y`, `m`, `"text"`, `100`, `0x10`.
 */
import { NotSupportedError } from "../errors.ts";
import { gunzip } from "../bytes/inflate.ts";
import { readFile, tryReadText } from "../syscall/files.ts";
import { uname } from "../syscall/process.ts";
import { type Runtime, runtime } from "../syscall/runtime/mod.ts";

const texts: WeakMap<Runtime, string> = new WeakMap();

/**
 * The options with these names; what is not set is not in the map.
 *
 * @throws {NotSupportedError} if the configuration is nowhere to be read
 */
export function kernelConfig(names: Iterable<string>): Map<string, string> {
  return parseKconfig(configText(), names);
}

function configText(): string {
  const rt = runtime();
  let text = texts.get(rt);
  if (text === undefined) texts.set(rt, text = readConfig());
  return text;
}

function readConfig(): string {
  const boot = `/boot/config-${uname().release}`;
  const text = tryReadText(boot);
  if (text !== undefined) return text;
  try {
    return new TextDecoder().decode(gunzip(readFile("/proc/config.gz"), "/proc/config.gz"));
  } catch (cause) {
    throw new NotSupportedError("the kernel's configuration", {
      cause,
      message: "Cannot read the kernel's configuration",
      hint: `neither ${boot} nor /proc/config.gz can be read: pass the values with the option kconfig`,
    });
  }
}

/** Picks options out of a configuration file. */
export function parseKconfig(text: string, names: Iterable<string>): Map<string, string> {
  const wanted = new Set(names);
  const found = new Map<string, string>();
  for (let at = 0; at < text.length && wanted.size > 0;) {
    const newline = text.indexOf("\n", at);
    const end = newline < 0 ? text.length : newline;
    if (text.startsWith("CONFIG_", at)) {
      const line = text.slice(at, end);
      const equals = line.indexOf("=");
      const name = line.slice(0, equals);
      if (equals > 0 && wanted.delete(name)) found.set(name, line.slice(equals + 1).trimEnd());
    }
    at = end + 1;
  }
  return found;
}
