import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";

interface Ended {
  readonly code: number;
  readonly output: string;
}

/** Runs the suite's command. */
function hostile(...flags: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [join(import.meta.dirname, "hostile.js"), ...flags],
      (_error, stdout, stderr) => resolve({ code: child.exitCode!, output: stdout + stderr }),
    );
  });
}

test("a broker passes two attacks, and the last line says so", async () => {
  const { code, output } = await hostile(
    ...["--seed", "7", "--passes", "1", "--minutes", "0.1"],
    ...["--only", "mutated-packets", "--only", "invalid-utf8"],
  );
  assert.match(output, /^5 passed, 0 failed$/m);
  assert.match(output, /^invalid-utf8 .* ended by the broker/m);
  assert.equal(code, 0);
});

test("a broker that loses messages fails, and the case can be replayed", async () => {
  const server = await deafBroker();
  const { port } = server.address() as AddressInfo;
  const { code, output } = await hostile(
    ...["--seed", "7", "--passes", "1", "--minutes", "0.1", "--only", "connect-flood"],
    ...["--broker", `127.0.0.1:${port}`],
  );
  server.close();
  assert.match(output, /^FAILED connect-flood: replay with --seed 7 --only connect-flood$/m);
  assert.match(output, /the well-behaved pair: QoS 1: message \d+ came after \d+: 1 are missing/);
  assert.equal(code, 1);
});

/** Takes what it gets for well-formed, and hands on every message but one QoS 1 message of twenty. */
function deafBroker(): Promise<Server> {
  const subscribers = new Set<Socket>();
  let publishes = 0;
  const handle = (socket: Socket, packet: Buffer): void => {
    const [first, , high, low] = packet;
    // Topic Name, then the Packet Identifier.
    const after = 4 + (packet.length > 4 ? packet.readUInt16BE(2) : 0);
    const identifier = packet.subarray(after, after + 2);
    switch (first) {
      case 0x10:
        return void socket.write(Buffer.of(0x20, 3, 0, 0, 0));
      case 0x82:
        subscribers.add(socket);
        return void socket.write(Buffer.of(0x90, 4, high!, low!, 0, 2));
      case 0x62:
        return void socket.write(Buffer.of(0x70, 2, high!, low!));
      case 0x32:
        socket.write(Buffer.of(0x40, 2, ...identifier));
        publishes += 1;
        if (publishes % 20 === 0) return;
        break;
      case 0x34:
        socket.write(Buffer.of(0x50, 2, ...identifier));
        break;
      case 0x30:
        break;
      default:
        return;
    }
    for (const subscriber of subscribers) subscriber.write(packet);
  };
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.on("close", () => subscribers.delete(socket));
    socket.on("data", (bytes) => {
      if (subscribers.has(socket)) return;
      for (let at = 0; at < bytes.length; at += 2 + (bytes[at + 1] ?? 0))
        handle(socket, bytes.subarray(at, at + 2 + (bytes[at + 1] ?? 0)));
    });
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}
