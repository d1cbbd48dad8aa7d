import { Inbound, Outbound } from "@sericite/protocol";
import type { QoS, TimerEntry } from "@sericite/protocol";
import type { Backlog, BacklogRead } from "./backlog.ts";
import type { Connection } from "./connection.ts";
import type { Extras } from "./extras.ts";
import type { Message } from "./message.ts";
import type { Claim, Position, Rights, SessionKey } from "./ports.ts";
import { Queue } from "./queue.ts";
import type { Meter } from "./queue.ts";
import type { RetainedReplay } from "./retained.ts";
import type { StagedEntry } from "./session-snapshot.ts";
import type { SharedGroup } from "./shared.ts";
import type { ArmedWill } from "./will.ts";

/** Session Expiry Interval of a session that never expires. */
export const NEVER_EXPIRES = 0xffff_ffff;

/**
 * One Session (§4.1): what the broker keeps for a Client Identifier, connected or not. Parts that
 * an idle session does not need are made on first use.
 */
export class Session {
  readonly clientId: string;
  /** Index in the engine's table of subscribers. */
  readonly subscriber: number;
  /** Under which it is stored. */
  readonly key: SessionKey;
  claim: Claim;
  username: string | undefined;
  /** Seconds; 0: ends with its connection. */
  expiryInterval = 0;
  connection: Connection | undefined;
  isEnded = false;
  /** Of the embedding program: nobody from outside takes it over. */
  isTrusted = false;
  /** The store knows it. */
  isStored = false;
  /** A question about its next message is open: nothing is sent until it is answered. */
  isParked = false;
  /** That question; an answer to another one means nothing. */
  question: object | undefined;
  /** Engine time since when it has no connection. */
  detachedAt = 0;

  queue: Queue | undefined;
  /** What waits behind the queue, in the store only. */
  backlog: Backlog | undefined;
  /** A page of the backlog is being read. */
  reading: BacklogRead | undefined;
  /** Sequences that a store gave back and that PUBREC had answered: in flight, and not sent again. */
  answered: ReadonlySet<number> | undefined;
  /** Messages settled since the store last had all of its records that settle one. */
  settledCount = 0;
  /** Position of the newest of those. */
  settledAt: Position = 0;
  /** Packet Identifiers that those freed; `undefined`: nothing was sent at QoS 2 yet, and nobody counted. */
  freedIdentifiers: Set<number> | undefined;
  /** What came for it while its queue is still on its way from another node. */
  staged: StagedEntry[] | undefined;
  /** Sequence of the next message that it gets. */
  nextSequence = 0;
  /** Head of the queue that the delivery hook allowed, after a promise. */
  deliveryAllowed: Message | undefined;
  outbound: Outbound<Message> | undefined;
  /** Of what is in flight, by Packet Identifier. */
  flightExtras: Map<number, Extras> | undefined;
  inbound: Inbound | undefined;
  /** Retained messages that new subscriptions still have to get. */
  replays: Map<string, RetainedReplay> | undefined;
  /** Shared Subscriptions that it is a member of, by their text. */
  shares: Map<string, SharedGroup> | undefined;
  will: ArmedWill | undefined;
  /** What its last connection was let in with, for the Will; a restart forgets it. */
  rights: Rights | undefined;
  expiryTimer: TimerEntry | undefined;
  willTimer: TimerEntry | undefined;

  constructor(clientId: string, subscriber: number, key: SessionKey, claim: Claim) {
    this.clientId = clientId;
    this.subscriber = subscriber;
    this.key = key;
    this.claim = claim;
  }

  /** Its state outlives its connection. */
  get isDurable(): boolean {
    return this.expiryInterval > 0;
  }

  /** Its queue is in the store: what waits survives the process, or stands behind what did. */
  get isKept(): boolean {
    return this.isStored && (this.expiryInterval > 0 || this.backlog !== undefined);
  }

  ensureQueue(meter: Meter): Queue {
    return (this.queue ??= new Queue(meter));
  }

  ensureOutbound(): Outbound<Message> {
    return (this.outbound ??= new Outbound<Message>());
  }

  ensureInbound(): Inbound {
    return (this.inbound ??= new Inbound());
  }

  /** A subscription is to get no more of what is retained. */
  endReplay(topicFilter: string): void {
    this.replays?.get(topicFilter)?.cursor.close();
    this.replays?.delete(topicFilter);
  }

  /** No subscription is. */
  endReplays(): void {
    if (this.replays === undefined) return;
    for (const { cursor } of this.replays.values()) cursor.close();
    this.replays = undefined;
  }
}

/** A subscription's options packed into a small number: QoS, No Local, Retain As Published. */
export const OPTION_QOS = 3;
export const OPTION_NO_LOCAL = 4;
export const OPTION_RETAIN_AS_PUBLISHED = 8;
/** Granted in form (MQTT 3.1 has no failure code): delivers nothing. */
export const OPTION_MUTE = 16;

/** Packs the options of a subscription. */
export function packOptions(qos: QoS, noLocal: boolean, retainAsPublished: boolean): number {
  return (
    qos | (noLocal ? OPTION_NO_LOCAL : 0) | (retainAsPublished ? OPTION_RETAIN_AS_PUBLISHED : 0)
  );
}
