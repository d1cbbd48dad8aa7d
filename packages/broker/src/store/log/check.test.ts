import assert from "node:assert/strict";
import { test } from "node:test";
import type { QueueEntry } from "../../engine/ports.ts";
import { Chance } from "../../testing/random.ts";
import { collectRecovery, RecordState } from "../../testing/record-state.ts";
import type { RecoveredState } from "../../testing/record-state.ts";
import { SimulatedDisk } from "../../testing/simulated-disk.ts";
import type { StoreReport } from "./check.ts";
import type { LogStore } from "./log-store.ts";
import { begin, LogWorld, publish, turn } from "./log-world.test-support.ts";
import { RecordMaker } from "./record-maker.test-support.ts";
import type { LogRecord } from "./log-record.ts";
import { StoppedStore } from "./stopped-store.ts";

const SEGMENTED = { segmentBytes: 2000, checkpointBytes: 4000, compactBelow: 0.4, compactSlack: 0 };

/** What a store keeps, all of it. */
interface Content extends RecoveredState {
  readonly queues: readonly (readonly QueueEntry[])[];
}

/** The stopped store on the world's disk. */
function stopped(world: LogWorld): StoppedStore {
  return new StoppedStore(
    new SimulatedDisk(world.events.process("tool"), world.chance, world.medium),
  );
}

/** Checks what is on the world's disk. */
function check(world: LogWorld): { report: StoreReport; saved: LogRecord[]; parts: number } {
  const saved: LogRecord[] = [];
  let parts = 0;
  const report = world.settle(
    stopped(world).check({
      save: (record) => void saved.push(record),
      progress: () => {
        parts += 1;
      },
    }),
  );
  return { report, saved, parts };
}

/** A world in which a store was used for some turns, then killed. */
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

/** Ten sessions, each begun with a message of its own. @returns where each batch begins. */
function tenSessions(): { world: LogWorld; places: number[] } {
  const world = new LogWorld();
  const opened = world.open();
  const places: number[] = [];
  for (let number = 1; number <= 10; number += 1) {
    places.push(world.medium.files.get("00000001.log")?.seen.length ?? 32);
    turn(opened.store, begin(number), ...publish(number, 500, { [number]: 1 }));
    world.events.settle();
  }
  world.kill(opened);
  return { world, places };
}

/** Turns one bit of a file. */
function flip(world: LogWorld, file: string, offset: number, bit = 4): void {
  const bytes = world.medium.read(file);
  bytes[offset] = (bytes[offset] as number) ^ bit;
  world.medium.overwrite(file, bytes);
}

/** What a store gives back and holds. */
function contentOf(world: LogWorld, store: LogStore, state: RecoveredState): Content {
  const queues = state.sessions.map(
    ({ session }) => world.settle(store.readQueue(session, 0, 1e9)).entries,
  );
  return { ...state, queues };
}

/** What a new store keeps that was given these records. */
function restored(records: readonly LogRecord[]): Content {
  const world = new LogWorld();
  const first = world.open(SEGMENTED);
  for (const [index, record] of records.entries()) {
    first.store.restore(record);
    if (index % 7 === 6) first.store.endTurn();
    if (index % 50 === 49) world.events.settle();
  }
  world.settle(first.store.close());
  const { store, state } = world.open();
  return contentOf(world, store, state);
}

/** What the model says that is kept. */
function expected(now: RecordState): Content {
  const recovery = collectRecovery();
  now.recover(recovery);
  const state = recovery.state();
  return { ...state, queues: state.sessions.map(({ session }) => now.queue(session)) };
}

const numbersOf = (records: readonly LogRecord[]): number[] =>
  records
    .flatMap((record) => (record.type === "message" ? [record.message.number] : []))
    .sort((a, b) => a - b);

test("a store without damage is reported so, with what is in it", () => {
  const { world, now } = used(5, 60);
  const { report, parts } = check(world);
  assert.equal(report.opens, true);
  assert.deepEqual(report.damage, []);
  assert.deepEqual(report.lost, {
    ...{ messages: [], entries: 0, queues: 0, retained: [], delayed: 0 },
    ...{ sessions: [], batches: [] },
  });
  const { sessions, retained, wills, delayed, bans, queues } = expected(now);
  assert.equal(report.sessions, sessions.length);
  assert.equal(report.retained, retained.length);
  assert.equal(report.delayed, delayed.length);
  assert.equal(report.bans, bans.length);
  assert.ok(report.wills >= wills.length);
  assert.equal(report.queued, queues.flat().length);
  assert.ok(parts >= world.files("log").length);
});

