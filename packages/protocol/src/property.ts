import type { Properties } from "./packet.ts";
import { PacketType } from "./packet.ts";

/** Stands for the Will Properties of a CONNECT wherever a packet type says whose properties are meant. */
export const willProperties = 0;

/** How the value of a property is written (§2.2.2.2). `boolean` is a byte that must be 0 or 1. */
export const PropertyType = {
  boolean: 1,
  uint16: 2,
  uint32: 3,
  variableByteInteger: 4,
  string: 5,
  binary: 6,
  stringPair: 7,
} as const;

/** One of `PropertyType`. */
export type PropertyType = (typeof PropertyType)[keyof typeof PropertyType];

/** What is known of one property of MQTT 5.0. */
export interface PropertyDefinition {
  readonly id: number;
  readonly name: keyof Properties;
  readonly type: PropertyType;
  /** The packet types that may have it, a bit for each: `1 << packetType`. */
  readonly packets: number;
  /** Those in which it may stand more than once. */
  readonly repeatsIn: number;
  /** 0 is a Protocol Error. */
  readonly isNotZero: boolean;
}

const { boolean, uint16, uint32, variableByteInteger, string, binary, stringPair } = PropertyType;

const will = 1 << willProperties;
const connect = 1 << PacketType.connect;
const connack = 1 << PacketType.connack;
const publish = 1 << PacketType.publish;
const subscribe = 1 << PacketType.subscribe;
const disconnect = 1 << PacketType.disconnect;
const auth = 1 << PacketType.auth;
const pings = (1 << PacketType.pingreq) | (1 << PacketType.pingresp);
const everywhere = 0xffff & ~pings;
const requests = will | connect | publish | subscribe | (1 << PacketType.unsubscribe);
const answers = everywhere & ~requests;

function property(
  id: number,
  name: keyof Properties,
  type: PropertyType,
  packets: number,
  isNotZero = false,
  repeatsIn = 0,
): PropertyDefinition {
  return { id, name, type, packets, repeatsIn, isNotZero };
}

/** Every property of MQTT 5.0 (§2.2.2.2, table 2-4), in the order of the identifiers. */
export const propertyDefinitions: readonly PropertyDefinition[] = [
  property(0x01, "payloadFormatIndicator", boolean, publish | will),
  property(0x02, "messageExpiryInterval", uint32, publish | will),
  property(0x03, "contentType", string, publish | will),
  property(0x08, "responseTopic", string, publish | will),
  property(0x09, "correlationData", binary, publish | will),
  property(
    0x0b,
    "subscriptionIdentifiers",
    variableByteInteger,
    publish | subscribe,
    true,
    publish,
  ),
  property(0x11, "sessionExpiryInterval", uint32, connect | connack | disconnect),
  property(0x12, "assignedClientIdentifier", string, connack),
  property(0x13, "serverKeepAlive", uint16, connack),
  property(0x15, "authenticationMethod", string, connect | connack | auth),
  property(0x16, "authenticationData", binary, connect | connack | auth),
  property(0x17, "requestProblemInformation", boolean, connect),
  property(0x18, "willDelayInterval", uint32, will),
  property(0x19, "requestResponseInformation", boolean, connect),
  property(0x1a, "responseInformation", string, connack),
  property(0x1c, "serverReference", string, connack | disconnect),
  property(0x1f, "reasonString", string, answers),
  property(0x21, "receiveMaximum", uint16, connect | connack, true),
  property(0x22, "topicAliasMaximum", uint16, connect | connack),
  property(0x23, "topicAlias", uint16, publish, true),
  property(0x24, "maximumQoS", boolean, connack),
  property(0x25, "retainAvailable", boolean, connack),
  property(0x26, "userProperties", stringPair, everywhere, false, everywhere),
  property(0x27, "maximumPacketSize", uint32, connect | connack, true),
  property(0x28, "wildcardSubscriptionAvailable", boolean, connack),
  property(0x29, "subscriptionIdentifiersAvailable", boolean, connack),
  property(0x2a, "sharedSubscriptionAvailable", boolean, connack),
];

/** A property's name as the specification writes it, about: for messages. */
export function propertyTitle({ name }: PropertyDefinition): string {
  const spaced = name.replace(/([a-z])([A-Z][a-z])/g, "$1 $2");
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}
