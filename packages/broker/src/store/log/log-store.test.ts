import assert from "node:assert/strict";
import { test } from "node:test";
import type { StoreRecord } from "../../engine/records.ts";
import { NO_DISK_FAULTS, SimulatedDisk } from "../../testing/simulated-disk.ts";
import { begin, LogWorld, messageOf, publish, settled, turn } from "./log-world.test-support.ts";
import { recover } from "./recover.ts";
import { stepOf } from "./task.ts";

test("a lone batch is written and flushed once", () => {
  const world = new LogWorld();
  const { store, disk } = world.open();
  turn(store, begin(1));
  world.events.settle();
  const before = { ...disk.counts };
  const position = turn(store, ...publish(1, 100, { 1: 1 }));
  world.events.settle();
  assert.equal(store.durable, position);
  assert.equal(disk.counts.write - before.write, 1);
  assert.equal(disk.counts.flush - before.flush, 1);
});

test("what is closed during a flush shares the next one", () => {
  const world = new LogWorld();
  const { store, disk } = world.open();
  turn(store, begin(1));
  world.events.settle();
  const before = { ...disk.counts };
  let position = 0;
  for (let number = 1; number <= 100; number += 1)
    position = turn(store, ...publish(number, 100, { 1: number }));
  world.events.settle();
  assert.equal(store.durable, position);
  assert.equal(disk.counts.flush - before.flush, 2);
});

test("a body is stored once however many sessions queue it", () => {
  const world = new LogWorld();
  const { store } = world.open();
  const sessions = Array.from({ length: 100 }, (_, index) => index + 1);
  turn(store, ...sessions.map(begin));
  const before = store.figures.appendedBytes;
  turn(store, ...publish(1, 10_000, Object.fromEntries(sessions.map((key) => [key, 1]))));
  assert.ok(store.figures.appendedBytes - before < 12_000);
  assert.equal(store.figures.messages, 1);
});

test("the disk's space comes back when a queue is drained", () => {
  const world = new LogWorld();
  const { store } = world.open({ segmentBytes: 10_000, checkpointBytes: 20_000 });
  turn(store, begin(1));
  for (let number = 1; number <= 200; number += 1)
    turn(store, ...publish(number, 1000, { 1: number }));
  world.events.settle();
  assert.ok(store.figures.bytes > 200_000);
  for (let number = 1; number <= 200; number += 1) turn(store, settled(1, number));
  world.events.settle();
  assert.ok(store.figures.bytes < 25_000, `${store.figures.bytes} bytes are left`);
  assert.equal(store.figures.liveBytes, 0);
  assert.ok(world.medium.used < 30_000, `${world.medium.used} bytes are left on the disk`);
});

test("a session's end gives its queue's space back", () => {
  const world = new LogWorld();
  const { store } = world.open({ segmentBytes: 10_000, checkpointBytes: 20_000 });
  turn(store, begin(1));
  for (let number = 1; number <= 100; number += 1)
    turn(store, ...publish(number, 1000, { 1: number }));
  turn(store, { type: "session-end", session: 1 });
  world.events.advance(1000);
  assert.equal(store.figures.messages, 0);
  assert.ok(world.medium.used < 30_000, `${world.medium.used} bytes are left on the disk`);
});

test("what little is wanted of a segment is copied forward, and the segment goes", () => {
  const world = new LogWorld();
  const options = {
    segmentBytes: 10_000,
    checkpointBytes: 20_000,
    compactBelow: 0.5,
    compactSlack: 0,
  };
  const opened = world.open(options);
  const { store } = opened;
  turn(store, begin(1));
  for (let number = 1; number <= 100; number += 1)
    turn(store, ...publish(number, 1000, { 1: number }));
  // One in ten stays, in each segment.
  for (let number = 1; number <= 100; number += 1)
    if (number % 10 !== 0) turn(store, settled(1, number));
  for (let number = 101; number <= 130; number += 1)
    turn(store, ...publish(number, 1000, { 1: number }), settled(1, number));
  world.events.settle();
  assert.ok(store.figures.bytes < 50_000, `${store.figures.bytes} bytes are left`);
  const expected = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100];
  const page = world.settle(store.readQueue(1, 0, 1e6));
  assert.deepEqual(
    page.entries.map(({ message }) => message),
    expected.map((number) => messageOf(number, 1000)),
  );
  world.crash(opened);
  const again = world.open(options);
  const after = world.settle(again.store.readQueue(1, 0, 1e6));
  assert.deepEqual(after.entries, page.entries);
});

