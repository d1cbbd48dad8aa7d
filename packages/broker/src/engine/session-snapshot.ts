import { OutboundState, parseTopicFilter } from "@sericite/protocol";
import type { QoS } from "@sericite/protocol";
import { restoreQueue } from "./backlog.ts";
import { carry, messageFromNode } from "./carried-message.ts";
import type { CarriedMessage } from "./carried-message.ts";
import type { Stamp } from "./cluster.ts";
import type { Engine } from "./engine.ts";
import { enqueue } from "./enqueue.ts";
import type { Extras } from "./extras.ts";
import { metaOf, packDetail } from "./flight.ts";
import { sharedIdentifier } from "./forms.ts";
import { settledMessage } from "./message.ts";
import type { Message } from "./message.ts";
import type { Claim, QueueEntry } from "./ports.ts";
import { META_QOS, META_RETAIN } from "./queue.ts";
import type { StoredWill } from "./records.ts";
import { OPTION_MUTE, OPTION_NO_LOCAL, OPTION_QOS, OPTION_RETAIN_AS_PUBLISHED } from "./session.ts";
import type { Session } from "./session.ts";
import { scheduleExpiry } from "./session-registry.ts";
import { messageFromStore } from "./stored-message.ts";
import { recordWill, scheduleWill, willFromStore, willToStore } from "./will.ts";

/** A message of a session's queue that moves. */
export interface MovingEntry {
  readonly message: CarriedMessage;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly subscriptionIdentifiers: readonly number[];
  /** The Shared Subscription that chose this session, with its prefix; empty where none did. */
  readonly share: string;
  /** Under which it was sent, or may have been sent; 0: it was not. */
  readonly packetIdentifier: number;
}

/** A subscription that moves. */
interface MovingSubscription {
  /** With its share prefix. */
  readonly topicFilter: string;
  /** Packed. */
  readonly options: number;
  /** 0: none. */
  readonly identifier: number;
  /** Retained messages are still owed. */
  readonly isRetainedOwed: boolean;
}

/** A session as it moves to another node, without what waits in its queue. */
export interface SessionSnapshot {
  readonly username: string | undefined;
  /** Seconds. */
  readonly expiryInterval: number;
  /** Time since its connection ended. Milliseconds. */
  readonly detachedFor: number;
  readonly subscriptions: readonly MovingSubscription[];
  readonly inbound: readonly { readonly packetIdentifier: number; readonly denied: boolean }[];
  /** Packet Identifiers of messages that the client has: PUBREL is due. In the order of PUBREC. */
  readonly received: readonly number[];
  /** In the order in which it is to be sent again. */
  readonly inFlight: readonly MovingEntry[];
  readonly will: StoredWill | undefined;
}

/** A message for a session whose queue is still on its way here. */
export interface StagedEntry {
  readonly stamp: Stamp;
  readonly message: Message;
  readonly meta: number;
  readonly extras: Extras | undefined;
}

/** What another node is given of a session. Its connection is gone. */
export function exportSession(engine: Engine, session: Session): SessionSnapshot {
  const { inbound, will } = session;
  const received: number[] = [];
  const inFlight: MovingEntry[] = [];
  session.outbound?.forEach((packetIdentifier, state, message, detail) => {
    if (state === OutboundState.awaitingPubcomp) received.push(packetIdentifier);
    else {
      const extras = session.flightExtras?.get(packetIdentifier);
      inFlight.push(entryOf(engine, message, metaOf(detail), extras, packetIdentifier));
    }
  });
  return {
    username: session.username,
    expiryInterval: session.expiryInterval,
    detachedFor: engine.now - session.detachedAt,
    subscriptions: subscriptionsOf(engine, session),
    inbound: (inbound?.identifiers() ?? []).map((packetIdentifier) => ({
      packetIdentifier,
      denied: inbound!.isRefused(packetIdentifier),
    })),
    received,
    inFlight,
    will: will === undefined ? undefined : willToStore(will, session.clientId),
  };
}

