import assert from "node:assert/strict";
import { EventScheduler } from "../../testing/event-scheduler.ts";
import type { SimulatedProcess } from "../../testing/event-scheduler.ts";
import { Chance } from "../../testing/random.ts";
import { NO_DISK_FAULTS, SimulatedDisk, SimulatedMedium } from "../../testing/simulated-disk.ts";
import { storeContract } from "../../testing/store-contract.ts";
import { LogStore } from "./log-store.ts";

const SMALL = {
  segmentBytes: 700,
  checkpointBytes: 1500,
  compactBelow: 0.5,
  compactSlack: 0,
  minimumFreeBytes: 0,
};

let seed = 0;
for (const [kind, faults, options] of [
  ["log on a good disk", NO_DISK_FAULTS, {}],
  ["log in small segments", NO_DISK_FAULTS, SMALL],
  [
    "log on a slow disk that writes short",
    { ...NO_DISK_FAULTS, delay: 0.5, delayMaximumMs: 50, shortWrite: 0.3 },
    SMALL,
  ],
] as const) {
  storeContract(kind, () => {
    const chance = Chance.ofSeed((seed += 1));
    const events = new EventScheduler(chance.random);
    const medium = new SimulatedMedium();
    let process: SimulatedProcess | undefined;
    return {
      store: () => {
        process = events.process("broker");
        return new LogStore(new SimulatedDisk(process, chance, medium, faults), options);
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
        medium.crash(chance);
      },
      close: () => undefined,
    };
  });
}
