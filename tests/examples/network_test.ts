/** Examples about the network, against provoked events on the loopback device. */
import { assert, assertMatch } from "@std/assert";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { kernelTest } from "../support/harness.ts";
import { interruptExample, shell, startExample, Waiting } from "./support.ts";

/** A server on 127.0.0.1 that answers each connection with 100 bytes once it got a line, and closes it. */
async function answering(): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => void socket.end("a".repeat(100)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, port: (server.address() as AddressInfo).port };
}

kernelTest("tcpconnect prints connections, also refused ones", { needs: ["tracefs"] }, async () => {
  const { server, port } = await answering();
  try {
    using script = await startExample("tcpconnect", /ADDRESS/);
    await shell(`exec 3<>/dev/tcp/127.0.0.1/${port}; exec 4<>/dev/tcp/::1/1`);
    await script.until(new RegExp(`^\\d+ +bash +127\\.0\\.0\\.1:${port}$`, "m"));
    await script.until(/^\d+ +bash +\[::1\]:1$/m);
    await interruptExample(script);
  } finally {
    server.close();
  }
});

kernelTest("tcplife prints connections with their bytes when they end", { needs: ["tracefs", "btf"] }, async () => {
  const { server, port } = await answering();
  try {
    using script = await startExample("tcplife", /REMOTE/);
    await shell(`exec 3<>/dev/tcp/127.0.0.1/${port}; echo 456789 >&3; cat <&3`);
    // 7 bytes and 100; TCP counts the SYN and, once acknowledged, the FIN as one more.
    const [line] = await script.until(
      new RegExp(`^\\d+ +bash +\\d+ +127\\.0\\.0\\.1:${port} +[789] +10[012] .*$`, "m"),
    );
    assertMatch(line, /\d+\.\d$/);
    await interruptExample(script);
  } finally {
    server.close();
  }
});

kernelTest("xdp-drop drops and counts packets to one port", { needs: ["kernel:5.9"] }, async () => {
  const port = 20_000 + Math.floor(Math.random() * 10_000);
  using script = await startExample("xdp-drop", /Ctrl-C/, ["lo", String(port)]);
  await shell(
    `for i in 1 2 3 4 5 6 7; do echo x > /dev/udp/127.0.0.1/${port}; done; echo y > /dev/udp/127.0.0.1/${port + 1}`,
  );
  const { stdout } = await interruptExample(script);
  const [, dropped, passed] = /dropped (\d+), other UDP (\d+) in all/.exec(stdout) ?? [];
  assert(dropped === "7" && Number(passed) >= 1, stdout);
});

kernelTest("tc-count counts packets by direction and protocol", { needs: ["kernel:5.8"] }, async () => {
  const port = 20_000 + Math.floor(Math.random() * 10_000);
  using script = await startExample("tc-count", /Ctrl-C/, ["lo"]);
  await shell(`for i in $(seq 9); do echo 123456789 > /dev/udp/127.0.0.1/${port}; done`);
  const { stdout } = await interruptExample(script);
  for (const direction of ["in", "out"]) {
    const rows = [...stdout.matchAll(new RegExp(`^${direction} +udp +(\\d+) +(\\d+)$`, "gm"))];
    const [, packets, bytes] = rows.at(-1) ?? [];
    // Ethernet, IPv4 and UDP headers are 42 bytes. Others may use the device as well.
    assert(Number(packets) >= 9 && Number(bytes) >= 9 * 52, stdout);
  }
});

kernelTest("sslsniff prints what OpenSSL encrypts and decrypts", { needs: ["uprobes", "tool:openssl"] }, async () => {
  const folder = mkdtempSync("/tmp/waggle-test-");
  const port = 20_000 + Math.floor(Math.random() * 10_000);
  try {
    await shell(
      `cd ${folder}; openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 1 -subj /CN=localhost 2>/dev/null`,
    );
    using script = await startExample("sslsniff", /Ctrl-C/);
    using server = new Waiting(`cd ${folder}; exec openssl s_server -key key -cert cert -accept ${port} -quiet`);
    server.go();
    await shell(
      `for i in 1 2 3 4 5 6 7 8 9; do
         { echo secret-${port}; sleep 0.5; } | timeout 5 openssl s_client -connect localhost:${port} -quiet -no_ign_eof && break
         sleep 0.2
       done`,
    );
    await script.until(new RegExp(`writes \\d+ bytes\\nsecret-${port}`));
    await script.until(new RegExp(`reads \\d+ bytes\\nsecret-${port}`));
    await interruptExample(script);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

kernelTest("tcp-window is a congestion control while it runs", {
  needs: ["kernel:5.13", "btf", "tool:python3"],
}, async () => {
  using script = await startExample("tcp-window", /Ctrl-C/, ["7"]);
  const client = [
    'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(1); c = socket.socket()',
    'c.setsockopt(6, 13, b"waggle"); c.connect(s.getsockname()); a, _ = s.accept()',
    '[(c.sendall(b"x" * 1000), a.recv(1000)) for _ in range(100)]',
    "print(c.getsockopt(6, 11, 104)[80:84].hex())",
  ].join("; ");
  // tcp_info.tcpi_snd_cwnd
  assertMatch(await shell(`python3 -c '${client}'`), /^07000000\n$/);
  const { stdout } = await interruptExample(script);
  assertMatch(stdout, /^connections 1$/m);
  const [, acknowledgements, packets] =
    /^acknowledgements (\d+), of (\d+) packets, at most \d+ at once$/m.exec(stdout) ?? [];
  assert(Number(acknowledgements) > 10 && Number(packets) >= Number(acknowledgements), stdout);
  assertMatch(await shell(`python3 -c '${client}' 2>&1`), /FileNotFoundError/);
});
