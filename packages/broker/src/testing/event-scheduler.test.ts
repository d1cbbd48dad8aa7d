import assert from "node:assert/strict";
import { test } from "node:test";
import { EventScheduler } from "./event-scheduler.ts";
import { FakeClock } from "./fake-clock.ts";
import { seededRandom } from "./random.ts";

const WEEK_MS = 7 * 24 * 3600 * 1000;

function scheduler(seed: number = 1): EventScheduler {
  return new EventScheduler(seededRandom(seed));
}

test("a week passes in one advance, and an alarm in it comes at its time", () => {
  const events = scheduler();
  const process = events.process("broker");
  let at: number | undefined;
  process.setAlarm(WEEK_MS - 1, () => {
    at = process.clock.now();
  });
  events.advance(WEEK_MS);
  assert.equal(at, WEEK_MS - 1);
  assert.equal(process.clock.now(), WEEK_MS);
});

test("an alarm does not come early, and the second call replaces the first", () => {
  const events = scheduler();
  const process = events.process("broker");
  const rung: string[] = [];
  process.setAlarm(100, () => rung.push("first"));
  process.setAlarm(200, () => rung.push("second"));
  events.advance(199);
  assert.equal(rung.join(), "");
  events.advance(1);
  assert.equal(rung.join(), "second");
  process.setAlarm(10, () => rung.push("third"));
  process.clearAlarm();
  events.advance(1000);
  assert.equal(rung.join(), "second");
});

test("alarms that are set from alarms are rung on the way", () => {
  const events = scheduler();
  const process = events.process("broker");
  let rung = 0;
  const ring = (): void => {
    rung += 1;
    process.setAlarm(1000, ring);
  };
  process.setAlarm(1000, ring);
  events.advance(10_500);
  assert.equal(rung, 10);
});

test("the end of a turn comes after what asked for it, the next turn after the end", () => {
  for (let seed = 0; seed < 50; seed += 1) {
    const events = scheduler(seed);
    const process = events.process("broker");
    const order: string[] = [];
    process.post(() => {
      order.push("read");
      process.nextTurn(() => order.push("next turn"));
      process.endOfTurn(() => {
        order.push("end");
        process.endOfTurn(() => order.push("end of the next"));
      });
    });
    events.settle();
    assert.deepEqual(order, ["read", "end", "next turn", "end of the next"]);
  }
});

test("what is due at one moment runs in an order that the seed decides", () => {
  const orders = new Set<string>();
  const run = (seed: number): string => {
    const events = scheduler(seed);
    const order: number[] = [];
    for (let i = 0; i < 4; i += 1) {
      const process = events.process(`${i}`);
      process.post(() => order.push(i));
    }
    events.settle();
    return order.join("");
  };
  for (let seed = 0; seed < 300; seed += 1) {
    assert.equal(run(seed), run(seed));
    orders.add(run(seed));
  }
  assert.equal(orders.size, 24, "all 24 orders of four events come up");
});

test("later events come in the order of their times", () => {
  const events = scheduler();
  const process = events.process("any");
  const seen: number[] = [];
  const random = seededRandom(9);
  const times = Array.from({ length: 200 }, () => 1 + Math.floor(random() * 1000));
  const cancels = times.map((at) => process.post(() => seen.push(at), at));
  for (let i = 0; i < 50; i += 1) (cancels[i] as () => void)();
  events.advance(1000);
  assert.deepEqual(
    seen,
    times.slice(50).sort((a, b) => a - b),
  );
});

test("nothing of a stopped process happens any more", () => {
  const events = scheduler();
  const process = events.process("broker");
  let ran = 0;
  const count = (): void => {
    ran += 1;
  };
  process.setAlarm(10, count);
  process.endOfTurn(count);
  process.post(count);
  process.stop();
  events.advance(100);
  assert.equal(ran, 0);
});

test("a process that never comes to rest is reported, not waited for", () => {
  const events = scheduler();
  const process = events.process("broker");
  const again = (): void => process.nextTurn(again);
  again();
  assert.throws(() => events.settle(), /not at rest/);
});

test("promises go on between the events of a process that uses them", async () => {
  const events = scheduler();
  const process = events.process("client", true);
  const order: string[] = [];
  const deep = async (): Promise<void> => {
    for (let i = 0; i < 20; i += 1) await Promise.resolve();
    order.push("promises");
    process.post(() => order.push("second event"));
  };
  process.post(() => {
    order.push("first event");
    void deep();
  });
  await events.settleAsync();
  assert.deepEqual(order, ["first event", "promises", "second event"]);
  process.setAlarm(WEEK_MS, () => order.push("alarm"));
  await events.advanceAsync(WEEK_MS);
  assert.equal(order.at(-1), "alarm");
});

test("the wall clock jumps, the monotonic clock does not", () => {
  const clock = new FakeClock(1000);
  clock.moveTo(50);
  clock.jumpWallTime(-500);
  assert.equal(clock.now(), 50);
  assert.equal(clock.wallTime(), 550);
  clock.moveTo(40);
  assert.equal(clock.now(), 50);
});
