import type { Packet, ProtocolVersion } from "../packet.ts";
import { encodeConnack } from "./connack.ts";
import { encodeClientContent } from "./encode-client-packet.ts";
import { encodeFrame } from "./encode-frame.ts";
import { encodeSuback } from "./suback.ts";
import { encodeUnsuback } from "./unsuback.ts";
import type { Writer } from "./writer.ts";

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
  return encodeFrame(packet, protocolVersion, writer, encodeContent);
}

function encodeContent(packet: Packet, version: ProtocolVersion, writer: Writer): void {
  switch (packet.type) {
    case "connack":
      return encodeConnack(writer, packet, version);
    case "suback":
      return encodeSuback(writer, packet, version);
    case "unsuback":
      return encodeUnsuback(writer, packet, version);
    case "pingresp":
      return;
    default:
      return encodeClientContent(packet, version, writer);
  }
}
