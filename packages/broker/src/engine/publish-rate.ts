import { ReasonCode, TimerEntry } from "@sericite/protocol";
import type { Connection } from "./connection.ts";

/** Shortest pause: many small ones would cost more than they spare. Milliseconds. */
const PAUSE = 20;

/** Limits of what a client publishes, whose messages and bytes of one second may come at once. */
type Limited = "messageRate" | "byteRate";

/**
 * How much one client publishes in a second. What is too much waits by default: nothing more of the
 * client is handled until its rate allows it, but acknowledgements, and its Keep Alive stands still.
 * A pause lasts `limits.holdTimeout` at most; then the client goes on.
 */
export class PublishRate {
  readonly #connection: Connection;
  #messages: number;
  #bytes: number;
  /** Engine time up to which both are filled up. */
  #at: number;
  readonly #timer: TimerEntry;
  #ticket: object | undefined;

  private constructor(connection: Connection) {
    const { engine } = connection;
    this.#connection = connection;
    this.#messages = limitOf(connection, "messageRate");
    this.#bytes = limitOf(connection, "byteRate");
    this.#at = engine.now;
    this.#timer = new TimerEntry(() => {
      engine.enter();
      this.#goOn();
    });
  }

  /** The one that a connection needs; `undefined` where there is no limit, so that none costs nothing. */
  static of(connection: Connection): PublishRate | undefined {
    const isLimited = limitOf(connection, "messageRate") > 0 || limitOf(connection, "byteRate") > 0;
    return isLimited && !connection.isTrusted ? new PublishRate(connection) : undefined;
  }

  /**
   * Counts a PUBLISH.
   *
   * @returns whether it may have its effect. Else it is dropped, or the connection was closed.
   */
  takes(bytes: number): boolean {
    const { engine } = this.#connection;
    this.#fill();
    this.#messages -= 1;
    this.#bytes -= bytes;
    const limit = this.#exceeded;
    if (limit === undefined) return true;
    engine.limitReached(`limits.${limit}`, this.#connection);
    const { rateExceeded } = engine.settings.limits;
    if (rateExceeded === "wait") return true;
    if (rateExceeded === "disconnect") {
      engine.counters.rateDisconnects++;
      this.#connection.close(ReasonCode.messageRateTooHigh, `publishes more than limits.${limit}`);
      return false;
    }
    // What has no effect is not counted: the client is let go on at its rate.
    this.#messages += 1;
    this.#bytes += bytes;
    return false;
  }

  /** Pauses the connection where it has published too much. Call it between packets, of one that is not parked. */
  pauseIfOver(): void {
    const connection = this.#connection;
    const { engine } = connection;
    if (this.#exceeded === undefined) return;
    this.#fill();
    if (this.#exceeded === undefined) return;
    const { holdTimeout } = engine.settings.limits;
    const messageRate = limitOf(connection, "messageRate");
    const byteRate = limitOf(connection, "byteRate");
    const messagesMs = messageRate > 0 ? (-this.#messages / messageRate) * 1000 : 0;
    const bytesMs = byteRate > 0 ? (-this.#bytes / byteRate) * 1000 : 0;
    engine.counters.ratePauses++;
    this.#ticket = connection.park();
    engine.wheel.schedule(this.#timer, Math.min(holdTimeout, Math.max(PAUSE, messagesMs, bytesMs)));
  }

  #goOn(): void {
    const connection = this.#connection;
    if (this.#ticket === undefined || !connection.isWaitingFor(this.#ticket)) return;
    this.#fill();
    // Of a message that is too large for the rate the rest is remitted.
    this.#messages = Math.max(0, this.#messages);
    this.#bytes = Math.max(0, this.#bytes);
    connection.unpark();
    connection.intake.run();
  }

  /** The limit that it is over, if any. */
  get #exceeded(): Limited | undefined {
    if (this.#messages < 0 && limitOf(this.#connection, "messageRate") > 0) return "messageRate";
    if (this.#bytes < 0 && limitOf(this.#connection, "byteRate") > 0) return "byteRate";
    return undefined;
  }

  #fill(): void {
    const { engine } = this.#connection;
    const messageRate = limitOf(this.#connection, "messageRate");
    const byteRate = limitOf(this.#connection, "byteRate");
    const seconds = (engine.now - this.#at) / 1000;
    this.#at = engine.now;
    this.#messages = Math.min(messageRate, this.#messages + seconds * messageRate);
    this.#bytes = Math.min(byteRate, this.#bytes + seconds * byteRate);
  }
}

/** In a second; 0: no limit. What its listener says counts in place of the settings. */
function limitOf({ group, engine }: Connection, limit: Limited): number {
  return group?.[limit] ?? engine.settings.limits[limit];
}
