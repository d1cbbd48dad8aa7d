import { UsageError } from "../errors.ts";
import type { AcknowledgementPacket, ProtocolVersion } from "../packet.ts";
import { PacketType } from "../packet.ts";
import { ReasonCode } from "../reason-code.ts";
import type { Sender } from "./fixed-header.ts";
import { packetTitles } from "./fixed-header.ts";
import { malformed, protocolError } from "./malformed.ts";
import { reasonCodeFault } from "./reason-codes.ts";
import { takeProperties } from "./read-properties.ts";
import type { Reader } from "./reader.ts";
import { scanProperties } from "./scan-properties.ts";
import { appendProperties, hasNoProperties } from "./write-properties.ts";
import { readVariableByteInteger, variableByteIntegerEnd } from "./variable-byte-integer.ts";
import type { Writer } from "./writer.ts";

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
  const fault = reasonCodeFault(packetType, reasonCode, sender, version);
  if (fault !== undefined) throw protocolError(fault); // [MQTT5-3.4.2-1] [MQTT5-3.5.2-1] [MQTT5-3.6.2-1] [MQTT5-3.7.2-1]
  fields.reasonCode = reasonCode;
  if (length === 3) return; // Below 4 there are no properties.
  const start = variableByteIntegerEnd(bytes, offset + 3, end);
  if (start + readVariableByteInteger(bytes, offset + 3, start) !== end) {
    throw malformed(`${packetTitles[packetType]} has a wrong Property Length`);
  }
  fields.propertiesStart = start;
  if (start !== end) scanProperties(bytes, start, end, packetType);
}

/**
 * Decodes a PUBACK, PUBREC, PUBREL or PUBCOMP (§3.4…§3.7).
 *
 * @param reader  At the variable header.
 * @throws ProtocolError
 */
export function decodeAcknowledgement(
  reader: Reader,
  packetType: number,
  version: ProtocolVersion,
  sender: Sender,
): AcknowledgementPacket {
  const title = packetTitles[packetType]!;
  const type = acknowledgementNames[packetType]!;
  const packetIdentifier = reader.packetIdentifier(title);
  if (version !== 5) reader.finish(title);
  if (reader.isAtEnd) return { type, packetIdentifier }; // Remaining Length 2 means 0x00.
  const code = reader.byte();
  const fault = reasonCodeFault(packetType, code, sender, version);
  if (fault !== undefined) throw protocolError(fault);
  const reasonCode = code === 0 ? undefined : code;
  // Below 4 there are no properties.
  const properties = reader.isAtEnd ? undefined : takeProperties(reader, packetType);
  reader.finish(title);
  return { type, packetIdentifier, reasonCode, properties };
}

/**
 * Writes a whole acknowledgement of four bytes: Reason Code 0x00 and no properties, so the same in
 * every version. There must be room. Allocates nothing.
 *
 * @param firstByte  Packet type and flags: 0x40 PUBACK, 0x50 PUBREC, 0x62 PUBREL, 0x70 PUBCOMP,
 * 0xB0 UNSUBACK of 3.x.
 * @returns the offset behind it.
 */
export function writeAcknowledgement(
  bytes: Uint8Array,
  offset: number,
  firstByte: number,
  packetIdentifier: number,
): number {
  bytes[offset] = firstByte;
  bytes[offset + 1] = 2;
  bytes[offset + 2] = packetIdentifier >> 8;
  bytes[offset + 3] = packetIdentifier;
  return offset + 4;
}

/** Writes the variable header of a PUBACK, PUBREC, PUBREL or PUBCOMP in the fewest bytes. */
export function encodeAcknowledgement(
  writer: Writer,
  packet: AcknowledgementPacket,
  version: ProtocolVersion,
): void {
  writer.packetIdentifier(packet.packetIdentifier);
  if (version !== 5) return;
  const packetType = PacketType[packet.type];
  const reasonCode = packet.reasonCode ?? ReasonCode.success;
  const fault = reasonCodeFault(packetType, reasonCode, undefined, version);
  if (fault !== undefined) throw new UsageError("ERR_USAGE", fault);
  const isBare = hasNoProperties(packet.properties);
  if (isBare && reasonCode === 0) return;
  writer.byte(reasonCode);
  if (!isBare) appendProperties(writer, packet.properties, packetType);
}
