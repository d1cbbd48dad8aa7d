import type { SessionChange, SessionStore } from "../session-store.ts";

/** What outlives the "process" of a test: give it to one `MemoryStore` after the other. */
export type StoredRecords = Map<string, Uint8Array>;

/**
 * A `SessionStore` in memory whose process can be killed. By itself it keeps what it is given at once;
 * with `isHeld` each write waits for `release`, and is lost if there is none.
 */
export class MemoryStore implements SessionStore {
  readonly records: StoredRecords;
  isHeld = false;
  /** What the next write fails with. */
  failure: Error | undefined = undefined;
  isClosed = false;
  #held: (() => void)[] = [];

  constructor(records: StoredRecords = new Map()) {
    this.records = records;
  }

  open(): Promise<ReadonlyMap<string, Uint8Array>> {
    return Promise.resolve(new Map(this.records));
  }

  write(changes: readonly SessionChange[]): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return new Promise((resolve) => {
      const keep = (): void => {
        for (const { key, value } of changes) {
          if (value === undefined) this.records.delete(key);
          else this.records.set(key, value.slice());
        }
        resolve();
      };
      if (this.isHeld) this.#held.push(keep);
      else keep();
    });
  }

  /** Keeps what waits, and from now on everything at once. */
  release(): void {
    this.isHeld = false;
    for (const keep of this.#held.splice(0)) keep();
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}
