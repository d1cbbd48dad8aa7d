import { UsageError } from "../errors.ts";
import type { DisconnectPacket, ProtocolVersion } from "../packet.ts";
import { PacketType } from "../packet.ts";
import { ReasonCode } from "../reason-code.ts";
import type { Sender } from "./fixed-header.ts";
import { protocolError } from "./malformed.ts";
import { takeProperties } from "./read-properties.ts";
import { reasonCodeFault } from "./reason-codes.ts";
import { appendProperties, hasNoProperties } from "./write-properties.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/**
 * Decodes a DISCONNECT (§3.14).
 *
 * @param reader  At the variable header.
 * @throws ProtocolError
 */
export function decodeDisconnect(
  reader: Reader,
  version: ProtocolVersion,
  sender: Sender,
): DisconnectPacket {
  if (version !== 5) reader.finish("DISCONNECT");
  if (reader.isAtEnd) {
    return { type: "disconnect", reasonCode: undefined, properties: undefined };
  }
  const reasonCode = reader.byte();
  const fault = reasonCodeFault(PacketType.disconnect, reasonCode, sender, version);
  if (fault !== undefined) throw protocolError(fault);
  // Below 2 there are no properties.
  const properties = reader.isAtEnd ? undefined : takeProperties(reader, PacketType.disconnect);
  if (sender === "server" && properties?.sessionExpiryInterval !== undefined) {
    throw protocolError("DISCONNECT from the Server has a Session Expiry Interval"); // [MQTT5-3.14.2-2]
  }
  reader.finish("DISCONNECT");
  return { type: "disconnect", reasonCode, properties };
}

/** Writes the variable header of a DISCONNECT in the fewest bytes. */
export function encodeDisconnect(
  writer: Writer,
  packet: DisconnectPacket,
  version: ProtocolVersion,
): void {
  if (version !== 5) return;
  const reasonCode = packet.reasonCode ?? ReasonCode.normalDisconnection;
  const fault = reasonCodeFault(PacketType.disconnect, reasonCode, undefined, version);
  if (fault !== undefined) throw new UsageError("ERR_USAGE", fault); // [MQTT5-3.14.2-1]
  const isBare = hasNoProperties(packet.properties);
  if (isBare && reasonCode === 0) return;
  writer.byte(reasonCode);
  if (!isBare) appendProperties(writer, packet.properties, PacketType.disconnect);
}