function subscriptionsOf(engine: Engine, session: Session): MovingSubscription[] {
  const { topicTree } = engine;
  const subscriptions: MovingSubscription[] = [];
  for (let id = topicTree.firstOf(session.subscriber); id >= 0; id = topicTree.nextOf(id)) {
    const topicFilter = topicTree.topicFilterOf(id);
    subscriptions.push({
      topicFilter,
      options: topicTree.optionsOf(id),
      identifier: topicTree.identifierOf(id),
      isRetainedOwed: session.replays?.has(topicFilter) === true,
    });
  }
  for (const [topicFilter, group] of session.shares ?? []) {
    const { options, extras } = group.members[group.indexOf(session)]!;
    const identifier = extras.identifiers[0] ?? 0;
    subscriptions.push({ topicFilter, options, identifier, isRetainedOwed: false });
  }
  return subscriptions;
}

/** What another node is given of a queue entry. */
export function entryOf(
  engine: Engine,
  message: Message,
  meta: number,
  extras: Extras | undefined,
  packetIdentifier: number,
): MovingEntry {
  return {
    message: carry(engine, message),
    qos: (meta & META_QOS) as QoS,
    retain: (meta & META_RETAIN) !== 0,
    subscriptionIdentifiers: extras?.identifiers ?? [],
    share: extras?.group?.topicFilter ?? "",
    packetIdentifier,
  };
}

/** The same of an entry that is in the store. @param mayBeSent  It may have been sent before a crash. */
export function storedEntryOf(engine: Engine, entry: QueueEntry, mayBeSent: boolean): MovingEntry {
  const { qos, retain, subscriptionIdentifiers, share } = entry;
  const message = carry(engine, messageFromStore(engine, entry.message));
  const packetIdentifier = mayBeSent && qos > 0 ? sharedIdentifier(entry.message.number) : 0;
  return { message, qos, retain, subscriptionIdentifiers, share, packetIdentifier };
}

/**
 * Makes room for a session that is on its way: it subscribes, so that the other nodes learn of it,
 * and what comes for it is staged until its queue is here.
 */
export function stageSession(
  engine: Engine,
  clientId: string,
  claim: Claim,
  snapshot: SessionSnapshot,
): Session {
  const session = engine.sessions.create(clientId, engine.nextSessionKey(), claim);
  engine.counters.sessionsStarted++;
  session.expiryInterval = snapshot.expiryInterval;
  session.staged = [];
  for (const subscription of snapshot.subscriptions)
    if (!isShared(subscription)) subscribe(engine, session, subscription);
  return session;
}

function isShared({ topicFilter }: MovingSubscription): boolean {
  return parseTopicFilter(topicFilter).shareName !== undefined;
}

function subscribe(
  engine: Engine,
  session: Session,
  { topicFilter, options, identifier }: MovingSubscription,
): void {
  engine.topicTree.add(topicFilter, session.subscriber, options, identifier);
  engine.cluster!.filterAdded(topicFilter);
}

/**
 * Adds the subscriptions that the session had on the other side of a partition and has not here:
 * its client may know of them.
 */
export function mergeSubscriptions(
  engine: Engine,
  session: Session,
  { subscriptions }: SessionSnapshot,
): void {
  for (const subscription of subscriptions) {
    const { topicFilter } = subscription;
    if (isShared(subscription)) {
      if (session.shares?.has(topicFilter) === true) continue;
      join(engine, session, subscription);
    } else {
      if (engine.topicTree.find(topicFilter, session.subscriber) >= 0) continue;
      subscribe(engine, session, subscription);
    }
    if (session.isKept) recordSubscription(engine, session, subscription);
  }
}

/**
 * Takes in a session that was staged: what was in flight, its queue, then what was staged meanwhile
 * and is not among it. All its records are made in one turn, so that after a crash it is here or not.
 *
 * @param heard  Up to which number of each node the owner before had all that concerns the session.
 */
