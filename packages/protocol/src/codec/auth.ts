import { UsageError } from "../errors.ts";
import type { AuthPacket, ProtocolVersion } from "../packet.ts";
import { PacketType } from "../packet.ts";
import { ReasonCode } from "../reason-code.ts";
import type { Sender } from "./fixed-header.ts";
import { protocolError } from "./malformed.ts";
import { takeProperties } from "./read-properties.ts";
import { reasonCodeFault } from "./reason-codes.ts";
import { appendProperties } from "./write-properties.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/**
 * Decodes an AUTH (§3.15), 5.0 only.
 *
 * @param reader  At the variable header.
 * @throws ProtocolError
 */
export function decodeAuth(reader: Reader, sender: Sender): AuthPacket {
  // Remaining Length 0 stands for Reason Code 0x00 without properties (§3.15.2.1), and falls with
  // the rule that Authentication Method must be there.
  const reasonCode = reader.isAtEnd ? ReasonCode.success : reader.byte();
  const fault = reasonCodeFault(PacketType.auth, reasonCode, sender, 5);
  if (fault !== undefined) throw protocolError(fault);
  const properties = reader.isAtEnd ? undefined : takeProperties(reader, PacketType.auth);
  if (properties?.authenticationMethod === undefined) {
    throw protocolError("AUTH has no Authentication Method");
  }
  reader.finish("AUTH");
  return { type: "auth", reasonCode, properties };
}

/** Writes the variable header of an AUTH. */
export function encodeAuth(writer: Writer, packet: AuthPacket, version: ProtocolVersion): void {
  if (version !== 5) throw new UsageError("ERR_USAGE", "AUTH is for MQTT 5.0 only");
  const reasonCode = packet.reasonCode ?? ReasonCode.success;
  const fault = reasonCodeFault(PacketType.auth, reasonCode, undefined, 5);
  if (fault !== undefined) throw new UsageError("ERR_USAGE", fault); // [MQTT5-3.15.2-1]
  if (packet.properties?.authenticationMethod === undefined) {
    throw new UsageError("ERR_USAGE", "AUTH has no Authentication Method");
  }
  writer.byte(reasonCode);
  appendProperties(writer, packet.properties, PacketType.auth);
}
