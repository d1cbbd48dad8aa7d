import { ConnectionError, UsageError } from "@sericite/protocol";
import type { SessionChange, SessionStore } from "../session-store.ts";

const objectStore = "session";
/** Time for a page that is going away to let go of the store. Milliseconds. */
const lockTimeoutMs = 2000;

/**
 * Keeps a session in the browser's IndexedDB, beyond a reload and the end of the page. One page at a
 * time has it.
 *
 * ```ts
 * await using client = await connect("wss://broker.example.com/mqtt", {
 *   clientId: "page-1",
 *   store: indexedDbStore("page-1"),
 * });
 * ```
 *
 * @param name  Of the database.
 */
export function indexedDbStore(name: string): SessionStore {
  return new IndexedDbStore(name);
}

class IndexedDbStore implements SessionStore {
  readonly #name: string;
  #database: IDBDatabase | undefined = undefined;
  #unlock: () => void = () => undefined;

  constructor(name: string) {
    this.#name = name;
  }

  async open(): Promise<ReadonlyMap<string, Uint8Array>> {
    await this.#lock();
    try {
      const opening = indexedDB.open(this.#name, 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore(objectStore);
      this.#database = await answer(opening);
      const store = this.#database.transaction(objectStore).objectStore(objectStore);
      const [keys, values] = await Promise.all([
        answer(store.getAllKeys()),
        answer(store.getAll() as IDBRequest<Uint8Array[]>),
      ]);
      return new Map(values.map((value, index) => [String(keys[index]), value]));
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  write(changes: readonly SessionChange[]): Promise<void> {
    return new Promise((resolve, reject) => {
      const database = this.#database;
      if (database === undefined)
        throw new UsageError("ERR_USAGE", `the database ${this.#name} is not open`);
      // Flushed to the disk before it is complete.
      const transaction = database.transaction(objectStore, "readwrite", { durability: "strict" });
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(failed(transaction.error));
      const store = transaction.objectStore(objectStore);
      for (const { key, value } of changes) {
        if (value === undefined) store.delete(key);
        // A copy: what a view is part of is kept with it otherwise.
        else store.put(value.slice(), key);
      }
      transaction.commit();
    });
  }

  close(): Promise<void> {
    this.#database?.close();
    this.#database = undefined;
    this.#unlock();
    return Promise.resolve();
  }

  /** Pages without a secure origin have no locks: there it is up to you that one page has the store. */
  async #lock(): Promise<void> {
    const { locks } = navigator as { readonly locks?: LockManager };
    if (locks === undefined) return;
    const released = new Promise<void>((resolve) => {
      this.#unlock = resolve;
    });
    await new Promise<void>((resolve, reject) => {
      locks
        .request(
          `sericite ${this.#name}`,
          { signal: AbortSignal.timeout(lockTimeoutMs) },
          async () => {
            resolve();
            await released;
          },
        )
        .catch((cause: unknown) =>
          reject(
            new UsageError("ERR_USAGE", `another page has the session store ${this.#name}`, {
              cause,
            }),
          ),
        );
    });
  }
}

function answer<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(failed(request.error));
  });
}

function failed(cause: unknown): ConnectionError {
  return new ConnectionError("ERR_STORE_FAILED", "IndexedDB failed", { cause });
}