export function importSession(
  engine: Engine,
  session: Session,
  snapshot: SessionSnapshot,
  entries: readonly MovingEntry[],
  heard: ReadonlyMap<string, number>,
): void {
  const staged = session.staged ?? [];
  session.staged = undefined;
  session.username = snapshot.username;
  session.detachedAt = engine.now - snapshot.detachedFor;
  session.isStored = !engine.store.isVolatile;
  const inFlight = [
    ...snapshot.inFlight,
    ...entries.filter(({ packetIdentifier }) => packetIdentifier !== 0),
  ];
  const sent = snapshot.received.length + inFlight.length;
  if (session.isStored) recordSession(engine, session, snapshot, sent);
  for (const { packetIdentifier, denied } of snapshot.inbound)
    session.ensureInbound().begin(packetIdentifier, denied);
  for (const subscription of snapshot.subscriptions) {
    const { topicFilter, options, identifier, isRetainedOwed } = subscription;
    // Its other subscriptions were made when it was staged.
    if (isShared(subscription)) join(engine, session, subscription);
    else if (isRetainedOwed) engine.retained.replay(session, topicFilter, options, identifier);
  }
  if (session.isStored) storeInFlight(engine, session, snapshot.received, inFlight);
  else restoreInFlight(engine, session, snapshot.received, inFlight);
  for (const entry of entries) if (entry.packetIdentifier === 0) takeEntry(engine, session, entry);
  for (const { stamp, message, meta, extras } of staged) {
    if (stamp.number > heard.get(stamp.node)!) enqueue(engine, session, message, meta, extras);
    message.release();
  }
  if (snapshot.will !== undefined) {
    session.will = willFromStore(engine, snapshot.will);
    recordWill(engine, session);
    const rest = snapshot.will.delayInterval * 1000 - snapshot.detachedFor;
    scheduleWill(engine, session, Math.max(0, rest));
  }
  const rest = snapshot.expiryInterval * 1000 - snapshot.detachedFor;
  scheduleExpiry(engine, session, Math.max(0, rest));
}

/**
 * Adds what waited in a copy of the session on the other side of a partition. The client began
 * anew here and may know nothing of what was in flight there: it gets all of it as new messages.
 */
export function mergeQueue(
  engine: Engine,
  session: Session,
  snapshot: SessionSnapshot,
  entries: readonly MovingEntry[],
): void {
  for (const entry of snapshot.inFlight) takeEntry(engine, session, entry);
  for (const entry of entries) takeEntry(engine, session, entry);
}

function recordSession(
  engine: Engine,
  session: Session,
  snapshot: SessionSnapshot,
  inFlight: number,
): void {
  const { key, clientId, claim, username, expiryInterval: sessionExpiryInterval } = session;
  const { epoch } = claim;
  engine.append({
    type: "session-begin",
    session: key,
    clientId,
    epoch,
    username,
    sessionExpiryInterval,
    isTrusted: session.isTrusted,
    inFlightMaximum: inFlight,
  });
  engine.append({
    type: "session-detach",
    session: key,
    sessionExpiryInterval,
    detachedAt: engine.storeTime() - snapshot.detachedFor,
    inFlight,
  });
  for (const subscription of snapshot.subscriptions)
    recordSubscription(engine, session, subscription);
  for (const { packetIdentifier, denied } of snapshot.inbound)
    engine.append({ type: "inbound-begin", session: key, packetIdentifier, denied });
}

function recordSubscription(
  engine: Engine,
  session: Session,
  { topicFilter, options, identifier, isRetainedOwed }: MovingSubscription,
): void {
  if ((options & OPTION_MUTE) !== 0) return;
  engine.append({
    type: "subscribe",
    session: session.key,
    topicFilter,
    qos: (options & OPTION_QOS) as QoS,
    noLocal: (options & OPTION_NO_LOCAL) !== 0,
    retainAsPublished: (options & OPTION_RETAIN_AS_PUBLISHED) !== 0,
    subscriptionIdentifier: identifier,
    retainedOwed: isRetainedOwed,
  });
}

