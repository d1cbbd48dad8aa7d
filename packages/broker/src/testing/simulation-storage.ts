import { LogStore } from "../store/log/log-store.ts";
import type { LogStoreOptions } from "../store/log/log-store-options.ts";
import type { SimulatedProcess } from "./event-scheduler.ts";
import { FaultMedium, FaultStore, NO_STORE_FAULTS } from "./fault-store.ts";
import type { StoreFaults } from "./fault-store.ts";
import type { Chance } from "./random.ts";
import { RecordedStore } from "./recorded-store.ts";
import { NO_DISK_FAULTS, SimulatedDisk, SimulatedMedium } from "./simulated-disk.ts";
import type { DiskFaults } from "./simulated-disk.ts";
import type { WatchedStore } from "./watched-store.ts";

/** "kill": the process dies, and what it wrote stays; "power": all that was not flushed may be lost. */
export type CrashKind = "kill" | "power";

/** Which trouble a store has: any, or mostly such that it takes nothing. */
export type Trouble = "any" | "refusing";

/** What outlives the broker of a simulation, and the store that works on it. */
export interface SimulationStorage {
  /** The store of the next life of the broker. */
  open(process: SimulatedProcess): WatchedStore;
  /** The process has died. */
  crash(kind: CrashKind): void;
  /** Makes trouble, or ends it. @returns what, for the list of steps. */
  disturb(trouble: Trouble): string;
  /** From now on it takes nothing. */
  refuse(): void;
  /** No trouble until `disturb`, and no faults until `spoil`. */
  calm(): void;
  /** Ends `calm`. */
  spoil(): void;
}

/** What becomes of a fault store. */
const FAULTS = {
  any: { stall: 5, unstall: 6, slow: 1, refusing: 1, ok: 2 },
  refusing: { stall: 1, unstall: 1, slow: 1, refusing: 5, ok: 4 },
} as const;

/** A store in memory whose medium lags, stalls and refuses. */
export class FaultStorage implements SimulationStorage {
  readonly #chance: Chance;
  readonly #faults: StoreFaults;
  readonly #medium = new FaultMedium();
  #store: FaultStore | undefined;

  constructor(chance: Chance, faults: StoreFaults) {
    this.#chance = chance;
    this.#faults = faults;
  }

  open(process: SimulatedProcess): FaultStore {
    return (this.#store = new FaultStore(process, this.#chance, this.#medium, this.#faults));
  }

  crash(kind: CrashKind): void {
    this.#store?.crash(kind === "kill" ? 1 : this.#chance.pick([0, 0, 0.5, 1]));
  }

  disturb(trouble: Trouble): string {
    const kind = this.#chance.weighted(FAULTS[trouble]);
    const store = this.#store;
    if (kind === "stall") store?.stall();
    else if (kind !== "unstall") store?.enter(kind);
    else if (store?.state !== "refusing") store?.unstall();
    return kind;
  }

  refuse(): void {
    this.#store?.enter("refusing");
  }

  calm(): void {
    const store = this.#store;
    if (store === undefined) return;
    store.faults = NO_STORE_FAULTS;
    store.enter("ok");
    store.unstall();
  }

  spoil(): void {
    if (this.#store !== undefined) this.#store.faults = this.#faults;
  }
}

/** Small, so that segments, checkpoints and copying forward come in a short run. */
const SMALL: Partial<LogStoreOptions> = {
  segmentBytes: 6000,
  segmentMessages: 40,
  checkpointBytes: 12_000,
  writeBytes: 2000,
  slowBytes: 20_000,
  compactBelow: 0.5,
  minimumFreeBytes: 0,
  retryMs: 200,
};

/** How a disk in trouble behaves. */
const BAD: DiskFaults = {
  ...NO_DISK_FAULTS,
  shortWrite: 0.3,
  writeFailure: 0.3,
  flushFailure: 0.3,
};

/** What becomes of a disk. */
const DISK_FAULTS = {
  any: { full: 2, room: 3, bad: 1, good: 3, slow: 2 },
  refusing: { full: 5, room: 3, bad: 1, good: 1, slow: 1 },
} as const;

/** The embedded log over a simulated disk. */
export class DiskStorage implements SimulationStorage {
  readonly #chance: Chance;
  readonly #faults: DiskFaults;
  readonly #medium = new SimulatedMedium();
  #disk: SimulatedDisk | undefined;
  #store: RecordedStore | undefined;

  constructor(chance: Chance, faults: DiskFaults) {
    this.#chance = chance;
    this.#faults = faults;
  }

  open(process: SimulatedProcess): RecordedStore {
    this.#disk = new SimulatedDisk(process, this.#chance, this.#medium, this.#faults);
    const log = new LogStore(this.#disk, SMALL);
    return (this.#store = new RecordedStore(log, process.clock, this.#store?.history));
  }

  crash(kind: CrashKind): void {
    if (kind === "power") this.#medium.crash(this.#chance);
    this.calm();
  }

  disturb(trouble: Trouble): string {
    const medium = this.#medium;
    const disk = this.#disk as SimulatedDisk;
    const kind = this.#chance.weighted(DISK_FAULTS[trouble]);
    const room = trouble === "refusing" ? 0 : this.#chance.integer(0, 2000);
    if (kind === "full") medium.capacity = medium.used + room;
    else if (kind === "room") medium.capacity = Infinity;
    else if (kind === "bad") disk.faults = BAD;
    else if (kind === "good") disk.faults = this.#faults;
    else disk.faults = { ...this.#faults, delay: 1, delayMaximumMs: 300 };
    return kind;
  }

  refuse(): void {
    this.#medium.capacity = this.#medium.used;
  }

  calm(): void {
    this.#medium.capacity = Infinity;
    if (this.#disk !== undefined) this.#disk.faults = NO_DISK_FAULTS;
  }

  spoil(): void {
    if (this.#disk !== undefined) this.#disk.faults = this.#faults;
  }
}
