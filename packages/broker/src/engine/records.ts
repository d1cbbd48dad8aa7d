import type { QoS } from "@sericite/protocol";
import type { MessageNumber, SessionKey, StoredMessage } from "./ports.ts";

/** A Will as it is kept. */
export interface StoredWill {
  readonly message: StoredMessage;
  /** Seconds. */
  readonly delayInterval: number;
  /** Seconds that the message lives once it is published; -1: it does not expire. */
  readonly expiryInterval: number;
  /** Seconds that `$delayed/<seconds>/…` asked for, from when the Will is published; 0: none. */
  readonly delayedBy: number;
}

/** What a ban is about. */
export type BanKind = "clientId" | "username" | "address";

/** A ban as it is kept. */
export interface StoredBan {
  readonly kind: BanKind;
  readonly value: string;
  /** Store time at which it ends, milliseconds; `Infinity` where it does not. */
  readonly until: number;
  readonly reason: string;
}

/** A message that is to be published later, as it is kept. */
export interface StoredDelayed {
  /** Its number among the delayed messages. */
  readonly delayedId: number;
  readonly message: MessageNumber;
  /** Store time. Milliseconds. */
  readonly dueAt: number;
}

/** What both clocks showed at one moment. Milliseconds. */
export interface TimeMark {
  readonly storeTime: number;
  /** Since 1970. */
  readonly wallTime: number;
}

/**
 * Every fact that outlives the process, as one record. What waits for which is the table in
 * `docs/ARCHITECTURE.md`. Times are store time in milliseconds.
 */
export type StoreRecord =
  | {
      readonly type: "session-begin";
      readonly session: SessionKey;
      readonly clientId: string;
      readonly epoch: number;
      readonly username: string | undefined;
      /** Seconds; 0xFFFFFFFF never. */
      readonly sessionExpiryInterval: number;
      /** Of the embedding program: nobody from outside takes it over. */
      readonly isTrusted: boolean;
      /** Until it is detached, no more than the first so many of its queue may have been sent and be kept. */
      readonly inFlightMaximum: number;
    }
  | {
      /** Attached again, perhaps with another expiry. */
      readonly type: "session-attach";
      readonly session: SessionKey;
      readonly epoch: number;
      readonly sessionExpiryInterval: number;
      readonly isTrusted: boolean;
      /** As in `session-begin`. */
      readonly inFlightMaximum: number;
    }
  | {
      readonly type: "session-detach";
      readonly session: SessionKey;
      readonly sessionExpiryInterval: number;
      readonly detachedAt: number;
      /** Of its queue, the first so many were sent and not settled. */
      readonly inFlight: number;
    }
  /**
   * The session is no more: its Client Identifier may be another's, its subscriptions and what was
   * received are gone. What waits in its queue stays until `session-end`, for other members of its
   * Shared Subscriptions.
   */
  | { readonly type: "session-leave"; readonly session: SessionKey }
  | { readonly type: "session-end"; readonly session: SessionKey }
  | {
      readonly type: "subscribe";
      readonly session: SessionKey;
      readonly topicFilter: string;
      readonly qos: QoS;
      readonly noLocal: boolean;
      readonly retainAsPublished: boolean;
      /** 0: none. */
      readonly subscriptionIdentifier: number;
      /** Retained messages are still owed. */
      readonly retainedOwed: boolean;
    }
  | { readonly type: "retained-sent"; readonly session: SessionKey; readonly topicFilter: string }
  | { readonly type: "unsubscribe"; readonly session: SessionKey; readonly topicFilter: string }
  /** Something in the same batch refers to it; a store may forget a message that nothing refers to. */
  | { readonly type: "message"; readonly message: StoredMessage }
  | {
      readonly type: "enqueue";
      readonly session: SessionKey;
      /** Above all that this session had before. */
      readonly sequence: number;
      readonly message: MessageNumber;
      readonly qos: QoS;
      readonly retain: boolean;
      readonly subscriptionIdentifiers: readonly number[];
      /** The Shared Subscription that chose this session, with its prefix; empty where none did. */
      readonly share: string;
    }
  /** Of what waits at or above `from`, the first `count` are given up; fewer where there are fewer. */
  | {
      readonly type: "trim";
      readonly session: SessionKey;
      readonly from: number;
      readonly count: number;
    }
  /** Only of a sequence that was enqueued before. */
  | { readonly type: "settled"; readonly session: SessionKey; readonly sequence: number }
  | {
      readonly type: "received";
      readonly session: SessionKey;
      readonly sequence: number;
      readonly packetIdentifier: number;
    }
  | {
      readonly type: "inbound-begin";
      readonly session: SessionKey;
      readonly packetIdentifier: number;
      /** The PUBLISH was refused (3.x): its PUBREL gets PUBCOMP and nothing else. */
      readonly denied: boolean;
    }
  | {
      readonly type: "inbound-end";
      readonly session: SessionKey;
      readonly packetIdentifier: number;
    }
  | { readonly type: "retained"; readonly topicName: string; readonly message: MessageNumber }
  | { readonly type: "retained-clear"; readonly topicName: string }
  | {
      readonly type: "will-set";
      readonly session: SessionKey;
      readonly clientId: string;
      /** A store may keep it as it is: its bytes must not change. */
      readonly will: StoredWill;
    }
  | { readonly type: "will-clear"; readonly session: SessionKey }
  | ({ readonly type: "delayed" } & StoredDelayed)
  /** Published or cancelled. */
  | { readonly type: "delayed-end"; readonly delayedId: number }
  | ({ readonly type: "ban" } & StoredBan)
  | { readonly type: "ban-end"; readonly kind: BanKind; readonly value: string }
  | ({ readonly type: "time-mark" } & TimeMark);

