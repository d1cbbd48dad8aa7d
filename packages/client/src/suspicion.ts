import { ConnectionError, ReasonCode } from "@sericite/protocol";
import type { Publication } from "./publication.ts";

/** Connections in a row that end over one request before it is given up, at least. */
export const connectionsMinimum = 3;
/** Time from the first of them, at least: a network that keeps breaking looks the same for a while. Milliseconds. */
export const patienceMs = 10_000;
/** The same where one of them broke and was not closed: mostly that is the network. Milliseconds. */
const patienceWithBreaksMs = 600_000;

/** Ends of a connection that no message is to blame for. */
const otherReasons: ReadonlySet<number | undefined> = new Set([
  ReasonCode.serverShuttingDown,
  ReasonCode.administrativeAction,
]);

/**
 * Finds the message that makes the server close. Before 5.0 a server has no other way to refuse a
 * PUBLISH, and the standard has the client send it again after each reconnection: for ever.
 */
export class Suspicion {
  #suspect: Publication | undefined = undefined;
  #connections = 0;
  #firstAt = 0;
  #patienceMs = patienceMs;
  #hasProgress = false;

  /** Whether the oldest message goes alone on this connection: only that shows that it is the one. */
  get sendsAlone(): boolean {
    return this.#connections >= connectionsMinimum - 1 && !this.#hasProgress;
  }

  /** A connection begins. */
  connected(): void {
    this.#hasProgress = false;
  }

  /** An acknowledgement came: the server takes messages. */
  acknowledged(): void {
    this.#hasProgress = true;
  }

  /**
   * A connection ended.
   *
   * @param now  Milliseconds of the clock.
   * @param oldest  The first PUBLISH of this connection that is not acknowledged.
   * @returns whether that message is to be given up.
   */
  connectionEnded(error: Error | undefined, oldest: Publication | undefined, now: number): boolean {
    if (this.#hasProgress) {
      this.#forget();
      return false;
    }
    // A network that breaks says nothing about the message.
    if (oldest === undefined || !isClosedByServer(error)) return false;
    if (this.#suspect !== oldest) {
      this.#suspect = oldest;
      this.#connections = 0;
      this.#firstAt = now;
      this.#patienceMs = patienceMs;
    }
    this.#connections++;
    // It failed: a server may be behind that too, where it does not read to the end.
    if (error?.cause !== undefined) this.#patienceMs = patienceWithBreaksMs;
    if (this.#connections < connectionsMinimum || now - this.#firstAt < this.#patienceMs)
      return false;
    this.#forget();
    return true;
  }

  #forget(): void {
    this.#suspect = undefined;
    this.#connections = 0;
  }
}

/** Whether the server ended the connection, for a reason that may lie in what it was sent. */
export function isClosedByServer(error: Error | undefined): boolean {
  if (!(error instanceof ConnectionError)) return false;
  return (
    error.code === "ERR_CONNECTION_LOST" ||
    (error.code === "ERR_SERVER_DISCONNECTED" && !otherReasons.has(error.reasonCode))
  );
}
