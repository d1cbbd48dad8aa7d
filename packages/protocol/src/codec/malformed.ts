import { ProtocolError } from "../errors.ts";
import { ReasonCode } from "../reason-code.ts";

/** The error for bytes that are no MQTT packet: ERR_MALFORMED_PACKET, 0x81. For the caller to throw. */
export function malformed(message: string): ProtocolError {
  return new ProtocolError("ERR_MALFORMED_PACKET", ReasonCode.malformedPacket, message);
}

/**
 * The error for a packet that can be read but holds what the protocol does not allow: ERR_PROTOCOL,
 * 0x82 unless the standard names a better code. For the caller to throw.
 */
export function protocolError(
  message: string,
  reasonCode: number = ReasonCode.protocolError,
  limit?: string,
): ProtocolError {
  return new ProtocolError("ERR_PROTOCOL", reasonCode, message, limit);
}
