import assert from "node:assert/strict";
import { test } from "node:test";
import type { Position, QueueEntry, SessionKey, Store } from "../engine/ports.ts";
import type { RecoveredSession, StoreRecord } from "../engine/records.ts";
import { Chance } from "./random.ts";
import {
  A,
  B,
  beginRecord,
  enqueueRecord,
  messageRecord,
  RECORD_SEQUENCES,
  RecordMaker,
  sampleMessage,
  subscribeRecord,
} from "./record-samples.ts";
import { collectRecovery, RecordState } from "./record-state.ts";
import type { RecoveredState } from "./record-state.ts";

/** A store of one kind on a medium of its own, for one test. */
export interface StoreHarness {
  /** Another process's store on the same medium, not open yet. The one before was closed or crashed. */
  readonly store: () => Store;
  /** Lets events happen until `condition` holds. @throws where it never does. */
  readonly until: (condition: () => boolean) => Promise<void>;
  /** The process of the last store dies at this moment. */
  readonly crash: () => void | Promise<void>;
  readonly close: () => void | Promise<void>;
}

/** What a store gave back, with everything that it can be asked for. */
interface Content extends RecoveredState {
  /** In the order of `sessions`. */
  readonly queues: readonly (readonly QueueEntry[])[];
}

/** Opens the next process's store. @returns it, with what it gave back. */
async function open(harness: StoreHarness): Promise<{ store: Store; state: Content }> {
  const store = harness.store();
  const recovery = collectRecovery();
  await settle(harness, store.open(recovery));
  const state = recovery.state();
  const queues: QueueEntry[][] = [];
  for (const { session } of state.sessions)
    queues.push(await readAll(harness, store, session, 100_000));
  for (const { delayed, message } of state.delayed)
    assert.deepEqual(await settle(harness, store.readMessage(delayed.message)), message);
  return { store, state: { ...state, queues } };
}

/** What the model gives for these records. */
function expected(records: readonly StoreRecord[]): Content {
  const model = new RecordState();
  for (const record of records) model.apply(record);
  const recovery = collectRecovery();
  model.recover(recovery);
  const state = recovery.state();
  return {
    ...state,
    queues: state.sessions.map(({ session }) => model.queue(session)),
  };
}

/** Appends as one turn. @returns the batch's position. */
function turn(store: Store, records: readonly StoreRecord[]): Position {
  let position = 0;
  for (const record of records) position = store.append(record);
  store.endTurn();
  return position;
}

/** Waits for a promise that the harness's events settle. */
async function settle<T>(harness: StoreHarness, promise: Promise<T>): Promise<T> {
  let isSettled = false;
  const note = (): void => {
    isSettled = true;
  };
  // One of the platform's: the store's own may settle through events only.
  const settled = Promise.resolve(promise);
  settled.then(note, note);
  await harness.until(() => isSettled);
  return settled;
}

async function readAll(
  harness: StoreHarness,
  store: Store,
  session: SessionKey,
  maximumBytes: number,
): Promise<QueueEntry[]> {
  const entries: QueueEntry[] = [];
  let from: number | undefined = 0;
  while (from !== undefined) {
    const page: Awaited<ReturnType<Store["readQueue"]>> = await settle(
      harness,
      store.readQueue(session, from, maximumBytes),
    );
    assert.deepEqual(page.unreadable, []);
    assert.ok(page.entries.length > 0 || page.next === undefined, "an empty page in the middle");
    entries.push(...page.entries);
    assert.ok(page.next === undefined || page.next > from, "reading does not go on");
    from = page.next;
  }
  return entries;
}

/**
 * The contract of `Store`, as tests that crash and reopen it. A store that says that it is volatile
 * is held to having nothing to wait for and giving nothing back.
 *
 * @param kind  Its name, for the names of the tests.
 */
