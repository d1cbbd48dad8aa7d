import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname, resolve as resolvePath } from "node:path";
import { ConnectionError, UsageError } from "@sericite/protocol";
import type { SessionChange, SessionStore } from "../session-store.ts";
import { FileLock } from "./file-lock.ts";
import { decodeRecords, encodeRecord, encodedSize, magic } from "./store-records.ts";

/** How a file keeps a session. */
export interface FileStoreOptions {
  /**
   * Whether what is kept outlives a power cut too, and not only the process: it is flushed to the
   * disk (`fdatasync`) before it counts. Default true.
   */
  readonly flush?: boolean | undefined;
}

/** A log below this size is not written anew. Bytes. */
const smallestCompacted = 1024 * 1024;
/** How much larger than what it keeps a log may grow. */
const growth = 4;

/**
 * Keeps a session in a file: a log of changes, written anew when most of it is out of date. One
 * process at a time has it.
 *
 * ```ts
 * await using client = await connect("mqtt://127.0.0.1", {
 *   clientId: "meter-7",
 *   store: fileStore("/var/lib/meter/session"),
 * });
 * ```
 */
export function fileStore(path: string, options: FileStoreOptions = {}): SessionStore {
  return new FileStore(resolvePath(path), options.flush ?? true);
}

class FileStore implements SessionStore {
  readonly #path: string;
  readonly #isFlushed: boolean;
  readonly #lock: FileLock;
  /** What is kept: the log is written anew from it. */
  readonly #kept = new Map<string, Uint8Array>();
  #fd = -1;
  #size = 0;
  #keptSize = 0;

  constructor(path: string, isFlushed: boolean) {
    this.#path = path;
    this.#isFlushed = isFlushed;
    this.#lock = new FileLock(`${path}.lock`);
  }

  async open(): Promise<ReadonlyMap<string, Uint8Array>> {
    try {
      this.#lock.take();
    } catch (error) {
      // Whoever has it may be this very store: nothing of it is closed.
      throw cannotOpen(this.#path, error as Error);
    }
    try {
      this.#fd = openSync(this.#path, "a+");
      this.#read();
    } catch (error) {
      await this.close();
      throw cannotOpen(this.#path, error as Error);
    }
    return this.#kept;
  }

  async write(changes: readonly SessionChange[]): Promise<void> {
    if (this.#fd < 0) throw new UsageError("ERR_USAGE", `${this.#path} is not open`);
    for (const { key, value } of changes) this.#note(key, value);
    // At once: from here on the end of the process loses nothing.
    this.#append(encodeRecord(changes));
    if (this.#size > smallestCompacted && this.#size > growth * this.#keptSize) this.#compact();
    else if (this.#isFlushed) await flush(this.#fd);
  }

  async close(): Promise<void> {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
    this.#lock.release();
  }

  #read(): void {
    // Plain bytes: a slice of a Buffer is no copy.
    const bytes = new Uint8Array(readFileSync(this.#path));
    if (bytes.length < magic.length) {
      ftruncateSync(this.#fd, 0);
      this.#append(magic);
      if (this.#isFlushed) this.#flushDirectory();
      return;
    }
    const { changes, end } = decodeRecords(bytes, this.#path);
    for (const { key, value } of changes) this.#note(key, value);
    // A record that was being written when the process ended: nobody was told that it is kept.
    if (end < bytes.length) ftruncateSync(this.#fd, end);
    this.#size = end;
  }

  #note(key: string, value: Uint8Array | undefined): void {
    const previous = this.#kept.get(key);
    if (previous !== undefined) this.#keptSize -= encodedSize(key, previous);
    if (value === undefined) this.#kept.delete(key);
    else {
      this.#kept.set(key, value);
      this.#keptSize += encodedSize(key, value);
    }
  }

  #append(bytes: Uint8Array): void {
    writeAll(this.#fd, bytes);
    this.#size += bytes.length;
  }

  /** Writes what is kept to a new file, which then takes the place of the old one. */
  #compact(): void {
    const path = `${this.#path}.new`;
    const fd = openSync(path, "w");
    const changes = [...this.#kept].map(([key, value]) => ({ key, value }));
    const record = encodeRecord(changes);
    try {
      writeAll(fd, magic);
      writeAll(fd, record);
      // Before the name: a power cut must not leave the name with nothing behind it.
      fdatasyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(path, this.#path);
    this.#flushDirectory();
    closeSync(this.#fd);
    this.#fd = openSync(this.#path, "a+");
    this.#size = magic.length + record.length;
  }

  #flushDirectory(): void {
    // Windows has no such thing, and needs none.
    if (process.platform === "win32") return;
    const fd = openSync(dirname(this.#path), "r");
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }
}

/** What is mostly the matter where a file cannot be opened. */
const advice: Readonly<Record<string, string>> = {
  EISDIR: "it is a directory; give the name of a file in it",
  ENOENT: "its directory is not there; make it first",
  EACCES: "the user of this process may not write there",
};

function cannotOpen(path: string, cause: NodeJS.ErrnoException): ConnectionError | UsageError {
  if (cause instanceof UsageError) return cause;
  const why = advice[cause.code ?? ""] ?? cause.message;
  return new ConnectionError("ERR_STORE_FAILED", `cannot open the session store ${path}: ${why}`, {
    cause,
  });
}

function writeAll(fd: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;)
    written += writeSync(fd, bytes, written, bytes.length - written);
}

function flush(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fdatasync(fd, (cause) => {
      if (cause === null) resolve();
      else reject(new ConnectionError("ERR_STORE_FAILED", "the file was not flushed", { cause }));
    });
  });
}

/** Removes a session that nobody needs any more. Not while a client has it open. */
export function removeFileStore(path: string): void {
  for (const suffix of ["", ".new", ".lock"]) rmSync(`${path}${suffix}`, { force: true });
}