for (const [name, options, isCopied] of [
  ["while little space is wasted nothing is", {}, false],
  [
    "with a bound on what the store takes, much of that is not wasted",
    { maximumBytes: 50_000 },
    true,
  ],
  ["while the disk has too little left, all that is worth it is", { minimumFreeBytes: 1e9 }, true],
] as const)
  test(`copied forward: ${name}`, () => {
    const world = new LogWorld();
    world.medium.capacity = 1e8;
    const { store } = world.open({
      segmentBytes: 10_000,
      checkpointBytes: 10_000,
      compactSlack: 3,
      ...options,
    });
    turn(store, begin(1));
    for (let number = 1; number <= 40; number += 1)
      turn(store, ...publish(number, 1000, { 1: number }));
    // Of each of the first three segments something stays.
    for (let number = 1; number <= 30; number += 1)
      if (number % 9 !== 0) turn(store, settled(1, number));
    world.events.settle();
    assert.equal(store.figures.bytes < 30_000, isCopied, `${store.figures.bytes} bytes`);
    assert.equal(world.settle(store.readQueue(1, 0, 1e6)).entries.length, 13);
  });

test("copying forward waits for each step: it never fills the memory or the disk's queue", () => {
  const world = new LogWorld();
  const { store, disk } = world.open({
    segmentBytes: 4_000_000,
    checkpointBytes: 4_000_000,
    compactBelow: 0.5,
    compactSlack: 0,
  });
  let flushMs = 0;
  let most = 0;
  const create = disk.create.bind(disk);
  disk.create = (name) => (resolve, reject) =>
    create(name)((file) => {
      const flush = file.flush.bind(file);
      file.flush = () => (flushed, failed) =>
        void disk.later(flushMs, () => {
          if (flushMs > 0) most = Math.max(most, store.figures.unflushedBytes);
          flush()(flushed, failed);
        });
      resolve(file);
    }, reject);
  turn(store, begin(1));
  for (let number = 1; number <= 500; number += 1)
    turn(store, ...publish(number, 10_000, { 1: number }));
  world.events.settle();
  const { appendedBytes } = store.figures;
  // Reading is fast, flushing is not: whoever does not wait is far ahead soon.
  flushMs = 100;
  for (let number = 1; number <= 400; number += 1)
    if (number % 3 > 0) store.append(settled(1, number));
  store.endTurn();
  world.events.advance(60_000);
  assert.ok(store.figures.appendedBytes - appendedBytes > 1_000_000, "much was copied");
  assert.ok(most < 300_000, `${most} bytes were unflushed at once`);
});

test("a start reads no body of a segment before the checkpoint", () => {
  const world = new LogWorld();
  const options = { segmentBytes: 100_000, checkpointBytes: 200_000 };
  const opened = world.open(options);
  turn(opened.store, begin(1));
  for (let number = 1; number <= 1000; number += 1) {
    turn(opened.store, ...publish(number, 1000, { 1: number }));
    if (number % 20 === 0) world.events.settle();
  }
  world.crash(opened);
  const disk = new SimulatedDisk(world.events.process("reader"), world.chance, world.medium);
  const found = world.settle(disk.promise(stepOf(recover(disk))));
  assert.equal(found.state.messages.size, 1000);
  assert.ok(disk.bytesRead < 100_000, `${disk.bytesRead} bytes were read`);
  const again = world.open(options);
  const page = world.settle(again.store.readQueue(1, 500, 3000));
  assert.deepEqual(page.entries[0]?.message, messageOf(500, 1000));
});

test("with too much unwritten it is slow, and ok again later", () => {
  const world = new LogWorld();
  const { store } = world.open({ slowBytes: 10_000 });
  const told: string[] = [];
  store.onState = () => told.push(store.state);
  turn(store, begin(1));
  for (let number = 1; number <= 20; number += 1)
    turn(store, ...publish(number, 1000, { 1: number }));
  assert.equal(store.state, "slow");
  assert.deepEqual(told, [], "onState came from inside endTurn");
  world.events.settle();
  assert.equal(store.state, "ok");
  turn(store, begin(2));
  world.events.settle();
  assert.equal(told.at(-1) ?? "ok", "ok");
});

