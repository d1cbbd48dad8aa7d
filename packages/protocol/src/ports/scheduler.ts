/**
 * When things run, as an input. A *turn* is one round of the event loop: everything that was read
 * is handled, then the callbacks given to `endOfTurn` run, then writes leave.
 */
export interface Scheduler {
  /** Runs `callback` once, after everything of the present turn was handled. */
  endOfTurn(callback: () => void): void;
  /** Runs `callback` once in the next turn, after whatever was read then. */
  nextTurn(callback: () => void): void;
  /**
   * Runs `callback` once after `delayMs` (milliseconds, at least). A scheduler has one alarm: a
   * second call replaces the first. Must not keep a process alive by itself.
   */
  setAlarm(delayMs: number, callback: () => void): void;
  /** Forgets the alarm, if one is set. */
  clearAlarm(): void;
}
