/**
 * A million timers in the timing wheel, in a binary heap and in `setTimeout`.
 *
 *     node bench/dist/timing-wheel.js
 */
import { TimerEntry, TimingWheel } from "@sericite/protocol";
import type { Clock, Scheduler } from "@sericite/protocol";
import { benchSideBySide } from "./harness.ts";

const timers = 1_000_000;
/** Deadlines are spread over the Keep Alive times that brokers see. Milliseconds. */
const longestDelayMs = 90_000;
/** Timers that are moved in one round: as a packet moves the Keep Alive timer of its connection. */
const moves = 100_000;

/** A clock and a scheduler whose time stands still until `runUntil`. */
class FakeTime implements Clock, Scheduler {
  #now = 0;
  #alarm: { at: number; callback: () => void } | undefined;

  now(): number {
    return this.#now;
  }

  wallTime(): number {
    return this.#now;
  }

  setAlarm(delayMs: number, callback: () => void): void {
    this.#alarm = { at: this.#now + delayMs, callback };
  }

  clearAlarm(): void {
    this.#alarm = undefined;
  }

  endOfTurn(callback: () => void): void {
    callback();
  }

  nextTurn(callback: () => void): void {
    callback();
  }

  runUntil(time: number): void {
    for (let alarm = this.#alarm; alarm !== undefined && alarm.at <= time; alarm = this.#alarm) {
      this.#alarm = undefined;
      this.#now = Math.max(this.#now, alarm.at);
      alarm.callback();
    }
    this.#now = time;
  }
}

interface HeapTimer {
  deadline: number;
  /** Where it stands in the heap; -1: it does not. */
  place: number;
  readonly fire: () => void;
}

/** The usual way without a wheel: O(log n) to schedule, to cancel and to fire. */
class BinaryHeap {
  readonly #timers: HeapTimer[] = [];

  schedule(timer: HeapTimer, deadline: number): void {
    timer.deadline = deadline;
    timer.place = this.#timers.length;
    this.#timers.push(timer);
    this.#up(timer);
  }

  cancel(timer: HeapTimer): void {
    const last = this.#timers.pop() as HeapTimer;
    if (last !== timer) {
      last.place = timer.place;
      this.#timers[last.place] = last;
      this.#up(last);
      this.#down(last);
    }
    timer.place = -1;
  }

  runUntil(time: number): void {
    for (
      let first = this.#timers[0];
      first !== undefined && first.deadline <= time;
      first = this.#timers[0]
    ) {
      this.cancel(first);
      first.fire();
    }
  }

  #up(timer: HeapTimer): void {
    while (timer.place > 0) {
      const parent = this.#timers[(timer.place - 1) >> 1] as HeapTimer;
      if (parent.deadline <= timer.deadline) return;
      this.#swap(parent, timer);
    }
  }

  #down(timer: HeapTimer): void {
    for (;;) {
      const left = this.#timers[timer.place * 2 + 1];
      const right = this.#timers[timer.place * 2 + 2];
      if (left === undefined) return;
      const child = right !== undefined && right.deadline < left.deadline ? right : left;
      if (child.deadline >= timer.deadline) return;
      this.#swap(timer, child);
    }
  }

  /** `above` and `below` change places. */
  #swap(above: HeapTimer, below: HeapTimer): void {
    const place = above.place;
    above.place = below.place;
    below.place = place;
    this.#timers[above.place] = above;
    this.#timers[below.place] = below;
  }
}

/** Delays in an order that looks random and is the same in each run. */
function delayOf(index: number): number {
  return 1 + ((Math.imul(index, 0x9e37_79b1) >>> 0) % longestDelayMs);
}

/** Timers in an order that is not that in which they were made. */
function shuffled(index: number): number {
  return (index * 7_919) % timers;
}

let fired = 0;
const count = (): void => {
  fired += 1;
};

