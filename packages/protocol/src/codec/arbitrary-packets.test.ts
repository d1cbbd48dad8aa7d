/** Packets at random, for property tests. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Packet, Properties, ProtocolVersion, QoS } from "../packet.ts";
import { PacketType } from "../packet.ts";
import type { PropertyDefinition } from "../property.ts";
import { PropertyType, propertyDefinitions, willProperties } from "../property.ts";
import { reasonCodesOf } from "./fixtures.test.ts";
import type { Sender } from "./fixed-header.ts";

export const anyVersion = fc.constantFrom<ProtocolVersion>(3, 4, 5);
export const anySender = fc.constantFrom<Sender>("client", "server");

const anyString = fc
  .oneof(fc.string({ unit: "binary", maxLength: 40 }), fc.string({ maxLength: 200 }))
  .map((text) => text.replaceAll("\0", ""));
const anyTopicName = anyString
  .map((text) => text.replace(/[+#]/g, ""))
  .filter((text) => text !== "");
const anyBytes = fc.uint8Array({ maxLength: 200 });
const anyPayload = fc.oneof(
  { weight: 19, arbitrary: anyBytes },
  // Around the sizes at which Remaining Length takes one more byte.
  { weight: 1, arbitrary: fc.nat(17_000).map((length) => new Uint8Array(length).fill(0x2a)) },
);
const anyIdentifier = fc.integer({ min: 1, max: 65_535 });
const anyUint16 = fc.integer({ min: 0, max: 65_535 });
const anyQoS = fc.constantFrom<QoS>(0, 1, 2);

function anyCode(packet: string): fc.Arbitrary<number> {
  return fc.constantFrom(...reasonCodesOf[packet]!);
}

function anyValue(definition: PropertyDefinition, packetType: number): fc.Arbitrary<unknown> {
  const min = definition.isNotZero ? 1 : 0;
  switch (definition.type) {
    case PropertyType.boolean:
      return fc.constantFrom(0, 1);
    case PropertyType.uint16:
      return fc.integer({ min, max: 65_535 });
    case PropertyType.uint32:
      return fc.integer({ min, max: 0xffff_ffff });
    case PropertyType.variableByteInteger:
      return fc.array(
        fc.oneof(fc.integer({ min, max: 300 }), fc.integer({ min, max: 268_435_455 })),
        { minLength: 1, maxLength: packetType === PacketType.publish ? 5 : 1 },
      );
    case PropertyType.string:
      return definition.name === "responseTopic" ? anyTopicName : anyString;
    case PropertyType.binary:
      return anyBytes;
    case PropertyType.stringPair:
      return fc.array(fc.tuple(anyString, anyString), { minLength: 1, maxLength: 4 });
  }
}

/** Properties that the packet may have, or none. */
export function anyProperties(
  version: ProtocolVersion,
  packetType: number,
  without: readonly (keyof Properties)[] = [],
): fc.Arbitrary<Properties | undefined> {
  if (version !== 5) return fc.constant(undefined);
  const model: Record<string, fc.Arbitrary<unknown>> = {};
  for (const definition of propertyDefinitions) {
    if ((definition.packets & (1 << packetType)) === 0 || without.includes(definition.name))
      continue;
    model[definition.name] = anyValue(definition, packetType);
  }
  return fc
    .option(fc.record(model, { requiredKeys: [] }) as fc.Arbitrary<Properties>, { nil: undefined })
    .map((properties) =>
      properties === undefined || Object.keys(properties).length === 0 ? undefined : properties,
    );
}

