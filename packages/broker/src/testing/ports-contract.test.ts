import assert from "node:assert/strict";
import { connectMemory } from "@sericite/protocol";
import { LocalOwnership, MemoryStore, NullBus } from "../store/index.ts";
import { authenticatorContract } from "./authenticator-contract.ts";
import { busContract } from "./bus-contract.ts";
import { EventScheduler } from "./event-scheduler.ts";
import { FaultAuthenticator } from "./fault-authenticator.ts";
import { FaultOwnership } from "./fault-ownership.ts";
import { LaggingBus } from "./lagging-bus.ts";
import { linkContract } from "./link-contract.ts";
import { ownershipContract } from "./ownership-contract.ts";
import { Chance } from "./random.ts";
import {
  SimulatedBus,
  SimulatedDirectory,
  SimulatedNetwork,
  SimulatedOwnership,
} from "./simulated-cluster.ts";
import { storeContract } from "./store-contract.ts";

/** A world in which time passes as long as a condition does not hold. */
function world(seed: number): {
  chance: Chance;
  events: EventScheduler;
  until: (condition: () => boolean) => Promise<void>;
  quiet: () => Promise<void>;
} {
  const chance = Chance.ofSeed(seed);
  const events = new EventScheduler(chance.random);
  const quiet = (): Promise<void> => events.advanceAsync(10_000);
  const until = async (condition: () => boolean): Promise<void> => {
    await quiet();
    assert.ok(condition(), "the simulation is at rest, and what was waited for did not happen");
  };
  return { chance, events, until, quiet };
}

linkContract("memory", () => {
  const { events, until, quiet } = world(1);
  return {
    open: async (handler, accept) => {
      const opening = connectMemory(accept, events.process("both"))(handler);
      await quiet();
      return opening;
    },
    until,
    quiet,
    close: () => undefined,
  };
});

storeContract("memory", () => {
  const { until } = world(1);
  return { store: () => new MemoryStore(), until, crash: () => undefined, close: () => undefined };
});

ownershipContract("local", () => ({ ownership: new LocalOwnership(), quiet: world(1).quiet }));

ownershipContract("late", () => {
  const { chance, events, quiet } = world(2);
  return { ownership: new FaultOwnership(events.process("broker"), chance, 0.7, 100), quiet };
});

busContract("null", () => ({ bus: new NullBus(), until: world(1).until }));

busContract("lagging", () => {
  const { chance, events, until } = world(3);
  return { bus: new LaggingBus(events.process("broker"), chance, 100), until };
});

busContract(
  "simulated",
  () => {
    const { chance, events, until } = world(5);
    const [buses, network] = [new Map<string, SimulatedBus>(), new SimulatedNetwork()];
    const bus = (node: string): SimulatedBus =>
      new SimulatedBus(node, buses, network, events.process("network"), chance, 100);
    return { bus: bus("here"), there: bus("there"), until };
  },
  true,
);

ownershipContract("simulated", () => {
  const { chance, events, quiet } = world(6);
  const directory = new SimulatedDirectory(new SimulatedNetwork());
  return {
    ownership: new SimulatedOwnership("here", directory, events.process("network"), chance),
    quiet,
  };
});

for (const [kind, faults] of [
  ["simple", { atOnce: 1, late: 0, never: 0, throws: 0, rejects: 0 }],
  ["late", { atOnce: 1, late: 3, never: 0, throws: 0, rejects: 0 }],
] as const) {
  authenticatorContract(kind, () => {
    const { chance, events, quiet } = world(4);
    const simple = {
      authenticate: ({
        username,
        password,
      }: {
        username: string | undefined;
        password: Uint8Array | undefined;
      }) =>
        username === "ada" &&
        password !== undefined &&
        new TextDecoder().decode(password) === "secret"
          ? ({ accepted: true } as const)
          : ({ accepted: false } as const),
    };
    return {
      authenticator: new FaultAuthenticator(events.process("broker"), chance, simple, faults, 100),
      username: "ada",
      password: "secret",
      allowsAnonymous: false,
      quiet,
    };
  });
}
