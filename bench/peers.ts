/**
 * The other sides of bench/events.ts and bench/maps.ts: programs that do one round each time they are asked, so that both
 * sides meet the same state of the machine. In C with libbpf (-O2), and in Go with cilium/ebpf where Debian's golang-go and golang-github-cilium-ebpf-dev are
 * installed and a peer is written (peer/NAME.go).
 */
import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** Where Debian's packages of Go libraries are. */
const GO_PATH = "/usr/share/gocode";

/** A running peer. */
export interface Peer {
  /** One round of a test; the numbers that the peer prints: ns of CPU per element, or per event of draining and filling. */
  round(test?: number): Promise<number[]>;
  end(): void;
}

/** Builds the peers of a bench into `dir`; says which it must do without. */
export function buildPeers(name: string, dir: string): void {
  execFileSync("cc", ["-O2", sourceOf(`${name}.c`), "-o", join(dir, "c"), "-lbpf"]);
  const source = sourceOf(`${name}.go`);
  if (!existsSync(source)) return;
  if (!existsSync(join(GO_PATH, "src/github.com/cilium/ebpf")) || !existsSync("/usr/bin/go")) {
    console.log("not compared with cilium/ebpf: golang-go and golang-github-cilium-ebpf-dev are not installed");
    return;
  }
  const env = { PATH: "/usr/bin:/bin", HOME: dir, GO111MODULE: "off", GOPATH: GO_PATH, GOCACHE: join(dir, "cache") };
  execFileSync("go", ["build", "-o", join(dir, "go"), source], { env });
}

/** Starts a peer, "c" or "go"; undefined if it was not built. */
export function startPeer(dir: string, peer: "c" | "go", args: readonly (string | number)[]): Peer | undefined {
  const path = join(dir, peer);
  if (!existsSync(path)) return undefined;
  const child = spawn(path, args.map(String), { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async round(test = 0) {
      child.stdin.write(`${test}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error(`${path} ${args.join(" ")} ended`);
      return value.split(" ").map(Number);
    },
    end: () => void child.stdin.end(),
  };
}

function sourceOf(file: string): string {
  return fileURLToPath(new URL(`./peer/${file}`, import.meta.url));
}
