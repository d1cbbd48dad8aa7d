import { UsageError } from "../errors.ts";
import type { DisconnectPacket, ProtocolVersion } from "../packet.ts";
import { PacketType } from "../packet.ts";
import { ReasonCode } from "../reason-code.ts";
import type { Sender } from "./fixed-header.ts";
import { protocolError } from "./malformed.ts";
import { takeProperties } from "./read-properties.ts";
import { appendProperties, hasNoProperties } from "./write-properties.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/** Whether a DISCONNECT from that side may have the code [MQTT5-3.14.2-1]. */
function isAllowed(reasonCode: number, sender: Sender): boolean {
  if (reasonCode === ReasonCode.normalDisconnection) return true;
  if (reasonCode >= 0x80 && reasonCode <= 0x83) return true;
  // Table 2-6 has 0x8C in DISCONNECT, table 3-10 forgets it.
  if (reasonCode === ReasonCode.badAuthenticationMethod) return true;
  if (sender === "client") {
    return (
      reasonCode === ReasonCode.disconnectWithWill ||
      reasonCode === ReasonCode.topicNameInvalid ||
      (reasonCode >= ReasonCode.receiveMaximumExceeded &&
        reasonCode <= ReasonCode.payloadFormatInvalid) ||
      // §3.3.4 has a Client send it, table 3-10 does not.
      reasonCode === ReasonCode.qosNotSupported
    );
  }
  switch (reasonCode) {
    case ReasonCode.notAuthorized:
    case ReasonCode.serverBusy:
    case ReasonCode.serverShuttingDown:
      return true;
    default:
      return (
        (reasonCode >= ReasonCode.keepAliveTimeout && reasonCode <= ReasonCode.topicNameInvalid) ||
        (reasonCode >= ReasonCode.receiveMaximumExceeded &&
          reasonCode <= ReasonCode.wildcardSubscriptionsNotSupported)
      );
  }
}

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
  if (!isAllowed(reasonCode, sender)) {
    throw protocolError(`DISCONNECT must not have Reason Code 0x${reasonCode.toString(16)}`);
  }
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
  if (!isAllowed(reasonCode, "client") && !isAllowed(reasonCode, "server")) {
    throw new UsageError(
      "ERR_USAGE",
      `DISCONNECT must not have Reason Code 0x${reasonCode.toString(16)}`, // [MQTT5-3.14.2-1]
    );
  }
  const isBare = hasNoProperties(packet.properties);
  if (isBare && reasonCode === 0) return;
  writer.byte(reasonCode);
  if (!isBare) appendProperties(writer, packet.properties, PacketType.disconnect);
}
