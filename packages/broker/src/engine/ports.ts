import type { Peer, QoS, UserProperty } from "@sericite/protocol";
import type { Envelope } from "./envelope.ts";
import type { StoreRecord, Recovery } from "./records.ts";

/** Number of a batch; 0: nothing to wait for. Compared, never awaited. */
export type Position = number;

/**
 * "ok"; "slow": too much is unwritten, hold publishers; "full": take no durable message, all else
 * is written, so that clients can fetch what fills it; "refusing": nothing can be written at present.
 */
export type StoreState = "ok" | "slow" | "full" | "refusing";

/** Whether a store in this state takes durable messages. */
export function takesMessages(state: StoreState): boolean {
  return state === "ok" || state === "slow";
}

/** Number of a stored session: new with each session, never reused, so that an ended session's records cannot return. */
export type SessionKey = number;

/** Number of a message, unique in a store and rising. */
export type MessageNumber = number;

/** A message as it is kept: outside the engine and across restarts. */
export interface StoredMessage {
  readonly number: MessageNumber;
  readonly topicName: string;
  readonly payload: Uint8Array;
  readonly qos: QoS;
  readonly retain: boolean;
  /** Encoded 5.0 properties without their length, as they go out; empty where there are none. */
  readonly properties: Uint8Array;
  /** Client Identifier of the publisher; empty where no client published it. */
  readonly publisher: string;
  /** Store time at which it expires, milliseconds; `Infinity` where it does not. */
  readonly expiresAt: number;
}

/** One waiting message of a session's queue. */
export interface QueueEntry {
  /** Position in the session's queue: rises by one with each entry. */
  readonly sequence: number;
  readonly message: StoredMessage;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly subscriptionIdentifiers: readonly number[];
  /** The Shared Subscription that chose this session, with its prefix; empty where none did. */
  readonly share: string;
}

/** A part of a queue, in order. */
export interface QueuePage {
  readonly entries: readonly QueueEntry[];
  /** Sequences in this part whose messages are damaged: nobody can read them any more. */
  readonly unreadable: readonly number[];
  /** Sequence to read on from, or `undefined` at the end. */
  readonly next: number | undefined;
}

/**
 * What outlives the process. State changes in memory at once; the record of it is appended in the
 * same turn. What must wait for it compares numbers.
 */
export interface Store {
  /** true: nothing outlives the process. The engine then makes no records at all. */
  readonly isVolatile: boolean;
  /** Gives back what was kept, then takes records. Once, first. */
  open(recovery: Recovery): Promise<void>;
  /**
   * Takes one record into this turn's batch. The bytes of a message are the caller's again when
   * this returns.
   *
   * @returns the batch's number, or 0 where this store has nothing to wait for. Never waits, never
   * throws for trouble with the medium: `state` and `durable` tell.
   */
  append(record: StoreRecord): Position;
  /** Closes the batch: after a crash all of it is there or none. */
  endTurn(): void;
  /** Every batch up to here survives a crash. Rises only. */
  readonly durable: Position;
  /** Called after `durable` rose. */
  onDurable: (() => void) | undefined;
  readonly state: StoreState;
  /** Called after `state` changed. */
  onState: (() => void) | undefined;
  /**
   * A page in order, from the unwritten batches too. One call at a time and session. Rejects where
   * the medium cannot be read at present; what is damaged for good is told in the page. The bytes of
   * messages may be views of something larger: copy what you keep.
   */
  readQueue(session: SessionKey, from: number, maximumBytes: number): Promise<QueuePage>;
  /** @throws where the store holds no such message. */
  readMessage(message: MessageNumber): Promise<StoredMessage>;
  /** Flushes and lets go. */
  close(): Promise<void>;
}

/** A right to a session: only the owner queues for it, runs its timers and publishes its Will. */
export interface Claim {
  /** Rises with each claim of the same Client Identifier; what carries a lower one has no effect. */
  readonly epoch: number;
  /** Node that has the session and has to bring it; absent: none that can be reached. */
  readonly from?: string | undefined;
}

/** Who owns which session. On one node every claim is granted at once; in a cluster with a promise. */
export interface Ownership {
  claim(clientId: string): Claim | Promise<Claim>;
  /** A store gave this session back: it is owned here. Later claims of it have higher epochs. */
  restore(clientId: string, epoch: number): Claim;
  /** The session ended here. */
  release(clientId: string, claim: Claim): void;
  /** Told where a node that could not be reached before has a session too that is owned here: `claim` says which, and has the present epoch. */
  onFound?: ((clientId: string, claim: Claim) => void) | undefined;
}

