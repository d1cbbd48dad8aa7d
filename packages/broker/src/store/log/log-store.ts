import { UsageError } from "@sericite/protocol";
import type {
  MessageNumber,
  Position,
  QueueEntry,
  QueuePage,
  SessionKey,
  Store,
  StoredMessage,
  StoreState,
} from "../../engine/ports.ts";
import type { Recovery, StoreRecord } from "../../engine/records.ts";
import { BODY_HEADER } from "./batch.ts";
import type { Disk, Step } from "./disk.ts";
import { storeError } from "./error-codes.ts";
import { Housekeeping } from "./housekeeping.ts";
import type { HousekeptLog } from "./housekeeping.ts";
import type { LogState } from "./log-state.ts";
import { LogWriter } from "./log-writer.ts";
import { NOWHERE } from "./message-table.ts";
import type { IndexEntry } from "./queue-index.ts";
import { messageOf, readBodies } from "./reading.ts";
import type { WantedBody } from "./reading.ts";
import { recover } from "./recover.ts";
import type { Recovered } from "./recover.ts";
import { tellRecovery } from "./tell-recovery.ts";
import { stepOf, wait } from "./task.ts";
import type { Task } from "./task.ts";

/** How an embedded log store behaves. Sizes are bytes, times milliseconds. */
export interface LogStoreOptions {
  /**
   * "strict": durable is what is flushed. "relaxed": what is written, flushed each second; a
   * crash of the machine, not of the process, loses up to that. Default "strict".
   */
  readonly durability: "strict" | "relaxed";
  /** Size at which a segment is closed. Default 64 MiB. */
  readonly segmentBytes: number;
  /** Messages with which a segment is closed. Default 131 072. */
  readonly segmentMessages: number;
  /** At most so much goes out in one write and flush. Default 4 MiB. */
  readonly writeBytes: number;
  /** "relaxed": time between flushes. Default 1000. */
  readonly flushEveryMs: number;
  /** "relaxed": flush earlier where so much is written and not flushed. Default 16 MiB. */
  readonly flushBytes: number;
  /** Time after which a refusing disk is tried again. Default 1000. */
  readonly retryMs: number;
  /** "slow" above so much that is not flushed, until it is half of it. Default 16 MiB. */
  readonly slowBytes: number;
  /** "refusing" while the segments take more. Default none. */
  readonly maximumBytes: number;
  /** "refusing" while less is free on the disk. Default 64 MiB. */
  readonly minimumFreeBytes: number;
  /** A checkpoint is made after so much log. Default 64 MiB. */
  readonly checkpointBytes: number;
  /** A segment is copied forward when less than this share of it is wanted, 0…1. Default 0.25. */
  readonly compactBelow: number;
}

/** What applies where nothing is said. */
export const DEFAULT_LOG_STORE_OPTIONS: LogStoreOptions = {
  durability: "strict",
  segmentBytes: 64 << 20,
  segmentMessages: 131_072,
  writeBytes: 4 << 20,
  flushEveryMs: 1000,
  flushBytes: 16 << 20,
  retryMs: 1000,
  slowBytes: 16 << 20,
  maximumBytes: Infinity,
  minimumFreeBytes: 64 << 20,
  checkpointBytes: 64 << 20,
  compactBelow: 0.25,
};

/** Entries in one page, at most. */
const PAGE_ENTRIES = 4096;
/** Free space is asked for after so much was appended. Bytes. */
const FREE_EVERY = 16 << 20;

/** What an operator may want to see of a store. Sizes are bytes. */
export interface LogStoreFigures {
  readonly segments: number;
  /** Of all segments. */
  readonly bytes: number;
  /** Of the messages that are still wanted. */
  readonly liveBytes: number;
  readonly messages: number;
  readonly sessions: number;
  /** Appended and not flushed. */
  readonly unflushedBytes: number;
  /** Appended since the start, frames and all. */
  readonly appendedBytes: number;
  readonly checkpoint: Position;
}

interface Waiter {
  readonly position: Position;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * The embedded store: a log of plain files over a `Disk`. State changes at once, in memory; the
 * records go out in batches, one for each turn; bodies are read back from the segments.
 *
 *     const store = new LogStore(new NodeDisk("/var/lib/sericite"));
 *     await store.open(recovery);
 */
export class LogStore implements Store {
  readonly isVolatile = false;
  onDurable: (() => void) | undefined = undefined;
  onState: (() => void) | undefined = undefined;
  /** Called with each failure of the disk, and with damage that was found. */
  onTrouble: ((error: Error) => void) | undefined = undefined;
  readonly #disk: Disk;
  readonly #options: LogStoreOptions;
  #phase: "new" | "opening" | "open" | "closing" | "closed" = "new";
  #state!: LogState;
  #writer!: LogWriter;
  #housekeeping!: Housekeeping;
  #salt = 0;
  #position: Position = 0;
  #nextNumber = 1;
  #startedAt: Position = 0;
  #toldDurable: Position = 0;
  #storeState: StoreState = "ok";
  #toldState: StoreState = "ok";
  #appendedBytes = 0;
  #freeCheckedAt = 0;
  #freeBytes = Infinity;
  #isAskingFree = false;
  #isDraining = false;
  #waiters: Waiter[] = [];
  readonly #reading = new Set<SessionKey>();
  #cancels = new Set<() => void>();

