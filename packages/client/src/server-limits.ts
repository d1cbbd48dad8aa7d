import type { ConnackPacket, QoS } from "@sericite/protocol";
import type { ClientSettings } from "./options.ts";

/** What the server allows on this connection (§3.2.2.3), with the defaults of the standard. */
export interface ServerLimits {
  /** QoS 1 and 2 messages that may be unacknowledged; the client's own bound is counted in. */
  readonly receiveMaximum: number;
  readonly maximumQos: QoS;
  readonly retainAvailable: boolean;
  /** Bytes; Infinity where it has none. */
  readonly maximumPacketSize: number;
  /** The client's own bound is counted in. */
  readonly topicAliasMaximum: number;
  readonly wildcardSubscriptionAvailable: boolean;
  readonly subscriptionIdentifiersAvailable: boolean;
  readonly sharedSubscriptionAvailable: boolean;
  /** Seconds; the server's where it gave one. */
  readonly keepAlive: number;
}

/** Reads the limits from CONNACK. On 3.x there are none but the client's own. */
export function serverLimits(connack: ConnackPacket, settings: ClientSettings): ServerLimits {
  const properties = connack.properties ?? {};
  return {
    receiveMaximum: Math.min(properties.receiveMaximum ?? 65_535, settings.inFlightMaximum),
    maximumQos: properties.maximumQoS ?? 2,
    retainAvailable: properties.retainAvailable !== 0,
    maximumPacketSize: properties.maximumPacketSize ?? Infinity,
    topicAliasMaximum: Math.min(
      properties.topicAliasMaximum ?? 0,
      settings.outboundTopicAliasMaximum,
    ), // [MQTT5-3.2.2-17] [MQTT5-3.2.2-18]
    wildcardSubscriptionAvailable: properties.wildcardSubscriptionAvailable !== 0,
    subscriptionIdentifiersAvailable:
      settings.protocolVersion === 5 && properties.subscriptionIdentifiersAvailable !== 0,
    sharedSubscriptionAvailable: properties.sharedSubscriptionAvailable !== 0,
    keepAlive: properties.serverKeepAlive ?? settings.keepAlive, // [MQTT5-3.1.2-21] [MQTT5-3.2.2-21]
  };
}