export type { Envelope } from "./envelope.ts";

/**
 * Carries what nodes tell each other. Of one node everything arrives in the order in which it was
 * told, and again from any point on where the bus is not sure that it did. The one of a single node
 * carries nothing.
 */
export interface Bus {
  /** @returns the position to wait for; 0 where nothing was sent. */
  send(envelope: Envelope): Position;
  /** Everything up to here has reached its nodes, and is safe there. Rises only. */
  readonly durable: Position;
  onDurable: (() => void) | undefined;
  /** Told of what another node sent here. Calls `taken` once all that it caused is safe. */
  onEnvelope: ((envelope: Envelope, taken: () => void) => void) | undefined;
  close(): Promise<void>;
}

/** What an authenticator is told of a CONNECT. */
export interface ConnectRequest {
  /** As sent; empty where the broker is to assign one. */
  readonly clientId: string;
  readonly username: string | undefined;
  /** Must not be changed or kept. */
  readonly password: Uint8Array | undefined;
  readonly protocolVersion: 3 | 4 | 5;
  readonly cleanStart: boolean;
  readonly userProperties: readonly UserProperty[];
  readonly peer: Peer;
}

/**
 * What a client may do, as its authenticator knows it. Asked before the hooks, at once and often: an
 * answer is a boolean, never a promise. What is left out is allowed.
 */
export interface Rights {
  /** May it publish to this Topic Name? Of a Will too, and of the topic behind `$delayed/`. */
  mayPublish?(topicName: string, qos: QoS, retain: boolean): boolean;
  /** May it subscribe? The Topic Filter as it was sent, with `$share/…/` where it has that. */
  maySubscribe?(topicFilter: string, qos: QoS): boolean;
  /** May it get messages of this Topic Name, whatever it subscribed to? */
  mayReceive?(topicName: string): boolean;
}

/** What an accepted client goes on with. */
export interface Admission {
  /** Client Identifier to use in place of the one sent. */
  readonly clientId?: string | undefined;
  /** Username to go on with in place of the one sent. */
  readonly username?: string | undefined;
  /** What it may do; the hooks are asked as well. Default: nothing is withheld. */
  readonly rights?: Rights | undefined;
  /** Milliseconds from now; then the connection ends: 5.0 with DISCONNECT 0x87. Default: never. */
  readonly expiresInMs?: number | undefined;
}

/** What an authenticator answers. */
export type Authentication =
  | (Admission & { readonly accepted: true })
  | {
      readonly accepted: false;
      /** 5.0 Reason Code, 0x80 or above; 3.x gets the return code that fits. Default 0x86. */
      readonly reasonCode?: number | undefined;
      /** For the log and, on 5.0, the Reason String. */
      readonly reason?: string | undefined;
    };

/** What one step of an enhanced authentication comes to (§4.12). */
export type AuthenticationStep =
  | { readonly type: "continue"; readonly data?: Uint8Array | undefined }
  | (Admission & {
      readonly type: "accept";
      /** Goes out with CONNACK, or with the AUTH that ends a re-authentication. */
      readonly data?: Uint8Array | undefined;
    })
  | {
      readonly type: "refuse";
      readonly reasonCode?: number | undefined;
      readonly reason?: string | undefined;
    };

/** An enhanced authentication with one client. */
export interface AuthenticationExchange {
  /** @param data  Authentication Data that the client sent; a copy. */
  step(data: Uint8Array | undefined): AuthenticationStep | Promise<AuthenticationStep>;
}

/** Says who may enter. A promise parks the connection, under the hook deadline. */
export interface Authenticator {
  authenticate(request: ConnectRequest): Authentication | Promise<Authentication>;
  /** Begins an enhanced authentication; `undefined`: this Authentication Method is not supported. */
  exchange?(method: string, request: ConnectRequest): AuthenticationExchange | undefined;
}

/** Level of a log line. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/**
 * Where log lines go. `event` is a fixed short name (`client-connected`), `fields` what belongs to
 * it. Never holds a password. A `pino` or `console`-like object is adapted by the composition root.
 */
export interface Log {
  /** Whether lines of this level are wanted, so that nobody builds what nobody reads. */
  enabled(level: LogLevel): boolean;
  write(level: LogLevel, event: string, fields: Readonly<Record<string, unknown>>): void;
}
