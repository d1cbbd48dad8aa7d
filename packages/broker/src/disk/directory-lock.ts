import {
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { storeError } from "../store/log/error-codes.ts";

/** The holder touches its lock so often. Milliseconds. */
const TOUCH_MS = 2000;
/** A lock of another machine that nobody touches for so long is stale. Milliseconds. */
const SILENT_MS = 5000;

/** What a lock file says of its holder. */
interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Of the running system; empty where the system has none. */
  readonly boot: string;
  /** When the process began, in the system's own count; empty where that cannot be known. */
  readonly began: string;
}

/** Locks that this process holds: its own process number in a lock says nothing by itself. */
const held = new Set<string>();

/**
 * A lock file that names the process that has a directory.
 *
 * It is stale, and taken over, where its process is gone: on this system that is looked up; a lock
 * of another system (a container before this one, a machine that shares the disk) is stale when
 * nobody has touched it for some seconds.
 */
export class DirectoryLock {
  readonly #path: string;
  readonly #directory: string;
  readonly #silentMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(directory: string, silentMs: number = SILENT_MS) {
    this.#directory = directory;
    this.#silentMs = silentMs;
    this.#path = join(directory, "lock");
  }

  /** @throws ConnectionError ERR_STORE_LOCKED. */
  async take(): Promise<void> {
    for (let attempt = 0; attempt < 3; attempt += 1) {
      if (this.#tryToMake()) {
        held.add(this.#path);
        this.#timer = setInterval(() => this.#touch(), TOUCH_MS);
        this.#timer.unref();
        return;
      }
      const text = readIfThere(this.#path);
      if (text === undefined) continue;
      const holder = parseHolder(text);
      if (held.has(this.#path) || (await this.#isAlive(holder))) throw this.#locked(holder);
      this.#remove(text);
    }
    throw this.#locked(parseHolder(readIfThere(this.#path) ?? ""));
  }

  release(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    held.delete(this.#path);
    if (readIfThere(this.#path) === describeSelf()) unlinkSync(this.#path);
  }

  /** The file comes into being with its content, or not at all. */
  #tryToMake(): boolean {
    const own = `${this.#path}.${process.pid}`;
    const fd = openSync(own, "w", 0o600);
    try {
      writeSync(fd, describeSelf());
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    try {
      linkSync(own, this.#path);
      return true;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "EEXIST") return false;
      throw cause;
    } finally {
      unlinkSync(own);
    }
  }

  /** Removes a stale lock; one that another process has made meanwhile is put back. */
  #remove(stale: string): void {
    const aside = `${this.#path}.${process.pid}.stale`;
    try {
      renameSync(this.#path, aside);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "ENOENT") return;
      throw cause;
    }
    if (readIfThere(aside) !== stale) linkSync(aside, this.#path);
    unlinkSync(aside);
  }

  async #isAlive(holder: Holder | undefined): Promise<boolean> {
    if (holder === undefined) return false;
    const self = ownHolder();
    if (holder.host === self.host && holder.boot === self.boot) {
      if (holder.pid === process.pid) return false;
      return isRunning(holder.pid) && beganOf(holder.pid) === holder.began;
    }
    const before = touchedAt(this.#path);
    await new Promise((resolve) => {
      setTimeout(resolve, this.#silentMs);
    });
    return touchedAt(this.#path) !== before;
  }

  #touch(): void {
    const now = new Date();
    try {
      utimesSync(this.#path, now, now);
    } catch {
      // The lock was removed by hand: it cannot be defended, and the files are still this process's.
      clearInterval(this.#timer);
    }
  }

  #locked(holder: Holder | undefined): Error {
    const by = holder === undefined ? "another process" : `process ${holder.pid} on ${holder.host}`;
    return storeError("ERR_STORE_LOCKED", `${this.#directory} is in use by ${by}`);
  }
}

function ownHolder(): Holder {
  return {
    pid: process.pid,
    host: hostname(),
    boot: readIfThere("/proc/sys/kernel/random/boot_id")?.trim() ?? "",
    began: beganOf(process.pid),
  };
}

function describeSelf(): string {
  return `${JSON.stringify(ownHolder())}\n`;
}

function parseHolder(text: string): Holder | undefined {
  try {
    const holder = JSON.parse(text) as Partial<Holder>;
    const { pid, host, boot, began } = holder;
    if (typeof pid !== "number" || typeof host !== "string") return undefined;
    return { pid, host, boot: String(boot), began: String(began) };
  } catch {
    // Not written by this software, or torn when the machine died: nobody holds it.
    return undefined;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** When a process began: tells it from a later one of the same number. */
function beganOf(pid: number): string {
  const stat = readIfThere(`/proc/${pid}/stat`);
  // The name in the second field may hold anything, blanks and brackets too.
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}

function touchedAt(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