function anyConnect(protocolVersion: ProtocolVersion): fc.Arbitrary<Packet> {
  return fc
    .record({
      type: fc.constant("connect" as const),
      protocolVersion: fc.constant(protocolVersion),
      bridge: fc.constantFrom(true, undefined),
      clientId: anyString,
      cleanStart: fc.boolean(),
      keepAlive: anyUint16,
      username: fc.option(anyString, { nil: undefined }),
      password: fc.option(anyBytes, { nil: undefined }),
      will: fc.option(
        fc.record({
          topicName: anyTopicName,
          payload: anyPayload,
          qos: anyQoS,
          retain: fc.boolean(),
          properties: anyProperties(protocolVersion, willProperties),
        }),
        { nil: undefined },
      ),
      properties: anyProperties(protocolVersion, PacketType.connect),
    })
    .map((packet) => {
      if (protocolVersion !== 5 && packet.username === undefined) packet.password = undefined;
      const { properties } = packet;
      if (properties?.authenticationData) properties.authenticationMethod ??= "m";
      return packet;
    });
}

function anyPublish(version: ProtocolVersion, from: Sender): fc.Arbitrary<Packet> {
  const without = from === "client" ? (["subscriptionIdentifiers"] as const) : [];
  return fc
    .record({
      type: fc.constant("publish" as const),
      topicName: fc.oneof(anyTopicName, fc.constant("")),
      payload: anyPayload,
      qos: anyQoS,
      dup: fc.boolean(),
      retain: fc.boolean(),
      packetIdentifier: anyIdentifier as fc.Arbitrary<number | undefined>,
      properties: anyProperties(version, PacketType.publish, without),
    })
    .map((packet) => {
      if (packet.qos === 0) {
        packet.packetIdentifier = undefined;
        if (version !== 3) packet.dup = false;
      }
      if (packet.properties?.topicAlias === undefined) packet.topicName ||= "t";
      return packet;
    });
}

function anyAcknowledgement(version: ProtocolVersion, from: Sender): fc.Arbitrary<Packet> {
  return fc.constantFrom("puback", "pubrec", "pubrel", "pubcomp").chain((type) => {
    const code = type === "puback" || type === "pubrec" ? `puback from ${from}` : "pubrel";
    return fc.record({
      type: fc.constant(type),
      packetIdentifier: anyIdentifier,
      reasonCode:
        version === 5 ? anyCode(code).map((value) => value || undefined) : fc.constant(undefined),
      dup:
        version === 3 && type === "pubrel"
          ? fc.constantFrom(true, undefined)
          : fc.constant(undefined),
      properties: anyProperties(version, PacketType[type]),
    });
  });
}

function anySubscribe(version: ProtocolVersion): fc.Arbitrary<Packet> {
  const subscription =
    version === 5
      ? fc
          .record({
            topicFilter: anyString,
            qos: anyQoS,
            noLocal: fc.boolean(),
            retainAsPublished: fc.boolean(),
            retainHandling: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
          })
          .filter(({ topicFilter, noLocal }) => !(noLocal && topicFilter.startsWith("$share/")))
      : fc.record({ topicFilter: anyString, qos: anyQoS });
  return fc.record({
    type: fc.constant("subscribe" as const),
    packetIdentifier: anyIdentifier,
    subscriptions: fc.array(subscription, { minLength: 1, maxLength: 5 }),
    dup: fc.constantFrom(version === 3 ? true : undefined, undefined),
    properties: anyProperties(version, PacketType.subscribe),
  });
}

function anyUnsubscribe(version: ProtocolVersion): fc.Arbitrary<Packet> {
  return fc.record({
    type: fc.constant("unsubscribe" as const),
    packetIdentifier: anyIdentifier,
    topicFilters: fc.array(anyString, { minLength: 1, maxLength: 5 }),
    dup: fc.constantFrom(version === 3 ? true : undefined, undefined),
    properties: anyProperties(version, PacketType.unsubscribe),
  });
}

function anyConnack(version: ProtocolVersion): fc.Arbitrary<Packet> {
  return fc
    .record({
      type: fc.constant("connack" as const),
      sessionPresent: fc.boolean(),
      reasonCode: version === 5 ? anyCode("connack") : fc.integer({ min: 0, max: 5 }),
      properties: anyProperties(version, PacketType.connack),
    })
    .map((packet) => {
      if (version === 3 || packet.reasonCode !== 0) packet.sessionPresent = false;
      return packet;
    });
}