{
  const time = new FakeTime();
  const wheel = new TimingWheel({ clock: time, scheduler: time });
  const entries = Array.from({ length: timers }, () => new TimerEntry(count));
  const heap = new BinaryHeap();
  const heapTimers = Array.from({ length: timers }, (): HeapTimer => ({
    deadline: 0,
    place: -1,
    fire: count,
  }));
  const timeouts: NodeJS.Timeout[] = [];

  const options = { operations: timers, rounds: 3, calls: 1 };
  await benchSideBySide(
    "timing-wheel/schedule 1 million",
    {
      wheel: () => {
        for (let i = 0; i < timers; i++) wheel.schedule(entries[i] as TimerEntry, delayOf(i));
      },
      heap: () => {
        for (let i = 0; i < timers; i++) heap.schedule(heapTimers[i] as HeapTimer, delayOf(i));
      },
      setTimeout: () => {
        for (let i = 0; i < timers; i++) timeouts[i] = setTimeout(count, delayOf(i));
      },
    },
    {
      ...options,
      prepare: () => {
        wheel.stop();
        for (const timer of heapTimers) if (timer.place >= 0) heap.cancel(timer);
        for (const timeout of timeouts.splice(0)) clearTimeout(timeout);
      },
    },
  );

  for (let i = 0; i < timers; i++) {
    wheel.schedule(entries[i] as TimerEntry, delayOf(i));
    if (heapTimers[i]?.place === -1) heap.schedule(heapTimers[i] as HeapTimer, delayOf(i));
    timeouts[i] ??= setTimeout(count, delayOf(i));
  }
  let next = 0;
  const move = (index: (i: number) => void) => () => {
    for (let i = 0; i < moves; i++) index(shuffled(next++));
  };
  await benchSideBySide(
    "timing-wheel/cancel one of 1 million, schedule it anew",
    {
      wheel: move((i) => {
        wheel.cancel(entries[i] as TimerEntry);
        wheel.schedule(entries[i] as TimerEntry, longestDelayMs);
      }),
      heap: move((i) => {
        heap.cancel(heapTimers[i] as HeapTimer);
        heap.schedule(heapTimers[i] as HeapTimer, longestDelayMs);
      }),
      setTimeout: move((i) => {
        clearTimeout(timeouts[i]);
        timeouts[i] = setTimeout(count, longestDelayMs);
      }),
    },
    { operations: moves, rounds: 5, calls: 1 },
  );
  wheel.stop();
  for (const timeout of timeouts) clearTimeout(timeout);
}

{
  const shortestMs = 20;
  let fire: () => unknown = () => undefined;
  const ways = {
    wheel: (): (() => void) => {
      const time = new FakeTime();
      const wheel = new TimingWheel({ clock: time, scheduler: time });
      for (let i = 0; i < timers; i++) wheel.schedule(new TimerEntry(count), delayOf(i));
      return () => time.runUntil(longestDelayMs + 10);
    },
    heap: (): (() => void) => {
      const heap = new BinaryHeap();
      for (let i = 0; i < timers; i++)
        heap.schedule({ deadline: 0, place: -1, fire: count }, delayOf(i));
      return () => heap.runUntil(longestDelayMs);
    },
    setTimeout: (): (() => Promise<void>) => {
      const started = fired;
      const { promise, resolve } = promiseOf();
      for (let i = 0; i < timers; i++) {
        setTimeout(
          () => {
            if (++fired === started + timers) resolve();
          },
          // Spread over as many deadlines as fit into a time that is short beside the work itself.
          1 + (i % shortestMs),
        );
      }
      return () => promise;
    },
  };
  for (const way of ["wheel", "heap", "setTimeout"] as const) {
    await benchSideBySide(
      "timing-wheel/fire 1 million",
      { [way]: () => fire() },
      {
        operations: timers,
        rounds: 3,
        calls: 1,
        prepare: () => {
          fire = ways[way]();
        },
      },
    );
  }
}

function promiseOf(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
