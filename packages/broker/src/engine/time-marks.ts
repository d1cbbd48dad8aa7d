import { TimerEntry } from "@sericite/protocol";
import type { Engine } from "./engine.ts";

/** A record goes with a mark where the last one is so old. Milliseconds. */
export const MARK_EVERY_MS = 10_000;

/**
 * Time between two marks of a broker that rests. Milliseconds. At a crash the last mark is no older:
 * who was connected then was connected so long after it at most.
 */
export const MARK_AT_LEAST_EVERY_MS = 60_000;

/**
 * Writes marks of both clocks into the store, from which a restart goes on: the first at once, then
 * with the first record after ten seconds, in its batch; a broker that rests writes one a minute, and
 * that is all it writes. The last one is written at the end.
 */
export class TimeMarks {
  readonly #engine: Engine;
  readonly #timer: TimerEntry;
  /** Engine time from which on a record takes a mark along; `Infinity` while none are written. */
  dueAt = Infinity;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#timer = new TimerEntry(() => this.write());
  }

  /** Begins, once the store is open. A volatile store gets none. */
  start(): void {
    if (!this.#engine.store.isVolatile) this.write();
  }

  /** Writes one. */
  write(): void {
    const engine = this.#engine;
    engine.enter();
    // Before the record: taking it in must not ask for another one.
    this.dueAt = engine.now + MARK_EVERY_MS;
    engine.append({
      type: "time-mark",
      storeTime: engine.storeTime(),
      wallTime: engine.clock.wallTime(),
    });
    engine.wheel.schedule(this.#timer, MARK_AT_LEAST_EVERY_MS);
  }

  /** Writes the last one, where any were. */
  stop(): void {
    if (this.dueAt === Infinity) return;
    this.write();
    this.#engine.wheel.cancel(this.#timer);
    this.dueAt = Infinity;
  }
}
