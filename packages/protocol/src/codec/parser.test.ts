import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { PacketType } from "../packet.ts";
import { TopicNameTable } from "../topic/topic-name-table.ts";
import { encodePacket } from "./encode-packet.ts";
import { bytesOf, packetsOf, parserFor, plain } from "./fixtures.test.ts";
import { fromClient } from "./from-client.ts";
import { Parser } from "./parser.ts";

const ping = bytesOf("c0 00");

/** Bytes that were copied from one array to another since. */
function countCopied(context: TestContext): () => number {
  const set = context.mock.method(Uint8Array.prototype, "set");
  return () => set.mock.calls.reduce((sum, { arguments: [source] }) => sum + source!.length, 0);
}

test("next gives the type of each packet of a chunk, then 0", () => {
  const parser = parserFor({ version: 4 });
  const bytes = bytesOf("30 03 0001'a' 40 02 0001 c0 00");
  parser.push(bytes, 0, bytes.length);
  assert.deepEqual(
    [parser.next(), parser.next(), parser.next(), parser.next(), parser.next()],
    [PacketType.publish, PacketType.puback, PacketType.pingreq, 0, 0],
  );
});

test("a PUBLISH is read into fields that are offsets into the pushed bytes", () => {
  const parser = parserFor({ version: 5 });
  const bytes = bytesOf("ffff  34 14 0003'a/b' 0102 0a 02 80000000 23 000a 01 01 'hi'");
  parser.push(bytes, 2, bytes.length);
  assert.equal(parser.next(), PacketType.publish);
  assert.equal(parser.bytes, bytes);
  assert.equal(parser.owned, false);
  assert.deepEqual(
    {
      start: parser.start,
      end: parser.end,
      topicName: parser.topic?.name,
      topicStart: parser.topicStart,
      packetIdentifier: parser.packetIdentifier,
      propertiesStart: parser.propertiesStart,
      propertiesEnd: parser.propertiesEnd,
      payloadStart: parser.payloadStart,
      topicAlias: parser.topicAlias,
      messageExpiryInterval: parser.messageExpiryInterval,
      hasSubscriptionIdentifier: parser.hasSubscriptionIdentifier,
    },
    {
      start: 2,
      end: 24,
      topicName: "a/b",
      topicStart: 4,
      packetIdentifier: 0x0102,
      propertiesStart: 12,
      propertiesEnd: 22,
      payloadStart: 22,
      topicAlias: 10,
      messageExpiryInterval: 0x8000_0000,
      hasSubscriptionIdentifier: false,
    },
  );
});

test("the fields of one PUBLISH do not stay for the next", () => {
  const parser = parserFor({ version: 5, from: "server" });
  const bytes = bytesOf("32 10 0001'a' 0001 0a 02 00000001 23 0001 0b 01  30 04 0001'b' 00");
  parser.push(bytes, 0, bytes.length);
  parser.next();
  assert.equal(parser.hasSubscriptionIdentifier, true);
  parser.next();
  assert.equal(parser.topic?.name, "b");
  assert.equal(parser.packetIdentifier, 0);
  assert.equal(parser.topicAlias, 0);
  assert.equal(parser.messageExpiryInterval, -1);
  assert.equal(parser.hasSubscriptionIdentifier, false);
  assert.equal(parser.propertiesStart, parser.propertiesEnd);
});

test("next gives the Packet Identifier of SUBSCRIBE, and refuses one without", () => {
  const parser = parserFor({ version: 4 });
  const bytes = bytesOf("82 06 0102 0001'a' 00 c0 00 82 00 c0 00");
  parser.push(bytes, 0, bytes.length);
  assert.equal(parser.next(), PacketType.subscribe);
  assert.equal(parser.packetIdentifier, 0x0102);
  assert.equal(parser.next(), PacketType.pingreq);
  assert.equal(parser.packetIdentifier, 0);
  assert.throws(() => parser.next(), { code: "ERR_MALFORMED_PACKET" });
});

// prettier-ignore
for (const [what, from, spelled] of [
  ["a Content Type that is not UTF-8", "client", "30 08 0001'a' 04 03 0001 ff"],
  ["a User Property with U+0000", "client", "30 0c 0001'a' 08 26 0002'kk' 0001 00"],
  ["a wildcard in Response Topic", "client", "30 08 0001'a' 04 08 0001'+'"],
  ["a Topic Name that is not UTF-8", "client", "30 04 0001 ff 00"],
  ["a Subscription Identifier from a Client", "client", "30 06 0001'a' 02 0b 01"],
  ["a Reason String of PUBACK that is not UTF-8", "server", "40 08 0001 00 04 1f 0001 ff"],
  ["an unknown Reason Code of PUBREC", "server", "50 03 0001 01"],
] as const) {
  test(`${what} is found by next already`, () => {
    const parser = parserFor({ from, version: 5 });
    const bytes = bytesOf(spelled);
    parser.push(bytes, 0, bytes.length);
    assert.throws(() => parser.next(), { name: "ProtocolError" });
  });
}

