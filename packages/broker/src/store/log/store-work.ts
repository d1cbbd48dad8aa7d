import type { Disk, Step } from "./disk.ts";
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

/** Runs work with the directory's lock. The lock goes when the work is done, or has failed. */
export function* whileLocked<T>(disk: Disk, work: Task<T>): Task<T> {
  yield* wait(disk.lock());
  try {
    return yield* work;
  } finally {
    yield* wait(disk.unlock());
  }
}
