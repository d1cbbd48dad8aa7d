import { TimerEntry } from "@sericite/protocol";
import type { Scheduler, TimingWheel } from "@sericite/protocol";

/** A scheduler with an alarm of its own, on a wheel and a scheduler that are there already. */
export class WheelScheduler implements Scheduler {
  readonly #scheduler: Scheduler;
  readonly #wheel: TimingWheel;
  readonly #timer: TimerEntry;
  #callback: (() => void) | undefined;

  constructor(scheduler: Scheduler, wheel: TimingWheel) {
    this.#scheduler = scheduler;
    this.#wheel = wheel;
    this.#timer = new TimerEntry(() => this.#callback?.());
  }

  endOfTurn(callback: () => void): void {
    this.#scheduler.endOfTurn(callback);
  }

  nextTurn(callback: () => void): void {
    this.#scheduler.nextTurn(callback);
  }

  setAlarm(delayMs: number, callback: () => void): void {
    this.#callback = callback;
    this.#wheel.schedule(this.#timer, delayMs);
  }

  clearAlarm(): void {
    this.#wheel.cancel(this.#timer);
  }
}
