import assert from "node:assert/strict";
import { test } from "node:test";
import { TestBroker } from "../test-broker.test-support.ts";
import type { StoreRecord } from "./records.ts";

type TimeMarkRecord = Extract<StoreRecord, { type: "time-mark" }>;

function marks(broker: TestBroker): TimeMarkRecord[] {
  return broker.store.records.flatMap(({ record }) => (record.type === "time-mark" ? record : []));
}

const timesOf = (broker: TestBroker): number[] => marks(broker).map(({ storeTime }) => storeTime);

function record(broker: TestBroker): void {
  broker.engine.append({ type: "retained-clear", topicName: "a" });
  broker.settle();
}

test("the first mark is made at once, and a broker that rests makes one a minute and nothing else", () => {
  const broker = new TestBroker({ durable: true });
  broker.advance(5 * 60_000);
  const first = timesOf(broker)[0]!;
  assert.deepEqual(
    timesOf(broker).map((time) => time - first),
    [0, 60_000, 120_000, 180_000, 240_000, 300_000],
  );
  assert.equal(broker.store.records.length, 6);
});

test("a record takes a mark along where the last one is ten seconds old, into its own batch", () => {
  const broker = new TestBroker({ durable: true });
  const first = timesOf(broker)[0]!;
  for (let i = 0; i < 8; i++) {
    broker.advance(3000);
    record(broker);
  }
  const [, second, third] = timesOf(broker).map((time) => time - first);
  assert.ok(second! >= 10_000 && second! < 13_000);
  assert.ok(third! >= second! + 10_000 && third! < second! + 13_000);
  const { records } = broker.store;
  for (const [index, { record: kept, position }] of records.entries()) {
    if (index > 0 && kept.type === "time-mark")
      assert.equal(position, records[index - 1]!.position);
  }
});

test("a mark has what both clocks show", () => {
  const broker = new TestBroker({ durable: true });
  broker.events.clock.jumpWallTime(-123_456);
  broker.advance(10_000);
  record(broker);
  const { storeTime, wallTime } = marks(broker).at(-1)!;
  assert.equal(storeTime, broker.engine.storeTime());
  assert.equal(wallTime, broker.events.clock.wallTime());
});

test("the last mark is made at the end, and none after it", () => {
  const broker = new TestBroker({ durable: true });
  broker.advance(5000);
  broker.engine.timeMarks.stop();
  const end = broker.engine.storeTime();
  broker.advance(600_000);
  assert.equal(marks(broker).length, 2);
  assert.equal(timesOf(broker).at(-1), end);
});

test("a store that keeps nothing gets no marks", () => {
  const broker = new TestBroker();
  broker.engine.timeMarks.stop();
  assert.equal(broker.engine.wheel.size, 0);
});
