import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import type { StoreRecord } from "../../engine/records.ts";
import { EventScheduler } from "../../testing/event-scheduler.ts";
import type { SimulatedProcess } from "../../testing/event-scheduler.ts";
import { Chance } from "../../testing/random.ts";
import { collectRecovery, RecordState } from "../../testing/record-state.ts";
import type { RecoveredState } from "../../testing/record-state.ts";
import { NO_DISK_FAULTS, SimulatedDisk, SimulatedMedium } from "../../testing/simulated-disk.ts";
import type { DiskFaults } from "../../testing/simulated-disk.ts";
import { LogStore } from "./log-store.ts";
import type { LogStoreOptions } from "./log-store-options.ts";
import { RecordMaker } from "./record-maker.test-support.ts";

interface Batch {
  readonly records: readonly StoreRecord[];
  readonly position: number;
}

/** Records and crashes at random moments, one after the other on one medium. */
class CrashRun {
  readonly #chance: Chance;
  readonly #events: EventScheduler;
  readonly #medium = new SimulatedMedium();
  readonly #options: Partial<LogStoreOptions>;
  readonly #faults: DiskFaults;
  readonly #maker: RecordMaker;
  /** Everything that may be on the medium, oldest first. */
  #batches: Batch[] = [];
  /** Of these, so many at least. */
  #sure = 0;
  /** Of the sure ones, those that were there at the last start. */
  #opened = 0;
  #process: SimulatedProcess | undefined;

  constructor(seed: number, options: Partial<LogStoreOptions>, faults: DiskFaults) {
    this.#chance = Chance.ofSeed(seed);
    this.#events = new EventScheduler(this.#chance.random);
    this.#options = options;
    this.#faults = faults;
    this.#maker = new RecordMaker(this.#chance.fork());
  }

  run(lives: number): void {
    for (let life = 0; life < lives; life += 1) this.#live();
    this.#open();
  }

