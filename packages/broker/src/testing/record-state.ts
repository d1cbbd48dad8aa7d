import type { MessageNumber, QueueEntry, SessionKey, StoredMessage } from "../engine/ports.ts";
import type {
  QueueSummary,
  RecoveredSession,
  Recovery,
  StoredBan,
  StoredDelayed,
  StoredWill,
  StoreRecord,
  TimeMark,
} from "../engine/records.ts";

type RecordOf<T extends StoreRecord["type"]> = Extract<StoreRecord, { type: T }>;

interface SessionState {
  readonly session: SessionKey;
  readonly clientId: string;
  readonly username: string | undefined;
  epoch: number;
  sessionExpiryInterval: number;
  isTrusted: boolean;
  detachedAt: number | undefined;
  inFlight: number | undefined;
  inFlightMaximum: number;
  readonly subscriptions: Map<string, RecordOf<"subscribe">>;
  /** Packet Identifier -> refused. */
  readonly inbound: Map<number, boolean>;
  /** By sequence, in order. */
  readonly queue: Map<number, RecordOf<"enqueue">>;
  /** Above every sequence so far. */
  next: number;
  readonly received: Map<number, number>;
  hasLeft: boolean;
}

/**
 * What a sequence of records means: the model that a store's recovery is checked against. Written
 * to be read, one case for each record; speed is no aim.
 */
export class RecordState {
  readonly #sessions = new Map<SessionKey, SessionState>();
  readonly #messages = new Map<MessageNumber, StoredMessage>();
  readonly #retained = new Map<string, MessageNumber>();
  readonly #wills = new Map<SessionKey, { readonly clientId: string; readonly will: StoredWill }>();
  readonly #delayed = new Map<number, StoredDelayed>();
  /** By kind and value. */
  readonly #bans = new Map<string, StoredBan>();
  #time: TimeMark | undefined;
  #highestMessage = 0;
  #highestSession = 0;