test("on a full disk it refuses, keeps all that it took, and goes on when there is room", () => {
  const world = new LogWorld();
  const opened = world.open({ retryMs: 1000 });
  const { store, trouble } = opened;
  turn(store, begin(1));
  world.events.settle();
  world.medium.capacity = world.medium.used + 2500;
  const told: string[] = [];
  store.onState = () => told.push(store.state);
  let position = 0;
  for (let number = 1; number <= 5; number += 1) {
    position = turn(store, ...publish(number, 1000, { 1: number }));
    world.events.settle();
  }
  assert.equal(store.state, "refusing");
  assert.ok(store.durable < position);
  assert.equal((trouble[0] as { code?: string }).code, "ERR_STORE_DISK_FULL");
  assert.equal(store.trouble, trouble.at(-1));
  // What was taken can be read all the same.
  assert.equal(world.settle(store.readQueue(1, 0, 1e6)).entries.length, 5);
  world.events.advance(60_000);
  assert.equal(store.state, "refusing");
  assert.ok(world.files("log").length <= 3, "each try leaves a file behind");
  world.medium.capacity = Infinity;
  world.events.advance(2000);
  assert.equal(store.state, "ok");
  assert.equal(store.durable, position);
  assert.deepEqual(told, ["refusing", "ok"]);
  assert.equal(store.trouble, undefined);
  world.crash(opened);
  assert.equal(world.settle(world.open().store.readQueue(1, 0, 1e6)).entries.length, 5);
});

test("it is full while less is free than must stay free, and still writes what it is given", () => {
  const world = new LogWorld();
  world.medium.capacity = 100_000;
  const { store } = world.open({ minimumFreeBytes: 200_000, retryMs: 1000 });
  assert.equal(store.state, "full");
  assert.equal((store.trouble as { code?: string }).code, "ERR_STORE_DISK_FULL");
  assert.match(
    store.trouble?.message ?? "",
    /0\.1 MiB are free .* less than minimumFreeBytes, 0\.2/,
  );
  const position = turn(store, begin(1));
  world.events.settle();
  assert.equal(store.durable, position);
  world.medium.capacity = 1_000_000;
  world.events.advance(2000);
  assert.equal(store.state, "ok");
});

test("what is written fast stops before the space that must stay free is used up, also where that is little", () => {
  const world = new LogWorld();
  world.medium.capacity = 2_000_000;
  const { store } = world.open({ minimumFreeBytes: 1_000_000, retryMs: 1000 });
  turn(store, begin(1));
  world.events.settle();
  let number = 0;
  while (store.state === "ok" && number < 200) {
    turn(store, ...publish(++number, 10_000, { 1: number }));
    world.events.settle();
  }
  assert.equal(store.state, "full");
  assert.ok(number > 90 && number < 130, `${number} messages were taken`);
});

test("it is full above its bound, and not below it", () => {
  const world = new LogWorld();
  const { store } = world.open({
    maximumBytes: 50_000,
    segmentBytes: 10_000,
    checkpointBytes: 10_000,
    retryMs: 100,
  });
  turn(store, begin(1));
  for (let number = 1; number <= 60; number += 1)
    turn(store, ...publish(number, 1000, { 1: number }));
  world.events.settle();
  assert.equal(store.state, "full");
  assert.equal((store.trouble as { code?: string }).code, "ERR_STORE_FULL");
  for (let number = 1; number <= 60; number += 1) turn(store, settled(1, number));
  world.events.advance(1000);
  assert.equal(store.state, "ok");
});