  constructor(disk: Disk, options: Partial<LogStoreOptions> = {}) {
    this.#disk = disk;
    this.#options = { ...DEFAULT_LOG_STORE_OPTIONS, ...options };
  }

  get durable(): Position {
    return this.#toldDurable;
  }

  get state(): StoreState {
    return this.#storeState;
  }

  get figures(): LogStoreFigures {
    this.#requireOpen("figures");
    const { segments, messages, sessions } = this.#state;
    let liveBytes = 0;
    for (const segment of segments.all) liveBytes += segment.liveBytes;
    return {
      segments: segments.all.length,
      bytes: segments.bytes,
      liveBytes,
      messages: messages.size,
      sessions: sessions.size,
      unflushedBytes: this.#writer.pendingBytes,
      appendedBytes: this.#appendedBytes,
      checkpoint: this.#housekeeping.checkpoint,
    };
  }

  /**
   * Takes the directory and gives back what it holds.
   *
   * @throws ConnectionError with a code of `storeErrorCodes`; the directory is then let go.
   */
  open(recovery: Recovery): Promise<void> {
    if (this.#phase !== "new") throw new UsageError("ERR_USAGE", "the store was opened before");
    this.#phase = "opening";
    return this.#disk.promise(stepOf(this.#open(recovery)));
  }

  append(record: StoreRecord): Position {
    this.#requireOpen(`record ${record.type}`);
    const position = this.#openBatch();
    const { builder } = this.#writer;
    if (record.type === "message") {
      const segment = this.#writer.segmentFor(position);
      const offset = segment.size + builder.nextBody;
      const length = builder.addMessage(record.message);
      segment.index?.add(record.message.number, offset, length);
      this.#state.addMessage(record.message.number, segment, offset, length);
    } else {
      builder.add(record);
      this.#state.apply(record);
    }
    return position;
  }

  endTurn(): void {
    if (this.#phase !== "open" || this.#writer.builder.isEmpty) return;
    this.#closeBatch();
  }

  readQueue(session: SessionKey, from: number, maximumBytes: number): Promise<QueuePage> {
    this.#requireOpen("readQueue");
    if (this.#reading.has(session))
      throw new UsageError("ERR_USAGE", `session ${session} is being read already`);
    this.#reading.add(session);
    return this.#disk.promise((resolve, reject) => {
      stepOf(this.#readPage(session, from, maximumBytes))(
        (page) => {
          this.#reading.delete(session);
          resolve(page);
        },
        (error) => {
          this.#reading.delete(session);
          reject(error);
        },
      );
    });
  }

  readMessage(message: MessageNumber): Promise<StoredMessage> {
    this.#requireOpen("readMessage");
    return this.#disk.promise((resolve, reject) => {
      const { messages } = this.#state;
      if (!messages.find(message) || messages.slot === NOWHERE) {
        reject(new UsageError("ERR_USAGE", `the store holds no message ${message}`));
        return;
      }
      const read = this.#readMessages([message]);
      read((found) => resolve(found.get(message) as StoredMessage), reject);
    });
  }

  /** Flushes and lets go. @throws ConnectionError where the disk does not take the rest. */
  close(): Promise<void> {
    if (this.#phase === "new" || this.#phase === "closed") {
      this.#phase = "closed";
      return this.#disk.promise(NOTHING);
    }
    this.#requireOpen("close");
    this.endTurn();
    this.#phase = "closing";
    return this.#disk.promise(stepOf(this.#close()));
  }

