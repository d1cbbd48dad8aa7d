import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProtocolError } from "../errors.ts";
import type { Packet } from "../packet.ts";
import { ReasonCode } from "../reason-code.ts";
import { TopicNameTable } from "../topic/topic-name-table.ts";
import { encodePacket } from "./encode-packet.ts";
import type { PacketBounds } from "./packet-limits.ts";
import { PacketLimits } from "./packet-limits.ts";
import { fromClient } from "./from-client.ts";
import { Parser } from "./parser.ts";

const unbounded: PacketBounds = {
  topicFilters: Infinity,
  userProperties: Infinity,
  userPropertyBytes: Infinity,
};

/** Reads one packet of a 5.0 client. */
function read(packet: Packet, limits: Partial<PacketBounds>): Packet {
  return readBytes(encodePacket(packet, 5), limits);
}

function readBytes(bytes: Uint8Array, limits: Partial<PacketBounds>): Packet {
  const parser = new Parser({
    from: fromClient,
    protocolVersion: 5,
    maximumPacketSize: 268_435_460,
    topicNames: new TopicNameTable({ maximumEntries: 16 }),
    limits: new PacketLimits({ ...unbounded, ...limits }),
  });
  parser.push(bytes, 0, bytes.length);
  parser.next();
  return parser.packet();
}

/** So many User Properties of nine bytes each. */
const properties = (count: number) => ({
  userProperties: Array.from({ length: count }, () => ["ab", "cd"] as const),
});

const filters = (count: number): string[] => Array.from({ length: count }, () => "a");

const packets: Readonly<Record<string, (count: number) => Packet>> = {
  connect: (count) => ({
    type: "connect",
    protocolVersion: 5,
    clientId: "c",
    cleanStart: true,
    keepAlive: 0,
    properties: properties(count),
  }),
  will: (count) => ({
    type: "connect",
    protocolVersion: 5,
    clientId: "c",
    cleanStart: true,
    keepAlive: 0,
    will: {
      topicName: "a",
      payload: new Uint8Array(0),
      qos: 0,
      retain: false,
      properties: properties(count),
    },
  }),
  publish: (count) => ({
    type: "publish",
    topicName: "a",
    payload: new Uint8Array(0),
    qos: 0,
    retain: false,
    dup: false,
    properties: { ...properties(count), contentType: "text/plain", messageExpiryInterval: 7 },
  }),
  subscribe: (count) => ({
    type: "subscribe",
    packetIdentifier: 1,
    subscriptions: [{ topicFilter: "a", qos: 0 }],
    properties: { ...properties(count), subscriptionIdentifiers: [300] },
  }),
  disconnect: (count) => ({ type: "disconnect", reasonCode: 0, properties: properties(count) }),
};

for (const [name, packetWith] of Object.entries(packets)) {
  test(`${name}: as many User Properties as are taken, and one more is refused with 0x97`, () => {
    read(packetWith(3), { userProperties: 3 });
    assert.throws(() => read(packetWith(4), { userProperties: 3 }), {
      reasonCode: ReasonCode.quotaExceeded,
    });
    assert.throws(() => read(packetWith(1), { userProperties: 0 }), {
      reasonCode: ReasonCode.quotaExceeded,
    });
  });

  test(`${name}: as many bytes of User Properties as are taken, and one more is refused with 0x97`, () => {
    read(packetWith(3), { userPropertyBytes: 27 });
    assert.throws(() => read(packetWith(3), { userPropertyBytes: 26 }), {
      reasonCode: ReasonCode.quotaExceeded,
    });
  });
}

for (const [name, packetWith] of Object.entries({
  SUBSCRIBE: (count: number): Packet => ({
    type: "subscribe",
    packetIdentifier: 1,
    subscriptions: filters(count).map((topicFilter) => ({ topicFilter, qos: 0 })),
  }),
  UNSUBSCRIBE: (count: number): Packet => ({
    type: "unsubscribe",
    packetIdentifier: 1,
    topicFilters: filters(count),
  }),
})) {
  test(`${name}: as many Topic Filters as are taken, and one more is refused with 0x97`, () => {
    read(packetWith(3), { topicFilters: 3 });
    assert.throws(() => read(packetWith(4), { topicFilters: 3 }), {
      reasonCode: ReasonCode.quotaExceeded,
    });
  });

  test(`${name}: too many Topic Filters are refused before any of them is read`, () => {
    const bytes = encodePacket(packetWith(4), 5);
    // Fixed header, Packet Identifier, no properties, length of the first filter.
    bytes[7] = 0xff;
    const codeOf = (limits: Partial<PacketBounds>): unknown => {
      try {
        return readBytes(bytes, limits);
      } catch (error) {
        return (error as ProtocolError).reasonCode;
      }
    };
    assert.equal(codeOf({ topicFilters: 4 }), ReasonCode.malformedPacket);
    assert.equal(codeOf({ topicFilters: 3 }), ReasonCode.quotaExceeded);
  });
}
