import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { dirname, join, resolve } from "node:path";
import { crc32 } from "node:zlib";
import type { Disk, DiskEntry, DiskFile, Step } from "../store/log/disk.ts";
import { diskError } from "./disk-error.ts";
import { DirectoryLock } from "./directory-lock.ts";
import { ReadLine } from "./read-line.ts";
import type { DiskReading } from "./read-line.ts";

/** A directory of the file system. */
export class NodeDisk implements Disk {
  readonly name: string;
  readonly #reads = new ReadLine();
  readonly #lock: DirectoryLock;

  /**
   * @param directory  Made where it is missing.
   * @param options  `lockSilentMs`: a lock of another machine that nobody touches for so long is
   * stale. Milliseconds, default 5000; its holder touches it every two seconds.
   */
  constructor(directory: string, options: { readonly lockSilentMs?: number } = {}) {
    this.name = directory;
    this.#lock = new DirectoryLock(directory, options.lockSilentMs);
  }

  /** How much was read since this was made, and where the last read was: tells how far a start is. */
  get reading(): DiskReading {
    return this.#reads;
  }

  lock(): Step<void> {
    return this.#settle(`take the directory ${this.name}`, async () => {
      // Else a loss of power takes the new directory away with everything in it.
      for (const made of await makeDirectory(resolve(this.name)))
        await flushDirectory(dirname(made));
      await this.#lock.take();
    });
  }

  unlock(): Step<void> {
    return this.#settle(`let the directory ${this.name} go`, async () => {
      this.#lock.release();
    });
  }

  list(): Step<readonly DiskEntry[]> {
    return this.#settle(`list ${this.name}`, async () => {
      const entries: DiskEntry[] = [];
      for (const entry of await fs.promises.readdir(this.name, { withFileTypes: true })) {
        if (!entry.isFile()) continue;
        const { size } = await fs.promises.stat(join(this.name, entry.name));
        entries.push({ name: entry.name, size });
      }
      return entries;
    });
  }

  create(name: string): Step<DiskFile> {
    return this.#open(name, "wx+");
  }

  open(name: string): Step<DiskFile> {
    return this.#open(name, "r");
  }

  unlink(name: string): Step<void> {
    return (resolve, reject) => {
      fs.unlink(join(this.name, name), (error) => {
        if (error === null || error.code === "ENOENT") resolve();
        else reject(diskError(error, `remove ${name}`));
      });
    };
  }

  flushDirectory(): Step<void> {
    return this.#settle(`flush the directory ${this.name}`, () => flushDirectory(this.name));
  }

  freeBytes(): Step<number> {
    return (resolve, reject) => {
      fs.statfs(this.name, (error, stats) => {
        if (error === null) resolve(stats.bavail * stats.bsize);
        else reject(diskError(error, `ask for the free space of ${this.name}`));
      });
    };
  }

  crc32(bytes: Uint8Array, value: number): number {
    return crc32(bytes, value);
  }

  salt(): number {
    return randomBytes(4).readUInt32LE();
  }

  later(delayMs: number, callback: () => void): () => void {
    if (delayMs <= 0) {
      const immediate = setImmediate(callback);
      return () => clearImmediate(immediate);
    }
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  }

  promise<T>(step: Step<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      step(resolve, reject);
    });
  }

  #open(name: string, flags: string): Step<DiskFile> {
    return (resolve, reject) => {
      fs.open(join(this.name, name), flags, 0o600, (error, fd) => {
        if (error === null) resolve(new NodeDiskFile(name, fd, this.#reads));
        else reject(diskError(error, `open ${name}`));
      });
    };
  }

  #settle<T>(what: string, run: () => Promise<T>): Step<T> {
    return (resolve, reject) => {
      run().then(resolve, (error: NodeJS.ErrnoException) =>
        reject(error.code?.startsWith("ERR_STORE_") === true ? error : diskError(error, what)),
      );
    };
  }
}

/**
 * Makes a directory, and those above it that are missing. Node 20's own `recursive` never comes to an end in `/proc`,
 * where nothing can be made and the error says that the directory above is not there.
 *
 * @returns those that were made, innermost first.
 */
async function makeDirectory(path: string): Promise<string[]> {
  const parent = dirname(path);
  let made: string[] = [];
  try {
    await fs.promises.mkdir(path, 0o700);
    return [path];
  } catch (error) {
    if (await isDirectory(path)) return [];
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || parent === path) throw error;
    // It may be there by now: others may be at the same.
    if (!(await isDirectory(parent))) made = await makeDirectory(parent);
  }
  try {
    await fs.promises.mkdir(path, 0o700);
  } catch (error) {
    if (await isDirectory(path)) return made;
    throw error;
  }
  return [path, ...made];
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await fs.promises.stat(path)).isDirectory();
  } catch {
    return false;
  }
}

async function flushDirectory(path: string): Promise<void> {
  // Windows has no such call, and needs none.
  if (process.platform === "win32") return;
  const handle = await fs.promises.open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

class NodeDiskFile implements DiskFile {
  readonly name: string;
  readonly #fd: number;
  readonly #reads: ReadLine;

  constructor(name: string, fd: number, reads: ReadLine) {
    this.name = name;
    this.#fd = fd;
    this.#reads = reads;
  }

  write(offset: number, bytes: Uint8Array): Step<number> {
    return (resolve, reject) => {
      fs.write(this.#fd, bytes, 0, bytes.length, offset, (error, written) => {
        if (error !== null) reject(diskError(error, `write ${this.name}`));
        else if (written > 0) resolve(written);
        else reject(diskError({ name: "", message: "nothing was written" }, `write ${this.name}`));
      });
    };
  }

  read(offset: number, length: number): Step<Uint8Array> {
    return (resolve, reject) => {
      const read = (): void => {
        const bytes = new Uint8Array(length);
        this.#reads.file = this.name;
        const more = (done: number): void => {
          fs.read(this.#fd, bytes, done, length - done, offset + done, (error, count) => {
            if (error === null) this.#reads.bytes += count;
            if (error === null && count > 0 && done + count < length) {
              more(done + count);
              return;
            }
            this.#reads.leave();
            if (error === null) resolve(bytes.subarray(0, done + count));
            else reject(diskError(error, `read ${this.name}`));
          });
        };
        more(0);
      };
      this.#reads.enter(read);
    };
  }

  flush(): Step<void> {
    return (resolve, reject) => {
      fs.fdatasync(this.#fd, (error) => {
        if (error === null) resolve();
        else reject(diskError(error, `flush ${this.name}`));
      });
    };
  }

  close(): Step<void> {
    return (resolve, reject) => {
      fs.close(this.#fd, (error) => {
        if (error === null || error === undefined) resolve();
        else reject(diskError(error, `close ${this.name}`));
      });
    };
  }
}
