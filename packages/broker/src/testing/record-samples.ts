import type { SessionKey, StoredMessage } from "../engine/ports.ts";
import type { StoredWill, StoreRecord } from "../engine/records.ts";
import type { Chance } from "./random.ts";

/** Keys of the sessions that samples are about. */
export const A: SessionKey = 11;
export const B: SessionKey = 12;

/** A message for tests: its number decides its content. */
export function sampleMessage(number: number, topicName: string = `t/${number}`): StoredMessage {
  return {
    number,
    topicName,
    payload: new TextEncoder().encode(`payload ${number} ${"x".repeat((number * 37) % 200)}`),
    qos: (number % 3) as 0 | 1 | 2,
    retain: number % 2 === 0,
    properties: number % 4 === 0 ? Uint8Array.of(1, 1) : new Uint8Array(),
    publisher: number % 5 === 0 ? "" : `client-${number % 5}`,
    expiresAt: number % 7 === 0 ? 1000 * number : Infinity,
  };
}

/** A session begins. */
export const beginRecord = (
  session: SessionKey,
  sessionExpiryInterval: number = 100,
): StoreRecord => ({
  type: "session-begin",
  session,
  clientId: `client-${session}`,
  epoch: session,
  username: session % 2 === 0 ? "user" : undefined,
  sessionExpiryInterval,
  isTrusted: false,
  inFlightMaximum: 20 + session,
});
/** A message's body. */
export const messageRecord = (number: number, topicName?: string): StoreRecord => ({
  type: "message",
  message: sampleMessage(number, topicName),
});
/** A message waits for a session. */
export const enqueueRecord = (
  session: SessionKey,
  sequence: number,
  number: number,
): StoreRecord => ({
  type: "enqueue",
  session,
  sequence,
  message: number,
  qos: ((number % 2) + 1) as 1 | 2,
  retain: number % 3 === 0,
  subscriptionIdentifiers: number % 2 === 0 ? [1, 268_435_455] : [],
  share: number % 3 === 0 ? "$share/group/#" : "",
});
/** A session subscribes. */
export const subscribeRecord = (session: SessionKey, topicFilter: string): StoreRecord => ({
  type: "subscribe",
  session,
  topicFilter,
  qos: 1,
  noLocal: true,
  retainAsPublished: false,
  subscriptionIdentifier: 7,
  retainedOwed: true,
});
const will = (number: number): StoredWill => ({
  message: sampleMessage(number),
  delayInterval: 30,
  expiryInterval: number % 2 === 0 ? -1 : 3600,
  delayedBy: number % 3,
});

/**
 * What each record is to bring about: a sequence that ends in it. A type without a line here does
 * not compile, so that no record is without a reader.
 */
