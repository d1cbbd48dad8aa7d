import { UsageError } from "../errors.ts";
import type { ProtocolVersion, SubackPacket } from "../packet.ts";
import { PacketType } from "../packet.ts";
import { ReasonCode } from "../reason-code.ts";
import { malformed, protocolError } from "./malformed.ts";
import { takeProperties } from "./read-properties.ts";
import { reasonCodeFault } from "./reason-codes.ts";
import { appendProperties } from "./write-properties.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/**
 * Decodes a SUBACK (§3.9).
 *
 * @param reader  Behind the Packet Identifier.
 * @throws ProtocolError
 */
export function decodeSuback(
  reader: Reader,
  version: ProtocolVersion,
  packetIdentifier: number,
): SubackPacket {
  const properties = version === 5 ? takeProperties(reader, PacketType.suback) : undefined;
  // SUBSCRIBE has one Topic Filter at least, and each has its code.
  if (reader.isAtEnd) throw malformed("SUBACK has no Reason Code"); // [MQTT5-3.8.4-6] [MQTT3-3.8.4-5]
  const reasonCodes: number[] = [];
  while (!reader.isAtEnd) {
    const reasonCode = reader.byte();
    const fault = reasonCodeFault(PacketType.suback, reasonCode, "server", version);
    if (fault !== undefined) throw protocolError(fault);
    reasonCodes.push(reasonCode);
  }
  return { type: "suback", packetIdentifier, reasonCodes, properties };
}

/**
 * Writes the variable header and payload of a SUBACK. Any failure is 0x80 in 3.1.1; in 3.1, which
 * has no failure code, it throws.
 */
export function encodeSuback(writer: Writer, packet: SubackPacket, version: ProtocolVersion): void {
  if (packet.reasonCodes.length === 0) {
    throw new UsageError("ERR_USAGE", "SUBACK has no Reason Code");
  }
  writer.packetIdentifier(packet.packetIdentifier);
  if (version === 5) appendProperties(writer, packet.properties, PacketType.suback);
  for (const given of packet.reasonCodes) {
    const reasonCode =
      version === 4 && given > ReasonCode.unspecifiedError ? ReasonCode.unspecifiedError : given;
    const fault = reasonCodeFault(PacketType.suback, reasonCode, "server", version);
    if (fault !== undefined) throw new UsageError("ERR_USAGE", fault);
    writer.byte(reasonCode);
  }
}
