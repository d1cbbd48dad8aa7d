import { UsageError } from "../errors.ts";
import type { ConnackPacket, ProtocolVersion } from "../packet.ts";
import { PacketType } from "../packet.ts";
import { malformed, protocolError } from "./malformed.ts";
import { takeProperties } from "./read-properties.ts";
import { reasonCodeFault } from "./reason-codes.ts";
import { appendProperties } from "./write-properties.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/**
 * Decodes a CONNACK (§3.2).
 *
 * @param reader  At the variable header.
 * @throws ProtocolError
 */
export function decodeConnack(reader: Reader, version: ProtocolVersion): ConnackPacket {
  const flags = reader.byte();
  // 3.1 has no Session Present and calls the byte reserved.
  if (version !== 3 && flags > 1) throw malformed("CONNACK has reserved flags"); // [MQTT5-3.2.2-1]
  const sessionPresent = version !== 3 && flags === 1;
  const reasonCode = reader.byte();
  const fault = reasonCodeFault(PacketType.connack, reasonCode, "server", version);
  if (fault !== undefined) throw protocolError(fault); // [MQTT5-3.2.2-8]
  if (sessionPresent && reasonCode !== 0) {
    throw protocolError("CONNACK refuses and has Session Present"); // [MQTT5-3.2.2-6] [MQTT3-3.2.2-4]
  }
  const properties = version === 5 ? takeProperties(reader, PacketType.connack) : undefined;
  reader.finish("CONNACK");
  return { type: "connack", sessionPresent, reasonCode, properties };
}

/** Writes the variable header of a CONNACK. 3.1 has no Session Present: it is left out there. */
export function encodeConnack(
  writer: Writer,
  packet: ConnackPacket,
  version: ProtocolVersion,
): void {
  const { sessionPresent, reasonCode } = packet;
  const fault = reasonCodeFault(PacketType.connack, reasonCode, "server", version);
  if (fault !== undefined) throw new UsageError("ERR_USAGE", fault); // [MQTT5-3.2.2-8]
  if (sessionPresent && reasonCode !== 0) {
    throw new UsageError("ERR_USAGE", "CONNACK refuses and has Session Present"); // [MQTT5-3.2.2-6] [MQTT3-3.2.2-4]
  }
  writer.byte(sessionPresent && version !== 3 ? 1 : 0); // [MQTT5-3.2.2-1]
  writer.byte(reasonCode);
  if (version === 5) appendProperties(writer, packet.properties, PacketType.connack);
}
