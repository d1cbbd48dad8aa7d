import type { MessageNumber, Position, SessionKey } from "../../engine/ports.ts";
import type {
  StoredBan,
  StoredDelayed,
  StoredWill,
  StoreRecord,
  TimeMark,
} from "../../engine/records.ts";
import { MessageTable, NOWHERE } from "./message-table.ts";
import { QueueIndex } from "./queue-index.ts";
import type { LogRecord } from "./log-record.ts";
import type { KeptRecord } from "./record-table.ts";
import { SegmentSet } from "./segment.ts";
import type { Segment } from "./segment.ts";

type RecordOf<T extends StoreRecord["type"]> = Extract<StoreRecord, { type: T }>;

/** Entries of ended sessions that are let go at a time. */
const DRAIN = 4096;

/** What the log keeps of a session: no bodies. Maps come with their first entry. */
export interface LogSession {
  readonly session: SessionKey;
  readonly clientId: string;
  readonly username: string | undefined;
  epoch: number;
  sessionExpiryInterval: number;
  isTrusted: boolean;
  detachedAt: number | undefined;
  inFlight: number | undefined;
  inFlightMaximum: number;
  subscriptions: Map<string, RecordOf<"subscribe">> | undefined;
  /** Packet Identifier -> refused. */
  inbound: Map<number, boolean> | undefined;
  /** Sequence -> Packet Identifier. */
  received: Map<number, number> | undefined;
  readonly queue: QueueIndex;
  /** Only its queue counts. */
  hasLeft: boolean;
}

/**
 * What the records of a log mean, without bodies. It is never behind: a record is applied when it
 * is appended. Applying a part of a log again to a state that has already seen it gives the same
 * state, so that a checkpoint may be written while the log goes on: every record either sets or
 * removes something, and the sequences of a queue only rise.
 */
export class LogState {
  readonly sessions = new Map<SessionKey, LogSession>();
  readonly retained = new Map<string, MessageNumber>();
  readonly wills = new Map<SessionKey, { readonly clientId: string; readonly will: StoredWill }>();
  readonly delayed = new Map<number, StoredDelayed>();
  /** By kind and value. */
  readonly bans = new Map<string, StoredBan>();
  time: TimeMark | undefined;
  readonly messages = new MessageTable();
  readonly segments = new SegmentSet();
  highestMessage = 0;
  highestSession = 0;
  /** The batch that what is applied now belongs to. */
  position: Position = 0;
  /** Messages that nothing referred to in the present batch, and in the one before. */
  #young: MessageNumber[] = [];
  #old: MessageNumber[] = [];
  /** Queues of sessions that ended. */
  readonly #ended: QueueIndex[] = [];

  /** Takes in one record. A `message` says only that the number is taken: `addMessage` has the place. */
  apply(record: LogRecord): void {
    if ("session" in record && record.session > this.highestSession)
      this.highestSession = record.session;
    switch (record.type) {
      case "session-begin":
        this.#endSession(record.session);
        this.sessions.set(record.session, {
          session: record.session,
          clientId: record.clientId,
          username: record.username,
          epoch: record.epoch,
          sessionExpiryInterval: record.sessionExpiryInterval,
          isTrusted: record.isTrusted,
          detachedAt: undefined,
          inFlight: undefined,
          inFlightMaximum: record.inFlightMaximum,
          subscriptions: undefined,
          inbound: undefined,
          received: undefined,
          queue: new QueueIndex(),
          hasLeft: false,
        });
        return;
      case "session-attach": {
        const session = this.sessions.get(record.session);
        if (session === undefined) return;
        session.epoch = record.epoch;
        session.sessionExpiryInterval = record.sessionExpiryInterval;
        session.isTrusted = record.isTrusted;
        session.detachedAt = undefined;
        session.inFlight = undefined;
        session.inFlightMaximum = record.inFlightMaximum;
        return;
      }
      case "session-detach": {
        const session = this.sessions.get(record.session);
        if (session === undefined) return;
        session.sessionExpiryInterval = record.sessionExpiryInterval;
        session.detachedAt = record.detachedAt;
        session.inFlight = record.inFlight;
        return;
      }
      case "session-leave": {
        const session = this.sessions.get(record.session);
        if (session === undefined) return;
        session.hasLeft = true;
        session.subscriptions = undefined;
        session.inbound = undefined;
        session.received = undefined;
        return;
      }
      case "session-end":
        this.#endSession(record.session);
        return;
      case "subscribe": {
        const session = this.sessions.get(record.session);
        if (session === undefined) return;
        session.subscriptions ??= new Map();
        session.subscriptions.set(record.topicFilter, record);
        return;
      }
      case "retained-sent": {
        const subscriptions = this.sessions.get(record.session)?.subscriptions;
        const subscription = subscriptions?.get(record.topicFilter);
        if (subscription !== undefined)
          subscriptions?.set(record.topicFilter, { ...subscription, retainedOwed: false });
        return;
      }
      case "unsubscribe":
        this.sessions.get(record.session)?.subscriptions?.delete(record.topicFilter);
        return;
      case "message":
        this.highestMessage = Math.max(this.highestMessage, record.message.number);
        return;
      case "enqueue":
        if (this.sessions.get(record.session)?.queue.push(record) === true)
          this.messages.retain(record.message);
        return;
      case "settled": {
        const session = this.sessions.get(record.session);
        if (session === undefined) return;
        this.#settle(session, record.sequence);
        return;
      }
      case "trim": {
        const session = this.sessions.get(record.session);
        if (session === undefined) return;
        const { from, to } = record;
        const given: number[] = [];
        session.queue.forEachFrom(from, ({ sequence }) => {
          if (sequence >= to) return false;
          given.push(sequence);
          return true;
        });
        for (const sequence of given) this.#settle(session, sequence);
        // Applied again, there may be some whose entries are gone already.
        for (const sequence of session.received?.keys() ?? [])
          if (sequence >= from && sequence < to) session.received?.delete(sequence);
        return;
      }
      case "received": {
        const session = this.sessions.get(record.session);
        if (session === undefined) return;
        session.received ??= new Map();
        session.received.set(record.sequence, record.packetIdentifier);
        return;
      }
      case "inbound-begin": {
        const session = this.sessions.get(record.session);
        if (session === undefined) return;
        session.inbound ??= new Map();
        session.inbound.set(record.packetIdentifier, record.denied);
        return;
      }
      case "inbound-end":
        this.sessions.get(record.session)?.inbound?.delete(record.packetIdentifier);
        return;
      case "retained": {
        const before = this.retained.get(record.topicName);
        this.messages.retain(record.message);
        this.retained.set(record.topicName, record.message);
        if (before !== undefined) this.#release(before);
        return;
      }
      case "retained-clear": {
        const before = this.retained.get(record.topicName);
        if (before === undefined) return;
        this.retained.delete(record.topicName);
        this.#release(before);
        return;
      }
      case "will-set":
        this.wills.set(record.session, { clientId: record.clientId, will: record.will });
        return;
      case "will-clear":
        this.wills.delete(record.session);
        return;
      case "delayed": {
        const { delayedId, message, dueAt } = record;
        const before = this.delayed.get(delayedId);
        this.messages.retain(message);
        this.delayed.set(delayedId, { delayedId, message, dueAt });
        if (before !== undefined) this.#release(before.message);
        return;
      }
      case "delayed-end": {
        const before = this.delayed.get(record.delayedId);
        if (before === undefined) return;
        this.delayed.delete(record.delayedId);
        this.#release(before.message);
        return;
      }
      case "ban": {
        const { kind, value, until, reason } = record;
        this.bans.set(`${kind} ${value}`, { kind, value, until, reason });
        return;
      }
      case "ban-end":
        this.bans.delete(`${record.kind} ${record.value}`);
        return;
      case "time-mark":
        this.time = { storeTime: record.storeTime, wallTime: record.wallTime };
        return;
      case "sequence":
        this.sessions.get(record.session)?.queue.raise(record.next);
        return;
      case "numbers":
        this.highestMessage = Math.max(this.highestMessage, record.message);
        this.highestSession = Math.max(this.highestSession, record.session);
        return;
      case "end":
        return;
      default:
        record satisfies never;
    }
  }

