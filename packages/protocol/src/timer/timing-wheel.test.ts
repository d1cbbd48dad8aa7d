import assert from "node:assert/strict";
import test from "node:test";
import * as fc from "fast-check";
import { UsageError } from "../errors.ts";
import { FakeTime } from "./fake-time.test.ts";
import { TimerEntry, TimingWheel } from "./timing-wheel.ts";

const second = 1000;
const day = 24 * 3600 * second;

function wheelOf(time: FakeTime, options: { tickMs?: number; slots?: number } = {}): TimingWheel {
  return new TimingWheel({ clock: time, scheduler: time, ...options });
}

for (const delayMs of [
  0,
  1,
  9,
  10,
  11,
  999,
  2559,
  2560,
  2561,
  60 * second,
  655_360,
  day,
  7 * day,
  365 * day,
  0xffff_ffff * second,
]) {
  for (const start of [0, 3.5, 12_345.678, 2560, 40 * day])
    test(`a timer of ${delayMs} ms set at ${start} fires once, not early, and at most one tick late`, () => {
      const time = new FakeTime(start);
      const wheel = wheelOf(time);
      const fired: number[] = [];
      const entry = new TimerEntry(() => fired.push(time.now()));
      wheel.schedule(entry, delayMs);
      assert.equal(entry.deadline, start + delayMs);
      assert.ok(entry.isScheduled);
      assert.equal(wheel.size, 1);
      time.advance(delayMs + 20);
      assert.equal(fired.length, 1);
      assert.ok((fired[0] as number) >= start + delayMs);
      assert.ok((fired[0] as number) <= start + delayMs + 10);
      assert.ok(!entry.isScheduled);
      assert.equal(wheel.size, 0);
      assert.ok(!time.isAlarmSet, "nothing runs while nothing is scheduled");
    });
}

test("a timer of a week takes a handful of alarms, and a week's jump one", () => {
  for (const [pass, most] of [
    ["advance", 5],
    ["jump", 1],
  ] as const) {
    const time = new FakeTime();
    const wheel = wheelOf(time);
    let fired = 0;
    for (let index = 0; index < 1000; index++)
      wheel.schedule(new TimerEntry(() => (fired += 1)), 7 * day);
    time[pass](7 * day);
    assert.equal(fired, 1000);
    assert.ok(time.alarms <= most, `${time.alarms} alarms`);
  }
});

test("while nothing is scheduled no alarm is set", () => {
  const time = new FakeTime();
  const wheel = wheelOf(time);
  assert.ok(!time.isAlarmSet);
  const entry = new TimerEntry(() => assert.fail("it was cancelled"));
  wheel.schedule(entry, second);
  wheel.cancel(entry);
  time.advance(day);
  assert.ok(time.alarms <= 1);
  assert.ok(!time.isAlarmSet);
});

test("an alarm that goes off early, as those of platforms may, fires nothing early", () => {
  const time = new FakeTime();
  let alarm = (): void => assert.fail("no alarm is set");
  const delays: number[] = [];
  const wheel = new TimingWheel({
    clock: time,
    scheduler: {
      endOfTurn: () => undefined,
      nextTurn: () => undefined,
      setAlarm: (delayMs, callback) => {
        delays.push(delayMs);
        alarm = callback;
      },
      clearAlarm: () => undefined,
    },
  });
  const fired: number[] = [];
  wheel.schedule(new TimerEntry(() => fired.push(time.now())), 100);
  time.pass(99.5);
  alarm();
  assert.deepEqual(fired, []);
  time.pass(0.5);
  alarm();
  assert.deepEqual(fired, [100]);
  assert.deepEqual(delays, [100, 0.5]);
});

test("timers of one tick fire in the order in which they were set, wherever they waited", () => {
  const time = new FakeTime();
  const wheel = wheelOf(time, { slots: 4 });
  const fired: number[] = [];
  const deadline = 5000;
  // Set at different times for the same deadline, they wait in wheels of different height.
  for (let index = 0; index < 20; index++) {
    wheel.schedule(new TimerEntry(() => fired.push(index)), deadline - time.now());
    time.advance(index < 10 ? 330 : 150);
  }
  time.advance(deadline);
  assert.deepEqual(
    fired,
    Array.from({ length: 20 }, (_, index) => index),
  );
});

test("a cancelled timer does not fire, and one that is set anew fires at its new time", () => {
  const time = new FakeTime();
  const wheel = wheelOf(time);
  const fired: number[] = [];
  const entry = new TimerEntry(() => fired.push(time.now()));
  wheel.schedule(entry, 100);
  wheel.cancel(entry);
  wheel.cancel(entry); // once more is no harm
  assert.ok(!entry.isScheduled);
  assert.equal(wheel.size, 0);
  time.advance(200);
  wheel.schedule(entry, 100);
  wheel.schedule(entry, 500);
  assert.equal(wheel.size, 1);
  wheel.schedule(entry, 300);
  time.advance(1000);
  assert.deepEqual(fired, [500]);
});