function join(
  engine: Engine,
  session: Session,
  { topicFilter, options, identifier }: MovingSubscription,
): void {
  const parsed = parseTopicFilter(topicFilter);
  engine.shared.join(session, topicFilter, parsed, options, identifier);
}

/** Puts what was in flight where a crash would leave it: first in the store, and maybe sent. */
function storeInFlight(
  engine: Engine,
  session: Session,
  receivedIdentifiers: readonly number[],
  inFlight: readonly MovingEntry[],
): void {
  const received = new Map<number, number>();
  let bytes = 0;
  const record = (message: Message, entry: Omit<MovingEntry, "message">): number => {
    const sequence = session.nextSequence++;
    const { qos, retain, subscriptionIdentifiers, share } = entry;
    engine.recordMessage(message);
    engine.append({
      type: "enqueue",
      session: session.key,
      sequence,
      message: message.number,
      qos,
      retain,
      subscriptionIdentifiers,
      share,
    });
    bytes += message.size;
    return sequence;
  };
  for (const packetIdentifier of receivedIdentifiers) {
    // Its client has it, so nobody brought its bytes along.
    const message = messageFromNode(engine, nothing, engine.nextMessageNumber(packetIdentifier));
    const entry = { qos: 2, retain: false, subscriptionIdentifiers: [], share: "" } as const;
    const sequence = record(message, { ...entry, packetIdentifier });
    engine.append({ type: "received", session: session.key, sequence, packetIdentifier });
    received.set(sequence, packetIdentifier);
  }
  for (const entry of inFlight) record(sentMessage(engine, entry), entry);
  const next = session.nextSequence;
  const queue = { first: 0, next, count: next, bytes };
  const detachedAt = engine.storeTime();
  restoreQueue(session, {
    queue,
    received,
    inFlight: next,
    inFlightMaximum: next,
    detachedAt,
  });
}

const nothing: CarriedMessage = {
  topicName: "-",
  payload: new Uint8Array(0),
  qos: 2,
  retain: false,
  properties: new Uint8Array(0),
  publisher: "",
  expiresIn: Infinity,
};

function restoreInFlight(
  engine: Engine,
  session: Session,
  received: readonly number[],
  inFlight: readonly MovingEntry[],
): void {
  if (received.length + inFlight.length === 0) return;
  const outbound = session.ensureOutbound();
  const { awaitingPuback, awaitingPubrec, awaitingPubcomp } = OutboundState;
  for (const packetIdentifier of received)
    outbound.restore(packetIdentifier, awaitingPubcomp, settledMessage, packDetail(0, 2));
  for (const entry of inFlight) {
    const message = sentMessage(engine, entry);
    message.refer();
    engine.meter.bytes += message.size;
    const state = entry.qos === 1 ? awaitingPuback : awaitingPubrec;
    const { packetIdentifier } = entry;
    outbound.restore(packetIdentifier, state, message, packDetail(0, metaOfEntry(entry)));
    const extras = extrasOf(session, entry);
    if (extras !== undefined) (session.flightExtras ??= new Map()).set(packetIdentifier, extras);
  }
}

/** With a number that leads to the Packet Identifier under which it was sent, as every message has. */
function sentMessage(engine: Engine, { message, packetIdentifier }: MovingEntry): Message {
  return messageFromNode(engine, message, engine.nextMessageNumber(packetIdentifier));
}

function takeEntry(engine: Engine, session: Session, entry: MovingEntry): void {
  const message = messageFromNode(engine, entry.message, engine.nextMessageNumber());
  enqueue(engine, session, message, metaOfEntry(entry), extrasOf(session, entry));
}

function metaOfEntry({ qos, retain }: MovingEntry): number {
  return qos | (retain ? META_RETAIN : 0);
}

function extrasOf(
  session: Session,
  { share, subscriptionIdentifiers }: MovingEntry,
): Extras | undefined {
  const group = session.shares?.get(share);
  if (group === undefined && subscriptionIdentifiers.length === 0) return undefined;
  return { identifiers: subscriptionIdentifiers, group };
}
