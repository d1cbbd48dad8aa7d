import { crc32 } from "node:zlib";
import { storeError } from "../store/log/error-codes.ts";
import type { Disk, DiskEntry, DiskFile, Step } from "../store/log/disk.ts";
import { Answer } from "./answer.ts";
import type { SimulatedProcess } from "./event-scheduler.ts";
import type { Chance } from "./random.ts";

/** A disk writes whole sectors of this size. Bytes. */
const SECTOR = 512;

/** How often a simulated disk fails, and how it behaves. Shares are 0…1. */
export interface DiskFaults {
  /** Of operations that take long, and how long at most. Milliseconds. */
  readonly delay: number;
  readonly delayMaximumMs: number;
  /** Of writes of which only a part is written. */
  readonly shortWrite: number;
  /** Of writes, flushes and reads that fail. */
  readonly writeFailure: number;
  readonly flushFailure: number;
  readonly readFailure: number;
  /** Of files made or removed without a flush of the directory whose change is lost at a crash. */
  readonly directoryLoss: number;
}

/** A disk that never fails while its machine lives. */
export const NO_DISK_FAULTS: DiskFaults = {
  delay: 0,
  delayMaximumMs: 0,
  shortWrite: 0,
  writeFailure: 0,
  flushFailure: 0,
  readFailure: 0,
  directoryLoss: 0.5,
};

interface UnflushedWrite {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** A file twice: as the running system sees it, and as the disk has it. */
class SimulatedFile {
  seen = new Growing();
  kept = new Growing();
  unflushed: UnflushedWrite[] = [];
  /** A flush failed: what it was for is marked as written, and is not. */
  isSpoilt = false;

  write(offset: number, bytes: Uint8Array): void {
    const copy = bytes.slice();
    this.seen.write(offset, copy);
    this.unflushed.push({ offset, bytes: copy });
  }

  flush(): void {
    for (const { offset, bytes } of this.unflushed) this.kept.write(offset, bytes);
    this.unflushed = [];
  }

  /** What the disk has after a loss of power: some of the writes, in parts. */
  crash(chance: Chance): void {
    let whole = chance.integer(0, this.unflushed.length);
    for (const { offset, bytes } of this.unflushed) {
      if (whole > 0) this.kept.write(offset, bytes);
      else if (chance.happens(0.5)) {
        // Cut, or with sectors missing in the middle.
        if (chance.happens(0.5))
          this.kept.write(offset, bytes.subarray(0, chance.integer(0, bytes.length)));
        else
          for (let at = 0; at < bytes.length;) {
            const end = Math.min(
              bytes.length,
              (Math.floor((offset + at) / SECTOR) + 1) * SECTOR - offset,
            );
            if (chance.happens(0.7)) this.kept.write(offset + at, bytes.subarray(at, end));
            at = end;
          }
      }
      whole -= 1;
    }
    this.unflushed = [];
    this.isSpoilt = false;
    this.seen = this.kept.copy();
  }
}

/** What lasts of a simulated disk when its machine dies: the directory and its files. */
export class SimulatedMedium {
  /** As the running system sees it. */
  files = new Map<string, SimulatedFile>();
  /** As the disk has it. */
  #kept = new Map<string, SimulatedFile>();
  /** The process that has the directory. */
  holder: SimulatedProcess | undefined;
  /** Bytes that fit. */
  capacity = Infinity;

  /** Bytes in all files. */
  get used(): number {
    let used = 0;
    for (const { seen } of this.files.values()) used += seen.length;
    return used;
  }

  flushDirectory(): void {
    this.#kept = new Map(this.files);
  }

