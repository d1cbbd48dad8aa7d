import assert from "node:assert/strict";
import { test } from "node:test";
import type { StoreRecord } from "../../engine/records.ts";
import { Chance } from "../../testing/random.ts";
import { collectRecovery, RecordState } from "../../testing/record-state.ts";
import { SimulatedDisk } from "../../testing/simulated-disk.ts";
import { checkStore } from "./check.ts";
import type { StoreReport } from "./check.ts";
import { begin, LogWorld, publish, turn } from "./log-world.test-support.ts";
import { RecordMaker } from "./record-maker.test-support.ts";
import { stepOf } from "./task.ts";

const SEGMENTED = { segmentBytes: 2000, checkpointBytes: 4000, compactBelow: 0.4, compactSlack: 0 };

/** Checks what is on the world's disk. */
function check(world: LogWorld): { report: StoreReport; saved: StoreRecord[]; parts: number } {
  const disk = new SimulatedDisk(world.events.process("check"), world.chance, world.medium);
  const saved: StoreRecord[] = [];
  let parts = 0;
  const save = (record: StoreRecord): void => void saved.push(record);
  const report = world.settle(
    disk.promise(
      stepOf(
        checkStore(disk, save, () => {
          parts += 1;
        }),
      ),
    ),
  );
  return { report, saved, parts };
}

/** A world in which a store was used for some turns. */
function used(seed: number, turns: number): { world: LogWorld; now: RecordState } {
  const world = new LogWorld(seed);
  const opened = world.open(SEGMENTED);
  const maker = new RecordMaker(Chance.ofSeed(seed));
  const now = new RecordState();
  for (let count = 0; count < turns; count += 1) {
    const records = maker.batch(now);
    turn(opened.store, ...records);
    for (const record of records) now.apply(record);
    world.events.settle();
  }
  world.kill(opened);
  return { world, now };
}

test("a store without damage is reported so, with what is in it", () => {
  const { world, now } = used(5, 60);
  const { report, parts } = check(world);
  assert.equal(report.opens, true);
  assert.deepEqual(report.damage, []);
  assert.deepEqual(report.lost, []);
  const recovery = collectRecovery();
  now.recover(recovery);
  const { sessions, retained, wills } = recovery.state();
  assert.equal(report.sessions, sessions.length);
  assert.equal(report.retained, retained.length);
  assert.ok(report.wills >= wills.length);
  assert.equal(
    report.queued,
    sessions.reduce((sum, { session }) => sum + now.queue(session).length, 0),
  );
  assert.equal(parts, world.files("log").length);
});

test("what is saved of it makes the same store anew", () => {
  const { world, now } = used(6, 60);
  const { saved } = check(world);
  const fresh = new LogWorld();
  const opened = fresh.open();
  turn(opened.store, ...saved);
  fresh.settle(opened.store.close());
  const { store, state } = fresh.open();
  const recovery = collectRecovery();
  now.recover(recovery);
  const expected = recovery.state();
  assert.deepEqual(state.retained, expected.retained);
  assert.deepEqual(
    state.sessions.map(({ session, subscriptions }) => [session, subscriptions]),
    expected.sessions.map(({ session, subscriptions }) => [session, subscriptions]),
  );
  for (const { session } of expected.sessions)
    assert.deepEqual(fresh.settle(store.readQueue(session, 0, 1e9)).entries, now.queue(session));
});

test("a broken batch in the middle is named, and what is behind it is saved", () => {
  const world = new LogWorld();
  const opened = world.open();
  const places: number[] = [];
  for (let number = 1; number <= 10; number += 1) {
    places.push(world.medium.files.get("00000001.log")?.seen.length ?? 32);
    turn(opened.store, begin(number), ...publish(number, 500, { [number]: 1 }));
    world.events.settle();
  }
  world.kill(opened);
  const bytes = world.medium.read("00000001.log");
  const broken = places[4] as number;
  bytes[broken + 60] = (bytes[broken + 60] as number) ^ 4;
  world.medium.overwrite("00000001.log", bytes);
  assert.throws(() => world.open(), {
    code: "ERR_STORE_DAMAGED",
    message: new RegExp(`^00000001\\.log is damaged at byte ${broken}`),
  });
  const { report, saved } = check(world);
  assert.equal(report.opens, false);
  assert.match(report.refusal ?? "", /00000001\.log/);
  assert.deepEqual(report.damage, [
    { file: "00000001.log", offset: broken, what: "a batch that is not whole" },
  ]);
  assert.equal(report.sessions, 9);
  assert.equal(report.messages, 9);
  assert.deepEqual(
    saved
      .flatMap((record) => (record.type === "message" ? [record.message.number] : []))
      .sort((a, b) => a - b),
    [1, 2, 3, 4, 6, 7, 8, 9, 10],
  );
});

test("a body that is damaged behind a checkpoint is named, and only it is lost", () => {
  const world = new LogWorld();
  const opened = world.open({ segmentBytes: 5000, checkpointBytes: 8000 });
  turn(opened.store, begin(1));
  for (let number = 1; number <= 40; number += 1) {
    turn(opened.store, ...publish(number, 500, { 1: number }));
    world.events.settle();
  }
  world.kill(opened);
  const bytes = world.medium.read("00000001.log");
  bytes[1000] = (bytes[1000] as number) ^ 1;
  world.medium.overwrite("00000001.log", bytes);
  const { report } = check(world);
  assert.equal(report.lost.length, 1);
  assert.equal(report.messages, 39);
  assert.equal(report.damage[0]?.file, "00000001.log");
});
