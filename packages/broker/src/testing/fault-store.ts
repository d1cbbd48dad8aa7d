import { UsageError } from "@sericite/protocol";
import type {
  MessageNumber,
  Position,
  QueueEntry,
  QueuePage,
  SessionKey,
  StoredMessage,
  StoreState,
} from "../engine/ports.ts";
import type { Recovery, StoreRecord } from "../engine/records.ts";
import { Answer } from "./answer.ts";
import type { SimulatedProcess } from "./event-scheduler.ts";
import type { Chance } from "./random.ts";
import { RecordState } from "./record-state.ts";
import { ownRecord } from "./watched-store.ts";
import type { KeptRecord, WatchedStore } from "./watched-store.ts";

/** How a fault store's medium behaves by itself. */
export interface StoreFaults {
  /** Share of flushes and reads that take long, 0…1. */
  readonly delay: number;
  /** How long, at most. Milliseconds. */
  readonly delayMaximumMs: number;
}

/** A medium that is always quick, though never at once. */
export const NO_STORE_FAULTS: StoreFaults = { delay: 0, delayMaximumMs: 0 };

/** What lasts when the process of a fault store dies. */
export class FaultMedium {
  /** All records of all batches that survived so far, oldest first. */
  readonly kept: KeptRecord[] = [];
  /** Highest batch number given out so far; a new process goes on above. */
  position: Position = 0;

  /** What the surviving records mean. */
  state(): RecordState {
    const state = new RecordState();
    for (const { record } of this.kept) state.apply(record);
    return state;
  }
}

/**
 * A store in memory that behaves like one on a bad disk: `durable` lags, stalls and refuses, and a
 * crash leaves exactly what was durable, or a little more where asked. All its records can be
 * looked at. Its answers are events of the broker's process.
 */
export class FaultStore implements WatchedStore {
  readonly isVolatile = false;
  readonly medium: FaultMedium;
  readonly records: KeptRecord[];
  faults: StoreFaults;
  onDurable: (() => void) | undefined = undefined;
  onState: (() => void) | undefined = undefined;
  readonly #process: SimulatedProcess;
  readonly #chance: Chance;
  /** With the unwritten batches too. */
  readonly #now: RecordState;
  #durable: Position;
  #state: StoreState = "ok";
  #troubledAtMs = -1;
  #isOpen = false;
  #isOpening = false;
  /** Records of the batch that is not closed. */
  #batch: KeptRecord[] = [];
  #position: Position;
  /** Closed and not durable. */
  #closed: KeptRecord[] = [];
  #isFlushing = false;
  #isStalled = false;
  readonly #reading = new Set<SessionKey>();

  constructor(
    process: SimulatedProcess,
    chance: Chance,
    medium: FaultMedium = new FaultMedium(),
    faults: StoreFaults = NO_STORE_FAULTS,
  ) {
    this.#process = process;
    this.#chance = chance;
    this.medium = medium;
    this.faults = faults;
    this.records = [...medium.kept];
    this.#now = medium.state();
    this.#durable = medium.position;
    this.#position = medium.position;
  }

  get durable(): Position {
    return this.#durable;
  }

  get state(): StoreState {
    return this.#state;
  }

  /** Time at which it last was not "ok". Milliseconds; -1: never. */
  get troubledAtMs(): number {
    return this.#state === "ok" ? this.#troubledAtMs : this.#process.clock.now();
  }

  open(recovery: Recovery): Promise<void> {
    if (this.#isOpening) throw new UsageError("ERR_USAGE", "the store is open already");
    this.#isOpening = true;
    return Answer.after(this.#process, this.#delay(), () => {
      this.#now.recover(recovery);
      this.#isOpen = true;
    });
  }

