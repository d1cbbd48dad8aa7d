/**
 * Every error code of the suite's protocol layer, with what it means. The documentation's list is
 * made from this table. Packages above add tables of their own.
 */
export const protocolErrorCodes = {
  ERR_MALFORMED_PACKET: "The peer sent bytes that are not an MQTT packet (Reason Code 0x81).",
  ERR_PROTOCOL:
    "The peer sent a packet that the protocol does not allow here (Reason Code 0x82, or a more specific one).",
  ERR_PACKET_TOO_LARGE: "The peer sent a packet above the Maximum Packet Size (Reason Code 0x95).",
  ERR_TOPIC_NAME: "A Topic Name is empty, too long, or holds a wildcard or U+0000.",
  ERR_TOPIC_FILTER: "A Topic Filter is empty, too long, or has a wildcard where none may stand.",
  ERR_USAGE: "A function was called with an argument that it does not accept.",
} as const;

/** A code of the protocol layer. */
export type ProtocolErrorCode = keyof typeof protocolErrorCodes;

/** The other side broke the protocol. Ends in CONNACK, an acknowledgement or DISCONNECT. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
  readonly code: string;
  /** Reason Code to answer with, 0x80…0xFF. */
  readonly reasonCode: number;
  /** Name of the bound that was passed, where it is one that may be set. */
  readonly limit: string | undefined;
  constructor(code: ProtocolErrorCode, reasonCode: number, message: string, limit?: string) {
    super(message);
    this.code = code;
    this.reasonCode = reasonCode;
    this.limit = limit;
  }
}

/** The caller made a mistake. Thrown at once, where the mistake is. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly code: string;
  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** The world failed: network, disk, engine. `cause` says how. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  readonly code: string;
  /** Reason Code that the peer gave, where it gave one. */
  readonly reasonCode: number | undefined;
  constructor(
    code: string,
    message: string,
    options?: { cause?: unknown; reasonCode?: number | undefined },
  ) {
    super(message, options);
    this.code = code;
    this.reasonCode = options?.reasonCode;
  }
}
