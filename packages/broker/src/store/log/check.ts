import type { MessageNumber, Position, StoredMessage } from "../../engine/ports.ts";
import type { StoreRecord } from "../../engine/records.ts";
import { readCheckpoint, recordsOf } from "./checkpoint.ts";
import type { Disk, DiskEntry, DiskFile } from "./disk.ts";
import type { StoreErrorCode } from "./error-codes.ts";
import { LogState } from "./log-state.ts";
import { NOWHERE } from "./message-table.ts";
import { messageOf, readBodies } from "./reading.ts";
import type { WantedBody } from "./reading.ts";
import { recover } from "./recover.ts";
import { framesBehind, scanFrames } from "./scan.ts";
import type { FoundFrame } from "./scan.ts";
import { decodeFileHeader, FILE_HEADER, parseFileName } from "./segment.ts";
import type { Segment } from "./segment.ts";
import { wait } from "./task.ts";
import type { Task } from "./task.ts";

/** Messages that are read at a time. */
const SLICE = 500;

/** A place in a file where something is not as it was written. */
export interface StoreDamage {
  readonly file: string;
  /** Bytes from the file's start. */
  readonly offset: number;
  readonly what: string;
}

/** What was found in a store's directory. Sizes are bytes. */
export interface StoreReport {
  /** Whether a start would take it as it is. */
  readonly opens: boolean;
  /** Why it would not. */
  readonly refusal: string | undefined;
  readonly files: number;
  readonly bytes: number;
  readonly batches: number;
  readonly lastBatch: Position;
  readonly damage: readonly StoreDamage[];
  /** What can be saved. */
  readonly sessions: number;
  readonly subscriptions: number;
  readonly queued: number;
  readonly retained: number;
  readonly wills: number;
  readonly messages: number;
  /** Messages that something names and that cannot be read. */
  readonly lost: readonly MessageNumber[];
}

/** Told now and then while a store is read. */
export type StoreProgress = (done: { readonly bytes: number; readonly ofBytes: number }) => void;

/**
 * Reads all of a store, every body too, and says what is damaged and what can be saved. It changes
 * nothing; nobody else may have the directory open meanwhile: lock it first.
 *
 * @param save  Is given the records that make what can be saved, in an order in which an empty
 * store may append them.
 * @throws ConnectionError where the disk fails, or a file is of a newer version.
 */
export function* checkStore(
  disk: Disk,
  save?: (record: StoreRecord) => void,
  progress?: StoreProgress,
): Task<StoreReport> {
  const refusal = yield* tryToOpen(disk);
  const survey = new Survey(disk, progress);
  return yield* survey.run(refusal, save);
}

/** @returns why a start would fail, or `undefined`. */
function* tryToOpen(disk: Disk): Task<string | undefined> {
  try {
    const { state } = yield* recover(disk);
    for (const { file } of state.segments.all) if (file !== undefined) yield* wait(file.close());
    return undefined;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code !== ("ERR_STORE_DAMAGED" satisfies StoreErrorCode)) throw error;
    return message;
  }
}

class Survey {
  readonly #disk: Disk;
  readonly #progress: StoreProgress | undefined;
  #state = new LogState();
  #salt: number | undefined;
  #checkpoint: Position = 0;
  #last: Position = 0;
  #batches = 0;
  readonly #damage: StoreDamage[] = [];
  readonly #files: DiskFile[] = [];

  constructor(disk: Disk, progress: StoreProgress | undefined) {
    this.#disk = disk;
    this.#progress = progress;
  }

