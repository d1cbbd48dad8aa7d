import assert from "node:assert/strict";
import { test } from "node:test";
import type {
  ConnectPacket,
  Packet,
  Properties,
  ProtocolVersion,
  PublishPacket,
} from "../packet.ts";
import { PacketType } from "../packet.ts";
import { propertyDefinitions, willProperties } from "../property.ts";
import { writeAcknowledgement } from "./acknowledgement.ts";
import { encodePacket } from "./encode-packet.ts";
import { bytesOf } from "./fixtures.test.ts";
import { decodeProperties } from "./read-properties.ts";
import { encodeProperties } from "./write-properties.ts";
import { Writer } from "./writer.ts";

const empty = new Uint8Array(0);
const publish: PublishPacket = {
  type: "publish",
  topicName: "t",
  payload: empty,
  qos: 0,
  dup: false,
  retain: false,
};
const connect: ConnectPacket = {
  type: "connect",
  protocolVersion: 5,
  clientId: "c",
  cleanStart: true,
  keepAlive: 0,
};
const will = { topicName: "w", payload: empty, qos: 0, retain: false } as const;
const method = { authenticationMethod: "m" };

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** What only a caller without types can give. */
const untyped = (packet: object): Packet => packet as Packet;

// prettier-ignore
for (const [what, version, packet] of [
  ["[MQTT5-3.3.1-2] PUBLISH of QoS 0 with DUP", 5, { ...publish, dup: true }],
  ["[MQTT3-3.3.1-2] PUBLISH of QoS 0 with DUP, 3.1.1", 4, { ...publish, dup: true }],
  ["[MQTT5-3.3.1-4] PUBLISH of QoS 3", 5, untyped({ ...publish, qos: 3, packetIdentifier: 1 })],
  ["[MQTT5-2.2.1-3] PUBLISH of QoS 1 without Packet Identifier", 5, { ...publish, qos: 1 }],
  ["[MQTT3-2.3.1-1] PUBLISH of QoS 2 with Packet Identifier 0", 4, { ...publish, qos: 2, packetIdentifier: 0 }],
  ["PUBLISH with Packet Identifier 65 536", 4, { ...publish, qos: 2, packetIdentifier: 65_536 }],
  ["[MQTT5-3.3.2-2] PUBLISH to a wildcard", 5, { ...publish, topicName: "a/#" }],
  ["[MQTT3-3.3.2-2] PUBLISH to a wildcard, 3.1.1", 4, { ...publish, topicName: "+" }],
  ["[MQTT5-4.7.3-1] PUBLISH without Topic Name and Topic Alias", 5, { ...publish, topicName: "" }],
  ["[MQTT3-4.7.3-1] PUBLISH without Topic Name, 3.1.1", 4, { ...publish, topicName: "", properties: { topicAlias: 1 } }],
  ["[MQTT5-3.3.2-1] PUBLISH to a lone surrogate", 5, { ...publish, topicName: "\ud800" }],
  ["[MQTT5-4.7.3-3] PUBLISH to a name of 65 536 bytes", 5, { ...publish, topicName: "x".repeat(65_536) }],
  ["[MQTT5-3.3.2-8] PUBLISH with Topic Alias 0", 5, { ...publish, properties: { topicAlias: 0 } }],
  ["[MQTT5-3.3.2-14] PUBLISH with a wildcard in Response Topic", 5, { ...publish, properties: { responseTopic: "+" } }],
  ["[X-51] PUBLISH with Subscription Identifier 0", 5, { ...publish, properties: { subscriptionIdentifiers: [0] } }],
  ["PUBLISH with Message Expiry Interval -1", 5, { ...publish, properties: { messageExpiryInterval: -1 } }],
  ["PUBLISH with Message Expiry Interval 1.5", 5, { ...publish, properties: { messageExpiryInterval: 1.5 } }],
  ["PUBLISH with Payload Format Indicator 2", 5, untyped({ ...publish, properties: { payloadFormatIndicator: 2 } })],
  ["PUBLISH with a property of CONNECT", 5, { ...publish, properties: { sessionExpiryInterval: 1 } }],
  ["PUBLISH with what is no property", 5, untyped({ ...publish, properties: { colour: "red" } })],
  ["PUBLISH with Correlation Data of 65 536 bytes", 5, { ...publish, properties: { correlationData: new Uint8Array(65_536) } }],
  ["[MQTT5-3.1.2-12] CONNECT with Will QoS 3", 5, untyped({ ...connect, will: { ...will, qos: 3 } })],
  ["CONNECT with a wildcard in the Will Topic", 5, { ...connect, will: { ...will, topicName: "#" } }],
  ["CONNECT with Keep Alive 65 536", 5, { ...connect, keepAlive: 65_536 }],
  ["[X-24] CONNECT with Receive Maximum 0", 5, { ...connect, properties: { receiveMaximum: 0 } }],
  ["[X-30] CONNECT with Authentication Data alone", 5, { ...connect, properties: { authenticationData: empty } }],
  ["[MQTT3-3.1.2-22] CONNECT with Password and no User Name, 3.1.1", 4, { ...connect, protocolVersion: 4, password: empty }],
  ["[X-113] CONNECT with Password and no User Name, 3.1", 3, { ...connect, protocolVersion: 3, password: empty }],
  ["[MQTT5-3.1.3-4] CONNECT with U+0000 in the Client Identifier", 5, { ...connect, clientId: "\0" }],
  ["CONNECT with a Password of 65 536 bytes", 5, { ...connect, password: new Uint8Array(65_536) }],
  ["[MQTT5-3.2.2-6] CONNACK with Session Present and a failure", 5, { type: "connack", sessionPresent: true, reasonCode: 0x80 }],
  ["[MQTT5-3.2.2-8] CONNACK with Reason Code 5", 5, { type: "connack", sessionPresent: false, reasonCode: 5 }],
  ["[X-101] CONNACK of 3.1.1 with 0x80", 4, { type: "connack", sessionPresent: false, reasonCode: 0x80 }],
  ["[MQTT5-3.4.2-1] PUBACK with Reason Code 0x92", 5, { type: "puback", packetIdentifier: 1, reasonCode: 0x92 }],
  ["[MQTT5-3.6.2-1] PUBREL with Reason Code 0x80", 5, { type: "pubrel", packetIdentifier: 1, reasonCode: 0x80 }],
  ["[MQTT5-3.6.1-1] PUBREL with DUP, 5.0", 5, { type: "pubrel", packetIdentifier: 1, dup: true }],
  ["PUBACK with Packet Identifier 0", 4, { type: "puback", packetIdentifier: 0 }],
  ["[MQTT5-3.8.3-2] SUBSCRIBE without Topic Filter", 5, { type: "subscribe", packetIdentifier: 1, subscriptions: [] }],
  ["[MQTT3-3.8.1-1] SUBSCRIBE with DUP, 3.1.1", 4, { type: "subscribe", packetIdentifier: 1, dup: true, subscriptions: [{ topicFilter: "a", qos: 0 }] }],
  ["SUBSCRIBE for QoS 3", 4, untyped({ type: "subscribe", packetIdentifier: 1, subscriptions: [{ topicFilter: "a", qos: 3 }] })],
  ["[MQTT5-3.8.3-4] SUBSCRIBE with No Local on a Shared Subscription", 5, { type: "subscribe", packetIdentifier: 1, subscriptions: [{ topicFilter: "$share/g/a", qos: 0, noLocal: true }] }],
  ["[X-51] SUBSCRIBE with two Subscription Identifiers", 5, { type: "subscribe", packetIdentifier: 1, properties: { subscriptionIdentifiers: [1, 2] }, subscriptions: [{ topicFilter: "a", qos: 0 }] }],
  ["SUBACK without Reason Codes", 5, { type: "suback", packetIdentifier: 1, reasonCodes: [] }],
  ["[MQTT5-3.9.3-2] SUBACK with Reason Code 3", 5, { type: "suback", packetIdentifier: 1, reasonCodes: [3] }],
  ["[X-124] SUBACK of 3.1 with a failure", 3, { type: "suback", packetIdentifier: 1, reasonCodes: [0x80] }],
  ["[MQTT5-3.10.3-2] UNSUBSCRIBE without Topic Filter", 5, { type: "unsubscribe", packetIdentifier: 1, topicFilters: [] }],
  ["UNSUBACK of 5.0 without Reason Codes", 5, { type: "unsuback", packetIdentifier: 1 }],
  ["[MQTT5-3.11.3-2] UNSUBACK with Reason Code 1", 5, { type: "unsuback", packetIdentifier: 1, reasonCodes: [1] }],
  ["[MQTT5-3.14.2-1] DISCONNECT with Reason Code 1", 5, { type: "disconnect", reasonCode: 1 }],
  ["[MQTT5-3.15.2-1] AUTH with Reason Code 0x80", 5, { type: "auth", reasonCode: 0x80, properties: method }],
  ["[X-70] AUTH without Authentication Method", 5, { type: "auth", reasonCode: 0x18 }],
  ["[X-90] AUTH of 3.1.1", 4, { type: "auth", reasonCode: 0x18, properties: method }],
] as readonly (readonly [string, ProtocolVersion, Packet])[]) {
  test(`${what} is not encoded, and leaves the writer as it was`, () => {
    const writer = new Writer(4);
    encodePacket({ type: "pingreq" }, version, writer);
    assert.throws(() => encodePacket(packet, version, writer), { name: "UsageError", code: "ERR_USAGE" });
    encodePacket({ type: "pingresp" }, version, writer);
    assert.equal(hex(writer.bytes.subarray(0, writer.position)), "c000d000");
  });
}

