import { UsageError } from "../errors.ts";
import { TimerEntry, type TimingWheel } from "./timing-wheel.ts";

/** A task that was scheduled. `using` ends it with its block. */
export interface ScheduledTask {
  /** The task is not run again. */
  cancel(): void;
  [Symbol.dispose](): void;
}

/** Runs tasks later, once or again and again, on a `TimingWheel`. */
export class Schedule {
  readonly #wheel: TimingWheel;

  constructor(wheel: TimingWheel) {
    this.#wheel = wheel;
  }

  /**
   * Runs `task` every `intervalMs`, first after one interval. It keeps to the beat: a late run does
   * not move those after it, and beats that were missed (a suspended machine) are left out. A task
   * that throws is run again; the wheel's `onError` is told.
   *
   * @param intervalMs  Milliseconds, more than 0.
   */
  schedule(task: () => void, intervalMs: number): ScheduledTask {
    if (!(intervalMs > 0))
      throw new UsageError("ERR_USAGE", `intervalMs is ${intervalMs}, expected more than 0`);
    const wheel = this.#wheel;
    let beat = wheel.clock.now() + intervalMs;
    const entry = new TimerEntry(() => {
      const now = wheel.clock.now();
      beat += intervalMs * Math.max(1, Math.ceil((now - beat) / intervalMs));
      wheel.schedule(entry, Math.max(beat - now, 0));
      task();
    });
    wheel.schedule(entry, intervalMs);
    return scheduledTask(wheel, entry);
  }

  /** Runs `task` once, after `delayMs` (milliseconds, 0 or more). */
  scheduleOnce(task: () => void, delayMs: number): ScheduledTask {
    const entry = new TimerEntry(() => task());
    this.#wheel.schedule(entry, delayMs);
    return scheduledTask(this.#wheel, entry);
  }
}

function scheduledTask(wheel: TimingWheel, entry: TimerEntry): ScheduledTask {
  const cancel = (): void => wheel.cancel(entry);
  return { cancel, [Symbol.dispose]: cancel };
}
