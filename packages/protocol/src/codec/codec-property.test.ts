import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ProtocolError } from "../errors.ts";
import type { Packet, ProtocolVersion } from "../packet.ts";
import { anyConversation, anySender, anyVersion } from "./arbitrary-packets.test.ts";
import { encodePacket } from "./encode-packet.ts";
import type { Sender } from "./fixed-header.ts";
import { packetsOf, parserFor, plain } from "./fixtures.test.ts";
import { PacketStream } from "./packet-stream.ts";
import type { Parser } from "./parser.ts";
import { Writer } from "./writer.ts";

/** A Client's version is for its CONNECT to say. */
function parserOf(version: ProtocolVersion, from: Sender): Parser {
  return parserFor({ from, version: from === "client" ? undefined : version });
}

function streamOf(packets: readonly Packet[], version: ProtocolVersion): Uint8Array {
  const writer = new Writer(16);
  for (const packet of packets) encodePacket(packet, version, writer);
  return writer.bytes.slice(0, writer.position);
}

/** The bytes cut at the places; each place is a share of the whole. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const borders = places.map((place) => Math.floor(place * bytes.length)).sort((a, b) => a - b);
  return [...borders, bytes.length].map((border, index) =>
    bytes.subarray(borders[index - 1] ?? 0, border),
  );
}

const anyPlaces = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });

interface Outcome {
  readonly packets: Packet[] | undefined;
  readonly error: { code: string; reasonCode: number; message: string } | undefined;
}

/** What comes of the bytes: packets, and the error that ended them. */
function outcome(parser: Parser | PacketStream, chunks: readonly Uint8Array[]): Outcome {
  const packets: Packet[] = [];
  try {
    for (const chunk of chunks) packets.push(...packetsOf(parser, chunk));
    return { packets, error: undefined };
  } catch (thrown) {
    assert.ok(thrown instanceof ProtocolError, `${(thrown as Error).stack}`);
    const { code, reasonCode, message } = thrown;
    return { packets: undefined, error: { code, reasonCode, message } };
  }
}

test("every packet, encoded and decoded, is the same packet", () => {
  fc.assert(
    fc.property(anyConversation, ({ version, from, packets }) => {
      const decoded = packetsOf(parserOf(version, from), streamOf(packets, version));
      assert.deepEqual(decoded, packets.map(plain));
    }),
    { numRuns: 1500 },
  );
});

test("a packet is encoded alike into a writer and into an array of its own", () => {
  fc.assert(
    fc.property(anyConversation, ({ version, packets }) => {
      const alone = packets.map((packet) => encodePacket(packet, version));
      assert.deepEqual(Buffer.concat(alone), Buffer.from(streamOf(packets, version)));
    }),
    { numRuns: 100 },
  );
});

test("any split of the bytes gives the same packets", () => {
  fc.assert(
    fc.property(anyConversation, anyPlaces, ({ version, from, packets }, places) => {
      const chunks = cut(streamOf(packets, version), places);
      assert.deepEqual(packetsOf(parserOf(version, from), ...chunks), packets.map(plain));
    }),
    { numRuns: 300 },
  );
});

test("one byte at a time gives the same packets", () => {
  fc.assert(
    fc.property(anyConversation, ({ version, from, packets }) => {
      const bytes = streamOf(packets, version);
      const chunks = Array.from(bytes, (_, index) => bytes.subarray(index, index + 1));
      assert.deepEqual(packetsOf(parserOf(version, from), ...chunks), packets.map(plain));
    }),
    { numRuns: 30 },
  );
});

test("bytes that are held or pushed before the others are parsed give the same packets", () => {
  const anySteps = fc.array(fc.constantFrom("next", "hold", "push"), { maxLength: 40 });
  fc.assert(
    fc.property(
      anyConversation,
      anyPlaces,
      anySteps,
      ({ version, from, packets }, places, steps) => {
        const parser = parserOf(version, from);
        const chunks = cut(streamOf(packets, version), places);
        const decoded: Packet[] = [];
        const next = (): boolean => {
          const type = parser.next();
          if (type !== 0) decoded.push(plain(parser.packet()));
          return type !== 0;
        };
        let pushed = new Uint8Array(0);
        for (const step of steps) {
          if (step === "next") next();
          else if (step === "hold") {
            parser.hold();
            pushed.fill(0xdd);
          } else {
            pushed = Uint8Array.from(chunks.shift() ?? []);
            parser.push(pushed, 0, pushed.length);
          }
        }
        for (const chunk of chunks) parser.push(Uint8Array.from(chunk), 0, chunk.length);
        while (next());
        assert.deepEqual(decoded, packets.map(plain));
      },
    ),
    { numRuns: 200 },
  );
});

test("random bytes give packets or a ProtocolError, alike however they are split", () => {
  fc.assert(
    fc.property(
      anyVersion,
      anySender,
      fc.uint8Array({ maxLength: 60 }),
      anyPlaces,
      (version, from, bytes, places) => {
        const whole = outcome(parserFor({ version, from }), [bytes]);
        assert.deepEqual(outcome(parserFor({ version, from }), cut(bytes, places)), whole);
      },
    ),
    { numRuns: 10_000 },
  );
});