  /** Takes one record, in the order of the store. What names an ended session has no effect. */
  apply(record: StoreRecord): void {
    if ("session" in record && record.session > this.#highestSession)
      this.#highestSession = record.session;
    switch (record.type) {
      case "session-begin":
        this.#sessions.set(record.session, {
          session: record.session,
          clientId: record.clientId,
          username: record.username,
          epoch: record.epoch,
          sessionExpiryInterval: record.sessionExpiryInterval,
          isTrusted: record.isTrusted,
          detachedAt: undefined,
          inFlight: undefined,
          inFlightMaximum: record.inFlightMaximum,
          subscriptions: new Map(),
          inbound: new Map(),
          queue: new Map(),
          next: 0,
          received: new Map(),
          hasLeft: false,
        });
        return;
      case "session-attach": {
        const session = this.#sessions.get(record.session);
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
        const session = this.#sessions.get(record.session);
        if (session === undefined) return;
        session.sessionExpiryInterval = record.sessionExpiryInterval;
        session.detachedAt = record.detachedAt;
        session.inFlight = record.inFlight;
        return;
      }
      case "session-leave": {
        const session = this.#sessions.get(record.session);
        if (session === undefined) return;
        session.hasLeft = true;
        session.subscriptions.clear();
        session.inbound.clear();
        session.received.clear();
        return;
      }
      case "session-end":
        // Its Will stands until `will-clear`: it may have to be published because of this end.
        this.#sessions.delete(record.session);
        return;
      case "subscribe":
        this.#sessions.get(record.session)?.subscriptions.set(record.topicFilter, record);
        return;
      case "retained-sent": {
        const subscriptions = this.#sessions.get(record.session)?.subscriptions;
        const subscription = subscriptions?.get(record.topicFilter);
        if (subscription !== undefined)
          subscriptions?.set(record.topicFilter, { ...subscription, retainedOwed: false });
        return;
      }
      case "unsubscribe":
        this.#sessions.get(record.session)?.subscriptions.delete(record.topicFilter);
        return;
      case "message":
        this.#messages.set(record.message.number, record.message);
        this.#highestMessage = Math.max(this.#highestMessage, record.message.number);
        return;
      case "enqueue": {
        const session = this.#sessions.get(record.session);
        if (session === undefined) return;
        session.queue.set(record.sequence, record);
        session.next = Math.max(session.next, record.sequence + 1);
        return;
      }
      case "settled": {
        const session = this.#sessions.get(record.session);
        session?.queue.delete(record.sequence);
        session?.received.delete(record.sequence);
        return;
      }
      case "trim": {
        const session = this.#sessions.get(record.session);
        if (session === undefined) return;
        const waiting = [...session.queue.keys()].sort((a, b) => a - b);
        const given = waiting.filter((sequence) => sequence >= record.from).slice(0, record.count);
        const last = given.at(-1) ?? -1;
        for (const sequence of given) session.queue.delete(sequence);
        for (const sequence of session.received.keys())
          if (sequence >= record.from && sequence <= last) session.received.delete(sequence);
        return;
      }
      case "received":
        this.#sessions.get(record.session)?.received.set(record.sequence, record.packetIdentifier);
        return;
      case "inbound-begin":
        this.#sessions.get(record.session)?.inbound.set(record.packetIdentifier, record.denied);
        return;
      case "inbound-end":
        this.#sessions.get(record.session)?.inbound.delete(record.packetIdentifier);
        return;
      case "retained":
        this.#retained.set(record.topicName, record.message);
        return;
      case "retained-clear":
        this.#retained.delete(record.topicName);
        return;
      case "will-set":
        this.#wills.set(record.session, { clientId: record.clientId, will: record.will });
        return;
      case "will-clear":
        this.#wills.delete(record.session);
        return;
      case "delayed": {
        const { delayedId, message, dueAt } = record;
        this.#delayed.set(delayedId, { delayedId, message, dueAt });
        return;
      }
      case "delayed-end":
        this.#delayed.delete(record.delayedId);
        return;
      case "ban": {
        const { kind, value, until, reason } = record;
        this.#bans.set(`${kind} ${value}`, { kind, value, until, reason });
        return;
      }
      case "ban-end":
        this.#bans.delete(`${record.kind} ${record.value}`);
        return;
      case "time-mark":
        this.#time = { storeTime: record.storeTime, wallTime: record.wallTime };
        return;
      default:
        record satisfies never;
    }
  }

  /** The message of this number, or `undefined` where no record had it. */
  message(number: MessageNumber): StoredMessage | undefined {
    return this.#messages.get(number);
  }

  /** What waits for a session, in order; empty where there is no such session. */
  queue(session: SessionKey): QueueEntry[] {
    const state = this.#sessions.get(session);
    return state === undefined ? [] : this.#entries(state);
  }

  /** Tells all of it, as a store does at `open`. */
  recover(recovery: Recovery): void {
    if (this.#time !== undefined) recovery.time(this.#time);
    recovery.numbers(this.#highestMessage, this.#highestSession);
    for (const session of this.#sessions.values()) recovery.session(this.#recovered(session));
    for (const [topicName, number] of this.#retained) {
      const message = this.#messages.get(number);
      if (message === undefined)
        throw new Error(`retained message ${number} of ${topicName} has no body`);
      recovery.retained(message);
    }
    for (const [session, { clientId, will }] of this.#wills) {
      if (!this.#sessions.has(session)) recovery.will(session, clientId, will);
    }
    for (const delayed of this.#delayed.values()) {
      const message = this.#messages.get(delayed.message);
      if (message === undefined) throw new Error(`delayed message ${delayed.message} has no body`);
      recovery.delayed(delayed, message);
    }
    for (const ban of this.#bans.values()) recovery.ban(ban);
  }

  #recovered(session: SessionState): RecoveredSession {
    return {
      session: session.session,
      clientId: session.clientId,
      epoch: session.epoch,
      username: session.username,
      sessionExpiryInterval: session.sessionExpiryInterval,
      isTrusted: session.isTrusted,
      detachedAt: session.detachedAt,
      inFlight: session.inFlight,
      inFlightMaximum: session.inFlightMaximum,
      subscriptions: [...session.subscriptions.values()],
      inbound: [...session.inbound].map(([packetIdentifier, denied]) => ({
        packetIdentifier,
        denied,
      })),
      queue: this.#summary(session),
      received: new Map(session.received),
      will: this.#wills.get(session.session)?.will,
      hasLeft: session.hasLeft,
    };
  }

  #summary(session: SessionState): QueueSummary {
    const entries = this.#entries(session);
    let bytes = 0;
    for (const { message } of entries)
      bytes += message.topicName.length + message.payload.length + message.properties.length;
    const { next } = session;
    return { first: entries[0]?.sequence ?? next, next, count: entries.length, bytes };
  }

  #entries(session: SessionState): QueueEntry[] {
    const entries = [...session.queue.values()].sort((a, b) => a.sequence - b.sequence);
    return entries.map((entry) => {
      const { sequence, message: number, qos, retain, subscriptionIdentifiers, share } = entry;
      const message = this.#messages.get(number);
      if (message === undefined)
        throw new Error(`queued message ${number} of session ${session.session} has no body`);
      return { sequence, message, qos, retain, subscriptionIdentifiers, share };
    });
  }
}

/** What a recovery told, in an order that does not matter: equal where two stores kept the same. */
export interface RecoveredState {
  /** Without the bytes of their queues, which every store counts in its own way. */
  readonly sessions: readonly (Omit<RecoveredSession, "queue"> & {
    readonly queue: Omit<QueueSummary, "bytes">;
  })[];
  readonly retained: readonly StoredMessage[];
  readonly wills: readonly {
    readonly session: SessionKey;
    readonly clientId: string;
    readonly will: StoredWill;
  }[];
  readonly delayed: readonly {
    readonly delayed: StoredDelayed;
    readonly message: StoredMessage;
  }[];
  readonly bans: readonly StoredBan[];
  readonly time: TimeMark | undefined;
  readonly message: MessageNumber;
  readonly session: SessionKey;
}

/** A `Recovery` that writes down what it is told. */
export function collectRecovery(): Recovery & { state(): RecoveredState } {
  const sessions: RecoveredSession[] = [];
  const retained: StoredMessage[] = [];
  const wills: { session: SessionKey; clientId: string; will: StoredWill }[] = [];
  const delayed: { delayed: StoredDelayed; message: StoredMessage }[] = [];
  const bans: StoredBan[] = [];
  let time: TimeMark | undefined;
  let numbers = [0, 0] as [MessageNumber, SessionKey];
  return {
    session: (session) => void sessions.push(session),
    retained: (message) => void retained.push(message),
    will: (session, clientId, will) => void wills.push({ session, clientId, will }),
    delayed: (one, message) => void delayed.push({ delayed: one, message }),
    ban: (ban) => void bans.push(ban),
    time: (mark) => {
      time = mark;
    },
    numbers: (message, session) => {
      numbers = [message, session];
    },
    state: () => ({
      sessions: sessions
        .map((session) => ({
          ...session,
          queue: {
            first: session.queue.first,
            next: session.queue.next,
            count: session.queue.count,
          },
          subscriptions: [...session.subscriptions].sort((a, b) =>
            compare(a.topicFilter, b.topicFilter),
          ),
          inbound: [...session.inbound].sort((a, b) => a.packetIdentifier - b.packetIdentifier),
          received: new Map([...session.received].sort((a, b) => a[0] - b[0])),
        }))
        .sort((a, b) => a.session - b.session),
      retained: [...retained].sort((a, b) => compare(a.topicName, b.topicName)),
      wills: [...wills].sort((a, b) => a.session - b.session),
      delayed: [...delayed].sort((a, b) => a.delayed.delayedId - b.delayed.delayedId),
      bans: [...bans].sort((a, b) => compare(`${a.kind} ${a.value}`, `${b.kind} ${b.value}`)),
      time,
      message: numbers[0],
      session: numbers[1],
    }),
  };
}

function compare(a: string, b: string): number {
  if (a < b) return -1;
  return a > b ? 1 : 0;
}