// prettier-ignore
for (const [what, version, packet, spelled] of [
  ["[MQTT5-2.2.1-2] a Packet Identifier at QoS 0 is left out", 5, { ...publish, packetIdentifier: 7 }, "30 04 0001't' 00"],
  ["properties with value undefined are left out", 5, { ...publish, properties: { topicAlias: undefined, contentType: undefined } }, "30 04 0001't' 00"],
  ["[MQTT5-2.2.2-1] no properties are a Property Length of 0", 5, { type: "connack", sessionPresent: false, reasonCode: 0 }, "20 03 00 00 00"],
  ["3.1.1 has no properties", 4, { ...publish, properties: { contentType: "x" } }, "30 03 0001't'"],
  ["3.1.1 has no Reason Code in PUBACK", 4, { type: "puback", packetIdentifier: 1, reasonCode: 0x87 }, "40 02 0001"],
  ["3.1.1 has no Reason Code in DISCONNECT", 4, { type: "disconnect", reasonCode: 4 }, "e0 00"],
  ["3.1.1 has no Reason Codes in UNSUBACK", 4, { type: "unsuback", packetIdentifier: 1, reasonCodes: [0] }, "b0 02 0001"],
  ["3.1.1 has no options but QoS in SUBSCRIBE", 4, { type: "subscribe", packetIdentifier: 1, subscriptions: [{ topicFilter: "a", qos: 1, noLocal: true, retainHandling: 2 }] }, "82 06 0001 0001'a' 01"],
  ["[MQTT3-3.9.3-2] every failure is 0x80 in SUBACK of 3.1.1", 4, { type: "suback", packetIdentifier: 1, reasonCodes: [1, 0x87, 0x80] }, "90 05 0001 01 80 80"],
  ["[X-114] 3.1 has no Session Present", 3, { type: "connack", sessionPresent: true, reasonCode: 0 }, "20 02 00 00"],
  ["empty properties are none in PUBACK", 5, { type: "puback", packetIdentifier: 1, properties: { userProperties: [], reasonString: undefined } }, "40 02 0001"],
  ["[MQTT5-3.1.2-16] [MQTT5-3.1.2-18] CONNECT has no flag for what it does not have", 5, connect, "10 0e 0004'MQTT' 05 02 0000 00 0001'c'"],
  ["a CONNECT is encoded in its own version", 4, { ...connect, protocolVersion: 3 }, "10 0f 0006'MQIsdp' 03 02 0000 0001'c'"],
] as readonly (readonly [string, ProtocolVersion, Packet, string])[]) {
  test(what, () => {
    assert.equal(hex(encodePacket(packet, version)), hex(bytesOf(spelled)));
  });
}