/** Changes that keep much of a packet: a bit, a byte, a piece left out or put in. */
const anyMutation = fc.record({
  place: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  kind: fc.constantFrom("bit", "byte", "remove", "insert"),
  value: fc.integer({ min: 0, max: 255 }),
});

function mutate(
  bytes: Uint8Array,
  mutations: readonly { place: number; kind: string; value: number }[],
): Uint8Array {
  const mutated = [...bytes];
  for (const { place, kind, value } of mutations) {
    // Half of them in the first bytes, where the structure is.
    const index = Math.floor(value % 2 === 0 ? place * mutated.length : place * 40);
    if (kind === "bit") mutated[index] = (mutated[index] ?? 0) ^ (1 << (value & 7));
    else if (kind === "byte") mutated[index] = value;
    else if (kind === "remove") mutated.splice(index, 1 + (value & 3));
    else mutated.splice(index, 0, value);
  }
  return Uint8Array.from(mutated, (byte) => byte ?? 0);
}

test("mutated packets give packets or a ProtocolError, alike however they are split", () => {
  let refused = 0;
  let accepted = 0;
  fc.assert(
    fc.property(
      anyConversation,
      fc.array(anyMutation, { minLength: 1, maxLength: 3 }),
      anyPlaces,
      ({ version, from, packets }, mutations, places) => {
        const bytes = mutate(streamOf(packets, version), mutations);
        const whole = outcome(parserOf(version, from), [bytes]);
        if (whole.error === undefined) accepted++;
        else refused++;
        assert.deepEqual(outcome(parserOf(version, from), cut(bytes, places)), whole);
      },
    ),
    { numRuns: 2000 },
  );
  assert.ok(refused > 300 && accepted > 100, `${refused} refused, ${accepted} accepted`);
});

/** That a PUBREL of 3.1 was sent before tells a client nothing. */
function withoutDup(packet: Packet): Packet {
  return plain(packet.type === "pubrel" ? { ...packet, dup: undefined } : packet);
}

test("PacketStream reads what a Server sends as Parser does, however it is split", () => {
  fc.assert(
    fc.property(anyConversation, anyPlaces, ({ version, from, packets }, places) => {
      fc.pre(from === "server");
      const stream = new PacketStream(version, 268_435_460);
      const chunks = cut(streamOf(packets, version), places);
      assert.deepEqual(packetsOf(stream, ...chunks), packets.map(withoutDup));
    }),
    { numRuns: 500 },
  );
});

test("PacketStream refuses what Parser refuses, however it is split", () => {
  let refused = 0;
  let accepted = 0;
  const check = (version: ProtocolVersion, bytes: Uint8Array, places: readonly number[]): void => {
    const expected = outcome(parserFor({ version, from: "server" }), [bytes]);
    // Whether a text is a Topic Name is for the stream's owner to see.
    if (expected.error?.code === "ERR_TOPIC_NAME") return;
    const found = outcome(new PacketStream(version, 268_435_460), cut(bytes, places));
    // It sees this as soon as the length is there, and not only with the whole packet.
    if (expected.error === undefined && /longer than needed/.test(found.error?.message ?? ""))
      return;
    assert.deepEqual(found.packets, expected.packets?.map(withoutDup));
    assert.equal(found.error?.code, expected.error?.code);
    if (found.error === undefined) accepted++;
    else refused++;
  };
  fc.assert(
    fc.property(
      anyConversation,
      fc.array(anyMutation, { minLength: 1, maxLength: 1 }),
      anyPlaces,
      ({ version, from, packets }, mutations, places) => {
        fc.pre(from === "server");
        check(version, mutate(streamOf(packets, version), mutations), places);
      },
    ),
    { numRuns: 2000 },
  );
  fc.assert(fc.property(anyVersion, fc.uint8Array({ maxLength: 60 }), anyPlaces, check), {
    numRuns: 5000,
  });
  assert.ok(refused > 1000 && accepted > 300, `${refused} refused, ${accepted} accepted`);
});

test("what was decoded from mutated packets can be encoded, and is decoded to the same", () => {
  fc.assert(
    fc.property(
      anyConversation,
      fc.array(anyMutation, { minLength: 1, maxLength: 2 }),
      ({ packets, version, from }, mutations) => {
        for (const packet of packets) {
          if (packet.type === "connect") continue;
          const parser = parserFor({ from, version });
          let decoded: Packet[];
          try {
            decoded = packetsOf(parser, mutate(encodePacket(packet, version), mutations));
          } catch {
            // Refused: the other test looks at that.
            continue;
          }
          const again = packetsOf(parserFor({ from, version }), streamOf(decoded, version));
          assert.deepEqual(again.map(withoutZeroCode), decoded.map(withoutZeroCode));
        }
      },
    ),
    { numRuns: 200 },
  );
});

/** Reason Code 0x00 and none at all are the same, and both are encoded as none. */
function withoutZeroCode(packet: Packet): Packet {
  if (!("reasonCode" in packet) || packet.reasonCode !== 0 || packet.type === "connack") {
    return packet;
  }
  const { reasonCode: _, ...rest } = packet;
  return rest as Packet;
}