for (const seed of [6, 7, 8, 9])
  test(`what is saved of a store, and what is exported, makes the same store anew (${seed})`, () => {
    const { world, now } = used(seed, 60);
    const { saved } = check(world);
    const exported: LogRecord[] = [];
    world.settle(stopped(world).export((record) => void exported.push(record)));
    assert.deepEqual(exported, saved);
    assert.deepEqual(restored(exported), expected(now));
  });

test("a broken batch in the middle is named, and what is around it is saved", () => {
  const { world, places } = tenSessions();
  const broken = places[4] as number;
  flip(world, "00000001.log", broken + 20);
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
  assert.deepEqual(report.lost.batches, [{ from: 5, to: 5 }]);
  assert.equal(report.sessions, 9);
  assert.deepEqual(numbersOf(saved), [1, 2, 3, 4, 6, 7, 8, 9, 10]);
  assert.equal(restored(saved).sessions.length, 9);
  assert.throws(() => world.settle(stopped(world).export(() => undefined)), {
    code: "ERR_STORE_DAMAGED",
  });
});

test("in a broken body only its message is lost, though no start takes the store", () => {
  const { world, places } = tenSessions();
  flip(world, "00000001.log", (places[4] as number) + 60);
  assert.throws(() => world.open(), { code: "ERR_STORE_DAMAGED" });
  const { report, saved } = check(world);
  assert.deepEqual(
    report.damage.map(({ file, what }) => [file, what]),
    [["00000001.log", "message 5 is not as it was written"]],
  );
  assert.deepEqual(report.lost.messages, [5]);
  assert.equal(report.lost.entries, 1);
  assert.deepEqual(report.lost.batches, []);
  assert.equal(report.sessions, 10);
  assert.equal(report.queued, 9);
  const { queues } = restored(saved);
  assert.equal(queues.length, 10);
  assert.equal(queues.flat().length, 9);
});

test("a session whose beginning is lost is told by its number", () => {
  const world = new LogWorld();
  const opened = world.open();
  turn(opened.store, begin(1));
  world.events.settle();
  const place = world.medium.files.get("00000001.log")?.seen.length as number;
  turn(opened.store, begin(2));
  world.events.settle();
  turn(opened.store, ...publish(1, 10, { 1: 1, 2: 1 }));
  world.events.settle();
  world.kill(opened);
  flip(world, "00000001.log", place + 20);
  const { report, saved } = check(world);
  assert.deepEqual(report.lost.sessions, [2]);
  assert.deepEqual(
    restored(saved).sessions.map(({ session }) => session),
    [1],
  );
});

/** A store of one session with a queue over several segments, with a checkpoint. */
function longQueue(): LogWorld {
  const world = new LogWorld();
  const opened = world.open({ segmentBytes: 5000, checkpointBytes: 8000 });
  turn(opened.store, begin(1));
  for (let number = 1; number <= 40; number += 1) {
    turn(opened.store, ...publish(number, 500, { 1: number }));
    world.events.settle();
  }
  world.kill(opened);
  return world;
}

test("a body that is damaged behind a checkpoint is named, and only it is lost", () => {
  const world = longQueue();
  flip(world, "00000001.log", 1000);
  const { report, saved } = check(world);
  assert.equal(report.opens, true);
  assert.deepEqual(report.lost.messages.length, 1);
  assert.equal(report.messages, 39);
  assert.equal(report.queued, 39);
  assert.equal(report.damage.length, 1);
  assert.equal(report.damage[0]?.file, "00000001.log");
  assert.equal(restored(saved).queues[0]?.length, 39);
});

test("where a batch is broken, its bodies are found by the segment's index", () => {
  const world = longQueue();
  const [first] = world.files("log") as [string];
  const bytes = world.medium.read(first);
  // The second batch's magic: nothing of it can be told apart any more.
  const magic = Buffer.from(bytes).indexOf("SRLF", 40);
  flip(world, first, magic);
  const { report } = check(world);
  assert.equal(report.opens, true);
  assert.deepEqual(report.lost.messages, []);
  assert.equal(report.messages, 40);
});