test("timers may set and cancel others and themselves while they fire", () => {
  const time = new FakeTime();
  const wheel = wheelOf(time);
  const fired: string[] = [];
  const late = new TimerEntry(() => fired.push(`late ${time.now()}`));
  const doomed = new TimerEntry(() => assert.fail("it was cancelled"));
  const first = new TimerEntry((entry) => {
    fired.push(`first ${time.now()}`);
    wheel.cancel(doomed); // of the same tick
    wheel.schedule(late, 50); // was of the same tick
    if (fired.length === 1) wheel.schedule(entry, 0);
  });
  wheel.schedule(first, 100);
  wheel.schedule(doomed, 100);
  wheel.schedule(late, 100);
  assert.equal(wheel.size, 3);
  time.advance(1000);
  assert.deepEqual(fired, ["first 100", "first 110", "late 160"]);
  assert.equal(wheel.size, 0);
});

test("a timer that sets itself again without delay runs once a tick, not for ever", () => {
  const time = new FakeTime();
  const wheel = wheelOf(time);
  let fired = 0;
  wheel.schedule(
    new TimerEntry((entry) => {
      fired += 1;
      wheel.schedule(entry, 0);
    }),
    0,
  );
  time.advance(100);
  assert.equal(fired, 10);
});

test("after a jump a repeating timer fires once, then goes on from there", () => {
  const time = new FakeTime();
  const wheel = wheelOf(time);
  const fired: number[] = [];
  wheel.schedule(
    new TimerEntry((entry) => {
      fired.push(time.now());
      wheel.schedule(entry, second);
    }),
    second,
  );
  time.advance(2 * second);
  time.jump(day);
  time.advance(second);
  assert.deepEqual(fired, [second, 2 * second, 2 * second + day, 3 * second + day]);
});

test("a short timer is short also while a long one waits and no alarm went off for long", () => {
  const time = new FakeTime();
  const wheel = wheelOf(time);
  wheel.schedule(new TimerEntry(() => undefined), 30 * day);
  time.advance(3 * day + 12_345);
  const { alarms } = time;
  const fired: number[] = [];
  wheel.schedule(new TimerEntry(() => fired.push(time.now())), 100);
  time.advance(second);
  assert.deepEqual(fired.length, 1);
  assert.equal(time.alarms, alarms + 1);
});

test("a timer that throws loses no other; without onError the first error is thrown on", () => {
  const time = new FakeTime();
  const wheel = wheelOf(time);
  const fired: string[] = [];
  for (const name of ["a", "b", "c"])
    wheel.schedule(
      new TimerEntry(() => {
        fired.push(name);
        throw new Error(name);
      }),
      100,
    );
  wheel.schedule(new TimerEntry(() => fired.push("d")), 200);
  assert.throws(() => time.advance(150), /^Error: a$/);
  assert.deepEqual(fired, ["a", "b", "c"]);
  time.advance(150);
  assert.deepEqual(fired, ["a", "b", "c", "d"]);
});

test("timers that are due together fire in order, a millisecond of them in a turn", () => {
  const time = new FakeTime();
  const later: (() => void)[] = [];
  time.nextTurn = (callback) => void later.push(callback);
  const wheel = wheelOf(time);
  const fired: number[] = [];
  const entries = Array.from(
    { length: 30 },
    (_, i) =>
      new TimerEntry(() => {
        fired.push(i);
        time.pass(0.25);
        if (i === 0) wheel.schedule(new TimerEntry(() => fired.push(100)), 0);
      }),
  );
  for (const [i, entry] of entries.entries()) wheel.schedule(entry, i < 20 ? 100 : 110);
  time.advance(100);
  assert.deepEqual(
    fired,
    Array.from({ length: 8 }, (_, i) => i),
  );
  // Between two turns the wheel can be used as at any other time.
  wheel.cancel(entries[9]!);
  wheel.schedule(new TimerEntry(() => fired.push(200)), 0);
  assert.equal(wheel.size, 23);
  let turns = 1;
  for (; later.length > 0; turns++) later.shift()!();
  assert.equal(turns, 3);
  time.advance(20);
  while (later.length > 0) later.shift()!();
  const order = Array.from({ length: 30 }, (_, i) => i).filter((i) => i !== 9);
  assert.deepEqual(
    fired.filter((i) => i < 30),
    order,
  );
  assert.equal(fired.length, 31);
  assert.equal(wheel.size, 0);
});

test("what is stopped between two turns fires no more", () => {
  const time = new FakeTime();
  const later: (() => void)[] = [];
  time.nextTurn = (callback) => void later.push(callback);
  const wheel = wheelOf(time);
  let fired = 0;
  for (let i = 0; i < 10; i++)
    wheel.schedule(
      new TimerEntry(() => {
        fired += 1;
        time.pass(1);
      }),
      100,
    );
  time.advance(100);
  wheel.stop();
  later[0]!();
  assert.equal(fired, 8);
  assert.equal(wheel.size, 0);
});

