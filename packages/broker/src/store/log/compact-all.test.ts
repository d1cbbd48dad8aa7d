import assert from "node:assert/strict";
import { test } from "node:test";
import { Chance } from "../../testing/random.ts";
import { collectRecovery, RecordState } from "../../testing/record-state.ts";
import { begin, LogWorld, publish, settled, turn } from "./log-world.test-support.ts";
import type { OpenStore } from "./log-world.test-support.ts";
import { RecordMaker } from "./record-maker.test-support.ts";

const SEGMENTED = { segmentBytes: 5000, checkpointBytes: 1e9, compactBelow: 0 };

/** Bytes of all files. */
function bytesOf(world: LogWorld): number {
  let bytes = 0;
  for (const name of world.medium.files.keys()) bytes += world.medium.read(name).length;
  return bytes;
}

/** A queue over several segments; of every three messages one is wanted still. */
function sparse(): { world: LogWorld; opened: OpenStore } {
  const world = new LogWorld();
  const opened = world.open(SEGMENTED);
  turn(opened.store, begin(1));
  for (let number = 1; number <= 60; number += 1) {
    turn(opened.store, ...publish(number, 400, { 1: number }));
    if (number % 3 !== 0) turn(opened.store, settled(1, number));
    world.events.settle();
  }
  return { world, opened };
}

test("compacting leaves little more than what is wanted, and loses nothing", () => {
  const { world, opened } = sparse();
  const before = bytesOf(world);
  const parts: number[] = [];
  world.settle(
    opened.store.compact({
      progress: ({ step, bytes, ofBytes }) => {
        assert.equal(step, "compact");
        parts.push(bytes / ofBytes);
      },
    }),
  );
  assert.ok(parts.length > 2);
  assert.deepEqual(
    parts,
    [...parts].sort((a, b) => a - b),
  );
  const after = bytesOf(world);
  assert.ok(after < before * 0.6, `${before} bytes before, ${after} after`);
  world.settle(opened.store.close());
  const { store, state } = world.open(SEGMENTED);
  assert.equal(state.sessions[0]?.queue.count, 20);
  assert.deepEqual(
    world.settle(store.readQueue(1, 0, 1e9)).entries.map(({ sequence }) => sequence),
    Array.from({ length: 20 }, (_, index) => 3 * (index + 1)),
  );
});

test("what was compacted is not copied again", () => {
  const { world, opened } = sparse();
  world.settle(opened.store.compact());
  world.settle(opened.store.close());
  const again = world.open(SEGMENTED);
  world.settle(again.store.compact());
  const before = bytesOf(world);
  const copied: number[] = [];
  world.settle(again.store.compact({ progress: ({ bytes }) => void copied.push(bytes) }));
  assert.ok(copied.length <= 1);
  assert.equal(bytesOf(world), before);
});

test("compacting ends between two segments when its signal says so; the store goes on", () => {
  const { world, opened } = sparse();
  let parts = 0;
  const signal = {
    throwIfAborted: (): void => {
      parts += 1;
      if (parts === 3) throw new Error("enough");
    },
  };
  assert.throws(() => world.settle(opened.store.compact({ signal })), /enough/);
  turn(opened.store, ...publish(61, 10, { 1: 61 }));
  world.settle(opened.store.compact());
  world.settle(opened.store.close());
  assert.equal(world.open().state.sessions[0]?.queue.count, 21);
});

test("killed or without power at any moment of compacting, a store keeps the same", () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const world = new LogWorld(seed);
    const chance = Chance.ofSeed(seed);
    const maker = new RecordMaker(chance);
    const now = new RecordState();
    const opened = world.open({ ...SEGMENTED, segmentBytes: 1500 });
    for (let count = 0; count < 40; count += 1) {
      const records = maker.batch(now);
      turn(opened.store, ...records);
      for (const record of records) now.apply(record);
    }
    world.events.settle();
    void opened.store.compact();
    world.events.run(chance.integer(0, 150));
    if (chance.happens(0.5)) world.crash(opened);
    else world.kill(opened);
    const { store, state } = world.open();
    const recovery = collectRecovery();
    now.recover(recovery);
    assert.deepEqual(state, recovery.state(), `seed ${seed}`);
    for (const { session } of state.sessions)
      assert.deepEqual(
        world.settle(store.readQueue(session, 0, 1e9)).entries,
        now.queue(session),
        `seed ${seed}`,
      );
  }
});
