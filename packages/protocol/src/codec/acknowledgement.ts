import type { AcknowledgementPacket, ProtocolVersion } from "../packet.ts";
import { PacketType } from "../packet.ts";
import { ReasonCode } from "../reason-code.ts";
import type { Sender } from "./fixed-header.ts";
import { packetTitles } from "./fixed-header.ts";
import { malformed, protocolError } from "./malformed.ts";
import { scanProperties } from "./properties.ts";
import { readVariableByteInteger, variableByteIntegerEnd } from "./variable-byte-integer.ts";

/** Where the parts of a PUBACK, PUBREC, PUBREL or PUBCOMP stand. */
export interface AcknowledgementFields {
  packetIdentifier: number;
  /** 0 when absent. */
  reasonCode: number;
  propertiesStart: number;
  /** Equal to `propertiesStart` when there are none. */
  propertiesEnd: number;
}

/** `type` of the packet's object, by packet type. */
export const acknowledgementNames: Readonly<Record<number, AcknowledgementPacket["type"]>> = {
  [PacketType.puback]: "puback",
  [PacketType.pubrec]: "pubrec",
  [PacketType.pubrel]: "pubrel",
  [PacketType.pubcomp]: "pubcomp",
};

function isAllowed(packetType: number, reasonCode: number, sender: Sender): boolean {
  if (packetType === PacketType.pubrel || packetType === PacketType.pubcomp) {
    return reasonCode === 0 || reasonCode === ReasonCode.packetIdentifierNotFound;
  }
  switch (reasonCode) {
    case ReasonCode.success:
    case ReasonCode.unspecifiedError:
    case ReasonCode.implementationSpecificError:
    case ReasonCode.notAuthorized:
    case ReasonCode.topicNameInvalid:
    case ReasonCode.packetIdentifierInUse:
    case ReasonCode.quotaExceeded:
    case ReasonCode.payloadFormatInvalid:
      return true;
    case ReasonCode.noMatchingSubscribers:
      return sender === "server";
    default:
      return false;
  }
}

/**
 * Finds the parts of a PUBACK, PUBREC, PUBREL or PUBCOMP (§3.4…§3.7) and checks all of it.
 * Allocates nothing.
 *
 * @param offset  Of the variable header.
 * @throws ProtocolError
 */
export function scanAcknowledgement(
  fields: AcknowledgementFields,
  bytes: Uint8Array,
  packetType: number,
  offset: number,
  end: number,
  version: ProtocolVersion,
  sender: Sender,
): void {
  const length = end - offset;
  if (length < 2) throw malformed(`${packetTitles[packetType]} has no Packet Identifier`);
  const packetIdentifier = (bytes[offset]! << 8) | bytes[offset + 1]!;
  if (packetIdentifier === 0) {
    throw protocolError(`${packetTitles[packetType]} has Packet Identifier 0`);
  }
  fields.packetIdentifier = packetIdentifier;
  fields.reasonCode = 0; // Remaining Length 2 means 0x00.
  fields.propertiesStart = end;
  fields.propertiesEnd = end;
  if (length === 2) return;
  if (version !== 5) {
    throw malformed(`${packetTitles[packetType]} has Remaining Length ${length}, not 2`);
  }
  const reasonCode = bytes[offset + 2]!;
  if (!isAllowed(packetType, reasonCode, sender)) {
    // [MQTT5-3.4.2-1] [MQTT5-3.5.2-1] [MQTT5-3.6.2-1] [MQTT5-3.7.2-1]
    throw protocolError(
      `${packetTitles[packetType]} must not have Reason Code 0x${reasonCode.toString(16)}`,
    );
  }
  fields.reasonCode = reasonCode;
  if (length === 3) return; // Below 4 there are no properties.
  const start = variableByteIntegerEnd(bytes, offset + 3, end);
  if (start + readVariableByteInteger(bytes, offset + 3, start) !== end) {
    throw malformed(`${packetTitles[packetType]} has a wrong Property Length`);
  }
  fields.propertiesStart = start;
  if (start !== end) scanProperties(bytes, start, end, packetType);
}
