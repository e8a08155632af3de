#!/usr/bin/env -S bun run
/**
 * Packets and bytes by protocol on one interface, refreshed every second; drops protocols on request.
 * Loads xdp-count.bpf.o.
 *
 *   examples/object/xdp-count.ts INTERFACE [-D PROTOCOL]... [-i SECONDS] [-d SECONDS] [-j]
 *   deno run --allow-ffi examples/object/xdp-count.ts lo
 *
 * needs: root (or CAP_BPF and CAP_NET_ADMIN), Linux 5.9 (4.8 without links)
 */
import { parseArgs } from "node:util";
import { type BpfMap, interrupted, load, pause } from "../../mod.ts";

const USAGE = `usage: xdp-count.ts INTERFACE [options]
  -D, --drop PROTOCOL      drop this protocol: icmp, tcp, udp, icmp6, arp or a number; may be repeated
  -i, --interval SECONDS   refresh every so many seconds (1)
  -d, --duration SECONDS   stop after so many seconds
  -j, --json               one JSON object a refresh
  -h, --help               this text`;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    drop: { type: "string", short: "D", multiple: true, default: [] },
    interval: { type: "string", short: "i" },
    duration: { type: "string", short: "d" },
    json: { type: "boolean", short: "j", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

/** Keys of the map `traffic`: IP protocol numbers, and two above them for what is not IP. */
const PROTOCOLS: Readonly<Record<string, number>> = { icmp: 1, tcp: 6, udp: 17, icmp6: 58, arp: 256, other: 257 };

/** `struct traffic` of xdp-count.bpf.c. */
interface Traffic {
  packets: bigint;
  bytes: bigint;
}

/** A positive number from the command line, or `otherwise` where it was not given. */
function number(text: string | undefined, option: string, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^\d+(\.\d+)?$/.test(text)) throw new TypeError(`--${option} takes a number, not "${text}"`);
  return Number(text);
}

function protocolKey(name: string): number {
  const key = PROTOCOLS[name] ?? number(name, "drop", 257);
  if (key >= 258) throw new RangeError(`--drop takes a protocol from 0 to 255, not ${name}`);
  return key;
}

function protocolName(key: number): string {
  return Object.entries(PROTOCOLS).find(([, number]) => number === key)?.[0] ?? `protocol ${key}`;
}

async function main(device: string): Promise<void> {
  const stop = interrupted({ seconds: number(options.duration, "duration", Infinity) });
  using bpf = load(new URL("./xdp-count.bpf.o", import.meta.url));
  const dropped = bpf.map<BpfMap<number, number>>("dropped");
  for (const name of options.drop) dropped.set(protocolKey(name), 1);
  bpf.program("count").attach({ device });

  const traffic = bpf.map<BpfMap<number, Traffic[]>>("traffic");
  let more = true;
  while (more) {
    more = await pause(number(options.interval, "interval", 1), stop);
    const rows: { protocol: string; packets: bigint; bytes: bigint }[] = [];
    for (const [key, perCpu] of traffic.entries()) {
      const packets = perCpu.reduce((sum, cpu) => sum + cpu.packets, 0n);
      const bytes = perCpu.reduce((sum, cpu) => sum + cpu.bytes, 0n);
      if (packets > 0n) rows.push({ protocol: protocolName(key), packets, bytes });
    }
    print(rows);
  }
}

function print(rows: { protocol: string; packets: bigint; bytes: bigint }[]): void {
  if (options.json) {
    console.log(
      JSON.stringify(rows.map((row) => ({ ...row, packets: Number(row.packets), bytes: Number(row.bytes) }))),
    );
    return;
  }
  console.log(`\n${"PROTOCOL".padEnd(16)}${"PACKETS".padStart(12)}${"BYTES".padStart(16)}`);
  for (const row of rows) {
    console.log(`${row.protocol.padEnd(16)}${String(row.packets).padStart(12)}${String(row.bytes).padStart(16)}`);
  }
}

const [device] = positionals;
if (options.help || device === undefined) {
  console.log(USAGE);
} else {
  await main(device);
}
