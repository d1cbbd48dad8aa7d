import type { Clock } from "@sericite/protocol";

/**
 * A clock that stands until it is moved. An `EventScheduler` moves it; by itself it runs nothing.
 */
export class FakeClock implements Clock {
  #now = 0;
  #wallTime: number;

  /** @param wallTime  What the wall clock shows at first. Milliseconds since 1970. */
  constructor(wallTime: number = 1_800_000_000_000) {
    this.#wallTime = wallTime;
  }

  now(): number {
    return this.#now;
  }

  wallTime(): number {
    return this.#wallTime;
  }

  /** Moves both clocks on to the monotonic time `now`, in milliseconds. An earlier time is no move. */
  moveTo(now: number): void {
    if (now <= this.#now) return;
    this.#wallTime += now - this.#now;
    this.#now = now;
  }

  /** Sets the wall clock forward, or back where `byMs` is negative; monotonic time does not notice. */
  jumpWallTime(byMs: number): void {
    this.#wallTime += byMs;
  }
}
