import type {
  MessageNumber,
  QueueEntry,
  QueuePage,
  SessionKey,
  StoredMessage,
} from "../../engine/ports.ts";
import type { Disk, Step } from "./disk.ts";
import type { LogState } from "./log-state.ts";
import type { LogWriter } from "./log-writer.ts";
import type { IndexEntry } from "./queue-index.ts";
import { messageOf, readBodies } from "./reading.ts";
import type { WantedBody } from "./reading.ts";
import { wait } from "./task.ts";
import type { Task } from "./task.ts";

/** Entries in one page, at most. */
const PAGE_ENTRIES = 4096;

/** Reads queues and messages: from the segments, and from memory what is not flushed. */
export class LogReader {
  readonly #disk: Disk;
  readonly #state: LogState;
  readonly #writer: LogWriter;
  readonly #salt: number;

  constructor(disk: Disk, state: LogState, writer: LogWriter, salt: number) {
    this.#disk = disk;
    this.#state = state;
    this.#writer = writer;
    this.#salt = salt;
  }

  /** A part of a session's queue. @throws ConnectionError ERR_STORE_DAMAGED, or what the disk says. */
  *page(session: SessionKey, from: number, maximumBytes: number): Task<QueuePage> {
    const { messages, sessions } = this.#state;
    const entries: IndexEntry[] = [];
    let next: number | undefined;
    let bytes = 0;
    sessions.get(session)?.queue.forEachFrom(from, (entry) => {
      messages.find(entry.message);
      bytes += messages.length;
      if (entries.length > 0 && (bytes > maximumBytes || entries.length >= PAGE_ENTRIES)) {
        next = entry.sequence;
        return false;
      }
      entries.push(entry);
      return true;
    });
    const found = yield* wait(this.messages(entries.map(({ message }) => message)));
    return {
      entries: entries.map(
        ({ sequence, message, qos, retain, subscriptionIdentifiers }): QueueEntry => ({
          sequence,
          message: found.get(message) as StoredMessage,
          qos,
          retain,
          subscriptionIdentifiers,
        }),
      ),
      next,
    };
  }

  /** Messages by their numbers, which the table must have. */
  messages(numbers: readonly MessageNumber[]): Step<Map<MessageNumber, StoredMessage>> {
    return (resolve, reject) => {
      const { messages, segments } = this.#state;
      const found = new Map<MessageNumber, StoredMessage>();
      const wanted: WantedBody[] = [];
      for (const number of new Set(numbers)) {
        messages.find(number);
        const { slot, offset, length } = messages;
        const segment = segments.at(slot);
        const body = this.#writer.peek(segment, offset, length);
        if (body === undefined) wanted.push({ number, segment, offset, length });
        else found.set(number, messageOf(body));
      }
      if (wanted.length === 0) {
        this.#disk.later(0, () => resolve(found));
        return;
      }
      const take = ({ number }: WantedBody, bytes: Uint8Array): void => {
        found.set(number, messageOf(bytes));
      };
      readBodies(this.#disk, this.#salt, wanted, take)(() => resolve(found), reject);
    };
  }
}
