import type { Properties, ProtocolVersion, QoS, SubscriptionRequest } from "@sericite/protocol";
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
