import { UsageError } from "../errors.ts";
import type { ProtocolVersion, QoS, SubscribePacket, SubscriptionRequest } from "../packet.ts";
import { PacketType } from "../packet.ts";
import { malformed, protocolError } from "./malformed.ts";
import { takeProperties } from "./read-properties.ts";
import { appendProperties } from "./write-properties.ts";
import { checkedQoS } from "./qos.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

const noLocalBit = 0x04;
const retainAsPublishedBit = 0x08;

/**
 * Decodes a SUBSCRIBE (§3.8). Topic Filters are UTF-8 and no more is known of them.
 *
 * @param reader  Behind the Packet Identifier.
 * @throws ProtocolError
 */
export function decodeSubscribe(
  reader: Reader,
  version: ProtocolVersion,
  packetIdentifier: number,
  dup: boolean,
): SubscribePacket {
  const properties = version === 5 ? takeProperties(reader, PacketType.subscribe) : undefined;
  if (reader.isAtEnd) throw protocolError("SUBSCRIBE has no Topic Filter"); // [MQTT5-3.8.3-2] [MQTT3-3.8.3-3]
  reader.limits?.checkTopicFilters(reader, 1, "SUBSCRIBE");
  const subscriptions: SubscriptionRequest[] = [];
  while (!reader.isAtEnd) subscriptions.push(readSubscription(reader, version));
  return {
    type: "subscribe",
    packetIdentifier,
    subscriptions,
    dup: version === 3 && dup ? true : undefined,
    properties,
  };
}

function readSubscription(reader: Reader, version: ProtocolVersion): SubscriptionRequest {
  const topicFilter = reader.string(); // [MQTT5-3.8.3-1] [MQTT3-3.8.3-1]
  const options = reader.byte();
  // 3.1 calls the upper bits reserved and names no error for them.
  const reserved = version === 5 ? 0xc0 : version === 4 ? 0xfc : 0;
  if ((options & reserved) !== 0) throw malformed("Subscription Options have reserved bits set"); // [MQTT5-3.8.3-5] [MQTT3-3.8.3-4]
  const qos = options & 3;
  if (qos === 3) {
    // 5.0 calls it a Protocol Error, 3.1.1 malformed [X-62] [MQTT3-3.8.3-4].
    throw version === 5
      ? protocolError("SUBSCRIBE asks for QoS 3")
      : malformed("SUBSCRIBE asks for QoS 3");
  }
  if (version !== 5) return { topicFilter, qos: qos as QoS };
  const retainHandling = (options >> 4) & 3;
  if (retainHandling === 3) throw protocolError("SUBSCRIBE has Retain Handling 3");
  const noLocal = (options & noLocalBit) !== 0;
  if (noLocal && topicFilter.startsWith("$share/")) {
    throw protocolError("SUBSCRIBE has No Local on a Shared Subscription"); // [MQTT5-3.8.3-4]
  }
  return {
    topicFilter,
    qos: qos as QoS,
    noLocal,
    retainAsPublished: (options & retainAsPublishedBit) !== 0,
    retainHandling: retainHandling as 0 | 1 | 2,
  };
}

/** Writes the variable header and payload of a SUBSCRIBE. Topic Filters are not checked further. */
export function encodeSubscribe(
  writer: Writer,
  packet: SubscribePacket,
  version: ProtocolVersion,
): void {
  if (packet.subscriptions.length === 0) {
    throw new UsageError("ERR_USAGE", "SUBSCRIBE has no Topic Filter"); // [MQTT5-3.8.3-2] [MQTT3-3.8.3-3]
  }
  writer.packetIdentifier(packet.packetIdentifier);
  if (version === 5) appendProperties(writer, packet.properties, PacketType.subscribe);
  for (const subscription of packet.subscriptions) {
    writer.string(subscription.topicFilter);
    writer.byte(version === 5 ? optionsOf(subscription) : checkedQoS(subscription.qos));
  }
}

function optionsOf(subscription: SubscriptionRequest): number {
  if (subscription.noLocal && subscription.topicFilter.startsWith("$share/")) {
    throw new UsageError("ERR_USAGE", "No Local is not for a Shared Subscription"); // [MQTT5-3.8.3-4]
  }
  return (
    checkedQoS(subscription.qos) |
    (subscription.noLocal ? noLocalBit : 0) |
    (subscription.retainAsPublished ? retainAsPublishedBit : 0) |
    ((subscription.retainHandling ?? 0) << 4)
  );
}
