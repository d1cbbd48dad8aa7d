import type { Scheduler } from "@sericite/protocol";
import { ConnectionError } from "@sericite/protocol";
import { Queue } from "./queue.ts";
import type { SessionChange, SessionStore } from "./session-store.ts";

/**
 * Writes the changes of a session to its store, one batch at a time: what is appended while one is
 * under way goes with the next. Each change has a *position*; what rests on it waits until that
 * position is safe.
 */
export class SessionJournal {
  readonly #store: SessionStore;
  readonly #scheduler: Scheduler;
  readonly #onSafe: () => void;
  readonly #onFailure: (error: Error) => void;
  #pending: SessionChange[] = [];
  #position = 0;
  #safe = 0;
  #isDue = false;
  #isWriting = false;
  #isClosing = false;
  #failure: ConnectionError | undefined = undefined;
  /** What rejects those who wait in `flush`. */
  readonly #flushes = new Set<(error: Error) => void>();
  readonly #waiting = new Queue<{ readonly position: number; readonly act: () => void }>();
  #closed: Promise<void> | undefined = undefined;
  #tellClosed: (() => void) | undefined = undefined;

  /**
   * @param onSafe  More is safe than before.
   * @param onFailure  The store failed: nothing becomes safe any more.
   */
  constructor(
    store: SessionStore,
    scheduler: Scheduler,
    onSafe: () => void,
    onFailure: (error: Error) => void,
  ) {
    this.#store = store;
    this.#scheduler = scheduler;
    this.#onSafe = onSafe;
    this.#onFailure = onFailure;
  }

  /** Position of the change that was appended last. */
  get position(): number {
    return this.#position;
  }

  /** Whether the change at `position` and all before it outlive the process. */
  isSafe(position: number): boolean {
    return position <= this.#safe;
  }

  /** Notes a change; it is written at the end of the turn. @returns its position. */
  append(key: string, value: Uint8Array | undefined): number {
    this.#pending.push({ key, value });
    if (!this.#isDue && !this.#isWriting) {
      this.#isDue = true;
      this.#scheduler.endOfTurn(() => {
        this.#isDue = false;
        this.#write();
      });
    }
    return ++this.#position;
  }

  /** Calls `act` when all that was appended until now is safe: at once, or later, in order. */
  whenSafe(act: () => void): void {
    if (this.isSafe(this.#position) && this.#waiting.length === 0) act();
    else this.#waiting.push({ position: this.#position, act });
  }

  /** Settles when all that was appended until now is safe. Rejects where it never will be. */
  flush(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) reject(this.#failure);
      else {
        this.#flushes.add(reject);
        this.whenSafe(() => {
          this.#flushes.delete(reject);
          resolve();
        });
      }
    });
  }

  /** Writes what is left, then closes the store. */
  close(): Promise<void> {
    this.#isClosing = true;
    this.#closed ??= new Promise((resolve) => {
      this.#tellClosed = resolve;
      if (!this.#isWriting) this.#write();
    });
    return this.#closed;
  }

  #write(): void {
    if (this.#isWriting) return;
    const changes = this.#pending;
    if (changes.length === 0) {
      if (this.#isClosing) this.#closeStore();
      return;
    }
    this.#pending = [];
    this.#isWriting = true;
    const position = this.#position;
    this.#store.write(changes).then(
      () => {
        this.#isWriting = false;
        this.#safe = position;
        this.#actOnSafe();
        this.#onSafe();
        this.#write();
      },
      (error: unknown) => {
        // It stays "writing": nothing may be kept behind a gap.
        this.#failure = new ConnectionError("ERR_STORE_FAILED", "the session store failed", {
          cause: error,
        });
        for (const reject of this.#flushes) reject(this.#failure);
        this.#flushes.clear();
        this.#onFailure(this.#failure);
        if (this.#isClosing) this.#closeStore();
      },
    );
  }

  #actOnSafe(): void {
    for (let first = this.#waiting.peek(); first !== undefined; first = this.#waiting.peek()) {
      if (first.position > this.#safe) return;
      this.#waiting.shift();
      first.act();
    }
  }

  #closeStore(): void {
    const tell = this.#tellClosed;
    this.#tellClosed = undefined;
    if (tell === undefined) return;
    // Everything is safe by now; what a store has to say at its end changes nothing.
    this.#store.close().then(tell, () => tell());
  }
}
