import type { Clock, TimingWheel } from "@sericite/protocol";
import { TimerEntry } from "@sericite/protocol";

/** A timer that fires this much too late says nothing about the server. Milliseconds. */
const lateMs = 2000;

/** The connection that a `KeepAlive` watches. */
export interface WatchedConnection {
  /** Whether reading is held back: nothing may be made of the server's silence. */
  readonly isPaused: boolean;
  /** Sends PINGREQ. */
  ping(): void;
  /** The server has left a PINGREQ unanswered. */
  onSilence(): void;
}

/**
 * Asks the server for a sign of life where a connection was quiet for the time of Keep Alive, and sees
 * whether it comes (§3.1.2.10).
 */
export class KeepAlive {
  readonly #clock: Clock;
  readonly #wheel: TimingWheel;
  readonly #connection: WatchedConnection;
  readonly #answerMs: number;
  readonly #timer: TimerEntry;
  /** Milliseconds; 0: it is off. */
  #intervalMs = 0;
  #sentAt = 0;
  #receivedAt = 0;
  /** -1: no PINGRESP is awaited. */
  #pingSentAt = -1;
  /** When PINGRESP must be there. */
  #pingDueAt = 0;
  #isSecondPing = false;

  /** @param answerMs  Time for an answer to PINGREQ; a shorter Keep Alive counts in its place. Milliseconds. */
  constructor(clock: Clock, wheel: TimingWheel, answerMs: number, connection: WatchedConnection) {
    this.#clock = clock;
    this.#wheel = wheel;
    this.#answerMs = answerMs;
    this.#connection = connection;
    this.#timer = new TimerEntry(() => this.#onTimer());
  }

  /** @param keepAlive  Seconds; 0: none. */
  start(keepAlive: number): void {
    // Before the time is over, so that the packet is on its way within it [MQTT5-3.1.2-20] [MQTT3-3.1.2-23].
    this.#intervalMs = keepAlive * 900;
    if (keepAlive > 0) this.#wheel.schedule(this.#timer, this.#untilPing(this.#clock.now()));
  }

  stop(): void {
    this.#wheel.cancel(this.#timer);
  }

  /** Something was sent. */
  sent(): void {
    this.#sentAt = this.#clock.now();
  }

  /** Something came, or could not be seen until now. */
  received(): void {
    this.#receivedAt = this.#clock.now();
  }

  /** PINGRESP came. */
  answered(): void {
    this.#pingSentAt = -1;
  }

  /** Sends PINGREQ at once: there is reason to doubt that the server is there. */
  probe(): void {
    if (this.#pingSentAt < 0 && !this.#connection.isPaused) this.#ping(this.#clock.now());
  }

  /** Silence in either direction calls for PINGREQ: a client that only sends must notice a dead server too. */
  #untilPing(now: number): number {
    const quietSince = this.#connection.isPaused
      ? this.#sentAt
      : Math.min(this.#sentAt, this.#receivedAt);
    return Math.max(0, quietSince + this.#intervalMs - now);
  }

  #onTimer(): void {
    const now = this.#clock.now();
    const isUnanswered = this.#pingSentAt >= 0 && this.#receivedAt <= this.#pingSentAt;
    if (isUnanswered && !this.#connection.isPaused) {
      // Where time stood still, as in a page that sleeps, the answer may be waiting behind this timer.
      const isLate = now - this.#pingDueAt > lateMs && !this.#isSecondPing;
      if (!isLate) {
        this.#connection.onSilence();
        return;
      }
      this.#ping(now);
      this.#isSecondPing = true;
      return;
    }
    this.#pingSentAt = -1;
    if (this.#intervalMs === 0) return;
    const wait = this.#untilPing(now);
    if (wait > 0) this.#wheel.schedule(this.#timer, wait);
    else this.#ping(now);
  }

  #ping(now: number): void {
    const wait =
      this.#intervalMs === 0 ? this.#answerMs : Math.min(this.#intervalMs, this.#answerMs);
    this.#pingSentAt = now;
    this.#pingDueAt = now + wait;
    this.#sentAt = now;
    this.#isSecondPing = false;
    this.#connection.ping();
    this.#wheel.schedule(this.#timer, wait);
  }
}
