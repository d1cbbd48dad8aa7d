import type { Attack } from "../attack.ts";
import { connectPacket } from "../packets.ts";
import { openWebSocket, Opcode, upgradeRequest, webSocketFrame } from "../websocket-frame.ts";

const SOME = Buffer.from("1234567890");
const CONNECT = connectPacket(4, "");
const NONE = Buffer.alloc(0);
const { continuation, text, binary, close, ping, pong } = Opcode;

/** What must end a WebSocket: frames behind a good upgrade. */
const FRAMES: readonly (readonly [name: string, bytes: Buffer])[] = [
  ["a frame without a mask", webSocketFrame(binary, CONNECT, { isMasked: false })],
  ["a reserved bit", webSocketFrame(binary, CONNECT, { reserved: 4 })],
  ["reserved bits", webSocketFrame(binary, CONNECT, { reserved: 3 })],
  ["an opcode for data that there is not", webSocketFrame(3, SOME)],
  ["an opcode for control that there is not", webSocketFrame(11, SOME)],
  ["a text frame", webSocketFrame(text, CONNECT)],
  ["a text frame that is no UTF-8", webSocketFrame(text, Buffer.of(0xff, 0xc0))],
  ["a continuation of nothing", webSocketFrame(continuation, SOME)],
  [
    "a new message within a fragmented one",
    Buffer.concat([
      webSocketFrame(binary, CONNECT.subarray(0, 3), { isLast: false }),
      webSocketFrame(binary, CONNECT.subarray(3)),
    ]),
  ],
  ["a ping in fragments", webSocketFrame(ping, SOME, { isLast: false })],
  ["a ping of 126 bytes", webSocketFrame(ping, Buffer.alloc(126))],
  ["a pong of 64 KiB", webSocketFrame(pong, Buffer.alloc(65_536))],
  ["a close frame of one byte", webSocketFrame(close, Buffer.of(3))],
  ["a close frame with a code that may not be", webSocketFrame(close, Buffer.of(0x03, 0xed))],
  ["a length with its highest bit set", webSocketFrame(binary, NONE, { announced: 2n ** 63n })],
  ["a length of 2^53", webSocketFrame(binary, NONE, { announced: 2n ** 53n })],
  ["a length of 1 GiB", webSocketFrame(binary, SOME, { announced: 2n ** 30n })],
  ["a packet that is none", webSocketFrame(binary, Buffer.of(0xff, 0xff, 0xff, 0xff, 0xff))],
];

/** What must end a connection before it is a WebSocket. */
const REQUESTS: readonly (readonly [name: string, bytes: string])[] = [
  ["a request that is no HTTP", "\x10\x10\x00\x04MQTT\x04\x02\r\n\r\n"],
  ["a request for a page", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"],
  [
    "a request with two lengths",
    "POST /mqtt HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
  ],
  ["a header of 1 MiB", `GET /mqtt HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(2 ** 20)}`],
  ["10 000 headers", `GET /mqtt HTTP/1.1\r\n${"A: b\r\n".repeat(10_000)}`],
  ["an upgrade without a key", upgradeRequest().replace(/Sec-WebSocket-Key.*\r\n/, "")],
  ["an upgrade of version 1", upgradeRequest().replace("Version: 13", "Version: 1")],
];

/** Frames and requests that break the rules of WebSocket, one for each connection. */
export const webSocketFrames: Attack = {
  name: "websocket-frames",
  text: "WebSocket frames without masks, with wrong bits, opcodes, fragments and lengths, text frames, and requests that are no upgrade.",
  transport: "ws",
  weight: 1,
  run: (siege) =>
    siege.cases({ perSecond: 150, atOnce: 75 }, async (index) => {
      const at = index % (FRAMES.length + REQUESTS.length);
      const request = REQUESTS[at - FRAMES.length];
      if (request !== undefined) {
        const connection = await siege.open();
        connection.send(request[1]);
        return siege.mustClose(connection, request[0], index);
      }
      const [name, bytes] = FRAMES[at]!;
      const connection = await openWebSocket(siege);
      if (connection === undefined) return;
      connection.send(bytes);
      await siege.mustClose(connection, name, index);
    }),
};