export const RECORD_SEQUENCES: Readonly<Record<StoreRecord["type"], readonly StoreRecord[]>> = {
  "session-begin": [beginRecord(A), beginRecord(B, 0xffff_ffff)],
  "session-attach": [
    beginRecord(A),
    {
      type: "session-detach",
      session: A,
      sessionExpiryInterval: 100,
      detachedAt: 5000,
      inFlight: 1,
    },
    {
      type: "session-attach",
      session: A,
      epoch: 99,
      sessionExpiryInterval: 7,
      isTrusted: true,
      inFlightMaximum: 5,
    },
  ],
  "session-detach": [
    beginRecord(A),
    {
      type: "session-detach",
      session: A,
      sessionExpiryInterval: 55,
      detachedAt: 5000,
      inFlight: 1,
    },
  ],
  "session-leave": [
    beginRecord(A),
    subscribeRecord(A, "a/#"),
    { type: "inbound-begin", session: A, packetIdentifier: 4, denied: false },
    messageRecord(3),
    enqueueRecord(A, 1, 3),
    { type: "received", session: A, sequence: 1, packetIdentifier: 2 },
    { type: "will-set", session: A, clientId: "client-11", will: will(1) },
    { type: "session-leave", session: A },
    // Its Client Identifier is another's now.
    { ...beginRecord(B), clientId: "client-11" } as StoreRecord,
    subscribeRecord(B, "b"),
  ],
  "session-end": [
    beginRecord(A),
    beginRecord(B),
    subscribeRecord(A, "a/#"),
    messageRecord(1),
    enqueueRecord(A, 1, 1),
    enqueueRecord(B, 1, 1),
    { type: "session-end", session: A },
    beginRecord(A + 10),
    { type: "session-leave", session: A + 10 },
    { type: "session-end", session: A + 10 },
  ],
  subscribe: [
    beginRecord(A),
    subscribeRecord(A, "a/#"),
    { ...subscribeRecord(A, "b"), qos: 2, noLocal: false } as StoreRecord,
    subscribeRecord(A, "b"),
  ],
  "retained-sent": [
    beginRecord(A),
    subscribeRecord(A, "a/#"),
    subscribeRecord(A, "b"),
    { type: "retained-sent", session: A, topicFilter: "b" },
  ],
  unsubscribe: [
    beginRecord(A),
    subscribeRecord(A, "a/#"),
    subscribeRecord(A, "b"),
    { type: "unsubscribe", session: A, topicFilter: "a/#" },
  ],
  message: [beginRecord(A), messageRecord(3), enqueueRecord(A, 0, 3), messageRecord(9)],
  enqueue: [
    beginRecord(A),
    beginRecord(B),
    messageRecord(1),
    enqueueRecord(A, 1, 1),
    enqueueRecord(B, 1, 1),
    messageRecord(2),
    enqueueRecord(A, 2, 2),
  ],
  trim: [
    beginRecord(A),
    beginRecord(B),
    ...[1, 2, 3, 4, 5, 6].flatMap((number) => [
      messageRecord(number),
      // Not every sequence is used.
      enqueueRecord(A, 2 * number, number),
      enqueueRecord(B, number, number),
    ]),
    { type: "settled", session: A, sequence: 8 },
    { type: "received", session: A, sequence: 4, packetIdentifier: 2 },
    { type: "received", session: A, sequence: 10, packetIdentifier: 2 },
    { type: "trim", session: A, from: 5, count: 2 },
    { type: "trim", session: A, from: 99, count: 2 },
    { type: "trim", session: B, from: 4, count: 99 },
    { type: "trim", session: B, from: 0, count: 0 },
  ],
  settled: [
    beginRecord(A),
    messageRecord(1),
    enqueueRecord(A, 1, 1),
    messageRecord(2),
    enqueueRecord(A, 2, 2),
    { type: "received", session: A, sequence: 1, packetIdentifier: 2 },
    { type: "settled", session: A, sequence: 1 },
  ],
  received: [
    beginRecord(A),
    messageRecord(1),
    enqueueRecord(A, 1, 1),
    { type: "received", session: A, sequence: 1, packetIdentifier: 65535 },
  ],
  "inbound-begin": [
    beginRecord(A),
    { type: "inbound-begin", session: A, packetIdentifier: 4, denied: false },
    { type: "inbound-begin", session: A, packetIdentifier: 65535, denied: true },
  ],
  "inbound-end": [
    beginRecord(A),
    { type: "inbound-begin", session: A, packetIdentifier: 4, denied: false },
    { type: "inbound-begin", session: A, packetIdentifier: 5, denied: true },
    { type: "inbound-end", session: A, packetIdentifier: 5 },
  ],
  retained: [
    messageRecord(2, "r"),
    { type: "retained", topicName: "r", message: 2 },
    messageRecord(4, "r"),
    { type: "retained", topicName: "r", message: 4 },
  ],
  "retained-clear": [
    messageRecord(2, "r"),
    { type: "retained", topicName: "r", message: 2 },
    messageRecord(4, "s"),
    { type: "retained", topicName: "s", message: 4 },
    { type: "retained-clear", topicName: "r" },
  ],
  "will-set": [
    beginRecord(A),
    { type: "will-set", session: A, clientId: "client-11", will: will(1) },
    { type: "will-set", session: B, clientId: "without a session", will: will(2) },
  ],
  "will-clear": [
    beginRecord(A),
    { type: "will-set", session: A, clientId: "client-11", will: will(1) },
    { type: "will-set", session: B, clientId: "without a session", will: will(2) },
    { type: "will-clear", session: A },
    { type: "will-clear", session: B },
  ],
  delayed: [
    messageRecord(6),
    { type: "delayed", delayedId: 1, message: 6, dueAt: 5000 },
    messageRecord(7),
    { type: "delayed", delayedId: 2, message: 7, dueAt: 1e12 },
  ],
  "delayed-end": [
    messageRecord(6),
    { type: "delayed", delayedId: 1, message: 6, dueAt: 5000 },
    messageRecord(7),
    { type: "delayed", delayedId: 2, message: 7, dueAt: 1e12 },
    { type: "delayed-end", delayedId: 1 },
  ],
  ban: [
    { type: "ban", kind: "clientId", value: "a", until: Infinity, reason: "" },
    { type: "ban", kind: "address", value: "::1", until: 5000, reason: "too many failures" },
    { type: "ban", kind: "clientId", value: "a", until: 7000, reason: "changed" },
  ],
  "ban-end": [
    { type: "ban", kind: "clientId", value: "a", until: Infinity, reason: "" },
    { type: "ban", kind: "username", value: "a", until: Infinity, reason: "" },
    { type: "ban-end", kind: "clientId", value: "a" },
  ],
  "time-mark": [
    { type: "time-mark", storeTime: 0, wallTime: 1_800_000_000_000 },
    { type: "time-mark", storeTime: 10_000.5, wallTime: 1_800_000_010_000 },
  ],
};

