import type { StoreState } from "../../engine/ports.ts";
import type { Disk } from "./disk.ts";
import { storeError } from "./error-codes.ts";
import type { LogStoreOptions } from "./log-store-options.ts";
import { stepOf, wait } from "./task.ts";
import type { Task } from "./task.ts";

/** Free space is asked for after so much was appended at the latest. Bytes. */
const FREE_EVERY = 16 << 20;
/** The same where little is to be kept free: often enough not to write all of that meanwhile. */
const FREE_SHARE = 1 / 4;
const FREE_EVERY_LEAST = 64 << 10;

/** What a store's state follows from. Sizes are bytes. */
export interface StoreCondition {
  /** The last write or flush failed. */
  readonly isFailing: boolean;
  readonly unflushedBytes: number;
  /** Of all segments. */
  readonly bytes: number;
  /** Since the start. */
  readonly appendedBytes: number;
}

/** What a `StoreHealth` tells; never from inside `look`. */
export interface StoreHealthEvents {
  changed(): void;
  /** Free space is known anew: look again. */
  asked(): void;
  failed(error: Error): void;
}

/** Whether a store takes durable messages: from its bounds, its disk's free space, and its failures. */
export class StoreHealth {
  readonly #disk: Disk;
  readonly #options: LogStoreOptions;
  readonly #events: StoreHealthEvents;
  readonly #askEvery: number;
  #state: StoreState = "ok";
  #told: StoreState = "ok";
  #freeBytes = Infinity;
  #bytes = 0;
  #askedAt = 0;
  #isAsking = false;
  #isStopped = false;

  constructor(disk: Disk, options: LogStoreOptions, events: StoreHealthEvents) {
    this.#disk = disk;
    this.#options = options;
    this.#events = events;
    const share = Math.max(FREE_EVERY_LEAST, options.minimumFreeBytes * FREE_SHARE);
    this.#askEvery = options.minimumFreeBytes === 0 ? FREE_EVERY : Math.min(FREE_EVERY, share);
  }

  get state(): StoreState {
    return this.#state;
  }

  /** The bound that keeps the store from taking durable messages. */
  get crossedBound(): Error | undefined {
    const { maximumBytes, minimumFreeBytes } = this.#options;
    if (this.#freeBytes < minimumFreeBytes)
      return storeError(
        "ERR_STORE_DISK_FULL",
        `${mebibytes(this.#freeBytes)} are free on the disk of ${this.#disk.name}, ` +
          `less than minimumFreeBytes, ${mebibytes(minimumFreeBytes)}`,
      );
    if (this.#bytes > maximumBytes)
      return storeError(
        "ERR_STORE_FULL",
        `${mebibytes(this.#bytes)} are in ${this.#disk.name}, ` +
          `more than maximumBytes, ${mebibytes(maximumBytes)}`,
      );
    return undefined;
  }

  look(condition: StoreCondition): void {
    this.#bytes = condition.bytes;
    if (condition.appendedBytes - this.#askedAt >= this.#askEvery) {
      this.#askedAt = condition.appendedBytes;
      this.#askSoon();
    }
    const next = this.#stateOf(condition);
    if (next === this.#state) return;
    this.#state = next;
    if (this.#isInTrouble) this.#askSoon();
    this.#disk.later(0, () => {
      if (this.#isStopped || this.#told === this.#state) return;
      this.#told = this.#state;
      this.#events.changed();
    });
  }

  /** Asks for the free space. */
  *ask(): Task<void> {
    this.#freeBytes = yield* wait(this.#disk.freeBytes());
  }

  stop(): void {
    this.#isStopped = true;
  }

  #stateOf({ isFailing, unflushedBytes, bytes }: StoreCondition): StoreState {
    const { slowBytes, maximumBytes, minimumFreeBytes } = this.#options;
    if (isFailing) return "refusing";
    if (this.#freeBytes < minimumFreeBytes || bytes > maximumBytes) return "full";
    if (unflushedBytes > slowBytes) return "slow";
    return this.#state === "slow" && unflushedBytes > slowBytes / 2 ? "slow" : "ok";
  }

  /** Asks now, and again while there is trouble. */
  #askSoon(): void {
    if (this.#isAsking || this.#isStopped) return;
    this.#isAsking = true;
    stepOf(this.ask())(
      () => {
        this.#isAsking = false;
        if (this.#isStopped) return;
        this.#events.asked();
        this.#askLater();
      },
      (error) => {
        this.#isAsking = false;
        this.#events.failed(error);
        this.#askLater();
      },
    );
  }

  get #isInTrouble(): boolean {
    return this.#state === "full" || this.#state === "refusing";
  }

  #askLater(): void {
    if (!this.#isInTrouble) return;
    this.#disk.later(this.#options.retryMs, () => {
      if (this.#isInTrouble) this.#askSoon();
    });
  }
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
