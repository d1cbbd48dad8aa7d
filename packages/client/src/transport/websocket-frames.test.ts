import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { FrameError, FrameReader, Opcode, clientFrame } from "./websocket-frames.ts";

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.split(" "), (byte) => Number.parseInt(byte, 16));
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

/** What a reader finds: application data joined, control frames one by one. */
class Found {
  readonly data: number[] = [];
  readonly controls: string[] = [];
  readonly reader = new FrameReader({
    onBytes: (bytes, start, end) => void this.data.push(...bytes.subarray(start, end)),
    onControl: (opcode, payload) => void this.controls.push(`${opcode}:${hexOf(payload)}`),
  });
  push(bytes: Uint8Array): this {
    this.reader.push(bytes, 0, bytes.length);
    return this;
  }
}

/** A frame as a server sends it. */
function serverFrame(opcode: number, payload: Uint8Array, isFinal = true): Uint8Array {
  const masked = clientFrame(opcode, payload, new Uint8Array(4));
  const begin = masked.length - payload.length - 4;
  const frame = Uint8Array.from([...masked.subarray(0, begin), ...payload]);
  frame[0] = isFinal ? frame[0]! : frame[0]! & 0x7f;
  frame[1] = frame[1]! & 0x7f;
  return frame;
}

test("a client's frame is final and masked: the example of RFC 6455 §5.7", () => {
  const hello = new TextEncoder().encode("Hello");
  assert.equal(
    hexOf(clientFrame(Opcode.text, hello, bytesOf("37 fa 21 3d"))),
    "81 85 37 fa 21 3d 7f 9f 4d 51 58",
  );
});

for (const [length, start] of [
  [0, "82 80"],
  [125, "82 fd"],
  [126, "82 fe 00 7e"],
  [65_535, "82 fe ff ff"],
  [65_536, "82 ff 00 00 00 00 00 01 00 00"],
] as const) {
  test(`a client's frame with ${length} bytes begins with ${start}`, () => {
    const frame = clientFrame(Opcode.binary, new Uint8Array(length), new Uint8Array(4));
    assert.equal(hexOf(frame.subarray(0, start.split(" ").length)), start);
    assert.equal(frame.length, start.split(" ").length + 4 + length);
  });
}

test("[MQTT5-6.0.0-2] [MQTT3-6.0.0-2] however a server cuts its bytes into frames, and the network its frames, the same bytes come", () => {
  const frame = fc.record({
    payload: fc.uint8Array({ maxLength: 300 }),
    isFinal: fc.boolean(),
    ping: fc.option(fc.uint8Array({ maxLength: 125 }), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(frame), fc.integer({ min: 1, max: 400 }), (frames, chunk) => {
      const wire: number[] = [];
      const data: number[] = [];
      const pings: string[] = [];
      let isInMessage = false;
      for (const { payload, isFinal, ping } of frames) {
        const opcode = isInMessage ? Opcode.continuation : Opcode.binary;
        wire.push(...serverFrame(opcode, payload, isFinal));
        data.push(...payload);
        isInMessage = !isFinal;
        if (ping === undefined) continue;
        wire.push(...serverFrame(Opcode.ping, ping));
        pings.push(`9:${hexOf(ping)}`);
      }
      const found = new Found();
      const bytes = Uint8Array.from(wire);
      for (let at = 0; at < bytes.length; at += chunk) found.push(bytes.subarray(at, at + chunk));
      assert.deepEqual(found.data, data);
      assert.deepEqual(found.controls, pings);
    }),
  );
});

test("a frame of 64 KiB and more is handed on piece by piece, before it is whole", () => {
  const found = new Found().push(bytesOf("82 7f 00 00 00 10 00 00 00 00 01 02"));
  assert.deepEqual(found.data, [1, 2]);
});

test("nothing is read behind a Close frame", () => {
  const found = new Found().push(bytesOf("88 02 03 e8 82 01 ff"));
  assert.deepEqual([found.data, found.controls], [[], ["8:03 e8"]]);
});

for (const [what, hex, closeCode] of [
  ["[MQTT5-6.0.0-1] [MQTT3-6.0.0-1] a text frame", "81 01 61", 1003],
  ["reserved bits", "c2 01 00", 1002],
  ["a masked frame", "82 81 00 00 00 00 00", 1002],
  ["an unknown data frame", "83 00", 1002],
  ["an unknown control frame", "8b 00", 1002],
  ["a continuation of nothing", "80 00", 1002],
  ["a new message within one", "02 00 82 00", 1002],
  ["a fragmented Ping", "09 00", 1002],
  ["a Ping that is too long", "89 7e 00 7e", 1002],
  ["a length above 2^53", "82 7f ff ff ff ff ff ff ff ff", 1002],
] as const) {
  test(`${what} is refused with ${closeCode}`, () => {
    assert.throws(
      () => new Found().push(bytesOf(hex)),
      (error) => error instanceof FrameError && error.closeCode === closeCode,
    );
  });
}