/** Makes records as an engine could: what they name exists, sequences and numbers rise. */
export class RecordMaker {
  readonly #chance: Chance;
  readonly #sessions = new Map<SessionKey, number>();
  #session = 0;
  #message = 0;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  batch(): StoreRecord[] {
    const records: StoreRecord[] = [];
    for (let count = this.#chance.integer(1, 12); count > 0; count -= 1)
      records.push(...this.#some());
    return records;
  }

  #some(): StoreRecord[] {
    const chance = this.#chance;
    const keys = [...this.#sessions.keys()];
    if (keys.length === 0 || chance.happens(0.05)) {
      this.#session += 1;
      this.#sessions.set(this.#session, 0);
      return [beginRecord(this.#session)];
    }
    const session = chance.pick(keys);
    const topicFilter = `f/${chance.integer(1, 3)}`;
    const packetIdentifier = chance.integer(1, 5);
    const sequence = chance.integer(0, this.#sessions.get(session) ?? 0);
    switch (chance.integer(0, 12)) {
      case 12:
        if (chance.happens(0.8))
          return [{ type: "trim", session, from: sequence, count: chance.integer(0, 3) }];
        this.#sessions.delete(session);
        return [{ type: "session-leave", session }];
      case 0:
        return [subscribeRecord(session, topicFilter)];
      case 1:
        return [
          chance.happens(0.5)
            ? { type: "unsubscribe", session, topicFilter }
            : { type: "retained-sent", session, topicFilter },
        ];
      case 2:
        return [{ type: "inbound-begin", session, packetIdentifier, denied: chance.happens(0.3) }];
      case 3:
        return [{ type: "inbound-end", session, packetIdentifier }];
      case 4:
        return [{ type: "settled", session, sequence }];
      case 5:
        return [
          {
            type: "session-detach",
            session,
            sessionExpiryInterval: 60,
            detachedAt: chance.integer(0, 1e9),
            inFlight: chance.integer(0, 3),
          },
        ];
      case 6:
        return [
          {
            type: "session-attach",
            session,
            epoch: chance.integer(1, 1e6),
            sessionExpiryInterval: 90,
            isTrusted: false,
            inFlightMaximum: chance.integer(0, 2000),
          },
        ];
      case 7: {
        this.#message += 1;
        const topicName = `r/${chance.integer(1, 3)}`;
        return [
          messageRecord(this.#message, topicName),
          { type: "retained", topicName, message: this.#message },
        ];
      }
      case 8:
        return [{ type: "retained-clear", topicName: `r/${chance.integer(1, 3)}` }];
      case 9:
        return chance.happens(0.5)
          ? [
              {
                type: "will-set",
                session,
                clientId: `client-${session}`,
                will: will(chance.integer(1, 50)),
              },
            ]
          : [{ type: "will-clear", session }];
      case 10:
        if (chance.happens(0.7)) return [];
        this.#sessions.delete(session);
        return [
          { type: "session-end", session },
          { type: "will-clear", session },
        ];
      default: {
        this.#message += 1;
        const records = [messageRecord(this.#message)];
        for (const key of keys) {
          if (!chance.happens(0.6)) continue;
          const next = (this.#sessions.get(key) ?? 0) + 1;
          this.#sessions.set(key, next);
          records.push(enqueueRecord(key, next, this.#message));
          if (chance.happens(0.2))
            records.push({ type: "received", session: key, sequence: next, packetIdentifier });
        }
        return records;
      }
    }
  }
}
