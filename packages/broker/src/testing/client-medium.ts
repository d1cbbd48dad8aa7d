import type { SessionChange, SessionStore } from "@sericite/client";
import type { SimulatedProcess } from "./event-scheduler.ts";
import type { Chance } from "./random.ts";

/** What lasts when the process of a simulated client dies. */
export class ClientMedium {
  readonly records: Map<string, Uint8Array> = new Map();
}

/** How slow a client's store is. */
export interface ClientStoreFaults {
  /** Share of writes that take long, 0…1. */
  readonly delay: number;
  /** How long, at most. Milliseconds. */
  readonly delayMaximumMs: number;
}

/**
 * The session store of a simulated client: it keeps what it said it keeps, and of the write that a
 * crash interrupts all or nothing. Its answers are events of the client's process.
 */
export class SimulatedSessionStore implements SessionStore {
  readonly #process: SimulatedProcess;
  readonly #chance: Chance;
  readonly #medium: ClientMedium;
  readonly #faults: ClientStoreFaults;
  #writing: readonly SessionChange[] | undefined;
  #isDead = false;

  constructor(
    process: SimulatedProcess,
    chance: Chance,
    medium: ClientMedium,
    faults: ClientStoreFaults,
  ) {
    this.#process = process;
    this.#chance = chance;
    this.#medium = medium;
    this.#faults = faults;
  }

  open(): Promise<ReadonlyMap<string, Uint8Array>> {
    return new Promise((resolve) => {
      this.#process.post(() => resolve(new Map(this.#medium.records)), this.#delay());
    });
  }

  write(changes: readonly SessionChange[]): Promise<void> {
    if (this.#isDead) return new Promise(() => {});
    if (this.#writing !== undefined) this.#process.fail(new Error("two writes at a time"));
    this.#writing = changes;
    return new Promise((resolve) => {
      this.#process.post(() => {
        this.#keep();
        resolve();
      }, this.#delay());
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** The process has died. */
  crash(): void {
    if (this.#chance.happens(0.5)) this.#keep();
    this.#isDead = true;
  }

  #keep(): void {
    for (const { key, value } of this.#writing ?? []) {
      if (value === undefined) this.#medium.records.delete(key);
      else this.#medium.records.set(key, value.slice());
    }
    this.#writing = undefined;
  }

  #delay(): number {
    const { delay, delayMaximumMs } = this.#faults;
    return this.#chance.happens(delay) ? this.#chance.integer(1, delayMaximumMs) : 0;
  }
}
