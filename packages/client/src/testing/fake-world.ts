import type { Clock, Scheduler } from "@sericite/protocol";

/**
 * Time and turns that a test moves: a `Clock` and a `Scheduler` in one. A turn is everything that
 * was asked for the next one; promises go on between turns.
 */
export class FakeWorld implements Clock, Scheduler {
  #now = 1000;
  #thisTurn: (() => void)[] = [];
  #atEnd: (() => void)[] = [];
  #alarm: { readonly at: number; readonly callback: () => void } | undefined = undefined;

  now(): number {
    return this.#now;
  }

  wallTime(): number {
    return this.#now;
  }

  endOfTurn(callback: () => void): void {
    this.#atEnd.push(callback);
  }

  nextTurn(callback: () => void): void {
    this.#thisTurn.push(callback);
  }

  setAlarm(delayMs: number, callback: () => void): void {
    this.#alarm = { at: this.#now + delayMs, callback };
  }

  clearAlarm(): void {
    this.#alarm = undefined;
  }

  /** Runs until nothing is left to do at this moment. */
  async settle(): Promise<void> {
    await promises();
    for (let turn = 0; this.#thisTurn.length > 0 || this.#atEnd.length > 0; turn++) {
      if (turn > 10_000) throw new Error("never at rest");
      for (const callback of take(this.#thisTurn)) callback();
      for (const callback of take(this.#atEnd)) callback();
      await promises();
    }
  }

  /** Time passes, and nothing happens meanwhile; what became due does so late, in the next turn. */
  sleep(byMs: number): void {
    this.#now += byMs;
    const alarm = this.#alarm;
    if (alarm === undefined || alarm.at > this.#now) return;
    this.#alarm = undefined;
    this.#thisTurn.push(alarm.callback);
  }

  /** Moves time on, and runs what becomes due on the way. */
  async advance(byMs: number): Promise<void> {
    const end = this.#now + byMs;
    await this.settle();
    while (this.#alarm !== undefined && this.#alarm.at <= end) {
      const { at, callback } = this.#alarm;
      this.#alarm = undefined;
      this.#now = Math.max(this.#now, at);
      callback();
      await this.settle();
    }
    this.#now = end;
  }
}

function take<T>(items: T[]): T[] {
  return items.splice(0);
}

/** An immediate comes behind all that promises have ready. */
function promises(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