test("after a failed flush the file is never flushed again, and its tail goes to a new one", () => {
  const world = new LogWorld();
  const opened = world.open({ retryMs: 1000 });
  const { store, disk } = opened;
  turn(store, begin(1), ...publish(1, 100, { 1: 1 }));
  world.events.settle();
  assert.deepEqual(world.files("log"), ["00000001.log"]);
  disk.faults = { ...NO_DISK_FAULTS, flushFailure: 1 };
  const position = turn(store, ...publish(2, 100, { 1: 2 }));
  world.events.settle();
  assert.equal(store.state, "refusing");
  assert.ok(store.durable < position);
  disk.faults = NO_DISK_FAULTS;
  // A second flush of the same file would fail the simulation.
  world.events.advance(1000);
  assert.equal(store.durable, position);
  assert.deepEqual(world.files("log"), ["00000001.log", "00000002.log"]);
  world.crash(opened);
  const { store: again } = world.open();
  assert.deepEqual(
    world.settle(again.readQueue(1, 0, 1e6)).entries.map(({ message }) => message.number),
    [1, 2],
  );
});

test("a checkpoint that fails is tried again later, and nothing is removed before it is there", () => {
  const world = new LogWorld();
  const opened = world.open({ segmentBytes: 5000, checkpointBytes: 10_000, retryMs: 1000 });
  const { store, disk, trouble } = opened;
  turn(store, begin(1));
  for (let number = 1; number <= 8; number += 1)
    turn(store, ...publish(number, 1000, { 1: number }));
  world.events.settle();
  assert.deepEqual(world.files("ckp"), []);
  const create = disk.create.bind(disk);
  let tries = 0;
  disk.create = (name) => {
    if (!name.endsWith("ckp")) return create(name);
    tries += 1;
    return (_resolve, reject) => void disk.later(0, () => reject(new Error("no")));
  };
  for (let number = 9; number <= 20; number += 1) {
    turn(store, ...publish(number, 1000, { 1: number }), settled(1, number - 8));
    world.events.settle();
  }
  assert.equal(tries, 1);
  assert.equal(trouble.length, 1);
  assert.ok(world.files("log").includes("00000001.log"));
  assert.equal(store.state, "ok", "the log itself is well");
  disk.create = create;
  world.events.advance(2000);
  assert.equal(world.files("ckp").length, 1);
  assert.ok(!world.files("log").includes("00000001.log"));
});

test("relaxed: a batch is durable once it is written, and is flushed within a second", () => {
  const world = new LogWorld();
  const { store, disk } = world.open({ durability: "relaxed" });
  turn(store, begin(1));
  world.events.settle();
  const before = disk.counts.flush;
  const position = turn(store, begin(2));
  world.events.settle();
  assert.equal(store.durable, position);
  assert.equal(disk.counts.flush, before);
  world.events.advance(1000);
  assert.equal(disk.counts.flush, before + 1);
  world.events.advance(10_000);
  assert.equal(disk.counts.flush, before + 1, "with nothing new there is nothing to flush");
});

test("many restarts leave few files, and every message", () => {
  const world = new LogWorld();
  for (let number = 1; number <= 150; number += 1) {
    const opened = world.open();
    if (number === 1) turn(opened.store, begin(1));
    turn(opened.store, ...publish(number, 100, { 1: number }));
    world.events.advance(2000);
    if (number % 2 === 0) world.crash(opened);
    else world.kill(opened);
  }
  assert.ok(world.medium.files.size < 100, `${world.medium.files.size} files`);
  assert.ok(world.files("log").length < 45, `${world.files("log").length} segments`);
  const { entries } = world.settle(world.open().store.readQueue(1, 0, 1e9));
  assert.deepEqual(
    entries.map(({ message }) => message),
    Array.from({ length: 150 }, (_, index) => messageOf(index + 1, 100)),
  );
});

test("a directory that a living process has is refused; a dead one's is taken over", () => {
  const world = new LogWorld();
  const first = world.open();
  assert.throws(() => world.open(), { code: "ERR_STORE_LOCKED", message: /broker/ });
  turn(first.store, begin(1));
  world.events.settle();
  world.kill(first);
  assert.equal(world.open().state.sessions.length, 1);
});

test("a record that cannot be written is refused, and leaves nothing behind", () => {
  const world = new LogWorld();
  const opened = world.open();
  const { store } = opened;
  const bad = { ...begin(2), clientId: "lone \uD800" } as StoreRecord;
  assert.throws(() => store.append(bad), { code: "ERR_USAGE" });
  store.endTurn();
  turn(store, begin(1));
  store.append(begin(3));
  assert.throws(() => store.append(bad), { code: "ERR_USAGE" });
  assert.throws(() =>
    store.append({ type: "message", message: { ...messageOf(1, 10), topicName: "\uDC00" } }),
  );
  const position = store.append(begin(4));
  store.endTurn();
  world.events.settle();
  assert.equal(store.durable, position);
  world.crash(opened);
  assert.deepEqual(
    world.open().state.sessions.map(({ session }) => session),
    [1, 3, 4],
  );
});