  *#open(recovery: Recovery): Task<void> {
    yield* wait(this.#disk.lock());
    let state: LogState | undefined;
    try {
      const found = yield* recover(this.#disk);
      state = found.state;
      yield* this.#askFree();
      yield* tellRecovery(this.#disk, found, recovery);
      this.#begin(found);
      // The engine acts on what it was told: so that must be sure to be there the next time too.
      if (found.tail.length > 0)
        yield* wait<void>((resolve, reject) => {
          this.#wait(found.position, resolve, reject);
          this.#writer.flushNow();
        });
    } catch (error) {
      this.#phase = "closed";
      this.#stop();
      if (state !== undefined) yield* closeFiles(state);
      yield* wait(this.#disk.unlock());
      throw error;
    }
    this.#phase = "open";
    this.#updateState();
    this.#housekeeping.look();
  }

  #begin(found: Recovered): void {
    this.#state = found.state;
    this.#salt = found.salt;
    this.#position = found.position;
    this.#startedAt = found.position;
    this.#nextNumber = found.nextNumber;
    this.#toldDurable = found.flushed;
    this.#writer = new LogWriter(
      this.#disk,
      this.#state,
      this.#options,
      { written: () => this.#written(), failed: (error) => this.#failed(error) },
      { salt: found.salt, takeNumber: () => this.#takeNumber(), flushed: found.flushed },
    );
    this.#takeOverTail(found);
    this.#housekeeping = new Housekeeping(this.#disk, this.#log(), this.#options, found);
  }

  /** What nobody is known to have flushed goes out again, to a new file. */
  #takeOverTail({ tail, state }: Recovered): void {
    const first = tail[0];
    if (first === undefined) return;
    const fresh = this.#writer.segmentFor(first.position);
    for (const { position, bytes, segment, offset } of tail) {
      const { index } = segment;
      if (index !== undefined)
        for (let at = 0; at < index.count; at += 1) {
          const old = index.offsets[at] as number;
          if (old < offset || old >= offset + bytes.length) continue;
          const number = index.numbers[at] as number;
          const moved = old - offset + fresh.size;
          const length = index.lengths[at] as number;
          fresh.index?.add(number, moved, length);
          const { messages } = state;
          if (messages.find(number) && messages.slot === segment.slot && messages.offset === old)
            state.moveMessage(number, fresh, moved, length);
        }
      this.#writer.add(position, bytes.slice(), fresh);
    }
  }

  #log(): HousekeptLog {
    // oxlint-disable-next-line typescript/no-this-alias -- the getters below are another object's
    const store = this;
    return {
      state: this.#state,
      salt: this.#salt,
      get isRefusing() {
        return store.#writer.failure !== undefined;
      },
      get isSettled() {
        return store.#phase === "open" && store.#writer.flushed >= store.#startedAt;
      },
      closed: () => (this.#writer.builder.isEmpty ? this.#position : this.#position - 1),
      flushed: (position) => wait<void>((resolve, reject) => this.#wait(position, resolve, reject)),
      flushedPosition: () => this.#writer.flushed,
      takeNumber: () => this.#takeNumber(),
      failed: (error) => this.onTrouble?.(error),
      appendMoved: (number, body) => this.#appendMoved(number, body),
      closeMoved: () => this.#closeMoved(),
    };
  }

  #takeNumber(): number {
    const number = this.#nextNumber;
    this.#nextNumber += 1;
    return number;
  }

  #openBatch(): Position {
    if (!this.#writer.builder.isEmpty) return this.#position;
    this.#position += 1;
    this.#state.position = this.#position;
    this.#writer.segmentFor(this.#position);
    return this.#position;
  }

  #closeBatch(): void {
    this.#appendedBytes += this.#writer.builder.length;
    this.#writer.close(this.#position);
    this.#state.endBatch();
    this.#updateState();
    if (this.#state.drainEnded()) this.#drainLater();
    if (this.#appendedBytes - this.#freeCheckedAt >= FREE_EVERY) this.#askFreeSoon();
  }

  /** Whether copied bodies share the engine's batch; else `closeMoved` ends theirs. */
  #isMovedBatch = false;

  #appendMoved(number: MessageNumber, body: Uint8Array): Position {
    if (this.#writer.builder.isEmpty) this.#isMovedBatch = true;
    const position = this.#openBatch();
    const segment = this.#writer.segmentFor(position);
    const { builder } = this.#writer;
    const offset = segment.size + builder.nextBody;
    const length = builder.addMoved(number, body.subarray(BODY_HEADER));
    segment.index?.add(number, offset, length);
    this.#state.moveMessage(number, segment, offset, length);
    return position;
  }

  #closeMoved(): void {
    if (this.#isMovedBatch) this.#closeBatch();
    this.#isMovedBatch = false;
  }

  #written(): void {
    const { durable, flushed } = this.#writer;
    const due = this.#waiters.filter(({ position }) => position <= flushed);
    if (due.length > 0) {
      this.#waiters = this.#waiters.filter(({ position }) => position > flushed);
      for (const { resolve } of due) resolve();
    }
    this.#updateState();
    if (durable > this.#toldDurable) {
      this.#toldDurable = durable;
      this.onDurable?.();
    }
    if (this.#phase === "open") this.#housekeeping.look();
  }

  #failed(error: Error): void {
    this.onTrouble?.(error);
    this.#updateState();
    if (this.#phase === "open") this.#housekeeping.look();
    // Nothing rises any more, so nobody waits for nothing.
    if (this.#phase !== "open") this.#rejectWaiters(error);
  }

  #wait(position: Position, resolve: () => void, reject: (error: Error) => void): void {
    if (this.#phase === "closed") reject(closedError());
    else if (this.#writer.flushed >= position) this.#later(0, resolve);
    else this.#waiters.push({ position, resolve, reject });
  }

  #rejectWaiters(error: Error): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { reject } of waiters) reject(error);
  }

  #updateState(): void {
    const { pendingBytes, failure } = this.#writer;
    const { slowBytes, maximumBytes, minimumFreeBytes } = this.#options;
    let next: StoreState = "ok";
    if (
      failure !== undefined ||
      this.#freeBytes < minimumFreeBytes ||
      this.#state.segments.bytes > maximumBytes
    )
      next = "refusing";
    else if (pendingBytes > slowBytes) next = "slow";
    else if (this.#storeState === "slow" && pendingBytes > slowBytes / 2) next = "slow";
    if (next === this.#storeState) return;
    this.#storeState = next;
    if (next === "refusing") this.#askFreeSoon();
    // Never from inside a call of the engine's.
    this.#later(0, () => {
      if (this.#toldState === this.#storeState) return;
      this.#toldState = this.#storeState;
      this.onState?.();
    });
  }

  /** Asks for the free space now, and again while the store refuses. */
  #askFreeSoon(): void {
    if (this.#isAskingFree) return;
    this.#isAskingFree = true;
    this.#freeCheckedAt = this.#appendedBytes;
    stepOf(this.#askFree())(
      () => {
        this.#isAskingFree = false;
        if (this.#phase !== "open") return;
        this.#updateState();
        this.#housekeeping.look();
        if (this.#storeState === "refusing")
          this.#later(this.#options.retryMs, () => this.#askFreeSoon());
      },
      (error) => {
        this.#isAskingFree = false;
        this.onTrouble?.(error);
      },
    );
  }

  *#askFree(): Task<void> {
    this.#freeBytes = yield* wait(this.#disk.freeBytes());
  }

  #drainLater(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#later(1, () => {
      this.#isDraining = false;
      if (this.#state.drainEnded()) this.#drainLater();
    });
  }

  #later(delayMs: number, callback: () => void): void {
    const cancel = this.#disk.later(delayMs, () => {
      this.#cancels.delete(cancel);
      callback();
    });
    this.#cancels.add(cancel);
  }

