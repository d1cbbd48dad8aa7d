import assert from "node:assert/strict";
import type { StoredMessage } from "../../engine/ports.ts";
import type { StoreRecord } from "../../engine/records.ts";
import { EventScheduler } from "../../testing/event-scheduler.ts";
import type { SimulatedProcess } from "../../testing/event-scheduler.ts";
import { Chance } from "../../testing/random.ts";
import { collectRecovery } from "../../testing/record-state.ts";
import type { RecoveredState } from "../../testing/record-state.ts";
import { SimulatedDisk, SimulatedMedium } from "../../testing/simulated-disk.ts";
import { LogStore } from "./log-store.ts";
import type { LogStoreOptions } from "./log-store-options.ts";

/** A store that was opened in a `LogWorld`. */
export interface OpenStore {
  readonly store: LogStore;
  readonly disk: SimulatedDisk;
  readonly process: SimulatedProcess;
  /** What it gave back. */
  readonly state: RecoveredState;
  /** What it told of trouble. */
  readonly trouble: Error[];
}

/** A simulated machine with one disk, on which stores are opened one after the other. */
export class LogWorld {
  readonly chance: Chance;
  readonly events: EventScheduler;
  medium = new SimulatedMedium();

  constructor(seed: number = 1) {
    this.chance = Chance.ofSeed(seed);
    this.events = new EventScheduler(this.chance.random);
  }

  /** Opens a store. @throws what `open` fails with. */
  open(options: Partial<LogStoreOptions> = {}): OpenStore {
    const process = this.events.process("broker");
    const disk = new SimulatedDisk(process, this.chance, this.medium);
    const store = new LogStore(disk, { minimumFreeBytes: 0, ...options });
    const trouble: Error[] = [];
    store.onTrouble = (error) => trouble.push(error);
    const recovery = collectRecovery();
    this.settle(store.open(recovery));
    return { store, disk, process, state: recovery.state(), trouble };
  }

  /** Lets events happen until a promise is settled. @returns its value. @throws its error. */
  settle<T>(promise: Promise<T>): T {
    let outcome: { value: T } | { error: unknown } | undefined;
    promise.then(
      (value) => {
        outcome = { value };
      },
      (error: unknown) => {
        outcome = { error };
      },
    );
    this.events.settle();
    if (outcome === undefined) this.events.advance(60_000);
    assert.ok(outcome !== undefined, "a promise was never settled");
    if ("error" in outcome) throw outcome.error;
    return (outcome as { value: T }).value;
  }

  /** The power fails. */
  crash({ process }: OpenStore): void {
    process.stop();
    this.medium.crash(this.chance);
  }

  /** The process is killed; what it wrote stays. */
  kill({ process }: OpenStore): void {
    process.stop();
  }

  /** Names of the files of a kind, in order. */
  files(kind: "log" | "idx" | "ckp"): string[] {
    return [...this.medium.files.keys()].filter((name) => name.endsWith(kind)).sort();
  }
}

/** Appends as one turn. @returns its position. */
export function turn(store: LogStore, ...records: readonly StoreRecord[]): number {
  let position = 0;
  for (const record of records) position = store.append(record);
  store.endTurn();
  return position;
}

/** A session's beginning. */
export function begin(session: number): StoreRecord {
  return {
    type: "session-begin",
    session,
    clientId: `client-${session}`,
    epoch: 1,
    username: undefined,
    sessionExpiryInterval: 100,
    isTrusted: false,
    inFlightMaximum: 20,
  };
}

/** A message of so many bytes, and one entry for each session. */
export function publish(
  number: number,
  bytes: number,
  entries: Readonly<Record<number, number>>,
): StoreRecord[] {
  return [
    { type: "message", message: messageOf(number, bytes) },
    ...Object.entries(entries).map(([session, sequence]): StoreRecord => ({
      type: "enqueue",
      session: Number(session),
      sequence,
      message: number,
      qos: 1,
      retain: false,
      subscriptionIdentifiers: [],
      share: "",
    })),
  ];
}

/** A message whose content follows from its number. */
export function messageOf(number: number, bytes: number): StoredMessage {
  return {
    number,
    topicName: `t/${number}`,
    payload: new Uint8Array(bytes).fill(number),
    qos: 1,
    retain: false,
    properties: new Uint8Array(),
    publisher: "p",
    expiresAt: Infinity,
  };
}

/** An entry is done with. */
export function settled(session: number, sequence: number): StoreRecord {
  return { type: "settled", session, sequence };
}
