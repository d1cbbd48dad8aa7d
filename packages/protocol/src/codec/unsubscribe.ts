import type { ProtocolVersion, UnsubscribePacket } from "../packet.ts";
import { PacketType } from "../packet.ts";
import { protocolError } from "./malformed.ts";
import { takeProperties } from "./properties.ts";
import type { Reader } from "./reader.ts";

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