  *#readPage(session: SessionKey, from: number, maximumBytes: number): Task<QueuePage> {
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
    const found = yield* wait(this.#readMessages(entries.map(({ message }) => message)));
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

  /** Messages by their numbers, from memory where they are not flushed. */
  #readMessages(numbers: readonly MessageNumber[]): Step<Map<MessageNumber, StoredMessage>> {
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
        this.#later(0, () => resolve(found));
        return;
      }
      const read = readBodies(this.#disk, this.#salt, wanted, ({ number }, bytes) => {
        found.set(number, messageOf(bytes));
      });
      read(
        () => resolve(found),
        (error) => {
          this.onTrouble?.(error);
          reject(error);
        },
      );
    };
  }

  *#close(): Task<void> {
    let failure: Error | undefined;
    try {
      const flushed = wait<void>((resolve, reject) => this.#wait(this.#position, resolve, reject));
      this.#writer.finish();
      yield* flushed;
    } catch (error) {
      failure = error as Error;
    }
    this.#phase = "closed";
    this.#rejectWaiters(closedError());
    yield* this.#housekeeping.stop();
    this.#stop();
    yield* closeFiles(this.#state);
    yield* wait(this.#disk.unlock());
    if (failure !== undefined) throw failure;
  }

  /** Nothing is begun any more. */
  #stop(): void {
    this.#writer?.stop();
    for (const cancel of this.#cancels) cancel();
    this.#cancels.clear();
  }

  #requireOpen(what: string): void {
    if (this.#phase === "open") return;
    if (this.#phase === "closing" || this.#phase === "closed")
      throw storeError("ERR_STORE_CLOSED", `${what}: the store was closed`);
    throw new UsageError("ERR_USAGE", `${what} before the store was opened`);
  }
}

function* closeFiles(state: LogState): Task<void> {
  for (const segment of state.segments.all) {
    if (segment.file !== undefined) yield* wait(segment.file.close());
    segment.file = undefined;
  }
}

const NOTHING: Step<void> = (resolve) => resolve();

function closedError(): Error {
  return storeError("ERR_STORE_CLOSED", "the store was closed");
}
