import { UsageError } from "../errors.ts";
import type { ProtocolVersion, UnsubackPacket } from "../packet.ts";
import { PacketType } from "../packet.ts";
import { malformed, protocolError } from "./malformed.ts";
import { takeProperties } from "./read-properties.ts";
import { reasonCodeFault } from "./reason-codes.ts";
import { appendProperties } from "./write-properties.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/**
 * Decodes an UNSUBACK (§3.11).
 *
 * @param reader  Behind the Packet Identifier.
 * @throws ProtocolError
 */
export function decodeUnsuback(
  reader: Reader,
  version: ProtocolVersion,
  packetIdentifier: number,
): UnsubackPacket {
  if (version !== 5) {
    reader.finish("UNSUBACK");
    return { type: "unsuback", packetIdentifier, reasonCodes: undefined, properties: undefined };
  }
  const properties = takeProperties(reader, PacketType.unsuback);
  if (reader.isAtEnd) throw malformed("UNSUBACK has no Reason Code");
  const reasonCodes: number[] = [];
  while (!reader.isAtEnd) {
    const reasonCode = reader.byte();
    const fault = reasonCodeFault(PacketType.unsuback, reasonCode, "server", version);
    if (fault !== undefined) throw protocolError(fault);
    reasonCodes.push(reasonCode);
  }
  return { type: "unsuback", packetIdentifier, reasonCodes, properties };
}

/** Writes the variable header and, in 5.0, the Reason Codes of an UNSUBACK. */
export function encodeUnsuback(
  writer: Writer,
  packet: UnsubackPacket,
  version: ProtocolVersion,
): void {
  writer.packetIdentifier(packet.packetIdentifier);
  if (version !== 5) return;
  appendProperties(writer, packet.properties, PacketType.unsuback);
  const { reasonCodes } = packet;
  if (reasonCodes === undefined || reasonCodes.length === 0) {
    throw new UsageError("ERR_USAGE", "UNSUBACK has no Reason Code");
  }
  for (const reasonCode of reasonCodes) {
    const fault = reasonCodeFault(PacketType.unsuback, reasonCode, "server", version);
    if (fault !== undefined) throw new UsageError("ERR_USAGE", fault);
    writer.byte(reasonCode);
  }
}