  *run(
    refusal: string | undefined,
    save: ((record: StoreRecord) => void) | undefined,
  ): Task<StoreReport> {
    const entries = (yield* wait(this.#disk.list()))
      .filter(({ name }) => parseFileName(name) !== undefined)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const of = (kind: string): DiskEntry[] => entries.filter(({ name }) => name.endsWith(kind));
    const ofBytes = entries.reduce((sum, { size }) => sum + size, 0);
    let bytes = 0;
    try {
      yield* this.#readCheckpoint(of("ckp").reverse());
      const logs = of("log");
      for (const [index, entry] of logs.entries()) {
        yield* this.#readSegment(entry, index === logs.length - 1 && refusal === undefined);
        bytes += entry.size;
        this.#progress?.({ bytes, ofBytes });
      }
      this.#state.sweep();
      if (save !== undefined)
        for (const record of recordsOf(this.#state)) if (isForStores(record)) save(record);
      const lost = yield* this.#readBodies(save);
      return this.#report(refusal, entries, lost);
    } finally {
      for (const file of this.#files) yield* wait(file.close());
    }
  }

  *#readCheckpoint(newestFirst: readonly DiskEntry[]): Task<void> {
    for (const { name, size } of newestFirst) {
      const number = parseFileName(name)?.number as number;
      const state = new LogState();
      const file = yield* wait(this.#disk.open(name));
      this.#files.push(file);
      const read = yield* readCheckpoint(this.#disk, file, number, size, (record) =>
        state.apply(record),
      );
      if (read === undefined) {
        this.#note(name, 0, "a checkpoint that is not whole");
        continue;
      }
      this.#state = state;
      this.#salt = read.salt;
      this.#checkpoint = read.position;
      return;
    }
  }

  /** @param mayBeTorn  What is broken in it at the end was never flushed. */
  *#readSegment({ name, size }: DiskEntry, mayBeTorn: boolean): Task<void> {
    const file = yield* wait(this.#disk.open(name));
    const start = yield* wait(file.read(0, FILE_HEADER));
    const crc32 = (bytes: Uint8Array, value: number): number => this.#disk.crc32(bytes, value);
    const header = decodeFileHeader("log", start, crc32);
    if (header === undefined) this.#note(name, 0, "its header is broken");
    this.#salt ??= header?.salt;
    const segment = this.#state.segments.add(parseFileName(name)?.number as number, 0);
    segment.file = file;
    this.#files.push(file);
    const salt = this.#salt ?? 0;
    const take = (found: FoundFrame): void => this.#take(found, segment);
    const end = yield* scanFrames(this.#disk, file, size, salt, take);
    if (!end.isBroken) return;
    let isFollowed = false;
    yield* framesBehind(this.#disk, file, end.offset + 1, size, salt, (found) => {
      isFollowed = true;
      take(found);
    });
    if (isFollowed || !mayBeTorn) this.#note(name, end.offset, "a batch that is not whole");
  }

  #take({ frame, offset }: FoundFrame, segment: Segment): void {
    const { position } = frame.header;
    const isNew = position > this.#last;
    const isNews = isNew && position > this.#checkpoint;
    if (isNew) this.#batches += 1;
    this.#last = Math.max(this.#last, position);
    frame.visit({
      record: (record) => {
        if (isNews) this.#state.apply(record);
      },
      body: (number, at, length) => {
        this.#state.messages.place(number, segment.slot, offset + at, length);
        if (number > this.#state.highestMessage) this.#state.highestMessage = number;
      },
    });
  }

  /** Reads every message that is wanted. @returns those that cannot be read. */
  *#readBodies(save: ((record: StoreRecord) => void) | undefined): Task<MessageNumber[]> {
    const wanted: WantedBody[] = [];
    const lost: MessageNumber[] = [];
    const { messages, segments } = this.#state;
    messages.forEach((number, slot, offset, length) => {
      if (slot === NOWHERE) lost.push(number);
      else wanted.push({ number, segment: segments.at(slot), offset, length });
    });
    const give = (message: StoredMessage): void => save?.({ type: "message", message });
    for (let start = 0; start < wanted.length; start += SLICE) {
      const slice = wanted.slice(start, start + SLICE);
      const found = new Set<MessageNumber>();
      const take = ({ number }: { number: MessageNumber }, bytes: Uint8Array): void => {
        found.add(number);
        give(messageOf(bytes));
      };
      const fail = (body: WantedBody, error: Error): void => {
        lost.push(body.number);
        this.#note(body.segment.file?.name ?? "", body.offset, error.message);
      };
      try {
        const damage = yield* wait(readBodies(this.#disk, this.#salt ?? 0, slice, take));
        for (const { body, error } of damage) fail(body, error);
      } catch {
        // The disk does not give some of them: which ones shows when each is read by itself.
        for (const body of slice) {
          if (found.has(body.number)) continue;
          try {
            const damage = yield* wait(readBodies(this.#disk, this.#salt ?? 0, [body], take));
            for (const { error } of damage) fail(body, error);
          } catch (error) {
            fail(body, error as Error);
          }
        }
      }
    }
    return lost;
  }

  #note(file: string, offset: number, what: string): void {
    this.#damage.push({ file, offset, what });
  }

  #report(
    refusal: string | undefined,
    entries: readonly DiskEntry[],
    lost: readonly MessageNumber[],
  ): StoreReport {
    const { sessions, retained, wills, messages } = this.#state;
    let subscriptions = 0;
    let queued = 0;
    for (const session of sessions.values()) {
      subscriptions += session.subscriptions?.size ?? 0;
      queued += session.queue.count;
    }
    return {
      opens: refusal === undefined,
      refusal,
      files: entries.length,
      bytes: entries.reduce((sum, { size }) => sum + size, 0),
      batches: this.#batches,
      lastBatch: this.#last,
      damage: this.#damage,
      sessions: sessions.size,
      subscriptions,
      queued,
      retained: retained.size,
      wills: wills.size,
      messages: messages.size - lost.length,
      lost,
    };
  }
}

/** Whether a record is one of the engine's and not of the log itself. */
function isForStores(record: { readonly type: string }): record is StoreRecord {
  return record.type !== "sequence" && record.type !== "numbers" && record.type !== "end";
}
