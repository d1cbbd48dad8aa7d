import type { ProtocolVersion, Random } from "@sericite/protocol";
import { ConnectReturnCode, ConnectionError, ReasonCode, UsageError } from "@sericite/protocol";

/** A connection that lasted this long counts as a success: the next wait is short again. Milliseconds. */
const steadyAfterMs = 10_000;

/** Whether a connection that lasted for `lastedMs` was a success. */
export function isSteady(lastedMs: number): boolean {
  return lastedMs >= steadyAfterMs;
}

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

/** Reason Codes by which a server asks for patience. */
const busyReasonCodes: ReadonlySet<number> = new Set([
  ReasonCode.serverBusy,
  ReasonCode.quotaExceeded,
  ReasonCode.connectionRateExceeded,
]);

/** Of the hopeless ones, those that another Username, Password or proof may change. */
const aboutCredentials: ReadonlySet<number> = new Set([
  ReasonCode.badUserNameOrPassword,
  ReasonCode.notAuthorized,
  ReasonCode.badAuthenticationMethod,
  ConnectReturnCode.badUserNameOrPassword,
  ConnectReturnCode.notAuthorized,
]);

/** Whether the server refused who the client says it is. */
export function isAboutCredentials(error: Error | undefined): boolean {
  return (
    error instanceof ConnectionError &&
    error.code === "ERR_CONNECT_REFUSED" &&
    aboutCredentials.has(error.reasonCode ?? 0)
  );
}

/** How many first waits a server that is busy is left alone for, at least; half of it is by chance. */
const busyFactor = 10;

/** Whether the server said that it has too much to do. */
export function isBusy(error: Error | undefined): boolean {
  if (!(error instanceof ConnectionError) || error.reasonCode === undefined) return false;
  // Return codes of 3.x end at 5: they do not meet these.
  return busyReasonCodes.has(error.reasonCode);
}

/**
 * Whether it is of no use, or does harm, to connect again after this error, if nothing is changed.
 * This is what decides where `ReconnectOptions.giveUp` does not.
 */
export function isHopeless(error: Error | undefined, protocolVersion: ProtocolVersion): boolean {
  if (error instanceof UsageError) return true;
  if (!(error instanceof ConnectionError) || error.reasonCode === undefined) return false;
  if (error.code === "ERR_CONNECT_REFUSED")
    return isHopelessConnack(error.reasonCode, protocolVersion);
  return error.code === "ERR_SERVER_DISCONNECTED" && hopelessReasonCodes.has(error.reasonCode);
}

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

  /**
   * @param isServerBusy  The server asked for patience: no short wait then.
   * @returns from 0 to the bound, which doubles with each wait. Milliseconds.
   */
  next(isServerBusy: boolean = false): number {
    let bound = Math.min(this.#maxDelayMs, this.#minDelayMs * 2 ** this.#attempts);
    this.#attempts++;
    if (!isServerBusy) return this.#random() * bound;
    bound = Math.min(this.#maxDelayMs, Math.max(bound, this.#minDelayMs * busyFactor));
    return (bound + this.#random() * bound) / 2;
  }

  /** There is reason to hope: the next wait is short again. */
  reset(): void {
    this.#attempts = 0;
  }

  /** A connection ended that had lasted for `lastedMs`. */
  connectionEnded(lastedMs: number): void {
    // One that breaks at once is no success, or two clients in each other's way would never slow down.
    if (isSteady(lastedMs)) this.#attempts = 0;
  }
}