  /** The power fails. Stop the process first. @param loss  Share of unflushed directory changes lost. */
  crash(chance: Chance, loss: number = NO_DISK_FAULTS.directoryLoss): void {
    const files = new Map<string, SimulatedFile>();
    for (const [name, file] of this.files)
      if (this.#kept.get(name) === file || !chance.happens(loss)) files.set(name, file);
    for (const [name, file] of this.#kept)
      if (!this.files.has(name) && chance.happens(loss)) files.set(name, file);
    for (const file of files.values()) file.crash(chance);
    this.files = files;
    this.flushDirectory();
    this.holder = undefined;
  }

  /** A copy, with everything flushed, to damage. */
  copy(): SimulatedMedium {
    const copy = new SimulatedMedium();
    for (const [name, file] of this.files) {
      const twin = new SimulatedFile();
      twin.seen = file.seen.copy();
      twin.kept = file.seen.copy();
      copy.files.set(name, twin);
    }
    copy.flushDirectory();
    return copy;
  }

  /** A file's bytes, as the running system sees them. */
  read(name: string): Uint8Array {
    return this.#file(name).seen.bytes.slice();
  }

  /** Puts other bytes into a file, as damage or as another program does. */
  overwrite(name: string, bytes: Uint8Array): void {
    const file = new SimulatedFile();
    file.write(0, bytes);
    file.flush();
    this.files.set(name, file);
    this.#kept.set(name, file);
  }

  #file(name: string): SimulatedFile {
    const file = this.files.get(name);
    if (file === undefined) throw new Error(`no file ${name}`);
    return file;
  }
}

/**
 * A disk in memory for a process of a simulation. When its medium crashes it loses what was not
 * flushed, all or in part; it writes a part of what it is given, fails, and fills up, as often as
 * its faults say. Everything it does is an event of its process.
 */
export class SimulatedDisk implements Disk {
  readonly name = "simulated";
  readonly medium: SimulatedMedium;
  faults: DiskFaults;
  readonly #process: SimulatedProcess;
  readonly #chance: Chance;
  /** How often each operation was done. */
  readonly counts = { write: 0, flush: 0, read: 0, create: 0, unlink: 0, flushDirectory: 0 };

  bytesRead = 0;

  constructor(
    process: SimulatedProcess,
    chance: Chance,
    medium: SimulatedMedium = new SimulatedMedium(),
    faults: DiskFaults = NO_DISK_FAULTS,
  ) {
    this.#process = process;
    this.#chance = chance;
    this.medium = medium;
    this.faults = faults;
  }

  lock(): Step<void> {
    return this.#step(() => {
      const { holder } = this.medium;
      if (holder !== undefined && !holder.isStopped)
        throw storeError("ERR_STORE_LOCKED", `the directory is in use by process ${holder.name}`);
      this.medium.holder = this.#process;
    });
  }

