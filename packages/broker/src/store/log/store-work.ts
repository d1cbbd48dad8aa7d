import type { Disk, Step } from "./disk.ts";
import { storeError } from "./error-codes.ts";
import type { StoreErrorCode } from "./error-codes.ts";
import { wait } from "./task.ts";
import type { Task } from "./task.ts";

/** How far work on a whole store is. Bytes. */
export interface StoreProgress {
  /** Reading everything, giving or taking records, or copying what is wanted together. */
  readonly step: "check" | "copy" | "compact";
  readonly bytes: number;
  readonly ofBytes: number;
}

/** Work on a whole store that takes its time, as whoever asked for it sees it. */
export interface StoreWork {
  /** Called now and then. */
  readonly progress?: ((done: StoreProgress) => void) | undefined;
  /** Ends the work before its time: it then fails with the signal's reason. An `AbortSignal` is one. */
  readonly signal?: { throwIfAborted(): void } | undefined;
}

/** Says how far the work is, lets other things happen, and goes on unless it is to stop. */
export function* goOn(disk: Disk, work: StoreWork, done?: StoreProgress): Task<void> {
  if (done !== undefined) work.progress?.(done);
  yield* wait(pause(disk));
  work.signal?.throwIfAborted();
}

function pause(disk: Disk): Step<void> {
  return (resolve) => {
    disk.later(0, resolve);
  };
}

/**
 * Runs work that only reads, with the directory's lock. A directory that cannot be written needs
 * none, unless a lock is in it: nobody here can tell then whether its holder lives.
 */
export function* whileLocked<T>(disk: Disk, work: Task<T>): Task<T> {
  const isLocked = yield* takeLock(disk);
  try {
    return yield* work;
  } finally {
    if (isLocked) yield* wait(disk.unlock());
  }
}

function* takeLock(disk: Disk): Task<boolean> {
  try {
    yield* wait(disk.lock());
    return true;
  } catch (error) {
    const { code } = error as { code?: string };
    if (code !== ("ERR_STORE_READ_ONLY" satisfies StoreErrorCode)) throw error;
    const entries = yield* wait(disk.list());
    if (!entries.some(({ name }) => name === "lock")) return false;
    throw storeError(
      "ERR_STORE_LOCKED",
      `${disk.name} cannot be written and has a lock: whether its holder still runs cannot be told`,
      error,
    );
  }
}
