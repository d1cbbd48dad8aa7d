import type { Properties } from "@sericite/protocol";
import { ReasonCode } from "@sericite/protocol";

/**
 * Every error code of the client beside those of the protocol layer, with what it means. The
 * documentation's list is made from this table.
 */
export const clientErrorCodes = {
  ERR_CONNECTION_REFUSED: "Nothing listens at the address, or it refused the connection.",
  ERR_CONNECTION_FAILED:
    "The transport could not be opened: name not found, network unreachable, and the like.",
  ERR_CONNECTION_LOST: "The connection closed without a DISCONNECT.",
  ERR_REFRESH_FAILED:
    "The function that gives the options of an attempt (refresh) threw, or took longer than connectTimeoutMs.",
  ERR_CONNECT_TIMEOUT: "No CONNACK within connectTimeoutMs.",
  ERR_CONNECT_REFUSED:
    "The server refused in its CONNACK; reasonCode says why (3.x: the return code).",
  ERR_AUTHENTICATION_FAILED:
    "An exchange of enhanced authentication failed on the client's side, or took too long; cause says why.",
  ERR_KEEP_ALIVE_TIMEOUT: "The server did not answer PINGREQ, nor send anything else.",
  ERR_ACKNOWLEDGEMENT_TIMEOUT:
    "The server left a packet unacknowledged for too long; the connection was ended.",
  ERR_SERVER_DISCONNECTED: "The server sent DISCONNECT; reasonCode says why.",
  ERR_CLIENT_CLOSED: "The client was closed, or gave up connecting; cause says why.",
  ERR_NOT_CONNECTED:
    "There is no connection, and a QoS 0 message does not wait for one (queue.qos0).",
  ERR_QUEUE_FULL: "More messages wait to be sent than the options allow (queue).",
  ERR_STORE_FAILED: "The session store failed, and the client was closed; cause says why.",
  ERR_ABORTED: "The AbortSignal was triggered; cause is its reason.",
  ERR_MESSAGE_EXPIRED: "The Message Expiry Interval passed before the message could be sent.",
  ERR_SESSION_LOST:
    "The server lost the session while a QoS 2 message was under way: whether it arrived is not known.",
  ERR_PUBLISH_ABANDONED:
    "The server closed at least three connections in a row, over 10 seconds and more (10 minutes where one of them broke), each time after this message and without an acknowledgement: it is not sent again. cause is the end of the last one.",
  ERR_PUBLISH_REFUSED: "The server refused the message; reasonCode says why.",
  ERR_SUBSCRIBE_REFUSED: "The server refused a Topic Filter; reasonCode says why.",
  ERR_SUBSCRIBE_ABANDONED:
    "The server closed at least three connections in a row, over 10 seconds and more, in place of an answer to this SUBSCRIBE or UNSUBSCRIBE: it is not sent again. cause is the end of the last one.",
  ERR_UNSUBSCRIBE_REFUSED: "The server refused to end a subscription; reasonCode says why.",
  ERR_REQUEST_TIMEOUT: "No response came in time.",
  ERR_NO_RESPONDER: "The server says that nobody subscribes to the topic of the request.",
  ERR_PAYLOAD_INVALID: "The payload is not what the topic or its codec takes.",
  ERR_NOT_SUPPORTED:
    "The server announced that it does not support this; reasonCode is the one that it would answer.",
} as const;

/** A code of the client. */
export type ClientErrorCode = keyof typeof clientErrorCodes;

/** What was asked of the client could not be done: a publish, subscribe or unsubscribe. The client goes on. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  readonly code: string;
  /** Reason Code of the server, where one was given. */
  readonly reasonCode: number | undefined;
  constructor(
    code: ClientErrorCode | "ERR_PACKET_TOO_LARGE",
    message: string,
    options?: { cause?: unknown; reasonCode?: number | undefined },
  ) {
    super(message, options);
    this.code = code;
    this.reasonCode = options?.reasonCode;
  }
}

/**
 * A Reason Code as it is written in messages: what it means, and the number.
 *
 * @param codes  Their names: `ReasonCode`, or `ConnectReturnCode` for a CONNACK of 3.x.
 */
export function codeText(
  code: number,
  codes: Readonly<Record<string, number>> = ReasonCode,
): string {
  const number = `0x${code.toString(16).padStart(2, "0")}`;
  const name = Object.keys(codes).find((one) => codes[one] === code);
  if (name === undefined) return number;
  return `${name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)} (${number})`;
}

/** The same, and what the server says itself. */
export function reasonText(code: number, properties: Properties | undefined): string {
  const reason = properties?.reasonString;
  return reason === undefined ? codeText(code) : `${codeText(code)}, ${reason}`;
}
