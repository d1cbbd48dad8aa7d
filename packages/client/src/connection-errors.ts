import type { ConnackPacket, DisconnectPacket, ProtocolError } from "@sericite/protocol";
import { ConnectReturnCode, ConnectionError, ReasonCode } from "@sericite/protocol";
import { hex } from "./errors.ts";

/** CONNACK refuses. */
export function refusedBy(packet: ConnackPacket): ConnectionError {
  const { reasonCode, properties } = packet;
  const reason = properties?.reasonString ?? "no reason given";
  const message = `the server refused the connection: ${hex(reasonCode)}, ${reason}`;
  return new ConnectionError("ERR_CONNECT_REFUSED", message, { reasonCode });
}

/** DISCONNECT came. */
export function disconnectedBy(packet: DisconnectPacket): ConnectionError {
  const { reasonCode = ReasonCode.normalDisconnection, properties } = packet;
  const reason = properties?.reasonString ?? "no reason given";
  const message = `the server disconnected: ${hex(reasonCode)}, ${reason}`;
  return new ConnectionError("ERR_SERVER_DISCONNECTED", message, { reasonCode });
}

/** The transport could not be opened. */
export function dialError(cause: unknown): ConnectionError {
  if (cause instanceof ConnectionError) return cause;
  const message = "the transport could not be opened";
  return new ConnectionError("ERR_CONNECTION_FAILED", message, { cause });
}

/**
 * What answers to a CONNECT that are no CONNACK of this version are known to mean, or `undefined`.
 *
 * @param cause  What the parser says of them.
 */
export function knownAnswer(
  bytes: Uint8Array,
  start: number,
  end: number,
  cause: ProtocolError,
): ConnectionError | undefined {
  const head = String.fromCharCode(...bytes.subarray(start, Math.min(end, start + 5)));
  if (head === "HTTP/")
    return new ConnectionError(cause.code, "this is no MQTT server: it answers in HTTP", { cause });
  // A server that knows no 5.0 refuses in the form of 3.1.1, without properties.
  const { unacceptableProtocolVersion } = ConnectReturnCode;
  const isOlderConnack =
    end - start === 4 &&
    head.startsWith("\x20\x02") &&
    head.charCodeAt(3) === unacceptableProtocolVersion;
  if (!isOlderConnack) return undefined;
  return new ConnectionError(
    "ERR_CONNECT_REFUSED",
    "the server refused the connection: it does not speak version 5.0",
    { cause, reasonCode: ReasonCode.unsupportedProtocolVersion },
  );
}