test("a PUBLISH with a zero-length Topic Name has no topic", () => {
  const parser = parserFor({ version: 5 });
  packetsOf(parser, bytesOf("30 04 0001'a' 00"));
  parser.push(bytesOf("30 06 0000 03 23 0007"), 0, 8);
  assert.equal(parser.next(), PacketType.publish);
  assert.equal(parser.topic, undefined);
  assert.equal(parser.topicAlias, 7);
});

test("the payload of a packet is a view of the pushed bytes", () => {
  const parser = parserFor({ version: 4 });
  const bytes = bytesOf("30 05 0001'a' 'hi'");
  parser.push(bytes, 0, bytes.length);
  parser.next();
  const packet = parser.packet();
  assert.ok(packet.type === "publish");
  assert.equal(packet.payload.buffer, bytes.buffer);
  assert.equal(packet.payload.byteOffset, bytes.byteOffset + 5);
});

test("a packet that came in pieces is in a buffer made for it alone", () => {
  const parser = parserFor({ version: 4 });
  const bytes = bytesOf("c0 00 30 05 0001'a' 'hi' c0 00");
  parser.push(bytes, 0, 5);
  assert.equal(parser.next(), PacketType.pingreq);
  assert.equal(parser.owned, false);
  assert.equal(parser.next(), 0);
  parser.push(bytes, 5, bytes.length);
  assert.equal(parser.next(), PacketType.publish);
  assert.equal(parser.owned, true);
  assert.equal(parser.bytes.buffer.byteLength, 7);
  const owned = parser.bytes;
  assert.equal(parser.next(), PacketType.pingreq);
  assert.equal(parser.owned, false);
  assert.equal(parser.bytes, bytes);
  assert.deepEqual(owned, bytes.slice(2, 9));
});

test("packets of every width of Remaining Length may come in pieces", () => {
  for (const remainingLength of [126, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152]) {
    const payload = new Uint8Array(remainingLength - 3).fill(7);
    const packet = {
      type: "publish",
      topicName: "a",
      payload,
      qos: 0,
      dup: false,
      retain: false,
    } as const;
    const bytes = encodePacket(packet, 4);
    for (const cut of [1, 2, 3, 4, 5, 6, bytes.length - 1]) {
      const parser = parserFor({ version: 4, maximumPacketSize: bytes.length });
      parser.push(bytes, 0, cut);
      assert.equal(parser.next(), 0);
      parser.push(bytes, cut, bytes.length);
      assert.equal(parser.next(), PacketType.publish);
      assert.equal(parser.end - parser.payloadStart, payload.length);
      assert.equal(parser.topic?.name, "a");
    }
  }
});

test("when next gives 0 the parser refers to none of the pushed bytes", () => {
  const parser = parserFor({ version: 4 });
  parser.push(ping, 0, 2);
  parser.next();
  assert.equal(parser.bytes, ping);
  parser.next();
  assert.notEqual(parser.bytes, ping);
});

test("hold keeps what is not parsed, and more may be pushed behind it", () => {
  const parser = parserFor({ version: 4 });
  const bytes = bytesOf("40 02 0001 40 02 0002 40 02");
  parser.push(bytes, 0, bytes.length);
  assert.equal(parser.next(), PacketType.puback);
  parser.hold();
  bytes.fill(0xdd);
  const more = bytesOf("0003 40 02 0004");
  parser.push(more, 0, 4);
  parser.push(more, 4, 6);
  more.fill(0xdd);
  const identifiers: number[] = [];
  while (parser.next() !== 0) identifiers.push(parser.packetIdentifier);
  assert.deepEqual(identifiers, [2, 3, 4]);
});

test("packets that were handed out from held memory stay as they were", () => {
  const parser = parserFor({ version: 4 });
  const one = bytesOf("30 04 0001'a' 31");
  parser.push(Uint8Array.from([...one, ...one]), 0, 12);
  parser.next();
  parser.hold();
  for (let index = 0; index < 20; index++) parser.push(one, 0, one.length);
  parser.next();
  const { bytes, start, end } = parser;
  for (let index = 0; index < 20; index++) parser.push(ping, 0, ping.length);
  while (parser.next() !== 0);
  assert.deepEqual(bytes.slice(start, end), one);
});

