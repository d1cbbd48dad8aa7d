import { UsageError } from "../errors.ts";
import type { ProtocolVersion, UnsubscribePacket } from "../packet.ts";
import { PacketType } from "../packet.ts";
import { protocolError } from "./malformed.ts";
import { takeProperties } from "./read-properties.ts";
import { appendProperties } from "./write-properties.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/**
 * Decodes an UNSUBSCRIBE (§3.10). Topic Filters are UTF-8 and no more is known of them.
 *
 * @param reader  Behind the Packet Identifier.
 * @throws ProtocolError
 */
export function decodeUnsubscribe(
  reader: Reader,
  version: ProtocolVersion,
  packetIdentifier: number,
  dup: boolean,
): UnsubscribePacket {
  const properties = version === 5 ? takeProperties(reader, PacketType.unsubscribe) : undefined;
  if (reader.isAtEnd) throw protocolError("UNSUBSCRIBE has no Topic Filter"); // [MQTT5-3.10.3-2] [MQTT3-3.10.3-2]
  reader.limits?.checkTopicFilters(reader, 0, "UNSUBSCRIBE");
  const topicFilters: string[] = [];
  while (!reader.isAtEnd) topicFilters.push(reader.string()); // [MQTT5-3.10.3-1] [MQTT3-3.10.3-1]
  return {
    type: "unsubscribe",
    packetIdentifier,
    topicFilters,
    dup: version === 3 && dup ? true : undefined,
    properties,
  };
}

/** Writes the variable header and payload of an UNSUBSCRIBE. Topic Filters are not checked further. */
export function encodeUnsubscribe(
  writer: Writer,
  packet: UnsubscribePacket,
  version: ProtocolVersion,
): void {
  if (packet.topicFilters.length === 0) {
    throw new UsageError("ERR_USAGE", "UNSUBSCRIBE has no Topic Filter"); // [MQTT5-3.10.3-2] [MQTT3-3.10.3-2]
  }
  writer.packetIdentifier(packet.packetIdentifier);
  if (version === 5) appendProperties(writer, packet.properties, PacketType.unsubscribe);
  for (const topicFilter of packet.topicFilters) writer.string(topicFilter);
}
