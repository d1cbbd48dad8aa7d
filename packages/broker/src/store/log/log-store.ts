import { UsageError } from "@sericite/protocol";
import type {
  MessageNumber,
  Position,
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
import { LogReader } from "./log-reader.ts";
import { DEFAULT_LOG_STORE_OPTIONS } from "./log-store-options.ts";
import type { LogStoreOptions } from "./log-store-options.ts";
import { NOWHERE } from "./message-table.ts";
import type { LogRecord } from "./log-record.ts";
import { recover } from "./recover.ts";
import type { Recovered } from "./recover.ts";
import { StoreHealth } from "./store-health.ts";
import type { StoreWork } from "./store-work.ts";
import { tellRecovery } from "./tell-recovery.ts";
import { stepOf, wait } from "./task.ts";
import type { Task } from "./task.ts";

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
  #reader!: LogReader;
  #housekeeping!: Housekeeping;
  readonly #health: StoreHealth;
  #salt = 0;
  #position: Position = 0;
  #nextNumber = 1;
  #startedAt: Position = 0;
  #toldDurable: Position = 0;
  #appendedBytes = 0;
  #isDraining = false;
  #waiters: Waiter[] = [];
  readonly #reading = new Set<SessionKey>();
  #cancels = new Set<() => void>();

  constructor(disk: Disk, options: Partial<LogStoreOptions> = {}) {
    this.#disk = disk;
    this.#options = { ...DEFAULT_LOG_STORE_OPTIONS, ...options };
    this.#health = new StoreHealth(disk, this.#options, {
      changed: () => this.onState?.(),
      asked: () => {
        if (this.#phase !== "open") return;
        this.#updateState();
        this.#housekeeping.look();
      },
      failed: (error) => this.onTrouble?.(error),
    });
  }

  get durable(): Position {
    return this.#toldDurable;
  }

  get state(): StoreState {
    return this.#health.state;
  }

  /** What makes `state` "refusing" or "full": a failure of the disk, or a bound that was reached. */
  get trouble(): Error | undefined {
    if (this.#phase !== "open" || (this.state !== "refusing" && this.state !== "full"))
      return undefined;
    return this.#writer.failure ?? this.#health.crossedBound;
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
    return this.#append(record.type === "trim" ? this.#state.kept(record) : record);
  }

  /**
   * Takes a record as another store kept it, for a store that is to become like that one: all that
   * `checkStore` or `exportStore` give, in their order, into an empty store.
   */
  restore(record: LogRecord): Position {
    this.#requireOpen(`record ${record.type}`);
    return this.#append(record);
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
      const damaged = (error: Error): void => this.onTrouble?.(error);
      stepOf(this.#reader.page(session, from, maximumBytes, damaged))(
        (page) => {
          this.#reading.delete(session);
          resolve(page);
        },
        (error) => {
          this.#reading.delete(session);
          this.onTrouble?.(error);
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
      const fail = (error: Error): void => {
        this.onTrouble?.(error);
        reject(error);
      };
      const read = this.#reader.messages([message]);
      read(({ found, damage: [damage] }) => {
        if (damage === undefined) resolve(found.get(message) as StoredMessage);
        else fail(damage.error);
      }, fail);
    });
  }

  /**
   * Makes the store as small as it can be: writes a checkpoint, copies together what is wanted of
   * segments with much that is not, and removes the rest. Nothing may be appended meanwhile.
   *
   * @throws ConnectionError where the disk fails. Nothing is lost by that, nor by ending early.
   */
  compact(work: StoreWork = {}): Promise<void> {
    this.#requireOpen("compact");
    return this.#disk.promise(stepOf(this.#housekeeping.compact(work)));
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
      yield* this.#health.ask();
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
      {
        written: () => this.#written(),
        flushed: (segment, offset, bytes) => this.#reader.recent.add(segment, offset, bytes),
        failed: (error) => this.#failed(error),
      },
      { salt: found.salt, takeNumber: () => this.#takeNumber(), flushed: found.flushed },
    );
    this.#reader = new LogReader(this.#disk, this.#state, this.#writer, {
      salt: found.salt,
      cache: this.#options,
      recentBytes: this.#options.recentBytes,
    });
    this.#takeOverTail(found);
    for (const segment of this.#state.segments.all)
      if (segment.hasIndexFile) segment.index = undefined;
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
      get isShort() {
        return store.#health.state === "full" || store.#health.state === "refusing";
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
  }

  /** Whether copied bodies share the engine's batch; else `closeMoved` ends theirs. */
  #isMovedBatch = false;

  #append(record: LogRecord): Position {
    const position = this.#openBatch();
    try {
      this.#add(record, position);
    } catch (error) {
      // A batch number without a batch would be taken for a batch that is missing.
      if (this.#writer.builder.isEmpty) this.#position -= 1;
      throw error;
    }
    return position;
  }

  #add(record: LogRecord, position: Position): void {
    const { builder } = this.#writer;
    if (record.type !== "message") {
      builder.add(record);
      this.#state.apply(record);
      return;
    }
    const { number } = record.message;
    const segment = this.#writer.segmentFor(position);
    const offset = segment.size + builder.nextBody;
    const length = builder.addMessage(record.message);
    segment.index?.add(number, offset, length);
    this.#state.addMessage(number, segment, offset, length);
  }

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
    this.#forget();
    this.#updateState();
    if (durable > this.#toldDurable) {
      this.#toldDurable = durable;
      this.onDurable?.();
    }
    if (this.#phase === "open") this.#housekeeping.look();
  }

  /** At rest nothing is under way that could still refer to what nothing refers to. */
  #forget(): void {
    if (!this.#writer.isIdle || !this.#writer.builder.isEmpty) return;
    this.#state.endBatch();
    this.#state.endBatch();
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
    const { bytes } = this.#state.segments;
    this.#health.look({
      isFailing: failure !== undefined,
      unflushedBytes: pendingBytes,
      bytes,
      appendedBytes: this.#appendedBytes,
    });
  }

  #drainLater(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#later(1, () => {
      this.#isDraining = false;
      if (this.#state.drainEnded()) this.#drainLater();
      this.#forget();
      this.#housekeeping.look();
    });
  }

  #later(delayMs: number, callback: () => void): void {
    const cancel = this.#disk.later(delayMs, () => {
      this.#cancels.delete(cancel);
      callback();
    });
    this.#cancels.add(cancel);
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
    this.#health.stop();
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
