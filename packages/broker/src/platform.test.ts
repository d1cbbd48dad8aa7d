import assert from "node:assert/strict";
import { totalmem } from "node:os";
import { test } from "node:test";
import { TimingWheel } from "@sericite/protocol";
import { NodeScheduler, nodeClock, usableMemory } from "./platform.ts";
import { EventScheduler, seededRandom } from "./testing/index.ts";
import { WheelScheduler } from "./wheel-scheduler.ts";

for (const [what, limit, expected] of [
  ["a container's limit counts", 2 ** 28, 2 ** 28],
  ["a limit above the machine's memory does not", 2 ** 64, totalmem()],
  ["where no limit is told, the machine's memory is it", 0, totalmem()],
] as const)
  test(`usable memory: ${what}`, ({ mock }) => {
    mock.method(process, "constrainedMemory", () => limit);
    assert.equal(usableMemory(), expected);
  });

test("a turn ends after everything that was ready, and the next one comes after it", async () => {
  const scheduler = new NodeScheduler();
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    scheduler.nextTurn(() => {
      order.push("next");
      scheduler.endOfTurn(() => {
        order.push("end of next");
        resolve();
      });
    });
    queueMicrotask(() => order.push("microtask"));
    process.nextTick(() => order.push("tick"));
    order.push("now");
  });
  assert.deepEqual(order.slice(-2), ["next", "end of next"]);
  assert.equal(order.length, 5);
});

test("an alarm rings once, a second one replaces the first, and a cleared one does not ring", async () => {
  const scheduler = new NodeScheduler();
  const rung: string[] = [];
  const keepAlive = setTimeout(() => {}, 10_000); // alarms do not keep a process alive
  scheduler.setAlarm(1, () => rung.push("replaced"));
  await new Promise<void>((resolve) =>
    scheduler.setAlarm(2, () => {
      rung.push("rung");
      resolve();
    }),
  );
  scheduler.setAlarm(1, () => rung.push("cleared"));
  scheduler.clearAlarm();
  await new Promise((resolve) => setTimeout(resolve, 10));
  clearTimeout(keepAlive);
  assert.deepEqual(rung, ["rung"]);
});

test("an alarm beyond what a timer of Node takes does not ring at once", async () => {
  const scheduler = new NodeScheduler();
  let hasRung = false;
  scheduler.setAlarm(2 ** 40, () => (hasRung = true));
  await new Promise((resolve) => setTimeout(resolve, 10));
  scheduler.clearAlarm();
  assert.equal(hasRung, false);
});

test("the machine's clock goes on, and shows the wall's time too", () => {
  const before = nodeClock.now();
  assert.ok(nodeClock.now() >= before);
  assert.ok(Math.abs(nodeClock.wallTime() - Date.now()) < 1000);
});

test("schedulers on one wheel have an alarm each", () => {
  const events = new EventScheduler(seededRandom(1));
  const process = events.process("p");
  const wheel = new TimingWheel({ clock: events.clock, scheduler: process });
  const [one, other] = [new WheelScheduler(process, wheel), new WheelScheduler(process, wheel)];
  const rung: string[] = [];
  one.setAlarm(100, () => rung.push("one replaced"));
  one.setAlarm(200, () => rung.push("one"));
  other.setAlarm(150, () => rung.push("other"));
  other.setAlarm(50, () => rung.push("other cleared"));
  other.clearAlarm();
  other.setAlarm(300, () => rung.push("other"));
  one.nextTurn(() => rung.push("turn"));
  events.advance(250);
  assert.deepEqual(rung, ["turn", "one"]);
  events.advance(100);
  assert.deepEqual(rung, ["turn", "one", "other"]);
});