test("a segment that is missing or cut off is told with what was in it", () => {
  for (const change of ["missing", "cut off"]) {
    const world = longQueue();
    const name = world.files("log")[1] as string;
    if (change === "missing") world.medium.files.delete(name);
    else world.medium.overwrite(name, world.medium.read(name).subarray(0, 1000));
    const { report, saved } = check(world);
    assert.ok(report.lost.messages.length > 1, change);
    assert.equal(report.messages + report.lost.messages.length, 40);
    assert.equal(restored(saved).queues[0]?.length, report.messages);
  }
});

test("of a broken checkpoint that the log does not do without, the whole parts are taken", () => {
  const world = new LogWorld();
  const opened = world.open({ segmentBytes: 3000, checkpointBytes: 6000 });
  for (let session = 1; session <= 3000; session += 1) turn(opened.store, begin(session));
  world.events.settle();
  world.events.advance(1000);
  for (let number = 1; number <= 30; number += 1) {
    turn(opened.store, ...publish(number, 300, { 3000: number }));
    world.events.settle();
  }
  world.kill(opened);
  assert.ok(!world.files("log").includes("00000001.log"), "the log alone does not do");
  const name = world.files("ckp").at(-1) as string;
  flip(world, name, 100);
  assert.throws(() => world.open(), { code: "ERR_STORE_DAMAGED" });
  const { report, saved } = check(world);
  assert.ok(report.damage.some(({ file, offset }) => file === name && offset === 32));
  assert.ok(report.sessions > 500 && report.sessions < 3000, `${report.sessions} sessions`);
  assert.equal(report.queued, 30);
  assert.equal(restored(saved).sessions.length, report.sessions);
});

test("what a crash leaves behind is no damage, before and after the next start", () => {
  for (let seed = 1; seed <= 30; seed += 1) {
    const world = new LogWorld(seed);
    const maker = new RecordMaker(Chance.ofSeed(seed));
    for (let round = 0; round < 4; round += 1) {
      const opened = world.open(SEGMENTED);
      const recovery = new RecordState();
      for (let count = 0; count < 12; count += 1) {
        turn(opened.store, ...maker.batch(recovery));
        if (count % 3 === 0) world.events.settle();
      }
      world.crash(opened);
      const { report } = check(world);
      assert.deepEqual([report.opens, report.damage], [true, []], `seed ${seed}, round ${round}`);
      assert.deepEqual(report.lost.messages, []);
    }
  }
});

test("whatever bits turn, what is saved makes a store that opens, and holds what was told", () => {
  let damaged = 0;
  for (let seed = 1; seed <= 40; seed += 1) {
    const { world } = used(seed, 40);
    const chance = Chance.ofSeed(seed);
    const names = [...world.medium.files.keys()].filter((name) => /log|ckp|idx/.test(name));
    for (let count = 0; count < 3; count += 1) {
      const name = chance.pick(names);
      const { length } = world.medium.read(name);
      if (length > 0) flip(world, name, chance.integer(0, length - 1), 1 << chance.integer(0, 7));
    }
    let checked: ReturnType<typeof check>;
    try {
      checked = check(world);
    } catch (error) {
      // A version that was hit.
      assert.equal((error as { code: string }).code, "ERR_STORE_NEWER", `seed ${seed}`);
      continue;
    }
    const { report, saved } = checked;
    if (!report.opens) assert.ok(report.damage.length > 0, `seed ${seed} says what is damaged`);
    if (report.damage.length > 0) damaged += 1;
    const { sessions, queues, retained, delayed } = restored(saved);
    assert.deepEqual(
      [sessions.length, queues.flat().length, retained.length, delayed.length],
      [report.sessions, report.queued, report.retained, report.delayed],
      `seed ${seed}`,
    );
  }
  assert.ok(damaged > 20);
});

test("a check ends when its signal says so, and lets the directory go", () => {
  const { world } = used(3, 40);
  const reason = new Error("enough");
  const signal = {
    throwIfAborted: (): void => {
      throw reason;
    },
  };
  assert.throws(() => world.settle(stopped(world).check({ signal })), reason);
  assert.equal(check(world).report.opens, true);
});
