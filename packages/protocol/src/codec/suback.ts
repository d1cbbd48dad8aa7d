import { UsageError } from "../errors.ts";
import type { ProtocolVersion, SubackPacket } from "../packet.ts";
import { PacketType } from "../packet.ts";
import { ReasonCode } from "../reason-code.ts";
import { malformed, protocolError } from "./malformed.ts";
import { takeProperties } from "./read-properties.ts";
import { appendProperties } from "./write-properties.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/** Whether SUBACK of that version may have the code [MQTT5-3.9.3-2] [MQTT3-3.9.3-2]. */
function isAllowed(reasonCode: number, version: ProtocolVersion): boolean {
  if (reasonCode <= 2) return true;
  if (version === 3) return false; // 3.1 has no failure code.
  if (reasonCode === ReasonCode.unspecifiedError) return true;
  if (version === 4) return false;
  switch (reasonCode) {
    case ReasonCode.implementationSpecificError:
    case ReasonCode.notAuthorized:
    case ReasonCode.topicFilterInvalid:
    case ReasonCode.packetIdentifierInUse:
    case ReasonCode.quotaExceeded:
    case ReasonCode.sharedSubscriptionsNotSupported:
    case ReasonCode.subscriptionIdentifiersNotSupported:
    case ReasonCode.wildcardSubscriptionsNotSupported:
      return true;
    default:
      return false;
  }
}

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
    if (!isAllowed(reasonCode, version)) {
      throw protocolError(`SUBACK must not have code 0x${reasonCode.toString(16)}`);
    }
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
    if (!isAllowed(reasonCode, version)) {
      throw new UsageError("ERR_USAGE", `SUBACK must not have code 0x${given.toString(16)}`);
    }
    writer.byte(reasonCode);
  }
}
