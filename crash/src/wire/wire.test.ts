import assert from "node:assert/strict";
import { test } from "node:test";
import { generate, parser } from "mqtt-packet";
import type { Packet as ForeignPacket } from "mqtt-packet";
import {
  encodeAcknowledgement,
  encodeConnect,
  encodeDisconnect,
  encodePublish,
  encodeSubscribe,
  encodeUnsubscribe,
} from "./encode.ts";
import { PacketReader } from "./packet.ts";
import type { Version } from "./packet.ts";

const PUBLISH = {
  topicName: "a/é",
  payload: Buffer.from("payload"),
  qos: 2,
  retain: true,
  dup: true,
  packetIdentifier: 300,
} as const;

/** What another codec reads in bytes. */
function readByOther(bytes: Buffer, version: Version): ForeignPacket {
  const read: ForeignPacket[] = [];
  const other = parser({ protocolVersion: version });
  other.on("packet", (packet) => read.push(packet));
  other.on("error", (error) => assert.fail(String(error)));
  other.parse(bytes);
  assert.equal(read.length, 1);
  return read[0]!;
}

for (const version of [4, 5] as const) {
  for (const [name, bytes, expected] of [
    [
      "CONNECT",
      encodeConnect({
        version,
        clientId: "c",
        cleanStart: true,
        will: { topicName: "w", payload: "gone", qos: 1 },
        ...(version === 5 ? { sessionExpiryInterval: 70_000, receiveMaximum: 9 } : {}),
      }),
      { cmd: "connect", clientId: "c", clean: true },
    ],
    [
      "PUBLISH",
      encodePublish(version, PUBLISH),
      { cmd: "publish", topic: "a/é", qos: 2, dup: true, retain: true, messageId: 300 },
    ],
    ["SUBSCRIBE", encodeSubscribe(version, 7, "a/#", 1), { cmd: "subscribe", messageId: 7 }],
    [
      "UNSUBSCRIBE",
      encodeUnsubscribe(version, 8, "a/#"),
      { cmd: "unsubscribe", messageId: 8, unsubscriptions: ["a/#"] },
    ],
    ["PUBREL", encodeAcknowledgement("pubrel", 9), { cmd: "pubrel", messageId: 9 }],
    ["DISCONNECT", encodeDisconnect(version, version === 5 ? 0 : undefined), { cmd: "disconnect" }],
  ] as const)
    test(`another codec reads our ${name} of version ${version}`, () => {
      const read = readByOther(bytes, version) as unknown as Record<string, unknown>;
      const asked = Object.fromEntries(Object.keys(expected).map((key) => [key, read[key]]));
      assert.deepEqual(asked, expected);
    });

  test(`PUBLISH, SUBACK and PUBACK of another codec are read, in pieces too, version ${version}`, () => {
    const properties =
      version === 5
        ? {
            properties: {
              subscriptionIdentifier: 200,
              userProperties: { a: "b" },
              messageExpiryInterval: 5,
            },
          }
        : {};
    const bytes = Buffer.concat(
      [
        {
          cmd: "publish",
          topic: "a/é",
          payload: "payload",
          qos: 2,
          dup: true,
          retain: true,
          messageId: 300,
          ...properties,
        },
        {
          cmd: "suback",
          messageId: 7,
          granted: [1, 128],
          ...(version === 5 ? { properties: {} } : {}),
        },
        { cmd: "puback", messageId: 8, ...(version === 5 ? { reasonCode: 0x10 } : {}) },
      ].map((packet) => generate(packet as ForeignPacket, { protocolVersion: version })),
    );
    for (const step of [1, 3, bytes.length]) {
      const reader = new PacketReader(version);
      const packets = [];
      for (let at = 0; at < bytes.length; at += step)
        packets.push(...reader.read(bytes.subarray(at, at + step)));
      const [publish, suback, puback] = packets;
      assert.deepEqual(publish, {
        ...PUBLISH,
        type: "publish",
        subscriptionIdentifiers: version === 5 ? [200] : [],
      });
      assert.deepEqual(suback, { type: "suback", packetIdentifier: 7, reasonCodes: [1, 128] });
      assert.deepEqual(puback, {
        type: "puback",
        packetIdentifier: 8,
        reasonCode: version === 5 ? 0x10 : 0,
      });
    }
  });
}
