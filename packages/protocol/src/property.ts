import type { Properties } from "./packet.ts";
import { PacketType } from "./packet.ts";

/** Stands for the Will Properties of a CONNECT wherever a packet type says whose properties are meant. */
export const willProperties = 0;

/** How the value of a property is written (§2.2.2.2). `boolean` is a byte that must be 0 or 1. */
export type PropertyType =
  | "byte"
  | "boolean"
  | "uint16"
  | "uint32"
  | "variableByteInteger"
  | "string"
  | "binary"
  | "stringPair";

/** What is known of one property of MQTT 5.0. */
export interface PropertyDefinition {
  readonly id: number;
  readonly name: keyof Properties;
  /** As the specification writes it, for messages. */
  readonly title: string;
  readonly type: PropertyType;
  /** The packet types that may have it; `willProperties` for those of a Will. */
  readonly packets: readonly number[];
  /** The packet types in which it may stand more than once. */
  readonly repeatsIn?: readonly number[];
  /** 0 is a Protocol Error. */
  readonly notZero?: true;
}

const {
  connect,
  connack,
  publish,
  puback,
  pubrec,
  pubrel,
  pubcomp,
  subscribe,
  suback,
  unsubscribe,
  unsuback,
  disconnect,
  auth,
} = PacketType;

const acknowledgements = [puback, pubrec, pubrel, pubcomp, suback, unsuback];
const everywhere = [
  willProperties,
  connect,
  connack,
  publish,
  ...acknowledgements,
  subscribe,
  unsubscribe,
  disconnect,
  auth,
];

// prettier-ignore
/** Every property of MQTT 5.0 (§2.2.2.2, table 2-4), in the order of the identifiers. */
export const propertyDefinitions: readonly PropertyDefinition[] = [
  { id: 0x01, name: "payloadFormatIndicator", title: "Payload Format Indicator", type: "boolean", packets: [publish, willProperties] },
  { id: 0x02, name: "messageExpiryInterval", title: "Message Expiry Interval", type: "uint32", packets: [publish, willProperties] },
  { id: 0x03, name: "contentType", title: "Content Type", type: "string", packets: [publish, willProperties] },
  { id: 0x08, name: "responseTopic", title: "Response Topic", type: "string", packets: [publish, willProperties] },
  { id: 0x09, name: "correlationData", title: "Correlation Data", type: "binary", packets: [publish, willProperties] },
  { id: 0x0b, name: "subscriptionIdentifiers", title: "Subscription Identifier", type: "variableByteInteger", packets: [publish, subscribe], repeatsIn: [publish], notZero: true },
  { id: 0x11, name: "sessionExpiryInterval", title: "Session Expiry Interval", type: "uint32", packets: [connect, connack, disconnect] },
  { id: 0x12, name: "assignedClientIdentifier", title: "Assigned Client Identifier", type: "string", packets: [connack] },
  { id: 0x13, name: "serverKeepAlive", title: "Server Keep Alive", type: "uint16", packets: [connack] },
  { id: 0x15, name: "authenticationMethod", title: "Authentication Method", type: "string", packets: [connect, connack, auth] },
  { id: 0x16, name: "authenticationData", title: "Authentication Data", type: "binary", packets: [connect, connack, auth] },
  { id: 0x17, name: "requestProblemInformation", title: "Request Problem Information", type: "boolean", packets: [connect] },
  { id: 0x18, name: "willDelayInterval", title: "Will Delay Interval", type: "uint32", packets: [willProperties] },
  { id: 0x19, name: "requestResponseInformation", title: "Request Response Information", type: "boolean", packets: [connect] },
  { id: 0x1a, name: "responseInformation", title: "Response Information", type: "string", packets: [connack] },
  { id: 0x1c, name: "serverReference", title: "Server Reference", type: "string", packets: [connack, disconnect] },
  { id: 0x1f, name: "reasonString", title: "Reason String", type: "string", packets: [connack, ...acknowledgements, disconnect, auth] },
  { id: 0x21, name: "receiveMaximum", title: "Receive Maximum", type: "uint16", packets: [connect, connack], notZero: true },
  { id: 0x22, name: "topicAliasMaximum", title: "Topic Alias Maximum", type: "uint16", packets: [connect, connack] },
  { id: 0x23, name: "topicAlias", title: "Topic Alias", type: "uint16", packets: [publish], notZero: true },
  { id: 0x24, name: "maximumQoS", title: "Maximum QoS", type: "boolean", packets: [connack] },
  { id: 0x25, name: "retainAvailable", title: "Retain Available", type: "boolean", packets: [connack] },
  { id: 0x26, name: "userProperties", title: "User Property", type: "stringPair", packets: everywhere, repeatsIn: everywhere },
  { id: 0x27, name: "maximumPacketSize", title: "Maximum Packet Size", type: "uint32", packets: [connect, connack], notZero: true },
  { id: 0x28, name: "wildcardSubscriptionAvailable", title: "Wildcard Subscription Available", type: "boolean", packets: [connack] },
  { id: 0x29, name: "subscriptionIdentifiersAvailable", title: "Subscription Identifier Available", type: "boolean", packets: [connack] },
  { id: 0x2a, name: "sharedSubscriptionAvailable", title: "Shared Subscription Available", type: "boolean", packets: [connack] },
];
