import { randomBytes } from "node:crypto";
import type { Siege } from "./attack.ts";
import type { HostileConnection } from "./hostile-connection.ts";

/** Opcodes of RFC 6455. */
export const Opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** What a frame may have that no client sends. */
export interface FrameOptions {
  /** Default true. */
  readonly isLast?: boolean;
  /** Default true; a client that does not mask breaks the protocol. */
  readonly isMasked?: boolean;
  /** Reserved bits, 0…7. Default 0. */
  readonly reserved?: number;
  /** What the header says instead of the payload's length; written in eight bytes. */
  readonly announced?: bigint;
}

/** A frame of a client. The mask is 0: it leaves the payload as it is. */
export function webSocketFrame(
  opcode: number,
  payload: Uint8Array,
  { isLast = true, isMasked = true, reserved = 0, announced }: FrameOptions = {},
): Buffer {
  const mask = isMasked ? 0x80 : 0;
  const header = Buffer.alloc(14);
  header[0] = (isLast ? 0x80 : 0) | (reserved << 4) | opcode;
  let length = 2;
  if (announced !== undefined) {
    header[1] = mask | 127;
    length = header.writeBigUInt64BE(announced, 2);
  } else if (payload.length < 126) header[1] = mask | payload.length;
  else if (payload.length < 65_536) {
    header[1] = mask | 126;
    length = header.writeUInt16BE(payload.length, 2);
  } else {
    header[1] = mask | 127;
    length = header.writeBigUInt64BE(BigInt(payload.length), 2);
  }
  return Buffer.concat([header.subarray(0, length + (isMasked ? 4 : 0)), payload]);
}

/** The request that turns HTTP into a WebSocket, as a client sends it. */
export function upgradeRequest(): string {
  return [
    "GET /mqtt HTTP/1.1",
    "Host: localhost",
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Protocol: mqtt",
    "\r\n",
  ].join("\r\n");
}

/** Opens a connection and sees it through the upgrade. @returns `undefined` where the broker does not upgrade it. */
export async function openWebSocket(siege: Siege): Promise<HostileConnection | undefined> {
  const connection = await siege.open("ws");
  connection.send(upgradeRequest());
  const isAnswered = await connection.receives(12, 5000);
  if (isAnswered && connection.received.toString("latin1").startsWith("HTTP/1.1 101"))
    return connection;
  siege.count("not upgraded");
  connection.reset();
  return undefined;
}