  /** A record as it is kept. */
  kept(record: StoreRecord): KeptRecord {
    if (record.type !== "trim") return record;
    const { session, from, count } = record;
    const to = this.sessions.get(session)?.queue.endOf(from, count) ?? from;
    return { type: "trim", session, from, to };
  }

  /** A new message, and where its body is. */
  addMessage(number: MessageNumber, segment: Segment, offset: number, length: number): void {
    this.highestMessage = Math.max(this.highestMessage, number);
    this.moveMessage(number, segment, offset, length);
    this.#young.push(number);
  }

  /** A message's body is now here. */
  moveMessage(number: MessageNumber, segment: Segment, offset: number, length: number): void {
    const { messages } = this;
    if (messages.find(number) && messages.slot !== NOWHERE)
      this.#leave(messages.slot, messages.length);
    messages.place(number, segment.slot, offset, length);
    segment.live += 1;
    segment.liveBytes += length;
  }

  /**
   * The batch ended. A message that nothing has referred to since the batch before is forgotten:
   * until then, or until all is flushed, another session may still take it over.
   */
  endBatch(): void {
    const { messages } = this;
    for (const number of this.#old)
      if (messages.find(number) && messages.references === 0) {
        if (messages.slot !== NOWHERE) this.#leave(messages.slot, messages.length);
        messages.remove(number);
      }
    this.#old = this.#young;
    this.#young = [];
  }

  /** Lets go a part of what ended sessions had. @returns whether there is more. */
  drainEnded(): boolean {
    const queue = this.#ended[0];
    if (queue === undefined) return false;
    if (!queue.drain(DRAIN, (message) => this.#release(message))) this.#ended.shift();
    return this.#ended.length > 0;
  }

  /** Forgets every message without a reference, at once. @returns one that has no place, if any. */
  sweep(): MessageNumber | undefined {
    while (this.drainEnded());
    const { messages } = this;
    const dead: MessageNumber[] = [];
    let missing: MessageNumber | undefined;
    messages.forEach((number, slot, _offset, _length, references) => {
      if (references === 0) dead.push(number);
      else if (slot === NOWHERE) missing ??= number;
    });
    for (const number of dead) messages.remove(number);
    this.#young = [];
    this.#old = [];
    this.segments.recount(messages);
    return missing;
  }

  #endSession(key: SessionKey): void {
    const session = this.sessions.get(key);
    if (session === undefined) return;
    this.sessions.delete(key);
    if (session.queue.count > 0) this.#ended.push(session.queue);
  }

  #settle(session: LogSession, sequence: number): void {
    const message = session.queue.settle(sequence);
    if (message !== undefined) this.#release(message);
    session.received?.delete(sequence);
  }

  #release(message: MessageNumber): void {
    if (this.messages.release(message) === 0) this.#young.push(message);
  }

  #leave(slot: number, length: number): void {
    const segment = this.segments.at(slot);
    segment.live -= 1;
    segment.liveBytes -= length;
    segment.emptiedAt = this.position;
  }
}