  #live(): void {
    const chance = this.#chance;
    const store = this.#open();
    if (store === undefined) return;
    const now = this.#model(this.#batches.length);
    for (let turns = chance.integer(0, 25); turns > 0; turns -= 1) {
      const records = this.#maker.batch(now);
      let position = 0;
      for (const record of records) {
        position = store.append(record);
        now.apply(record);
        // A turn may be long: what was begun before it ends meanwhile.
        if (chance.happens(0.1)) this.#events.run(chance.integer(1, 20));
      }
      if (records.length > 0) this.#batches.push({ records, position });
      store.endTurn();
      if (chance.happens(0.2)) this.#read(store, now);
      if (chance.happens(0.1)) this.#medium.capacity = this.#medium.used + chance.integer(0, 500);
      if (chance.happens(0.2)) this.#medium.capacity = Infinity;
      if (chance.happens(0.5)) this.#pass();
      else this.#events.run(chance.integer(0, 5));
    }
    this.#medium.capacity = Infinity;
    if (chance.happens(0.2)) store.endTurn();
    this.#note(store);
    let open: Batch | undefined;
    if (chance.happens(0.1)) {
      const record = { type: "session-end", session: 1 } as const;
      open = { records: [record], position: store.append(record) };
    }
    this.#end(store, open);
  }

  /** Lets some time pass. */
  #pass(): void {
    this.#events.settle();
    if (this.#chance.happens(0.5)) this.#events.advance(this.#chance.integer(1, 3000));
  }

  #note(store: LogStore): void {
    while (
      this.#sure < this.#batches.length &&
      (this.#batches[this.#sure] as Batch).position <= store.durable
    )
      this.#sure += 1;
  }

  /** @param open  The batch that is not closed. */
  #end(store: LogStore, open: Batch | undefined): void {
    const how = this.#chance.weighted({ power: 5, kill: 2, close: 1 });
    if (how === "close") {
      // The store closes the open batch too.
      if (open !== undefined) this.#batches.push(open);
      let isClosed = false;
      store.close().then(
        () => {
          isClosed = true;
          this.#sure = this.#batches.length;
        },
        () => {
          isClosed = true;
        },
      );
      this.#events.advance(60_000);
      assert.ok(isClosed, "close never ended");
    }
    this.#process?.stop();
    if (how === "power") this.#losePower();
  }

  #losePower(): void {
    // Relaxed: durable says that it is written.
    if (this.#options.durability === "relaxed") this.#sure = this.#opened;
    this.#medium.crash(this.#chance);
  }

  /** @returns the next process's store; `undefined` where it died while it was opened. */
  #open(): LogStore | undefined {
    const process = (this.#process = this.#events.process("broker"));
    const disk = new SimulatedDisk(process, this.#chance, this.#medium, this.#faults);
    const store = new LogStore(disk, this.#options);
    const recovery = collectRecovery();
    let outcome: Error | "open" | undefined;
    store.open(recovery).then(
      () => {
        outcome = "open";
      },
      (error: Error) => {
        outcome = error;
      },
    );
    if (this.#chance.happens(0.1)) {
      for (let left = this.#chance.integer(1, 60); left > 0 && outcome === undefined; left -= 1)
        this.#events.run(1);
      // What was given back must last, however soon the power fails.
      if (outcome === "open") this.#match(recovery.state());
      if (outcome === undefined || outcome === "open") {
        process.stop();
        this.#losePower();
        return undefined;
      }
    }
    this.#events.advance(10_000);
    if (typeof outcome === "object" && "code" in outcome && outcome.code === "ERR_STORE_DISK")
      return undefined;
    if (outcome !== "open") throw outcome ?? new Error("the store was never opened");
    this.#match(recovery.state());
    this.#readAll(store, recovery.state());
    return store;
  }

  /** What came back must be what some number of whole batches means, all sure ones among them. */
  #match(state: RecoveredState): void {
    for (let count = this.#batches.length; count >= this.#sure; count -= 1) {
      const recovery = collectRecovery();
      this.#model(count).recover(recovery);
      if (!isDeepStrictEqual(recovery.state(), state)) continue;
      this.#batches = this.#batches.slice(0, count);
      this.#sure = count;
      this.#opened = count;
      return;
    }
    const recovery = collectRecovery();
    this.#model(this.#sure).recover(recovery);
    assert.deepEqual(state, recovery.state(), "neither what is sure nor more of the batches");
  }

  /** Every body that anything refers to is there. */
  #readAll(store: LogStore, state: RecoveredState): void {
    const model = this.#model(this.#batches.length);
    const read = <T>(promise: Promise<T>, expected: T): void => {
      let isRead = false;
      promise.then(
        (value) => {
          assert.deepEqual(value, expected);
          isRead = true;
        },
        (error: unknown) => this.#process?.fail(error),
      );
      this.#events.advance(1000);
      assert.ok(isRead, "a reading never ended");
    };
    for (const { session } of state.sessions)
      read(store.readQueue(session, 0, 1e9), {
        entries: model.queue(session),
        unreadable: [],
        next: undefined,
      });
    for (const { delayed, message } of state.delayed) {
      assert.deepEqual(message, model.message(delayed.message));
      read(store.readMessage(delayed.message), message);
    }
  }

  #model(count: number): RecordState {
    const model = new RecordState();
    for (const { records } of this.#batches.slice(0, count))
      for (const record of records) model.apply(record);
    return model;
  }

  #read(store: LogStore, now: RecordState): void {
    const session = this.#chance.integer(1, 4);
    const expected = now.queue(session);
    store.readQueue(session, 0, this.#chance.integer(1, 500)).then(
      (page) => {
        const { length } = page.entries;
        assert.deepEqual(page.entries, expected.slice(0, length));
        assert.equal(page.next, expected[length]?.sequence);
      },
      (error: unknown) => this.#process?.fail(error),
    );
    // One at a time: it has to end before the next.
    this.#events.settle();
    if (this.#faults.delay > 0) this.#events.advance(1000);
  }
}

const SMALL: Partial<LogStoreOptions> = {
  segmentBytes: 1500,
  segmentMessages: 20,
  checkpointBytes: 3000,
  writeBytes: 600,
  compactBelow: 0.5,
  compactSlack: 0,
  cacheBytes: 1024,
  blockBytes: 256,
  minimumFreeBytes: 0,
};
/** More with SERICITE_SEEDS, one alone with SERICITE_SEED. */
const SEEDS = 8;
const BAD: DiskFaults = {
  ...NO_DISK_FAULTS,
  shortWrite: 0.2,
  writeFailure: 0.03,
  flushFailure: 0.03,
};

for (const [name, options, faults, lives] of [
  ["a good disk", SMALL, NO_DISK_FAULTS, 8],
  ["a bad disk", SMALL, BAD, 8],
  ["a bad and slow disk", SMALL, { ...BAD, delay: 0.3, delayMaximumMs: 40 }, 8],
  ["large segments", { minimumFreeBytes: 0 }, BAD, 24],
  ["relaxed", { ...SMALL, durability: "relaxed", flushBytes: 2000 }, BAD, 8],
] as const)
  test(`crashes at any moment leave whole batches, and all durable ones: ${name}`, () => {
    const from = Number(process.env["SERICITE_SEED"] ?? 1);
    const one = process.env["SERICITE_SEED"] === undefined ? SEEDS : 1;
    const count = Number(process.env["SERICITE_SEEDS"] ?? one);
    for (let seed = from; seed < from + count; seed += 1) {
      try {
        new CrashRun(seed, options, faults).run(lives);
      } catch (cause) {
        throw new Error(`seed ${seed}: ${(cause as Error).message}`, { cause });
      }
    }
  });
