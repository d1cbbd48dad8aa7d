import assert from "node:assert/strict";
import test from "node:test";
import { UsageError } from "../errors.ts";
import { FakeTime } from "./fake-time.test.ts";
import { Schedule } from "./schedule.ts";
import { TimingWheel } from "./timing-wheel.ts";

function scheduleOf(
  time: FakeTime,
  onError?: (error: unknown) => void,
): { schedule: Schedule; wheel: TimingWheel } {
  const wheel = new TimingWheel({ clock: time, scheduler: time, onError });
  return { schedule: new Schedule(wheel), wheel };
}

test("a task runs every interval and keeps to the beat", () => {
  const time = new FakeTime();
  const { schedule } = scheduleOf(time);
  const runs: number[] = [];
  schedule.schedule(() => {
    runs.push(time.now());
    time.pass(7); // a task that takes its time does not move those after it
  }, 95);
  time.advance(1000);
  assert.deepEqual(runs, [100, 190, 290, 380, 480, 570, 670, 760, 860, 950]);
});

test("beats that were missed are left out", () => {
  const time = new FakeTime();
  const { schedule } = scheduleOf(time);
  const runs: number[] = [];
  schedule.schedule(() => runs.push(time.now()), 1000);
  time.advance(1000);
  time.jump(5500);
  time.advance(1500);
  assert.deepEqual(runs, [1000, 6500, 7000, 8000]);
});

test("a task that is scheduled once runs once", () => {
  const time = new FakeTime();
  const { schedule, wheel } = scheduleOf(time);
  const runs: number[] = [];
  schedule.scheduleOnce(() => runs.push(time.now()), 250);
  time.advance(10_000);
  assert.deepEqual(runs, [250]);
  assert.equal(wheel.size, 0);
});

test("a cancelled task does not run, nor does one whose block was left", () => {
  const time = new FakeTime();
  const { schedule, wheel } = scheduleOf(time);
  let runs = 0;
  const task = schedule.schedule(() => (runs += 1), 100);
  const once = schedule.scheduleOnce(() => (runs += 1), 100);
  once.cancel();
  {
    using _inBlock = schedule.schedule(() => (runs += 1), 100);
  }
  time.advance(250);
  assert.equal(runs, 2);
  task.cancel();
  task.cancel(); // once more is no harm
  time.advance(1000);
  assert.equal(runs, 2);
  assert.equal(wheel.size, 0);
});

test("a task may cancel itself", () => {
  const time = new FakeTime();
  const { schedule } = scheduleOf(time);
  let runs = 0;
  const task = schedule.schedule(() => {
    runs += 1;
    if (runs === 3) task.cancel();
  }, 100);
  time.advance(10_000);
  assert.equal(runs, 3);
});

test("a task that throws is run again, and onError is told", () => {
  const time = new FakeTime();
  const told: unknown[] = [];
  const { schedule } = scheduleOf(time, (error) => told.push((error as Error).message));
  schedule.schedule(() => {
    throw new Error("no");
  }, 100);
  time.advance(350);
  assert.deepEqual(told, ["no", "no", "no"]);
});

test("an interval that makes no sense is refused", () => {
  const { schedule } = scheduleOf(new FakeTime());
  for (const intervalMs of [0, -1, Number.NaN])
    assert.throws(() => schedule.schedule(() => undefined, intervalMs), UsageError);
});