test("onError is told of every timer that throws; what it throws itself is thrown on", () => {
  const time = new FakeTime();
  const told: unknown[] = [];
  const wheel = new TimingWheel({
    clock: time,
    scheduler: time,
    onError: (error, entry) => {
      told.push((error as Error).message, entry);
      if (told.length === 2) throw new Error("from onError");
    },
  });
  const entries = ["a", "b"].map(
    (message) =>
      new TimerEntry(() => {
        throw new Error(message);
      }),
  );
  for (const entry of entries) wheel.schedule(entry, 100);
  assert.throws(() => time.advance(150), /from onError/);
  assert.deepEqual(told, ["a", entries[0], "b", entries[1]]);
});

test("stop takes every timer back, also from inside one that fires", () => {
  const time = new FakeTime();
  const wheel = wheelOf(time);
  let fired = 0;
  const entries = [100, 100, 100, second, day, 400 * day].map((delayMs) => {
    const entry = new TimerEntry(() => {
      fired += 1;
      wheel.stop();
    });
    wheel.schedule(entry, delayMs);
    return entry;
  });
  time.advance(500 * day);
  assert.equal(fired, 1);
  assert.equal(wheel.size, 0);
  assert.ok(entries.every((entry) => !entry.isScheduled));
  assert.ok(!time.isAlarmSet);
  wheel.schedule(new TimerEntry(() => (fired += 1)), 10);
  time.advance(20);
  assert.equal(fired, 2);
});

test("a delay or an option that makes no sense is refused", () => {
  const time = new FakeTime();
  const wheel = wheelOf(time);
  for (const delayMs of [-1, Number.NaN, Infinity])
    assert.throws(() => wheel.schedule(new TimerEntry(() => undefined), delayMs), UsageError);
  assert.equal(wheel.size, 0);
  for (const options of [{ tickMs: 0 }, { tickMs: Number.NaN }, { slots: 1 }, { slots: 2.5 }])
    assert.throws(() => wheelOf(time, options), UsageError);
});

/** A timer that waits, as the reference sees it. */
interface Waiting {
  readonly deadline: number;
  readonly tick: number;
  /** Rises with each timer that is set. */
  readonly order: number;
  /** It was set without delay. */
  readonly isImmediate: boolean;
}

test("whatever is set, cancelled and set from inside, the wheel does what a sorted list does", () => {
  const timers = 16;
  const step = fc.record({
    timer: fc.nat(timers - 1),
    action: fc.constantFrom("set", "set", "set", "cancel", "advance", "jump", "pass"),
    ms: fc.oneof(fc.nat(30), fc.nat(300), fc.nat(5000), fc.nat(1_000_000)),
    /** What the timer that is set sets when it fires. */
    chained: fc.option(fc.tuple(fc.nat(timers - 1), fc.nat(200))),
  });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 80 }),
      fc.constantFrom(2, 3, 8, 256),
      fc.constantFrom(1, 7, 10),
      (steps, slots, tickMs) => {
        const time = new FakeTime(3);
        const wheel = wheelOf(time, { slots, tickMs });
        const waiting = new Map<number, Waiting>();
        const chains = new Map<number, readonly [number, number]>();
        let order = 0;
        const set = (timer: number, delayMs: number): void => {
          const deadline = time.now() + delayMs;
          // Without delay it is due in the tick that follows, if this one has begun: which the list does not know.
          const isImmediate = delayMs === 0;
          const tick = Math.ceil(deadline / tickMs) + (isImmediate ? 1 : 0);
          waiting.set(timer, { deadline, tick, order: order++, isImmediate });
          wheel.schedule(entries[timer] as TimerEntry, delayMs);
        };
        const entries = Array.from(
          { length: timers },
          (_, timer) =>
            new TimerEntry(() => {
              const fired = waiting.get(timer);
              assert.ok(fired !== undefined, "it was waiting");
              assert.ok(time.now() >= fired.deadline, "it is not early");
              waiting.delete(timer);
              for (const { tick, order: other } of waiting.values()) {
                if (fired.isImmediate) continue;
                assert.ok(tick >= fired.tick, "an earlier tick comes first");
                assert.ok(
                  tick > fired.tick || other > fired.order,
                  "of one tick, the one set first comes first",
                );
              }
              const chain = chains.get(timer);
              chains.delete(timer);
              if (chain !== undefined) set(...chain);
            }),
        );
        for (const { timer, action, ms, chained } of steps) {
          if (action === "set") {
            if (chained !== null) chains.set(timer, chained);
            set(timer, ms);
          } else if (action === "cancel") {
            wheel.cancel(entries[timer] as TimerEntry);
            waiting.delete(timer);
          } else {
            time[action](ms);
            if (action !== "pass")
              for (const { deadline } of waiting.values())
                assert.ok(deadline + tickMs > time.now(), "none is more than a tick late");
          }
          assert.equal(wheel.size, waiting.size);
          for (const [index, entry] of entries.entries())
            assert.equal(entry.isScheduled, waiting.has(index));
        }
        time.advance(2_000_000);
        assert.equal(waiting.size, 0);
      },
    ),
    { numRuns: 300 },
  );
});
