import assert from "node:assert/strict";
import test from "node:test";
import type { Clock } from "../ports/clock.ts";
import type { Scheduler } from "../ports/scheduler.ts";

/** A clock that stands still until a test moves it, and its scheduler. */
export class FakeTime implements Clock, Scheduler {
  #now: number;
  #alarm: { readonly at: number; readonly callback: () => void } | undefined;
  /** How often an alarm went off. */
  alarms = 0;

  constructor(now = 0) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  wallTime(): number {
    return this.#now;
  }

  endOfTurn(): void {
    throw new Error("a wheel has no use for turns");
  }

  /** Replaced by a test in which very much is due at once. */
  nextTurn: (callback: () => void) => void = () => {
    throw new Error("nothing here takes so long that it has to go on in another turn");
  };

  setAlarm(delayMs: number, callback: () => void): void {
    assert.ok(delayMs >= 0 && delayMs <= 0x7fff_ffff, `setAlarm(${delayMs})`);
    this.#alarm = { at: this.#now + delayMs, callback };
  }

  clearAlarm(): void {
    this.#alarm = undefined;
  }

  get isAlarmSet(): boolean {
    return this.#alarm !== undefined;
  }

  /** Lets time pass, alarm by alarm. */
  advance(ms: number): void {
    const until = this.#now + ms;
    while (this.#alarm !== undefined && this.#alarm.at <= until) {
      this.#now = Math.max(this.#now, this.#alarm.at);
      this.#goOff();
    }
    this.#now = until;
  }

  /** Lets time pass at once, as when the machine was suspended: the alarm goes off late. */
  jump(ms: number): void {
    this.#now += ms;
    while (this.#alarm !== undefined && this.#alarm.at <= this.#now) this.#goOff();
  }

  /** Lets time pass without an alarm, as while other work is done. */
  pass(ms: number): void {
    this.#now += ms;
  }

  #goOff(): void {
    const alarm = this.#alarm;
    this.#alarm = undefined;
    this.alarms += 1;
    alarm?.callback();
  }
}

test("fake time stops at each alarm on its way", () => {
  const time = new FakeTime(5);
  const seen: number[] = [];
  time.setAlarm(10, () => {
    seen.push(time.now());
    time.setAlarm(10, () => seen.push(time.now()));
  });
  time.advance(30);
  assert.deepEqual(seen, [15, 25]);
  assert.equal(time.now(), 35);
});
