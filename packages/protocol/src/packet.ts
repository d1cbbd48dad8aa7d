/** Protocol level as CONNECT has it: 3 is MQTT 3.1, 4 is 3.1.1, 5 is 5.0. */
export type ProtocolVersion = 3 | 4 | 5;

/** Quality of Service. */
export type QoS = 0 | 1 | 2;

/** Control Packet type, the high half of the first byte (§2.1.2). */
export const PacketType = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  suback: 9,
  unsubscribe: 10,
  unsuback: 11,
  pingreq: 12,
  pingresp: 13,
  disconnect: 14,
  auth: 15,
} as const;

/** A name and a value, in the order in which they were sent (§1.5.7). */
export type UserProperty = readonly [name: string, value: string];

/**
 * Properties of MQTT 5.0 (§2.2.2.2), all packets together; which packet may have which is the table
 * in `property.ts`. Binary values are views into the packet's bytes.
 */
export interface Properties {
  payloadFormatIndicator?: 0 | 1 | undefined;
  /** Seconds. */
  messageExpiryInterval?: number | undefined;
  contentType?: string | undefined;
  responseTopic?: string | undefined;
  correlationData?: Uint8Array | undefined;
  /** In SUBSCRIBE one, in PUBLISH any number. 1…268 435 455. */
  subscriptionIdentifiers?: readonly number[] | undefined;
  /** Seconds; 0xFFFFFFFF never expires. */
  sessionExpiryInterval?: number | undefined;
  assignedClientIdentifier?: string | undefined;
  /** Seconds. */
  serverKeepAlive?: number | undefined;
  authenticationMethod?: string | undefined;
  authenticationData?: Uint8Array | undefined;
  requestProblemInformation?: 0 | 1 | undefined;
  /** Seconds. */
  willDelayInterval?: number | undefined;
  requestResponseInformation?: 0 | 1 | undefined;
  responseInformation?: string | undefined;
  serverReference?: string | undefined;
  reasonString?: string | undefined;
  receiveMaximum?: number | undefined;
  topicAliasMaximum?: number | undefined;
  topicAlias?: number | undefined;
  maximumQoS?: 0 | 1 | undefined;
  retainAvailable?: 0 | 1 | undefined;
  userProperties?: readonly UserProperty[] | undefined;
  /** Bytes. */
  maximumPacketSize?: number | undefined;
  wildcardSubscriptionAvailable?: 0 | 1 | undefined;
  subscriptionIdentifiersAvailable?: 0 | 1 | undefined;
  sharedSubscriptionAvailable?: 0 | 1 | undefined;
}

/** The Will Message of a CONNECT (§3.1.2.5). */
export interface Will {
  topicName: string;
  /** View into the packet's bytes. */
  payload: Uint8Array;
  qos: QoS;
  retain: boolean;
  /** 5.0; absent or empty before. */
  properties?: Properties | undefined;
}

/** CONNECT: a client asks for a session (§3.1). */
export interface ConnectPacket {
  type: "connect";
  protocolVersion: ProtocolVersion;
  /** The level byte had its bridge bit (0x80) set (no standard; mosquitto's practice). */
  bridge?: boolean | undefined;
  clientId: string;
  /** Clean Start (5.0), Clean Session (3.x). */
  cleanStart: boolean;
  /** Seconds; 0 turns it off. */
  keepAlive: number;
  username?: string | undefined;
  /** View into the packet's bytes. */
  password?: Uint8Array | undefined;
  will?: Will | undefined;
  properties?: Properties | undefined;
}

/** CONNACK: what the server answers to CONNECT, and what it announces (§3.2). */
export interface ConnackPacket {
  type: "connack";
  sessionPresent: boolean;
  /** 5.0: Reason Code; 3.x: return code 0…5. */
  reasonCode: number;
  properties?: Properties | undefined;
}

/** PUBLISH: a message, in either direction (§3.3). */
export interface PublishPacket {
  type: "publish";
  topicName: string;
  /** View into the packet's bytes. */
  payload: Uint8Array;
  qos: QoS;
  dup: boolean;
  retain: boolean;
  /** Absent at QoS 0. */
  packetIdentifier?: number | undefined;
  properties?: Properties | undefined;
}

/** PUBACK, PUBREC, PUBREL and PUBCOMP. */
export interface AcknowledgementPacket {
  type: "puback" | "pubrec" | "pubrel" | "pubcomp";
  packetIdentifier: number;
  /** Absent is 0x00. 3.x has none. */
  reasonCode?: number | undefined;
  /** MQTT 3.1 has DUP on PUBREL; elsewhere it is malformed. */
  dup?: boolean | undefined;
  properties?: Properties | undefined;
}

/** One Topic Filter of a SUBSCRIBE with its options (§3.8.3.1). */
export interface SubscriptionRequest {
  topicFilter: string;
  qos: QoS;
  /** 5.0; false before. */
  noLocal?: boolean | undefined;
  /** 5.0; false before. */
  retainAsPublished?: boolean | undefined;
  /** 5.0; 0 before: 0 send retained messages, 1 only to a new subscription, 2 never. */
  retainHandling?: 0 | 1 | 2 | undefined;
}

/** SUBSCRIBE: Topic Filters that a client wants (§3.8). */
export interface SubscribePacket {
  type: "subscribe";
  packetIdentifier: number;
  subscriptions: readonly SubscriptionRequest[];
  /** MQTT 3.1 only. */
  dup?: boolean | undefined;
  properties?: Properties | undefined;
}

/** SUBACK: one Reason Code for each Topic Filter (§3.9). */
export interface SubackPacket {
  type: "suback";
  packetIdentifier: number;
  /** One for each Topic Filter, in the order of SUBSCRIBE. */
  reasonCodes: readonly number[];
  properties?: Properties | undefined;
}

/** UNSUBSCRIBE: Topic Filters that a client no longer wants (§3.10). */
export interface UnsubscribePacket {
  type: "unsubscribe";
  packetIdentifier: number;
  topicFilters: readonly string[];
  /** MQTT 3.1 only. */
  dup?: boolean | undefined;
  properties?: Properties | undefined;
}

/** UNSUBACK: on 5.0 one Reason Code for each Topic Filter (§3.11). */
export interface UnsubackPacket {
  type: "unsuback";
  packetIdentifier: number;
  /** 5.0: one for each Topic Filter; 3.x has none. */
  reasonCodes?: readonly number[] | undefined;
  properties?: Properties | undefined;
}

/** PINGREQ: a client shows that it is there, and asks the server to (§3.12). */
export interface PingreqPacket {
  type: "pingreq";
}

/** PINGRESP: the server's answer to PINGREQ (§3.13). */
export interface PingrespPacket {
  type: "pingresp";
}

/** DISCONNECT: the last packet of a connection; from the server on 5.0 only (§3.14). */
export interface DisconnectPacket {
  type: "disconnect";
  /** Absent is 0x00. 3.x has none. */
  reasonCode?: number | undefined;
  properties?: Properties | undefined;
}

/** 5.0 only. */
export interface AuthPacket {
  type: "auth";
  /** Absent is 0x00. */
  reasonCode?: number | undefined;
  properties?: Properties | undefined;
}

/** Any Control Packet, told apart by `type`. */
export type Packet =
  | ConnectPacket
  | ConnackPacket
  | PublishPacket
  | AcknowledgementPacket
  | SubscribePacket
  | SubackPacket
  | UnsubscribePacket
  | UnsubackPacket
  | PingreqPacket
  | PingrespPacket
  | DisconnectPacket
  | AuthPacket;
