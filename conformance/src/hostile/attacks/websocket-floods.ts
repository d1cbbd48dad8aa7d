import type { Attack, Siege } from "../attack.ts";
import { connectPacket } from "../packets.ts";
import { openWebSocket, Opcode, upgradeRequest, webSocketFrame } from "../websocket-frame.ts";

const { binary, continuation, ping } = Opcode;
/** Between two pieces of a connection: every broker is to have the same traffic, however fast it is. Milliseconds. */
const BETWEEN_MS = 10;
/** Fragments that go in one piece. */
const FRAGMENTS = 1000;
/** What a broker may take of a connection that never reads, at most: what the system's buffers hold, and a margin. Bytes. */
const TAKEN_MAXIMUM = 64 * 1024 * 1024;

/** Frames that the rules of WebSocket allow, and that nobody can want so many of. */
export const webSocketFloods: Attack = {
  name: "websocket-floods",
  text: "Pings whose pongs are never read, messages of endless fragments, empty frames, and upgrades that never end.",
  transport: "ws",
  weight: 2,
  async run(siege) {
    await Promise.all([
      ...Array.from({ length: 5 }, () => unreadPongs(siege)),
      ...Array.from({ length: 3 }, () => endlessMessage(siege, Buffer.of(0x10))),
      ...Array.from({ length: 3 }, () => endlessMessage(siege, Buffer.alloc(0))),
      slowUpgrades(siege),
    ]);
  },
};

async function unreadPongs(siege: Siege): Promise<void> {
  const connection = await openWebSocket(siege);
  if (connection === undefined) return;
  connection.send(webSocketFrame(binary, connectPacket(4, "")));
  connection.stopReading();
  const piece = repeated(webSocketFrame(ping, Buffer.alloc(125, "p")), 500);
  while (!siege.isOver && connection.isOpen) {
    if (!connection.send(piece)) await connection.drained(100);
    await siege.pause(BETWEEN_MS);
  }
  const taken = connection.socket.bytesWritten - connection.socket.writableLength;
  siege.count("KB of pings taken", Math.round(taken / 1e3));
  if (taken > TAKEN_MAXIMUM) siege.fault(`${taken} bytes of pings taken, pongs unread`);
  connection.reset();
}

async function endlessMessage(siege: Siege, fragment: Buffer): Promise<void> {
  const piece = repeated(webSocketFrame(continuation, fragment, { isLast: false }), FRAGMENTS);
  while (!siege.isOver) {
    const connection = await openWebSocket(siege);
    if (connection === undefined) return;
    connection.send(webSocketFrame(binary, connectPacket(4, "")));
    connection.send(webSocketFrame(binary, fragment, { isLast: false }));
    while (!siege.isOver && connection.isOpen) {
      if (!connection.send(piece)) await connection.drained(100);
      siege.count("fragments", FRAGMENTS);
      await siege.pause(BETWEEN_MS);
    }
    if (!connection.isOpen) siege.count("ended by the broker");
    connection.reset();
  }
}

/** A byte of the request now and then: each new one must not give it more time. */
async function slowUpgrades(siege: Siege): Promise<void> {
  const request = Buffer.from(upgradeRequest());
  const connections = await Promise.all(Array.from({ length: 100 }, () => siege.open()));
  for (let at = 0; !siege.isOver; at += 1) {
    for (const connection of connections) connection.send(request.subarray(at, at + 1));
    await siege.pause(50);
  }
  for (const connection of connections) connection.reset();
}

function repeated(bytes: Buffer, times: number): Buffer {
  return Buffer.concat(Array.from({ length: times }, () => bytes));
}
