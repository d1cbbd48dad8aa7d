import { encodePacket } from "@sericite/protocol";
import type { Packet, ProtocolVersion, QoS } from "@sericite/protocol";

/** Options of a CONNECT that attackers differ in. */
export interface HostileConnect {
  readonly will?: boolean;
  readonly receiveMaximum?: number;
  readonly topicAliasMaximum?: number;
}

/** A CONNECT whose session ends with its connection. */
export function connectPacket(
  version: ProtocolVersion,
  clientId: string,
  { will = false, receiveMaximum, topicAliasMaximum }: HostileConnect = {},
): Uint8Array {
  const willMessage = {
    topicName: "hostile/will",
    payload: Buffer.from("gone"),
    qos: 1,
    retain: false,
  } as const;
  return encodePacket(
    {
      type: "connect",
      protocolVersion: version,
      clientId,
      cleanStart: true,
      keepAlive: 60,
      will: will ? willMessage : undefined,
      properties: version === 5 ? { receiveMaximum, topicAliasMaximum } : undefined,
    },
    version,
  );
}

/** A PUBLISH. @param topicAlias  5.0 only. */
export function publishPacket(
  version: ProtocolVersion,
  topicName: string,
  qos: QoS,
  payload: Uint8Array,
  packetIdentifier = 1,
  topicAlias?: number,
): Uint8Array {
  return encodePacket(
    {
      type: "publish",
      topicName,
      payload,
      qos,
      dup: false,
      retain: false,
      packetIdentifier: qos === 0 ? undefined : packetIdentifier,
      properties: topicAlias === undefined ? undefined : { topicAlias },
    },
    version,
  );
}

/** A SUBSCRIBE to some Topic Filters. */
export function subscribePacket(
  version: ProtocolVersion,
  topicFilters: readonly string[],
  qos: QoS,
  packetIdentifier = 1,
): Uint8Array {
  const subscriptions = topicFilters.map((topicFilter) => ({ topicFilter, qos }));
  return encodePacket({ type: "subscribe", packetIdentifier, subscriptions }, version);
}

/** An UNSUBSCRIBE from some Topic Filters. */
export function unsubscribePacket(
  version: ProtocolVersion,
  topicFilters: readonly string[],
  packetIdentifier = 1,
): Uint8Array {
  return encodePacket({ type: "unsubscribe", packetIdentifier, topicFilters }, version);
}

/** A PINGREQ. */
export const PINGREQ: Uint8Array = Uint8Array.of(0xc0, 0);

/** A DISCONNECT without more. */
export const DISCONNECT: Uint8Array = Uint8Array.of(0xe0, 0);

/** One packet of each kind that a client sends, CONNECT first and DISCONNECT last. */
export function validPackets(version: ProtocolVersion, clientId: string): Uint8Array[] {
  const payload = Buffer.from("a payload of some bytes");
  const properties =
    version === 5
      ? {
          messageExpiryInterval: 5,
          contentType: "text/plain",
          responseTopic: "hostile/answer",
          correlationData: Buffer.from("1234"),
          userProperties: [["name", "value"]] as const,
        }
      : undefined;
  const publish = { type: "publish", topicName: "hostile/a/b", payload, dup: false } as const;
  const packets: Packet[] = [
    {
      type: "subscribe",
      packetIdentifier: 10,
      subscriptions: [
        { topicFilter: "hostile/+/b", qos: 1 },
        { topicFilter: "$share/g/hostile/#", qos: 2 },
      ],
      properties: version === 5 ? { subscriptionIdentifiers: [7] } : undefined,
    },
    { ...publish, qos: 0, retain: false, properties },
    { ...publish, qos: 1, retain: false, packetIdentifier: 11, properties },
    { ...publish, qos: 2, retain: false, packetIdentifier: 12, properties },
    { type: "pubrel", packetIdentifier: 12 },
    { type: "puback", packetIdentifier: 1 },
    { type: "pubrec", packetIdentifier: 1 },
    { type: "pubcomp", packetIdentifier: 1 },
    { type: "unsubscribe", packetIdentifier: 13, topicFilters: ["hostile/+/b"] },
    { type: "pingreq" },
    { type: "disconnect" },
  ];
  const connect = connectPacket(version, clientId, { will: true });
  return [connect, ...packets.map((packet) => encodePacket(packet, version))];
}