function anySuback(version: ProtocolVersion): fc.Arbitrary<Packet> {
  const code =
    version === 5
      ? anyCode("suback")
      : version === 4
        ? fc.constantFrom(0, 1, 2, 0x80)
        : fc.constantFrom(0, 1, 2);
  return fc.record({
    type: fc.constant("suback" as const),
    packetIdentifier: anyIdentifier,
    reasonCodes: fc.array(code, { minLength: 1, maxLength: 200 }),
    properties: anyProperties(version, PacketType.suback),
  });
}

function anyUnsuback(version: ProtocolVersion): fc.Arbitrary<Packet> {
  return fc.record({
    type: fc.constant("unsuback" as const),
    packetIdentifier: anyIdentifier,
    reasonCodes:
      version === 5
        ? fc.array(anyCode("unsuback"), { minLength: 1, maxLength: 200 })
        : fc.constant(undefined),
    properties: anyProperties(version, PacketType.unsuback),
  });
}

function anyDisconnect(version: ProtocolVersion, from: Sender): fc.Arbitrary<Packet> {
  if (version !== 5) return fc.constant({ type: "disconnect" });
  return fc
    .record({
      type: fc.constant("disconnect" as const),
      reasonCode: anyCode(`disconnect from ${from}`) as fc.Arbitrary<number | undefined>,
      properties: anyProperties(
        version,
        PacketType.disconnect,
        from === "server" ? ["sessionExpiryInterval"] : [],
      ),
    })
    .map((packet) => {
      // Left out on the wire.
      if (packet.reasonCode === 0 && packet.properties === undefined) packet.reasonCode = undefined;
      return packet;
    });
}

function anyAuth(from: Sender): fc.Arbitrary<Packet> {
  return fc.record({
    type: fc.constant("auth" as const),
    reasonCode: anyCode(`auth from ${from}`),
    properties: anyProperties(5, PacketType.auth).map((properties) => ({
      authenticationMethod: "m",
      ...properties,
    })),
  });
}

/** Any packet but CONNECT that the side may send in the version. */
export function anyPacketAfterConnect(
  version: ProtocolVersion,
  from: Sender,
): fc.Arbitrary<Packet> {
  return fc.oneof(
    { weight: 4, arbitrary: anyPublish(version, from) },
    { weight: 3, arbitrary: anyAcknowledgement(version, from) },
    ...(from === "client"
      ? [
          anySubscribe(version),
          anyUnsubscribe(version),
          fc.constant<Packet>({ type: "pingreq" }),
          anyDisconnect(version, from),
        ]
      : [
          anyConnack(version),
          anySuback(version),
          anyUnsuback(version),
          fc.constant<Packet>({ type: "pingresp" }),
          ...(version === 5 ? [anyDisconnect(version, from)] : []),
        ]),
    ...(version === 5 ? [anyAuth(from)] : []),
  );
}

/** A version, a side, and the packets that it sends: a CONNECT first where it is a Client. */
export const anyConversation: fc.Arbitrary<{
  version: ProtocolVersion;
  from: Sender;
  packets: Packet[];
}> = fc.tuple(anyVersion, anySender).chain(([version, from]) =>
  fc
    .tuple(anyConnect(version), fc.array(anyPacketAfterConnect(version, from), { maxLength: 8 }))
    .map(([connect, others]) => ({
      version,
      from,
      packets: from === "client" ? [connect, ...others] : others,
    })),
);

test("packets at random are of every type that a side has in a version", () => {
  const kinds = new Set<string>();
  for (const { version, from, packets } of fc.sample(anyConversation, { numRuns: 600, seed: 1 })) {
    for (const { type } of packets) kinds.add(`${type} ${version} ${from}`);
  }
  // A Client has ten, a Server nine; 5.0 adds AUTH for both and DISCONNECT for the Server.
  const ofClients = 10 + 10 + 11;
  const ofServers = 9 + 9 + 11;
  assert.equal(kinds.size, ofClients + ofServers);
});