test("a closed store takes nothing more", () => {
  const world = new LogWorld();
  const { store } = world.open();
  turn(store, begin(1));
  world.settle(store.close());
  for (const use of [
    () => void store.append(begin(2)),
    () => void store.readMessage(1),
    () => void store.readQueue(1, 0, 1),
  ])
    assert.throws(use, { code: "ERR_STORE_CLOSED" });
  assert.equal(world.open().state.sessions.length, 1);
});

test("closing on a failing disk says so and lets the directory go", () => {
  const world = new LogWorld();
  const { store, disk } = world.open();
  turn(store, begin(1));
  world.events.settle();
  disk.faults = { ...NO_DISK_FAULTS, flushFailure: 1 };
  turn(store, begin(2));
  assert.throws(() => world.settle(store.close()), { code: "ERR_STORE_DISK" });
  assert.ok(world.open().state.sessions.length >= 1);
});

test("a body that is damaged is told with its segment, and the rest of the queue is read", () => {
  const world = new LogWorld();
  const { store, trouble } = world.open({ recentBytes: 0 });
  turn(
    store,
    begin(1),
    ...publish(1, 100, { 1: 1 }),
    begin(2),
    ...publish(2, 40_000, { 1: 2, 2: 1 }),
  );
  world.events.settle();
  const bytes = world.medium.read("00000001.log");
  bytes[100] = (bytes[100] as number) ^ 1;
  world.medium.files.get("00000001.log")?.seen.write(0, bytes);
  const page = world.settle(store.readQueue(1, 0, 1000));
  assert.deepEqual(page, { entries: [], unreadable: [1], next: 2 });
  const whole = world.settle(store.readQueue(1, 0, 100_000));
  assert.deepEqual(whole.unreadable, [1]);
  assert.deepEqual(
    whole.entries.map(({ message }) => message),
    [messageOf(2, 40_000)],
  );
  const told = {
    code: "ERR_STORE_DAMAGED",
    message: /^00000001\.log is damaged at byte \d+: message 1 /,
  };
  assert.throws(() => world.settle(store.readMessage(1)), told);
  assert.equal(trouble.length, 3);
  for (const error of trouble)
    assert.throws(() => {
      throw error;
    }, told);
  assert.equal(world.settle(store.readMessage(2)).payload.length, 40_000);
});

test("a disk that cannot read fails the reader, and says nothing of damage", () => {
  const world = new LogWorld();
  const { store, disk } = world.open({ recentBytes: 0 });
  turn(store, begin(1), ...publish(1, 100, { 1: 1 }));
  world.events.settle();
  disk.faults = { ...NO_DISK_FAULTS, readFailure: 1 };
  assert.throws(() => world.settle(store.readQueue(1, 0, 1000)), { code: "ERR_STORE_DISK" });
  disk.faults = NO_DISK_FAULTS;
  const page = world.settle(store.readQueue(1, 0, 1000));
  assert.deepEqual(page.unreadable, []);
  assert.equal(page.entries.length, 1);
});

test("sessions whose messages lie between each other's share what is read", () => {
  const world = new LogWorld();
  const { store, disk } = world.open();
  const sessions = Array.from({ length: 50 }, (_, index) => index + 1);
  turn(store, ...sessions.map(begin));
  for (let number = 1; number <= 2000; number += 1)
    turn(store, ...publish(number, 1000, { [1 + (number % 50)]: number }));
  world.events.settle();
  const before = disk.counts.read;
  for (const session of sessions) {
    const { entries, next } = world.settle(store.readQueue(session, 0, 1e6));
    assert.equal(next, undefined);
    assert.equal(entries.length, 40);
    for (const { sequence, message } of entries)
      assert.deepEqual(message, messageOf(sequence, 1000));
  }
  const reads = disk.counts.read - before;
  assert.ok(reads < 400, `${reads} reads for 2000 messages`);
});