test("Remaining Length and Property Length take one more byte where they must", () => {
  for (const payloadLength of [
    100, 120, 124, 125, 126, 130, 16_379, 16_380, 16_381, 16_390, 2_097_147, 2_097_148, 2_097_150,
  ]) {
    const packet: PublishPacket = { ...publish, payload: new Uint8Array(payloadLength).fill(7) };
    for (const contentLength of [0, 60, 121, 122, 123, 124, 125, 130]) {
      packet.properties = { contentType: "x".repeat(contentLength) };
      const bytes = encodePacket(packet, 5);
      const remaining = 3 + (contentLength + 3 < 128 ? 1 : 2) + contentLength + 3 + payloadLength;
      const width = remaining < 128 ? 1 : remaining < 16_384 ? 2 : remaining < 2_097_152 ? 3 : 4;
      assert.equal(bytes.length, 1 + width + remaining);
      assert.ok(bytes.subarray(bytes.length - payloadLength).every((byte) => byte === 7));
    }
  }
});

test("without a writer the array is the caller's own, with one it is a view of the writer's memory", () => {
  const one = encodePacket({ ...publish, topicName: "one" }, 4);
  const copy = Uint8Array.from(one);
  encodePacket({ ...publish, topicName: "two" }, 4);
  assert.deepEqual(one, copy);
  assert.equal(one.buffer.byteLength, one.length);

  const writer = new Writer(64);
  const view = encodePacket({ type: "pingreq" }, 4, writer);
  assert.equal(view.buffer, writer.bytes.buffer);
  writer.reset();
  assert.equal(hex(encodePacket({ type: "pingresp" }, 4, writer)), "d000");
  assert.equal(writer.position, 2);
});

