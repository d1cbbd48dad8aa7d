import assert from "node:assert/strict";
import { test } from "node:test";
import { EventScheduler } from "./event-scheduler.ts";
import type { SimulatedProcess } from "./event-scheduler.ts";
import { FaultMedium, FaultStore, NO_STORE_FAULTS } from "./fault-store.ts";
import { Chance } from "./random.ts";
import { collectRecovery } from "./record-state.ts";
import { sampleMessage } from "./record-samples.ts";
import { storeContract } from "./store-contract.ts";
import type { StoreHarness } from "./store-contract.ts";

let seed = 0;
for (const [kind, faults, tail] of [
  ["faultless", NO_STORE_FAULTS, 0],
  ["slow", { delay: 0.5, delayMaximumMs: 100 }, 0],
  ["slow, lucky", { delay: 0.5, delayMaximumMs: 100 }, 0.7],
] as const) {
  storeContract(kind, (): StoreHarness => {
    const chance = Chance.ofSeed((seed += 1));
    const events = new EventScheduler(chance.random);
    let medium = new FaultMedium();
    let process: SimulatedProcess | undefined;
    let store: FaultStore | undefined;
    return {
      store: () => {
        process = events.process("broker");
        return (store = new FaultStore(process, chance, medium, faults));
      },
      until: async (condition) => {
        await events.settleAsync();
        for (let steps = 0; !condition() && events.nextAt !== undefined; steps += 1) {
          assert.ok(steps < 10_000);
          await events.advanceAsync(events.nextAt - events.clock.now());
        }
        assert.ok(condition(), "the simulation is at rest, and what was waited for did not happen");
      },
      crash: () => {
        process?.stop();
        medium = (store as FaultStore).crash(tail);
      },
      close: () => undefined,
    };
  });
}

function opened(): { events: EventScheduler; process: SimulatedProcess; store: FaultStore } {
  const chance = Chance.ofSeed(1);
  const events = new EventScheduler(chance.random);
  const process = events.process("broker");
  const store = new FaultStore(process, chance);
  void store.open(collectRecovery());
  events.settle();
  return { events, process, store };
}

test("while it is stalled nothing becomes durable, then all of it does", () => {
  const { events, store } = opened();
  store.stall();
  const position = store.append({ type: "message", message: sampleMessage(1) });
  store.endTurn();
  events.advance(3_600_000);
  assert.equal(store.durable, 0);
  store.unstall();
  events.settle();
  assert.equal(store.durable, position);
});

test("a stall in the middle of a flush holds that flush", () => {
  const { events, store } = opened();
  store.append({ type: "message", message: sampleMessage(1) });
  store.endTurn();
  store.stall();
  events.settle();
  assert.equal(store.durable, 0);
  store.unstall();
  events.settle();
  assert.equal(store.durable, 1);
});

test("refusing keeps the unwritten tail and tells of each change", () => {
  const { events, store } = opened();
  const told: string[] = [];
  store.onState = () => told.push(store.state);
  store.enter("refusing");
  store.append({ type: "message", message: sampleMessage(1) });
  store.endTurn();
  events.settle();
  assert.equal(store.durable, 0);
  store.enter("ok");
  events.settle();
  assert.equal(store.durable, 1);
  assert.deepEqual(told, ["refusing", "ok"]);
});

test("its records can be looked at, durable or not", () => {
  const { events, store } = opened();
  store.append({ type: "message", message: sampleMessage(1) });
  store.endTurn();
  events.settle();
  store.append({ type: "message", message: sampleMessage(2) });
  assert.deepEqual(
    store.records.map(({ position }) => [position, position <= store.durable]),
    [
      [1, true],
      [2, false],
    ],
  );
});
