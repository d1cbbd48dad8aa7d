import { UsageError } from "../errors.ts";
import type { ProtocolVersion, PublishPacket, QoS } from "../packet.ts";
import { PacketType } from "../packet.ts";
import { topicNameFault } from "../topic/topic-name.ts";
import type { Sender } from "./fixed-header.ts";
import { malformed, protocolError } from "./malformed.ts";
import { takeProperties } from "./read-properties.ts";
import type { Reader } from "./reader.ts";
import type { PropertyFindings } from "./scan-properties.ts";
import { scanProperties } from "./scan-properties.ts";
import { appendProperties } from "./write-properties.ts";
import { checkedQoS } from "./qos.ts";
import { readVariableByteInteger, variableByteIntegerEnd } from "./variable-byte-integer.ts";
import type { Writer } from "./writer.ts";

/** Where the parts of a PUBLISH stand: offsets into its bytes. */
export interface PublishFields extends PropertyFindings {
  /** Of the two-byte length of the Topic Name. */
  topicStart: number;
  /** 0 at QoS 0. */
  packetIdentifier: number;
  /** Of the first property, behind the length; equal to `propertiesEnd` when there are none. */
  propertiesStart: number;
  propertiesEnd: number;
  payloadStart: number;
}

/**
 * Finds the parts of a PUBLISH (§3.3) and checks all but the Topic Name itself, whose bytes are
 * `topicStart + 2` to the returned offset. Allocates nothing.
 *
 * @param offset  Of the variable header.
 * @returns the end of the Topic Name, exclusive.
 * @throws ProtocolError
 */
export function scanPublish(
  fields: PublishFields,
  bytes: Uint8Array,
  firstByte: number,
  offset: number,
  end: number,
  version: ProtocolVersion,
  sender: Sender,
): number {
  fields.topicStart = offset;
  fields.topicAlias = 0;
  fields.messageExpiryInterval = -1;
  fields.hasSubscriptionIdentifier = false;
  // Where the length itself is cut off, the name ends behind the packet just as well.
  const topicEnd = offset + 2 + ((bytes[offset]! << 8) | bytes[offset + 1]!);
  let position = topicEnd;
  if ((firstByte & 6) !== 0) {
    position += 2;
    if (position > end) throw malformed("PUBLISH ends before its Packet Identifier");
    const packetIdentifier = (bytes[topicEnd]! << 8) | bytes[topicEnd + 1]!;
    if (packetIdentifier === 0) throw protocolError("PUBLISH has Packet Identifier 0"); // [MQTT5-2.2.1-3] [MQTT3-2.3.1-1]
    fields.packetIdentifier = packetIdentifier;
  } else {
    if (position > end) throw malformed("PUBLISH ends inside its Topic Name");
    fields.packetIdentifier = 0;
  }
  if (version === 5) {
    const lengthEnd = variableByteIntegerEnd(bytes, position, end);
    const length = readVariableByteInteger(bytes, position, lengthEnd);
    fields.propertiesStart = lengthEnd;
    position = lengthEnd + length;
    if (position > end) throw malformed("PUBLISH ends inside its properties");
    if (length !== 0) {
      scanProperties(bytes, lengthEnd, position, PacketType.publish, fields);
      if (fields.hasSubscriptionIdentifier && sender === "client") {
        throw protocolError("PUBLISH from a Client has a Subscription Identifier"); // [MQTT5-3.3.4-6]
      }
    }
    if (topicEnd === offset + 2 && fields.topicAlias === 0) {
      throw protocolError("PUBLISH has neither Topic Name nor Topic Alias");
    }
  } else {
    fields.propertiesStart = position;
    if (topicEnd === offset + 2) throw protocolError("PUBLISH has an empty Topic Name"); // [MQTT3-4.7.3-1]
  }
  fields.propertiesEnd = position;
  fields.payloadStart = position;
  return topicEnd;
}

/**
 * Decodes a PUBLISH (§3.3). Payload and binary values are views.
 *
 * @param reader  At the variable header.
 * @param topicNameOf  Decodes the Topic Name, of which no more has to be known than that it is UTF-8.
 * @throws ProtocolError
 */
export function decodePublish(
  reader: Reader,
  firstByte: number,
  version: ProtocolVersion,
  topicNameOf: (bytes: Uint8Array, start: number, end: number) => string,
): PublishPacket {
  const qos = ((firstByte >> 1) & 3) as QoS;
  const topicBytes = reader.uint16();
  const topicStart = reader.skip(topicBytes);
  const topicName = topicNameOf(reader.bytes, topicStart, topicStart + topicBytes);
  const packetIdentifier = qos === 0 ? undefined : reader.packetIdentifier("PUBLISH");
  const properties = version === 5 ? takeProperties(reader, PacketType.publish) : undefined;
  if (topicName === "" && properties?.topicAlias === undefined)
    throw protocolError("PUBLISH has neither Topic Name nor Topic Alias"); // [X-48] [MQTT3-4.7.3-1]
  return {
    type: "publish",
    topicName,
    payload: reader.rest(),
    qos,
    dup: (firstByte & 8) !== 0,
    retain: (firstByte & 1) !== 0,
    packetIdentifier,
    properties,
  };
}

/** Fixed header flags of a PUBLISH. */
export function publishFlags(packet: PublishPacket, version: ProtocolVersion): number {
  if (packet.dup && packet.qos === 0 && version !== 3) {
    throw new UsageError("ERR_USAGE", "PUBLISH has DUP and QoS 0"); // [MQTT5-3.3.1-2] [MQTT3-3.3.1-2]
  }
  return (packet.dup ? 8 : 0) | (checkedQoS(packet.qos) << 1) | (packet.retain ? 1 : 0);
}

/** Remaining Length of a PUBLISH with an ASCII Topic Name and no properties. */
export function publishLengthGuess(packet: PublishPacket, version: ProtocolVersion): number {
  return (
    2 +
    packet.topicName.length +
    (packet.qos === 0 ? 0 : 2) +
    (version === 5 ? 1 : 0) +
    packet.payload.length
  );
}

/** Writes the variable header and payload of a PUBLISH. */
export function encodePublish(
  writer: Writer,
  packet: PublishPacket,
  version: ProtocolVersion,
): void {
  const { topicName, properties } = packet;
  // [MQTT5-3.3.2-1] [MQTT5-3.3.2-2] [MQTT5-4.7.3-1] [MQTT3-3.3.2-1] [MQTT3-3.3.2-2] [MQTT3-4.7.3-1]
  if (topicName !== "" || version !== 5 || properties?.topicAlias === undefined) {
    const fault = topicNameFault(topicName);
    if (fault !== undefined) throw new UsageError("ERR_USAGE", `Topic Name ${fault}`);
  }
  writer.string(topicName);
  if (packet.qos !== 0) writer.packetIdentifier(packet.packetIdentifier); // none at QoS 0 [MQTT5-2.2.1-2] [MQTT3-2.3.1-5]
  if (version === 5) appendProperties(writer, properties, PacketType.publish);
  writer.raw(packet.payload);
}