export function storeContract(
  kind: string,
  harness: () => StoreHarness | Promise<StoreHarness>,
): void {
  const on = (
    name: string,
    run: (harness: StoreHarness, isVolatile: boolean) => Promise<void>,
  ): void => {
    test(`${kind} store: ${name}`, async () => {
      const under = await harness();
      try {
        await run(under, under.store().isVolatile);
      } finally {
        await under.close();
      }
    });
  };

  on("a new one gives nothing back", async (under) => {
    const { store, state } = await open(under);
    assert.deepEqual(state, expected([]));
    assert.equal(store.state, "ok");
  });

  on(
    "records of one turn share a position, and the next turn's is higher",
    async (under, isVolatile) => {
      const { store } = await open(under);
      let last = store.durable;
      for (let round = 0; round < 5; round += 1) {
        const first = store.append(beginRecord(100 + round));
        const second = store.append(messageRecord(round + 1));
        store.endTurn();
        assert.equal(second, first);
        if (isVolatile) assert.equal(first, 0);
        else assert.ok(first > last, `position ${first} after ${last}`);
        last = first;
      }
    },
  );

  on(
    "durable rises to each position, only upwards, and onDurable tells after it rose",
    async (under, isVolatile) => {
      const { store } = await open(under);
      const told: Position[] = [];
      let isCalling = false;
      store.onDurable = () => {
        assert.equal(isCalling, false, "onDurable came from inside append or endTurn");
        told.push(store.durable);
      };
      let last = 0;
      for (let round = 0; round < 5; round += 1) {
        isCalling = true;
        last = turn(store, [beginRecord(100 + round), messageRecord(round + 1)]);
        isCalling = false;
        if (round === 2) await under.until(() => store.durable >= last);
      }
      await under.until(() => store.durable >= last && (isVolatile || told.length > 0));
      assert.deepEqual(
        told,
        [...told].sort((a, b) => a - b),
      );
      if (!isVolatile) assert.equal(told.at(-1), store.durable);
    },
  );

  on("an empty turn is no batch", async (under) => {
    const { store } = await open(under);
    store.endTurn();
    store.endTurn();
    const position = turn(store, [beginRecord(A)]);
    await under.until(() => store.durable >= position);
  });

  for (const [type, records] of Object.entries(RECORD_SEQUENCES)) {
    on(`what ${type} says is there after a crash`, async (under, isVolatile) => {
      const { store } = await open(under);
      // Each record in a batch of its own, then all of them in one.
      let position = 0;
      for (const record of records) position = turn(store, [record]);
      await under.until(() => store.durable >= position);
      await under.crash();
      const { state } = await open(under);
      assert.deepEqual(state, expected(isVolatile ? [] : records));
    });
  }

  on(
    "all record types in one batch are there after a crash, and after another",
    async (under, isVolatile) => {
      const records = Object.values(RECORD_SEQUENCES)
        .flat()
        .map((record, index) =>
          "session" in record ? { ...record, session: record.session + 100 * index } : record,
        );
      const { store } = await open(under);
      const position = turn(store, records);
      await under.until(() => store.durable >= position);
      await under.crash();
      assert.deepEqual((await open(under)).state, expected(isVolatile ? [] : records));
      await under.crash();
      assert.deepEqual((await open(under)).state, expected(isVolatile ? [] : records));
    },
  );

  on("a batch that was not closed is not there after a crash", async (under, isVolatile) => {
    const { store } = await open(under);
    const position = turn(store, [beginRecord(A)]);
    store.append(beginRecord(B));
    store.append({ type: "session-end", session: A });
    await under.until(() => store.durable >= position);
    await under.crash();
    assert.deepEqual((await open(under)).state, expected(isVolatile ? [] : [beginRecord(A)]));
  });

  on(
    "a crash keeps whole batches, in order, and all that were durable",
    async (under, isVolatile) => {
      for (let round = 0; round < 10; round += 1) {
        const { store, state: before } = await open(under);
        const batches: StoreRecord[][] = [];
        const positions: Position[] = [];
        for (let count = 0; count < 4; count += 1) {
          const session = 1000 * round + 10 * count;
          batches.push([
            beginRecord(session + 1),
            beginRecord(session + 2),
            beginRecord(session + 3),
          ]);
          positions.push(turn(store, batches[count] as StoreRecord[]));
          const first = positions[0] as Position;
          if (count === round % 4) await under.until(() => store.durable >= first);
        }
        const { durable } = store;
        await under.crash();
        const { state: after } = await open(under);
        await under.crash();
        const added = after.sessions.length - before.sessions.length;
        if (isVolatile) {
          assert.equal(added, 0);
          continue;
        }
        assert.equal(added % 3, 0, "a part of a batch survived");
        const kept = batches.slice(0, added / 3).flat();
        assert.deepEqual(
          after.sessions.slice(before.sessions.length).map((session) => session.session),
          kept.map((record) => ("session" in record ? record.session : undefined)),
        );
        assert.ok(
          positions.filter((position) => position <= durable).length <= added / 3,
          "a durable batch is gone",
        );
      }
    },
  );

  on("what a closed store took is there when it is opened again", async (under, isVolatile) => {
    const { store } = await open(under);
    turn(store, [beginRecord(A), subscribeRecord(A, "a/#")]);
    await settle(under, store.close());
    assert.deepEqual(
      (await open(under)).state,
      expected(isVolatile ? [] : [beginRecord(A), subscribeRecord(A, "a/#")]),
    );
  });

  on(
    "a queue is read in pages, in order, from unwritten batches too",
    async (under, isVolatile) => {
      const { store } = await open(under);
      const records: StoreRecord[] = [beginRecord(A), beginRecord(B)];
      for (let number = 1; number <= 40; number += 1) {
        records.push(messageRecord(number), enqueueRecord(A, number, number));
        if (number % 3 === 0) records.push(enqueueRecord(B, number, number));
        if (number % 5 === 0) records.push({ type: "settled", session: A, sequence: number - 2 });
      }
      const model = new RecordState();
      for (const [index, record] of records.entries()) {
        store.append(record);
        model.apply(record);
        if (index % 7 === 0) store.endTurn();
      }
      for (const maximumBytes of [1, 300, 100_000]) {
        for (const session of [A, B, 999]) {
          const entries = await readAll(under, store, session, maximumBytes);
          assert.deepEqual(entries, isVolatile ? [] : model.queue(session));
        }
      }
      if (isVolatile) return;
      const page = await settle(under, store.readQueue(A, 0, 1));
      assert.equal(page.entries.length, 1, "a page has at least one entry");
      const small = await settle(under, store.readQueue(A, 0, 500));
      assert.ok(small.entries.length < 40 && small.next !== undefined);
    },
  );

  on("a queue is read after a crash as before it", async (under, isVolatile) => {
    if (isVolatile) return;
    const { store } = await open(under);
    const records = [
      beginRecord(A),
      ...[1, 2, 3].flatMap((number) => [messageRecord(number), enqueueRecord(A, number, number)]),
    ];
    const position = turn(store, records);
    await under.until(() => store.durable >= position);
    await under.crash();
    const model = new RecordState();
    for (const record of records) model.apply(record);
    assert.deepEqual(await readAll(under, (await open(under)).store, A, 1000), model.queue(A));
  });

  on(
    "readMessage gives the message, and refuses one that is not there",
    async (under, isVolatile) => {
      const { store } = await open(under);
      turn(store, [beginRecord(A), messageRecord(5), enqueueRecord(A, 0, 5)]);
      if (!isVolatile)
        assert.deepEqual(await settle(under, store.readMessage(5)), sampleMessage(5));
      await assert.rejects(settle(under, store.readMessage(6)));
    },
  );

  on("the bytes of a message are the caller's again after append", async (under, isVolatile) => {
    const { store } = await open(under);
    const message = sampleMessage(4);
    store.append(beginRecord(A));
    store.append({ type: "message", message });
    message.payload.fill(0);
    message.properties.fill(0);
    store.append(enqueueRecord(A, 1, 4));
    message.payload.fill(1);
    store.endTurn();
    message.payload.fill(2);
    const entries = await readAll(under, store, A, 1000);
    assert.deepEqual(
      entries.map((entry) => entry.message),
      isVolatile ? [] : [sampleMessage(4)],
    );
  });

  on("a queue is given back with about the bytes of its messages", async (under, isVolatile) => {
    if (isVolatile) return;
    const { store } = await open(under);
    const records = [beginRecord(A)];
    for (let number = 1; number <= 20; number += 1)
      records.push(messageRecord(number), enqueueRecord(A, number, number));
    const position = turn(store, records);
    await under.until(() => store.durable >= position);
    await under.crash();
    const again = under.store();
    const sizes: number[] = [];
    const recovery = {
      ...collectRecovery(),
      session: ({ queue }: RecoveredSession) => void sizes.push(queue.bytes),
    };
    await settle(under, again.open(recovery));
    let payloads = 0;
    for (let number = 1; number <= 20; number += 1)
      payloads += sampleMessage(number).payload.length;
    assert.equal(sizes.length, 1);
    const [size] = sizes as [number];
    assert.ok(
      size >= payloads && size <= payloads + 20 * 200,
      `${size} for ${payloads} of payload`,
    );
  });

  on(
    "random records give back what the model gives, crash after crash",
    async (under, isVolatile) => {
      const chance = Chance.ofSeed(20);
      const batches: StoreRecord[][] = [];
      const maker = new RecordMaker(chance);
      for (let round = 0; round < 12; round += 1) {
        const { store, state } = await open(under);
        if (!isVolatile) assert.deepEqual(state, expected(batches.flat()), `round ${round}`);
        else assert.deepEqual(state, expected([]));
        let position = 0;
        for (let count = chance.integer(1, 10); count > 0; count -= 1) {
          const batch = maker.batch();
          batches.push(batch);
          position = turn(store, batch);
        }
        await under.until(() => store.durable >= position);
        await under.crash();
      }
    },
  );
}
