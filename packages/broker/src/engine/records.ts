import type { QoS } from "@sericite/protocol";
import type { MessageNumber, QueueEntry, SessionKey, StoredMessage } from "./ports.ts";

/** A Will as it is kept. */
export interface StoredWill {
  readonly message: StoredMessage;
  /** Seconds. */
  readonly delayInterval: number;
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
    }
  | {
      /** Attached again, perhaps with another expiry. */
      readonly type: "session-attach";
      readonly session: SessionKey;
      readonly epoch: number;
      readonly sessionExpiryInterval: number;
    }
  | {
      readonly type: "session-detach";
      readonly session: SessionKey;
      readonly sessionExpiryInterval: number;
      readonly detachedAt: number;
    }
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
  | { readonly type: "message"; readonly message: StoredMessage }
  | {
      readonly type: "enqueue";
      readonly session: SessionKey;
      readonly sequence: number;
      readonly message: MessageNumber;
      readonly qos: QoS;
      readonly retain: boolean;
      readonly subscriptionIdentifiers: readonly number[];
    }
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
      readonly will: StoredWill;
    }
  | { readonly type: "will-clear"; readonly session: SessionKey };

/** A session as it is given back at start. */
export interface RecoveredSession {
  readonly session: SessionKey;
  readonly clientId: string;
  readonly epoch: number;
  readonly username: string | undefined;
  readonly sessionExpiryInterval: number;
  /** `undefined`: was connected when the process ended. */
  readonly detachedAt: number | undefined;
  readonly subscriptions: readonly Extract<StoreRecord, { type: "subscribe" }>[];
  readonly inbound: readonly { readonly packetIdentifier: number; readonly denied: boolean }[];
  /** Waiting and in flight, in the order of the queue. */
  readonly queue: readonly QueueEntry[];
  /** Sequences of `queue` for which PUBREC was recorded, with their Packet Identifier. */
  readonly received: ReadonlyMap<number, number>;
  readonly will: StoredWill | undefined;
}

/** What takes in the state that a store gives back at start. */
export interface Recovery {
  session(session: RecoveredSession): void;
  retained(message: StoredMessage): void;
  /** A Will without a session of its own: its connection was open when the process ended. */
  will(clientId: string, will: StoredWill): void;
  /** Highest message number and session key that were given out; the engine goes on above. */
  numbers(message: MessageNumber, session: SessionKey): void;
}
