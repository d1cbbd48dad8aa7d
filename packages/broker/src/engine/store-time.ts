import type { TimeMark } from "./records.ts";

/**
 * No clock that works shows an earlier time than this software was made: milliseconds since 1970,
 * 2026-01-01. A machine without a battery starts in 1970.
 */
export const BUILD_TIME = 1_767_225_600_000;

/**
 * The time that intervals are counted in: it only moves forward, through restarts too. While the
 * process lives it goes by the monotonic clock, so that a wall clock that is set changes nothing.
 * Over a restart it goes on by what the wall clock says has passed; by nothing, where that is
 * negative or one of the two times is no time at all.
 *
 *     const time = new StoreTime(lastMark, clock.now(), clock.wallTime());
 *     const dueAt = time.at(clock.now()) + 1000 * sessionExpiryInterval;
 */
export class StoreTime {
  readonly #startedAt: number;
  readonly #monotonic: number;

  /**
   * @param last  The newest mark in the log; `undefined` for a new store, whose time begins at 0.
   * @param monotonic  What the monotonic clock shows now. Milliseconds.
   * @param wallTime  What the wall clock shows now.
   */
  constructor(last: TimeMark | undefined, monotonic: number, wallTime: number) {
    this.#startedAt = last === undefined ? 0 : last.storeTime + passedSince(last, wallTime);
    this.#monotonic = monotonic;
  }

  /** Store time at a moment of the monotonic clock. */
  at(monotonic: number): number {
    return this.#startedAt + Math.max(0, monotonic - this.#monotonic);
  }
}

function passedSince({ wallTime: before }: TimeMark, now: number): number {
  if (!(before >= BUILD_TIME && now >= BUILD_TIME)) return 0;
  return Math.max(0, now - before);
}
