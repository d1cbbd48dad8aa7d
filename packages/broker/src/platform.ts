import { performance } from "node:perf_hooks";
import type { Clock, Scheduler } from "@sericite/protocol";

/** The longest delay that `setTimeout` takes. Milliseconds. */
const LONGEST = 2 ** 31 - 1;

/** The machine's time. */
export const nodeClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
};

/** Node's event loop: a turn ends in `setImmediate`, when everything that was readable is read. */
export class NodeScheduler implements Scheduler {
  #timer: NodeJS.Timeout | undefined;

  endOfTurn(callback: () => void): void {
    setImmediate(callback);
  }

  nextTurn(callback: () => void): void {
    setImmediate(callback);
  }

  setAlarm(delayMs: number, callback: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(callback, Math.min(delayMs, LONGEST));
    this.#timer.unref();
  }

  clearAlarm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