/** A session's queue without its entries: `Store.readQueue` reads them. */
export interface QueueSummary {
  /** Sequence of the first entry that waits; `next` where none does. */
  readonly first: number;
  /** One above the highest sequence that was ever used; 0 where none was. */
  readonly next: number;
  /** Entries that wait or are in flight. */
  readonly count: number;
  /** About what their messages take, each counted for itself. Bytes. */
  readonly bytes: number;
}

/** A session as it is given back at start. */
export interface RecoveredSession {
  readonly session: SessionKey;
  readonly clientId: string;
  readonly epoch: number;
  readonly username: string | undefined;
  readonly sessionExpiryInterval: number;
  readonly isTrusted: boolean;
  /** `undefined`: was connected when the process ended. */
  readonly detachedAt: number | undefined;
  /** Of its queue, the first so many were sent and not settled; `undefined` where it was connected: see `inFlightMaximum`. */
  readonly inFlight: number | undefined;
  /** Of its queue, no more than the first so many may have been sent, where it was connected. */
  readonly inFlightMaximum: number;
  readonly subscriptions: readonly Extract<StoreRecord, { type: "subscribe" }>[];
  readonly inbound: readonly { readonly packetIdentifier: number; readonly denied: boolean }[];
  readonly queue: QueueSummary;
  /** Sequences in the queue for which PUBREC was recorded, with their Packet Identifier. */
  readonly received: ReadonlyMap<number, number>;
  readonly will: StoredWill | undefined;
  /** `session-leave` was recorded: only its queue counts. */
  readonly hasLeft: boolean;
}

/** What takes in the state that a store gives back at start. */
export interface Recovery {
  session(session: RecoveredSession): void;
  retained(message: StoredMessage): void;
  /** A Will without a session of its own: its connection was open when the process ended. */
  will(session: SessionKey, clientId: string, will: StoredWill): void;
  delayed(delayed: StoredDelayed, message: StoredMessage): void;
  ban(ban: StoredBan): void;
  /** The newest mark of both clocks, where there is one. Comes first. */
  time(mark: TimeMark): void;
  /** Highest message number and session key that were given out; the engine goes on above. */
  numbers(message: MessageNumber, session: SessionKey): void;
}
