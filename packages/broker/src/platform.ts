import { totalmem } from "node:os";
import { performance } from "node:perf_hooks";
import type { Clock, Scheduler } from "@sericite/protocol";

/** The longest delay that `setTimeout` takes. Milliseconds. */
const LONGEST = 2 ** 31 - 1;

/** The machine's time. */
export const nodeClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
};

/** Memory that this process may use: the machine's, or what its container lets it have. Bytes. */
export function usableMemory(): number {
  // Without a limit, and where none is told, it is 0 or more than there is.
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

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