  append(record: StoreRecord): Position {
    if (!this.#isOpen)
      throw new UsageError("ERR_USAGE", `record ${record.type} before the store was opened`);
    if (this.#batch.length === 0) this.#position += 1;
    const kept: KeptRecord = { position: this.#position, record: ownRecord(record) };
    this.#batch.push(kept);
    this.records.push(kept);
    this.#now.apply(kept.record);
    return this.#position;
  }

  endTurn(): void {
    if (this.#batch.length === 0) return;
    this.#closed.push(...this.#batch);
    this.#batch = [];
    this.#flush();
  }

  readQueue(session: SessionKey, from: number, maximumBytes: number): Promise<QueuePage> {
    if (this.#reading.has(session))
      throw new UsageError("ERR_USAGE", `session ${session} is being read already`);
    this.#reading.add(session);
    return Answer.after(this.#process, this.#delay(), () => {
      this.#reading.delete(session);
      return pageOf(this.#now.queue(session), from, maximumBytes);
    });
  }

  readMessage(message: MessageNumber): Promise<StoredMessage> {
    return Answer.after(this.#process, this.#delay(), () => {
      const found = this.#now.message(message);
      if (found === undefined)
        throw new UsageError("ERR_USAGE", `the store holds no message ${message}`);
      return found;
    });
  }

  close(): Promise<void> {
    this.endTurn();
    const closed = new Answer<void>(this.#process);
    const wait = (): void => {
      if (this.#closed.length === 0) closed.resolve();
      else this.#process.post(wait, 1);
    };
    this.#process.post(wait);
    return closed;
  }

  /** Nothing becomes durable until `unstall`. */
  stall(): void {
    this.#isStalled = true;
  }

  /** Ends `stall`. */
  unstall(): void {
    this.#isStalled = false;
    this.#flush();
  }

  /** Sets `state`, as trouble with the medium does; "refusing" also stalls, and leaving it unstalls. */
  enter(state: StoreState): void {
    if (state === this.#state) return;
    const wasRefusing = this.#state === "refusing";
    this.#troubledAtMs = this.#process.clock.now();
    this.#state = state;
    if (state === "refusing") this.stall();
    else if (wasRefusing) this.unstall();
    this.#process.post(() => this.onState?.());
  }

  /**
   * What the medium holds after a crash at this moment: all that is durable, and perhaps some whole
   * batches of what was on its way. Stop the process first.
   *
   * @param tail  Share of the batches on their way that survive, 0…1; always the oldest of them.
   */
  crash(tail: number = 0): FaultMedium {
    const last = this.#closed[this.#closed.length - 1]?.position ?? this.#durable;
    const surviving = this.#durable + Math.floor((last - this.#durable) * tail);
    for (const kept of this.#closed) if (kept.position <= surviving) this.medium.kept.push(kept);
    this.#closed = [];
    // Numbers go on above all that were given out, so that positions in a test's log stay unique.
    this.medium.position = this.#position;
    return this.medium;
  }

  #delay(): number {
    const { delay, delayMaximumMs } = this.faults;
    return delay > 0 && this.#chance.happens(delay) ? this.#chance.integer(1, delayMaximumMs) : 0;
  }

  /** One flush at a time; what is closed meanwhile goes with the next. */
  #flush(): void {
    if (this.#isFlushing || this.#isStalled || this.#closed.length === 0) return;
    this.#isFlushing = true;
    const upTo = (this.#closed[this.#closed.length - 1] as KeptRecord).position;
    this.#process.post(() => {
      this.#isFlushing = false;
      if (this.#isStalled) return;
      const count = this.#closed.findIndex((kept) => kept.position > upTo);
      const flushed = this.#closed.splice(0, count < 0 ? this.#closed.length : count);
      this.medium.kept.push(...flushed);
      this.#durable = upTo;
      this.#flush();
      this.onDurable?.();
    }, this.#delay());
  }
}

/** The entries from sequence `from` on that fit into `maximumBytes`; at least one where there is one. */
function pageOf(queue: readonly QueueEntry[], from: number, maximumBytes: number): QueuePage {
  const entries: QueueEntry[] = [];
  let bytes = 0;
  for (const entry of queue) {
    if (entry.sequence < from) continue;
    const { topicName, payload, properties } = entry.message;
    bytes += topicName.length + payload.length + properties.length;
    if (entries.length > 0 && bytes > maximumBytes)
      return { entries, unreadable: [], next: entry.sequence };
    entries.push(entry);
  }
  return { entries, unreadable: [], next: undefined };
}
