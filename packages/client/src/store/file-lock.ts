import { closeSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { UsageError } from "@sericite/protocol";

/** Locks that this process has. */
const taken = new Set<string>();

/** Keeps a second process from a file: a lock file with the process id of whoever has it. */
export class FileLock {
  readonly #path: string;
  #isTaken = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** @throws UsageError where a process that runs has the lock. */
  take(): void {
    if (taken.has(this.#path)) throw inUse(this.#path, process.pid);
    for (;;) {
      try {
        const fd = openSync(this.#path, "wx");
        writeSync(fd, `${process.pid}`);
        closeSync(fd);
        break;
      } catch (error) {
        if (!isCode(error, "EEXIST")) throw error;
        const owner = this.#owner();
        // A process that was killed leaves its lock. One with our own id, in a container, is such a one.
        if (owner !== undefined && owner !== process.pid && isRunning(owner))
          throw inUse(this.#path, owner);
        rmSync(this.#path, { force: true });
      }
    }
    taken.add(this.#path);
    this.#isTaken = true;
  }

  release(): void {
    if (!this.#isTaken) return;
    this.#isTaken = false;
    taken.delete(this.#path);
    rmSync(this.#path, { force: true });
  }

  #owner(): number | undefined {
    try {
      const processId = Number(readFileSync(this.#path, "latin1"));
      return Number.isInteger(processId) && processId > 0 ? processId : undefined;
    } catch (error) {
      if (isCode(error, "ENOENT")) return undefined;
      throw error;
    }
  }
}

function inUse(path: string, processId: number): UsageError {
  return new UsageError("ERR_USAGE", `process ${processId} has the session store (${path})`);
}

function isRunning(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    // Of another user: it runs.
    return isCode(error, "EPERM");
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
