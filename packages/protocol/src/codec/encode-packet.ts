import { UsageError } from "../errors.ts";
import type { Packet, ProtocolVersion } from "../packet.ts";
import { PacketType } from "../packet.ts";
import { encodeAcknowledgement } from "./acknowledgement.ts";
import { encodeAuth } from "./auth.ts";
import { encodeConnack } from "./connack.ts";
import { encodeConnect } from "./connect.ts";
import { encodeDisconnect } from "./disconnect.ts";
import { encodePublish, publishFlags, publishLengthGuess } from "./publish.ts";
import { encodeSuback } from "./suback.ts";
import { encodeSubscribe } from "./subscribe.ts";
import { encodeUnsuback } from "./unsuback.ts";
import { encodeUnsubscribe } from "./unsubscribe.ts";
import { variableByteIntegerLength } from "./variable-byte-integer.ts";
import { Writer } from "./writer.ts";

/** A scratch that grew beyond this is not kept. Bytes. */
const scratchKept = 65_536;

let scratch = new Writer(1024);

/**
 * Encodes a packet of any type in the version. A CONNECT is encoded in its own version. What a
 * version does not have (Reason Codes of acknowledgements, properties, subscription options before
 * 5.0) is left out.
 *
 * @param writer  Where to append it.
 * @returns without `writer` a fresh array, the caller's own; with it a view of the writer's memory,
 * good until the writer is written to or reset.
 * @throws UsageError ERR_USAGE for a packet that the protocol forbids to send; `writer` then stands
 * where it stood.
 */
export function encodePacket(
  packet: Packet,
  protocolVersion: ProtocolVersion,
  writer?: Writer,
): Uint8Array {
  if (writer !== undefined) return append(packet, protocolVersion, writer);
  scratch.reset();
  const bytes = append(packet, protocolVersion, scratch).slice();
  if (scratch.bytes.length > scratchKept) scratch = new Writer(1024);
  return bytes;
}

function append(packet: Packet, version: ProtocolVersion, writer: Writer): Uint8Array {
  const start = writer.position;
  try {
    writer.byte((PacketType[packet.type] << 4) | flagsOf(packet, version));
    const width =
      packet.type === "publish"
        ? variableByteIntegerLength(publishLengthGuess(packet, version))
        : 1;
    const content = writer.openLength(width);
    encodeContent(packet, version, writer);
    writer.closeLength(content, width);
  } catch (error) {
    writer.position = start;
    throw error;
  }
  return writer.bytes.subarray(start, writer.position);
}

function flagsOf(packet: Packet, version: ProtocolVersion): number {
  switch (packet.type) {
    case "publish":
      return publishFlags(packet, version);
    case "pubrel":
    case "subscribe":
    case "unsubscribe":
      // [MQTT5-2.1.3-1] [MQTT3-2.2.2-1] [MQTT5-3.6.1-1] [MQTT5-3.8.1-1] [MQTT5-3.10.1-1]; DUP in 3.1 alone.
      if (packet.dup && version !== 3) {
        throw new UsageError("ERR_USAGE", `${packet.type} has DUP, which only MQTT 3.1 knows`);
      }
      return packet.dup ? 0x0a : 0x02;
    default:
      return 0;
  }
}

function encodeContent(packet: Packet, version: ProtocolVersion, writer: Writer): void {
  switch (packet.type) {
    case "connect":
      return encodeConnect(writer, packet);
    case "connack":
      return encodeConnack(writer, packet, version);
    case "publish":
      return encodePublish(writer, packet, version);
    case "puback":
    case "pubrec":
    case "pubrel":
    case "pubcomp":
      return encodeAcknowledgement(writer, packet, version);
    case "subscribe":
      return encodeSubscribe(writer, packet, version);
    case "suback":
      return encodeSuback(writer, packet, version);
    case "unsubscribe":
      return encodeUnsubscribe(writer, packet, version);
    case "unsuback":
      return encodeUnsuback(writer, packet, version);
    case "disconnect":
      return encodeDisconnect(writer, packet, version);
    case "auth":
      return encodeAuth(writer, packet, version);
    case "pingreq":
    case "pingresp":
      return;
  }
}
