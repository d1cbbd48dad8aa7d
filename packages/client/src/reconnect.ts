import type { ProtocolVersion, Random } from "@sericite/protocol";
import { ConnectReturnCode, ReasonCode } from "@sericite/protocol";

/** A connection that lasted this long counts as a success: the next wait is short again. Milliseconds. */
const steadyAfterMs = 10_000;

/**
 * Reason Codes after which the same CONNECT has no hope, or does harm: the client does not connect
 * again. 0x8E is among them, since two clients with one Client Identifier would take turns for ever.
 */
export const hopelessReasonCodes: ReadonlySet<number> = new Set([
  ReasonCode.malformedPacket,
  ReasonCode.protocolError,
  ReasonCode.unsupportedProtocolVersion,
  ReasonCode.clientIdentifierNotValid,
  ReasonCode.badUserNameOrPassword,
  ReasonCode.notAuthorized,
  ReasonCode.banned,
  ReasonCode.badAuthenticationMethod,
  ReasonCode.sessionTakenOver,
  ReasonCode.topicNameInvalid,
  ReasonCode.packetTooLarge,
  ReasonCode.payloadFormatInvalid,
  ReasonCode.retainNotSupported,
  ReasonCode.qosNotSupported,
  ReasonCode.useAnotherServer,
  ReasonCode.serverMoved,
]);

/** Return codes of a 3.x CONNACK after which the same CONNECT has no hope. */
const hopelessReturnCodes: ReadonlySet<number> = new Set([
  ConnectReturnCode.unacceptableProtocolVersion,
  ConnectReturnCode.identifierRejected,
  ConnectReturnCode.badUserNameOrPassword,
  ConnectReturnCode.notAuthorized,
]);

/** Whether it is of no use to connect again after a CONNACK with this code. */
export function isHopelessConnack(code: number, protocolVersion: ProtocolVersion): boolean {
  return protocolVersion === 5 ? hopelessReasonCodes.has(code) : hopelessReturnCodes.has(code);
}

/**
 * How long to wait before the next attempt to connect: exponential back-off with full jitter, so
 * that the clients of a server that restarts do not come back all at once.
 */
export class Backoff {
  readonly #minDelayMs: number;
  readonly #maxDelayMs: number;
  readonly #random: Random;
  #attempts = 0;

  constructor(
    options: { readonly minDelayMs: number; readonly maxDelayMs: number },
    random: Random,
  ) {
    this.#minDelayMs = options.minDelayMs;
    this.#maxDelayMs = options.maxDelayMs;
    this.#random = random;
  }

  /** Waits that were given out since the last steady connection. */
  get attempts(): number {
    return this.#attempts;
  }

  /** @returns from 0 to the bound, which doubles with each wait. Milliseconds. */
  next(): number {
    const bound = Math.min(this.#maxDelayMs, this.#minDelayMs * 2 ** this.#attempts);
    this.#attempts++;
    return this.#random() * bound;
  }

  /** A connection ended that had lasted for `lastedMs`. */
  connectionEnded(lastedMs: number): void {
    // One that breaks at once is no success, or two clients in each other's way would never slow down.
    if (lastedMs >= steadyAfterMs) this.#attempts = 0;
  }
}
