import type {
  ConnackPacket,
  DisconnectPacket,
  Properties,
  ProtocolError,
  ProtocolVersion,
} from "@sericite/protocol";
import { ConnectReturnCode, ConnectionError, ReasonCode } from "@sericite/protocol";
import { codeText, reasonText } from "./errors.ts";

/** CONNACK refuses. */
export function refusedBy(
  { reasonCode, properties }: ConnackPacket,
  protocolVersion: ProtocolVersion,
): ConnectionError {
  const reason =
    protocolVersion === 5
      ? withReference(reasonText(reasonCode, properties), properties)
      : codeText(reasonCode, ConnectReturnCode);
  const message = `the server refused the connection: ${reason}`;
  return new ConnectionError("ERR_CONNECT_REFUSED", message, { reasonCode });
}

/** DISCONNECT came. */
export function disconnectedBy(packet: DisconnectPacket): ConnectionError {
  const { reasonCode = ReasonCode.normalDisconnection, properties } = packet;
  const reason = withReference(reasonText(reasonCode, properties), properties);
  const message = `the server disconnected: ${reason}`;
  return new ConnectionError("ERR_SERVER_DISCONNECTED", message, { reasonCode });
}

function withReference(reason: string, properties: Properties | undefined): string {
  const to = properties?.serverReference;
  return to === undefined ? reason : `${reason}; it sends you to ${to} (followServerReference)`;
}

/** The other side closed the connection. @param isOpen  After CONNACK. */
export function lostBy(cause: Error | undefined, isOpen: boolean): ConnectionError {
  const message = isOpen
    ? "the connection was closed by the other side"
    : "the connection was closed by the other side before CONNACK: perhaps TLS is spoken there (mqtts://, wss://), or no MQTT 5.0 (protocolVersion: 4)";
  return new ConnectionError("ERR_CONNECTION_LOST", withCause(message, cause), { cause });
}

/** A message that says what is behind it, too. */
export function withCause(message: string, cause: unknown): string {
  return cause instanceof Error && cause.message !== "" ? `${message}: ${cause.message}` : message;
}

/** The transport could not be opened. */
export function dialError(cause: unknown): ConnectionError {
  if (cause instanceof ConnectionError) return cause;
  const message = withCause("the transport could not be opened", cause);
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
    "the server refused the connection: it does not speak version 5.0 (protocolVersion: 4, or protocolFallback: true)",
    { cause, reasonCode: ReasonCode.unsupportedProtocolVersion },
  );
}
