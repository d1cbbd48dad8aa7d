/**
 * The codec beside mqtt-packet: a stream of PUBLISH packets of 64 bytes, with the Topic Name as a
 * string and a view of the payload made by both; and the encoding of one such packet.
 */
import { createRequire } from "node:module";
import type mqttPacketModule from "mqtt-packet";
import {
  PacketType,
  Parser,
  TopicNameTable,
  Writer,
  encodePacket,
  writeAcknowledgement,
  type ProtocolVersion,
  type PublishPacket,
  fromClient,
} from "@sericite/protocol";
import { benchSideBySide } from "./harness.ts";

const mqttPacket = createRequire(import.meta.url)("mqtt-packet") as typeof mqttPacketModule;

const packetSize = 64;
const packetsPerChunk = 1024;

/** As large as a read of a socket, 64 KiB; the Topic Names take turns. */
function makeStream(version: ProtocolVersion, qos: 0 | 1, topicCount: number): Uint8Array {
  const writer = new Writer(packetSize * packetsPerChunk);
  for (let index = 0; index < packetsPerChunk; index++) {
    const topicName = `plant/line${1000 + (index % topicCount)}/temperature`;
    const overhead = 4 + topicName.length + (qos === 0 ? 0 : 2) + (version === 5 ? 1 : 0);
    encodePacket(
      {
        type: "publish",
        topicName,
        payload: new Uint8Array(packetSize - overhead).fill(0x2a),
        qos,
        dup: false,
        retain: false,
        packetIdentifier: qos === 0 ? undefined : 1 + index,
      },
      version,
      writer,
    );
  }
  if (writer.position !== packetSize * packetsPerChunk) throw new Error("not 64 bytes each");
  return Buffer.from(writer.bytes.buffer, 0, writer.position);
}

for (const [version, qos, topicCount] of [
  [4, 0, 1],
  [4, 0, 1000],
  [4, 1, 1],
  [5, 0, 1],
  [5, 0, 1000],
] as const) {
  const stream = makeStream(version, qos, topicCount);

  const parser = new Parser({
    from: fromClient,
    protocolVersion: version,
    maximumPacketSize: 268_435_460,
    topicNames: new TopicNameTable({ maximumEntries: 10_000 }),
  });
  const ours = (): number => {
    let sum = 0;
    parser.push(stream, 0, stream.length);
    while (parser.next() === PacketType.publish) {
      const payload = parser.bytes.subarray(parser.payloadStart, parser.end);
      sum += parser.topic!.name.length + payload.length;
    }
    return sum;
  };

  const oursWithoutView = (): number => {
    let sum = 0;
    parser.push(stream, 0, stream.length);
    while (parser.next() === PacketType.publish) {
      sum += parser.topic!.name.length + parser.end - parser.payloadStart;
    }
    return sum;
  };

  const oursAsObject = (): number => {
    let sum = 0;
    parser.push(stream, 0, stream.length);
    while (parser.next() !== 0) {
      const packet = parser.packet() as PublishPacket;
      sum += packet.topicName.length + packet.payload.length;
    }
    return sum;
  };

  let theirSum = 0;
  const theirParser = mqttPacket.parser({ protocolVersion: version });
  theirParser.on("packet", (packet) => {
    const { topic, payload } = packet as { topic: string; payload: Buffer };
    theirSum += topic.length + payload.length;
  });
  const theirs = (): number => {
    theirSum = 0;
    theirParser.parse(stream as Buffer);
    return theirSum;
  };
  if (ours() !== theirs() || oursAsObject() !== theirs() || oursWithoutView() !== theirs())
    throw new Error("they differ");

  await benchSideBySide(
    `codec/decode PUBLISH ${version === 5 ? "5.0" : "3.1.1"} QoS ${qos}, ${topicCount} topics`,
    {
      parser: ours,
      "parser, packet()": oursAsObject,
      "parser, no view": oursWithoutView,
      "mqtt-packet": theirs,
    },
    { operations: packetsPerChunk },
  );
}

{
  const stream = new Uint8Array(4 * packetsPerChunk);
  for (let offset = 0; offset < stream.length; offset += 4) {
    writeAcknowledgement(stream, offset, 0x40, 1 + offset);
  }
  const parser = new Parser({
    from: fromClient,
    protocolVersion: 5,
    maximumPacketSize: 1000,
    topicNames: new TopicNameTable({ maximumEntries: 1 }),
  });
  await benchSideBySide(
    "codec/decode PUBACK",
    {
      "no object": () => {
        let sum = 0;
        parser.push(stream, 0, stream.length);
        while (parser.next() !== 0) sum += parser.packetIdentifier;
        return sum;
      },
    },
    { operations: packetsPerChunk },
  );
}

for (const version of [4, 5] as const) {
  const topicName = "plant/line1000/temperature";
  const payload = Buffer.alloc(packetSize - 4 - topicName.length - (version === 5 ? 1 : 0), 0x2a);
  const packet: PublishPacket = {
    type: "publish",
    topicName,
    payload,
    qos: 0,
    dup: false,
    retain: false,
  };
  const writer = new Writer(1024);
  const theirPacket = {
    cmd: "publish",
    topic: topicName,
    payload,
    qos: 0,
    dup: false,
    retain: false,
  } as const;
  const options = { protocolVersion: version };
  const ours = encodePacket(packet, version);
  if (!mqttPacket.generate(theirPacket, options).equals(ours)) throw new Error("they differ");

  await benchSideBySide(`codec/encode PUBLISH ${version === 5 ? "5.0" : "3.1.1"} QoS 0`, {
    "into a Writer": () => {
      writer.reset();
      return encodePacket(packet, version, writer).length;
    },
    "fresh array": () => encodePacket(packet, version).length,
    "mqtt-packet": () => mqttPacket.generate(theirPacket, options).length,
  });
}