test("writeAcknowledgement writes what encodePacket encodes", () => {
  const bytes = new Uint8Array(6);
  for (const [firstByte, type] of [
    [0x40, "puback"],
    [0x50, "pubrec"],
    [0x62, "pubrel"],
    [0x70, "pubcomp"],
  ] as const) {
    for (const packetIdentifier of [1, 255, 256, 65_535]) {
      assert.equal(writeAcknowledgement(bytes, 1, firstByte, packetIdentifier), 5);
      for (const version of [3, 4, 5] as const) {
        assert.equal(
          hex(bytes.subarray(1, 5)),
          hex(encodePacket({ type, packetIdentifier }, version)),
        );
      }
    }
  }
});

test("encodeProperties leaves the length out, and decodeProperties reads it back", () => {
  const properties: Properties = {
    reasonString: "s",
    userProperties: [
      ["a", "b"],
      ["a", ""],
    ],
  };
  const bytes = encodeProperties(properties, PacketType.puback);
  assert.equal(hex(bytes), hex(bytesOf("1f 0001's' 26 0001'a' 0001'b' 26 0001'a' 0000")));
  assert.deepEqual(decodeProperties(bytes, 0, bytes.length, PacketType.puback), properties);
  assert.throws(() => decodeProperties(bytes, 0, bytes.length, PacketType.publish), {
    reasonCode: 0x81,
  });
  assert.throws(() => encodeProperties(properties, willProperties), { code: "ERR_USAGE" });
});

test("[X-6] each property is for the packets of table 2-4 and no others", () => {
  // Identifier: packets, as the standard's table 2-4 lists them; w is a Will.
  const table: Readonly<Record<number, string>> = {
    0x01: "publish w",
    0x02: "publish w",
    0x03: "publish w",
    0x08: "publish w",
    0x09: "publish w",
    0x0b: "publish subscribe",
    0x11: "connect connack disconnect",
    0x12: "connack",
    0x13: "connack",
    0x15: "connect connack auth",
    0x16: "connect connack auth",
    0x17: "connect",
    0x18: "w",
    0x19: "connect",
    0x1a: "connack",
    0x1c: "connack disconnect",
    0x1f: "connack puback pubrec pubrel pubcomp suback unsuback disconnect auth",
    0x21: "connect connack",
    0x22: "connect connack",
    0x23: "publish",
    0x24: "connack",
    0x25: "connack",
    0x26: "connect connack publish w puback pubrec pubrel pubcomp subscribe suback unsubscribe unsuback disconnect auth",
    0x27: "connect connack",
    0x28: "connack",
    0x29: "connack",
    0x2a: "connack",
  };
  const types: Readonly<Record<string, number>> = { ...PacketType, w: willProperties };
  assert.deepEqual(
    propertyDefinitions.map(({ id, packets }) => [id, packets]),
    Object.entries(table).map(([id, names]) => [
      Number(id),
      names.split(" ").reduce((packets, name) => packets | (1 << types[name]!), 0),
    ]),
  );
});