  unlock(): Step<void> {
    return this.#step(() => {
      this.medium.holder = undefined;
    });
  }

  list(): Step<readonly DiskEntry[]> {
    return this.#step(() =>
      [...this.medium.files].map(([name, { seen }]) => ({ name, size: seen.length })),
    );
  }

  create(name: string): Step<DiskFile> {
    return this.#step(() => {
      this.counts.create += 1;
      if (this.#chance.happens(this.faults.writeFailure)) throw ioError(`make ${name}`);
      if (this.medium.files.has(name)) throw ioError(`make ${name}, which exists`);
      if (this.medium.used >= this.medium.capacity) throw fullError(`make ${name}`);
      const file = new SimulatedFile();
      this.medium.files.set(name, file);
      return this.#handle(name, file, true);
    });
  }

  open(name: string): Step<DiskFile> {
    return this.#step(() => {
      const file = this.medium.files.get(name);
      if (file === undefined) throw ioError(`open ${name}, which is not there`);
      return this.#handle(name, file, false);
    });
  }

  unlink(name: string): Step<void> {
    return this.#step(() => {
      this.counts.unlink += 1;
      this.medium.files.delete(name);
    });
  }

  flushDirectory(): Step<void> {
    return this.#step(() => {
      this.counts.flushDirectory += 1;
      if (this.#chance.happens(this.faults.flushFailure)) throw ioError("flush the directory");
      this.medium.flushDirectory();
    });
  }

  freeBytes(): Step<number> {
    return this.#step(() => Math.max(0, this.medium.capacity - this.medium.used));
  }

  crc32(bytes: Uint8Array, value: number): number {
    return crc32(bytes, value);
  }

  salt(): number {
    return this.#chance.integer(0, 0xffff_ffff);
  }

  later(delayMs: number, callback: () => void): () => void {
    return this.#process.post(callback, delayMs);
  }

  promise<T>(step: Step<T>): Promise<T> {
    const answer = new Answer<T>(this.#process);
    step(
      (value) => answer.resolve(value),
      (error) => answer.reject(error),
    );
    return answer;
  }

  #handle(name: string, file: SimulatedFile, isWritable: boolean): DiskFile {
    return {
      name,
      write: (offset, bytes) =>
        this.#step(() => {
          this.counts.write += 1;
          if (!isWritable) throw ioError(`write ${name}, opened to read`);
          if (this.#chance.happens(this.faults.writeFailure)) {
            // Some of it may have got there.
            file.write(offset, bytes.subarray(0, this.#chance.integer(0, bytes.length)));
            throw ioError(`write ${name}`);
          }
          const room = this.medium.capacity - this.medium.used;
          const grows = Math.max(0, offset + bytes.length - file.seen.length);
          let count = grows > room ? bytes.length - (grows - room) : bytes.length;
          if (count <= 0) throw fullError(`write ${name}`);
          if (this.#chance.happens(this.faults.shortWrite)) count = this.#chance.integer(1, count);
          file.write(offset, bytes.subarray(0, count));
          return count;
        }),
      read: (offset, length) =>
        this.#step(() => {
          this.counts.read += 1;
          if (this.#chance.happens(this.faults.readFailure)) throw ioError(`read ${name}`);
          const bytes = file.seen.bytes.slice(offset, offset + length);
          this.bytesRead += bytes.length;
          return bytes;
        }),
      flush: () =>
        this.#step(() => {
          this.counts.flush += 1;
          if (file.isSpoilt)
            this.#process.fail(new Error(`${name} was flushed again after a flush had failed`));
          if (this.#chance.happens(this.faults.flushFailure)) {
            // The system takes it for written, and forgets it.
            file.isSpoilt = true;
            file.unflushed = file.unflushed.filter(() => this.#chance.happens(0.5));
            for (const { offset, bytes } of file.unflushed)
              file.kept.write(offset, bytes.subarray(0, this.#chance.integer(0, bytes.length)));
            file.unflushed = [];
            throw ioError(`flush ${name}`);
          }
          file.flush();
        }),
      close: () => this.#step(() => undefined),
    };
  }

  #step<T>(run: () => T): Step<T> {
    return (resolve, reject) => {
      const { delay, delayMaximumMs } = this.faults;
      const delayMs =
        delay > 0 && this.#chance.happens(delay) ? this.#chance.integer(1, delayMaximumMs) : 0;
      this.#process.post(() => {
        let value: T;
        try {
          value = run();
        } catch (error) {
          reject(error as Error);
          return;
        }
        resolve(value);
      }, delayMs);
    };
  }
}

function ioError(what: string): Error {
  return storeError("ERR_STORE_DISK", `could not ${what}`);
}

function fullError(what: string): Error {
  return storeError("ERR_STORE_DISK_FULL", `no space left to ${what}`);
}

/** Bytes that grow where they are written. */
class Growing {
  #bytes = new Uint8Array(256);
  length = 0;

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  write(offset: number, bytes: Uint8Array): void {
    const end = offset + bytes.length;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, 2 * this.#bytes.length));
      grown.set(this.bytes);
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, offset);
    this.length = Math.max(this.length, end);
  }

  copy(): Growing {
    const copy = new Growing();
    copy.write(0, this.bytes);
    return copy;
  }
}
