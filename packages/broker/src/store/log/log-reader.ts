import type {
  MessageNumber,
  QueueEntry,
  QueuePage,
  SessionKey,
  StoredMessage,
} from "../../engine/ports.ts";
import { checkBody } from "./batch.ts";
import { BlockCache } from "./block-cache.ts";
import type { BlockCacheOptions } from "./block-cache.ts";
import type { Disk, Step } from "./disk.ts";
import type { LogState } from "./log-state.ts";
import type { LogWriter } from "./log-writer.ts";
import type { IndexEntry } from "./queue-index.ts";
import { messageOf, readBodies } from "./reading.ts";
import type { DamagedBody, WantedBody } from "./reading.ts";
import type { Segment } from "./segment.ts";
import { wait } from "./task.ts";
import type { Task } from "./task.ts";
import { WrittenBlocks } from "./written-blocks.ts";

/** Entries in one page, at most. */
const PAGE_ENTRIES = 1000;

/** Messages that were asked for, and those that nobody can read any more. */
export interface ReadMessages {
  readonly found: ReadonlyMap<MessageNumber, StoredMessage>;
  readonly damage: readonly DamagedBody[];
}

/** Reads queues and messages: from the segments, and from memory what is not flushed. */
export class LogReader {
  readonly #disk: Disk;
  readonly #state: LogState;
  readonly #writer: LogWriter;
  readonly #salt: number;
  readonly #cache: BlockCache;
  /** What was written last. */
  readonly recent: WrittenBlocks;

  constructor(
    disk: Disk,
    state: LogState,
    writer: LogWriter,
    { salt, cache, recentBytes }: { salt: number; cache: BlockCacheOptions; recentBytes: number },
  ) {
    this.#disk = disk;
    this.#state = state;
    this.#writer = writer;
    this.#salt = salt;
    this.#cache = new BlockCache(cache);
    this.recent = new WrittenBlocks(recentBytes);
  }

  /**
   * A part of a session's queue.
   *
   * @param damaged  Is told of each message that nobody can read any more.
   * @throws ConnectionError as the disk says.
   */
  *page(
    session: SessionKey,
    from: number,
    maximumBytes: number,
    damaged: (error: Error) => void,
  ): Task<QueuePage> {
    const { messages, sessions } = this.#state;
    const waiting: IndexEntry[] = [];
    let next: number | undefined;
    let bytes = 0;
    sessions.get(session)?.queue.forEachFrom(from, (entry) => {
      messages.find(entry.message);
      bytes += messages.length;
      if (waiting.length > 0 && (bytes > maximumBytes || waiting.length >= PAGE_ENTRIES)) {
        next = entry.sequence;
        return false;
      }
      waiting.push(entry);
      return true;
    });
    const { found, damage } = yield* wait(this.messages(waiting.map(({ message }) => message)));
    for (const { error } of damage) damaged(error);
    const entries: QueueEntry[] = [];
    const unreadable: number[] = [];
    for (const { sequence, message, qos, retain, subscriptionIdentifiers, share } of waiting) {
      const stored = found.get(message);
      if (stored === undefined) unreadable.push(sequence);
      else entries.push({ sequence, message: stored, qos, retain, subscriptionIdentifiers, share });
    }
    return { entries, unreadable, next };
  }

  /** Messages by their numbers, which the table must have. */
  messages(numbers: readonly MessageNumber[]): Step<ReadMessages> {
    return (resolve, reject) => {
      const { messages, segments } = this.#state;
      const found = new Map<MessageNumber, StoredMessage>();
      const wanted: WantedBody[] = [];
      for (const number of new Set(numbers)) {
        messages.find(number);
        const { slot, offset, length } = messages;
        const segment = segments.at(slot);
        const written = this.#writer.peek(segment, offset, length);
        // What waits to be written lies in memory that is used again.
        const body = written?.slice() ?? this.recent.peek(segment, offset, length);
        const known = body ?? this.#cached(segment, offset, length);
        if (known === undefined) wanted.push({ number, segment, offset, length });
        else found.set(number, messageOf(known));
      }
      if (wanted.length === 0) {
        this.#disk.later(0, () => resolve({ found, damage: [] }));
        return;
      }
      const take = ({ number }: WantedBody, bytes: Uint8Array): void => {
        found.set(number, messageOf(bytes));
      };
      const read = readBodies(this.#disk, this.#salt, wanted, take, (segment, offset, length) =>
        this.#cache.read(segment, offset, length),
      );
      read((damage) => resolve({ found, damage }), reject);
    };
  }
  /** A body from memory; not one that is damaged, which is told of when it is read. */
  #cached(segment: Segment, offset: number, length: number): Uint8Array | undefined {
    const body = this.#cache.peek(segment, offset, length);
    const crc32 = (bytes: Uint8Array, value: number): number => this.#disk.crc32(bytes, value);
    return body !== undefined && checkBody(body, crc32, this.#salt) !== undefined
      ? body
      : undefined;
  }
}
