import type {
  ConnectPacket,
  Properties,
  ProtocolVersion,
  PublishPacket,
  QoS,
  SubscriptionRequest,
} from "@sericite/protocol";
import { publish, text } from "../wire/case.ts";
import type { Step } from "../wire/case.ts";

/** Subscribes to one filter; SUBACK grants the QoS asked for. */
export function subscribe(
  who: string,
  topicFilter: string,
  options: Partial<SubscriptionRequest> & { readonly identifier?: number } = {},
): Step[] {
  const { identifier, qos = 2, ...rest } = options;
  return [
    {
      send: who,
      packet: {
        type: "subscribe",
        packetIdentifier: 900,
        subscriptions: [{ topicFilter, qos: qos as QoS, ...rest }],
        properties:
          identifier === undefined ? undefined : { subscriptionIdentifiers: [identifier] },
      },
    },
    {
      expect: who,
      packet: { type: "suback", packetIdentifier: 900, reasonCodes: [qos] },
      skipping: ["publish"],
    },
  ];
}

/** Connects so that the session outlives the connection, for a minute at least. */
export function connectKept(
  who: string,
  version: ProtocolVersion,
  connack: Readonly<Record<string, unknown>> = {},
  properties: Properties = {},
): Step {
  return {
    connect: who,
    with: {
      cleanStart: false,
      properties: version === 5 ? { sessionExpiryInterval: 60, ...properties } : undefined,
    },
    connack,
  };
}

/** The acknowledgement of a QoS 2 PUBLISH to the end, seen from the publisher. */
export function completeQos2(who: string, packetIdentifier: number): Step[] {
  return [
    { expect: who, packet: { type: "pubrec", packetIdentifier } },
    { send: who, packet: { type: "pubrel", packetIdentifier } },
    { expect: who, packet: { type: "pubcomp", packetIdentifier } },
  ];
}

/** UNSUBSCRIBE from one Topic Filter, and its UNSUBACK. */
export function unsubscribe(who: string, topicFilter: string): Step[] {
  return [
    {
      send: who,
      packet: { type: "unsubscribe", packetIdentifier: 2, topicFilters: [topicFilter] },
    },
    { expect: who, packet: { type: "unsuback", packetIdentifier: 2 } },
  ];
}

/** A PUBLISH at QoS 1 and its PUBACK: when it is there, the message was handed on. */
export function published(
  who: string,
  topicName: string,
  fields: Partial<PublishPacket> = {},
): Step[] {
  return [
    { send: who, packet: publish(topicName, { qos: 1, packetIdentifier: 10, ...fields }) },
    { expect: who, packet: { type: "puback", packetIdentifier: fields.packetIdentifier ?? 10 } },
  ];
}

/** The broker ends an open connection: 5.0 with DISCONNECT and that Reason Code, before by closing. */
export function closed(who: string, reasonCode: number, must = false): Step {
  return { expectClosed: who, after: { type: "disconnect", reasonCode }, must };
}

/**
 * The broker refuses a CONNECT: 5.0 with CONNACK and that Reason Code, before with that return code
 * or, where there is none, without CONNACK.
 */
export function refused(
  version: ProtocolVersion,
  who: string,
  reasonCode: number,
  returnCode?: number,
): Step {
  if (version === 5) {
    return { expectClosed: who, after: { type: "connack", reasonCode, sessionPresent: false } };
  }
  if (returnCode === undefined) return { expectClosed: who };
  return {
    expectClosed: who,
    after: { type: "connack", reasonCode: returnCode, sessionPresent: false },
    must: true,
  };
}

/** A Will: topic, payload "w", QoS 0 unless given. */
export function will(
  topicName: string,
  fields: Partial<NonNullable<ConnectPacket["will"]>> = {},
): Partial<ConnectPacket> {
  return { will: { topicName, payload: text("w"), qos: 0, retain: false, ...fields } };
}

/**
 * Hex of a CONNECT, for the fields that an encoder would not write. See `hexBytes`.
 *
 * @param flags  Connect Flags, hex.
 * @param payload  From the Client Identifier on.
 * @param properties  5.0, without their length.
 */
export function connectHex(
  version: ProtocolVersion,
  flags: string,
  payload = '"{t}a"',
  properties = "",
): string {
  const name = version === 3 ? '"MQIsdp"' : '"MQTT"';
  const own = version === 5 ? `(${properties})` : "";
  return `10 (${name} 0${version} ${flags} 0000 ${own} ${payload})`;
}
