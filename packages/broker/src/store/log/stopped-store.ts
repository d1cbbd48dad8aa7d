import { checkStore } from "./check.ts";
import type { CheckOptions, StoreReport } from "./check.ts";
import type { Disk } from "./disk.ts";
import type { LogRecord } from "./log-record.ts";
import type { StoreContent } from "./store-content.ts";
import { exportStore, statStore } from "./store-figures.ts";
import type { StoreFigures } from "./store-figures.ts";
import { whileLocked } from "./store-work.ts";
import type { StoreWork } from "./store-work.ts";
import { stepOf } from "./task.ts";
import type { Task } from "./task.ts";

/**
 * The store of a broker that does not run: to look at, and to take out what it keeps. Nothing in
 * the directory is changed but its lock, which is held meanwhile.
 *
 *     const { damage } = await new StoppedStore(new NodeDisk("/var/lib/sericite")).check();
 *
 * Every method rejects with a ConnectionError: ERR_STORE_LOCKED where a process has the directory,
 * ERR_STORE_NEWER where a newer version wrote it, ERR_STORE_DISK where the disk fails, and with the
 * signal's reason where it was ended by one.
 */
export class StoppedStore {
  readonly #disk: Disk;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  /** Reads everything and says what is damaged, what is lost and what can be saved. */
  check(options: CheckOptions = {}): Promise<StoreReport> {
    return this.#run(checkStore(this.#disk, options));
  }

  /**
   * Counts what is kept and what that takes.
   *
   * @param largest  Queues to list. Default 10.
   * @throws ConnectionError ERR_STORE_DAMAGED where a start would fail.
   */
  figures(largest: number = 10): Promise<StoreFigures> {
    return this.#run(statStore(this.#disk, largest));
  }

  /**
   * Gives all that is kept, in an order in which `LogStore.restore` may take it.
   *
   * @throws ConnectionError ERR_STORE_DAMAGED where not all can be read: `check` saves the rest.
   */
  export(save: (record: LogRecord) => void, work: StoreWork = {}): Promise<StoreContent> {
    return this.#run(exportStore(this.#disk, save, work));
  }

  #run<T>(work: Task<T>): Promise<T> {
    return this.#disk.promise(stepOf(whileLocked(this.#disk, work)));
  }
}