test("a Topic Name that repeats is looked up once, another one is", () => {
  const table = new TopicNameTable({ maximumEntries: 10 });
  const lookedUp: string[] = [];
  const parser = new Parser({
    from: fromClient,
    protocolVersion: 4,
    maximumPacketSize: 100,
    topicNames: {
      lookup(bytes, start, end) {
        const topic = table.lookup(bytes, start, end);
        lookedUp.push(topic.name);
        return topic;
      },
    },
  });
  const names = ["a/b", "a/b", "a/b", "a/c", "a/b", "a", "a", "b"];
  for (const topicName of names) {
    const payload = new Uint8Array(0);
    const packet = {
      type: "publish",
      topicName,
      payload,
      qos: 0,
      dup: false,
      retain: false,
    } as const;
    assert.deepEqual(packetsOf(parser, encodePacket(packet, 4)), [plain(packet)]);
  }
  assert.deepEqual(lookedUp, ["a/b", "a/c", "a/b", "a", "b"]);
});

test("CONNECT sets the version for what comes behind it", () => {
  const parser = parserFor();
  const packets = packetsOf(
    parser,
    bytesOf("10 0e 0004'MQTT' 05 02 003c 00 0001'c'  30 04 0001'a' 00"),
  );
  assert.equal(parser.protocolVersion, 5);
  assert.equal(packets.length, 2);
});

test("the version can be set, and holds for the packets that follow", () => {
  const parser = parserFor({ from: "server", version: 4 });
  assert.throws(() => packetsOf(parser, bytesOf("f0 00")));
  const other = parserFor({ from: "server", version: 4 });
  other.protocolVersion = 5;
  assert.equal(packetsOf(other, bytesOf("f0 06 18 04 15 0001'm'")).length, 1);
});

test("a packet of 200 MB that is announced and not sent costs next to nothing", () => {
  const before = process.memoryUsage().arrayBuffers;
  const parsers = Array.from({ length: 10 }, () => {
    const parser = parserFor({ version: 4 });
    packetsOf(parser, bytesOf("30 80 84 af 5f 0001'a'"));
    return parser;
  });
  const spent = process.memoryUsage().arrayBuffers - before;
  assert.ok(spent < 1_000_000, `${spent} bytes for ${parsers.length} parsers`);
});

test("a big packet in many pieces is copied a few times at most", (context) => {
  const size = 1_000_000;
  const payload = new Uint8Array(size).map((_, index) => index * 7);
  const packet = {
    type: "publish",
    topicName: "a",
    payload,
    qos: 0,
    dup: false,
    retain: false,
  } as const;
  const bytes = encodePacket(packet, 4);
  const copied = countCopied(context);
  const parser = parserFor({ version: 4 });
  for (let start = 0; start < bytes.length; start += 512) {
    parser.push(bytes, start, Math.min(bytes.length, start + 512));
    if (parser.next() !== 0) break;
  }
  assert.deepEqual(parser.packet(), {
    ...packet,
    packetIdentifier: undefined,
    properties: undefined,
  });
  assert.equal(parser.bytes.buffer.byteLength, bytes.length);
  assert.ok(copied() < 4 * size, `${copied()} bytes copied`);
});

test("many pushes on a parser that waits are copied a few times at most", (context) => {
  const copied = countCopied(context);
  const parser = parserFor({ version: 4 });
  const count = 10_000;
  for (let index = 0; index < count; index++) parser.push(ping, 0, 2);
  let packets = 0;
  while (parser.next() !== 0) packets++;
  assert.equal(packets, count);
  assert.ok(copied() < 4 * 2 * count, `${copied()} bytes copied`);
});

test("PUBLISH and acknowledgements are parsed without allocating", () => {
  const one = bytesOf(
    "32 12 0003'a/b' 0001 09 01 01 26 0001'k' 0001'v' 'x' 40 02 0001 40 08 0001 10 04 1f 0001's'",
  );
  const bytes = new Uint8Array(one.length * 1000);
  for (let index = 0; index < 1000; index++) bytes.set(one, index * one.length);
  const parser = parserFor({ version: 5, from: "server" });
  let sum = 0;
  const round = (): void => {
    parser.push(bytes, 0, bytes.length);
    while (parser.next() !== 0) sum += parser.packetIdentifier;
  };
  for (let index = 0; index < 50; index++) round();
  // The collector may run in between, so the least of some rounds counts, and that it is so little.
  let least = Infinity;
  for (let index = 0; index < 20; index++) {
    const before = process.memoryUsage().heapUsed;
    for (let repeat = 0; repeat < 10; repeat++) round();
    const grown = process.memoryUsage().heapUsed - before;
    if (grown >= 0) least = Math.min(least, grown);
  }
  assert.ok(sum > 0);
  // 30 000 packets: not a byte for each.
  assert.ok(least < 30_000, `${least} bytes`);
});
