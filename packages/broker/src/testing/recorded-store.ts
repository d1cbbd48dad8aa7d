import { isDeepStrictEqual } from "node:util";
import type { Clock } from "@sericite/protocol";
import type {
  MessageNumber,
  Position,
  QueuePage,
  SessionKey,
  Store,
  StoredMessage,
  StoreState,
} from "../engine/ports.ts";
import type { Recovery, StoreRecord } from "../engine/records.ts";
import { collectRecovery, RecordState } from "./record-state.ts";
import { ownRecord } from "./watched-store.ts";
import type { KeptRecord, WatchedStore } from "./watched-store.ts";

/** What is known of a store's records when its process dies. */
export interface RecordHistory {
  /** Everything that may be on the medium, oldest first. */
  readonly records: readonly KeptRecord[];
  /** Batches up to here must be. */
  readonly durable: Position;
}

/**
 * Lets another store work and writes down what goes in. What that one gives back at start must be
 * what some number of whole batches means, all that were durable among them.
 */
export class RecordedStore implements WatchedStore {
  readonly isVolatile = false;
  records: KeptRecord[] = [];
  readonly #inner: Store;
  readonly #clock: Clock;
  readonly #before: RecordHistory;
  #isOpen = false;
  #troubledAtMs = -1;

  /** @param before  What the process before left. */
  constructor(inner: Store, clock: Clock, before: RecordHistory = { records: [], durable: 0 }) {
    this.#inner = inner;
    this.#clock = clock;
    this.#before = before;
  }

  /** What may be found after a crash at this moment. */
  get history(): RecordHistory {
    return this.#isOpen ? { records: this.records, durable: this.durable } : this.#before;
  }

  get durable(): Position {
    return this.#inner.durable;
  }

  get state(): StoreState {
    const { state } = this.#inner;
    if (state !== "ok") this.#troubledAtMs = this.#clock.now();
    return state;
  }

  get troubledAtMs(): number {
    return this.state === "ok" ? this.#troubledAtMs : this.#clock.now();
  }

  get onDurable(): (() => void) | undefined {
    return this.#inner.onDurable;
  }

  set onDurable(callback: (() => void) | undefined) {
    this.#inner.onDurable = callback;
  }

  get onState(): (() => void) | undefined {
    return this.#inner.onState;
  }

  set onState(callback: (() => void) | undefined) {
    this.#inner.onState = (): void => {
      // It may be over before anybody looks.
      this.#troubledAtMs = this.#clock.now();
      callback?.();
    };
  }

  /** @throws where what comes back is not what was kept. */
  open(recovery: Recovery): Promise<void> {
    const found = collectRecovery();
    return this.#inner.open(both(found, recovery)).then(() => {
      this.records = survivors(this.#before, found.state());
      this.#isOpen = true;
    });
  }

  append(record: StoreRecord): Position {
    const position = this.#inner.append(record);
    this.records.push({ position, record: ownRecord(record) });
    return position;
  }

  endTurn(): void {
    this.#inner.endTurn();
  }

  readQueue(session: SessionKey, from: number, maximumBytes: number): Promise<QueuePage> {
    return this.#inner.readQueue(session, from, maximumBytes);
  }

  readMessage(message: MessageNumber): Promise<StoredMessage> {
    return this.#inner.readMessage(message);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

/** Tells two of everything. */
function both(one: Recovery, other: Recovery): Recovery {
  const names = ["session", "retained", "will", "delayed", "ban", "time", "numbers"] as const;
  const recovery: Record<string, (...told: unknown[]) => void> = {};
  for (const name of names) {
    recovery[name] = (...told): void => {
      (one[name] as (...told: unknown[]) => void)(...told);
      (other[name] as (...told: unknown[]) => void)(...told);
    };
  }
  return recovery as unknown as Recovery;
}

/** The records that came back: the most that mean what was found. */
function survivors({ records, durable }: RecordHistory, found: unknown): KeptRecord[] {
  for (let count = records.length; ;) {
    if (isDeepStrictEqual(meaningOf(records.slice(0, count)), found))
      return records.slice(0, count);
    const last = records[count - 1]?.position ?? 0;
    if (last <= durable) break;
    while (count > 0 && records[count - 1]?.position === last) count -= 1;
  }
  throw new Error(
    `the store was durable up to position ${durable}, but what came back is neither that nor more of its batches`,
  );
}

function meaningOf(records: readonly KeptRecord[]): unknown {
  const state = new RecordState();
  for (const { record } of records) state.apply(record);
  const recovery = collectRecovery();
  state.recover(recovery);
  return recovery.state();
}
