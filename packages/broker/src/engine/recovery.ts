import { parseTopicFilter } from "@sericite/protocol";
import { inFlightOf, restoreQueue } from "./backlog.ts";
import type { Engine } from "./engine.ts";
import { passOnEstate } from "./estate.ts";
import type { SessionKey } from "./ports.ts";
import type { RecoveredSession, Recovery, StoredWill, StoreRecord, TimeMark } from "./records.ts";
import { NEVER_EXPIRES, packOptions } from "./session.ts";
import type { Session } from "./session.ts";
import { endSession, expireSession, scheduleExpiry } from "./session-registry.ts";
import { engineTimeOf, messageFromStore } from "./stored-message.ts";
import { MARK_AT_LEAST_EVERY_MS } from "./time-marks.ts";
import { publishWill, scheduleWill, sendWill, willFromStore } from "./will.ts";

/** What a store gave back that cannot be dealt with before it takes records. */
export interface Recovered {
  /** Newest mark of the process before, in its own time. */
  mark: TimeMark | undefined;
  readonly sessions: RestoredSession[];
  /** Sessions whose Client Identifier another one has with a higher epoch. */
  readonly outdone: { readonly session: SessionKey; readonly hadWill: boolean }[];
  /** Sessions that ended, and whose queues are still to be passed on. */
  readonly left: RecoveredSession[];
  /** Wills of connections that had no stored session. */
  readonly wills: OrphanWill[];
}

interface OrphanWill {
  readonly session: SessionKey;
  readonly clientId: string;
  readonly will: StoredWill;
}

interface RestoredSession {
  readonly session: Session;
  /** Store time; `undefined`: was connected when the process ended. */
  readonly detachedAt: number | undefined;
  /** Subscriptions whose retained messages were not all sent. */
  readonly owed: readonly SubscribeRecord[];
}

type SubscribeRecord = Extract<StoreRecord, { type: "subscribe" }>;

/** Something whose time came while no process ran. */
interface Due {
  /** Store time. */
  readonly at: number;
  readonly run: () => void;
}

/** What fell due while no broker ran, and was done at the start. */
export interface RecoverySummary {
  readonly sessionsEnded: number;
  readonly willsPublished: number;
  readonly delayedPublished: number;
}

/**
 * Takes in what a store tells while it opens: everything stands as it stood, and nothing has
 * happened yet. No record can be made before the store is open: `finishRecovery` does the rest.
 */
export function recoveryOf(engine: Engine): Recovery {
  const found: Recovered = { mark: undefined, sessions: [], outdone: [], left: [], wills: [] };
  engine.recovered = found;
  return {
    time: (mark) => {
      found.mark = mark;
      engine.continueTime(mark);
    },
    numbers: (message, session) => engine.continueNumbers(message, session),
    session: (recovered) => {
      if (recovered.hasLeft) found.left.push(recovered);
      else restoreSession(engine, found, recovered);
    },
    retained: (message) => engine.retained.restore(messageFromStore(engine, message)),
    will: (session, clientId, will) => found.wills.push({ session, clientId, will }),
    delayed: (delayed, message) =>
      engine.delayed.restore(delayed, messageFromStore(engine, message)),
    ban: (ban) => engine.bans.restore(ban),
  };
}

function restoreSession(engine: Engine, found: Recovered, recovered: RecoveredSession): void {
  const { clientId, epoch } = recovered;
  const claim = engine.ownership.restore(clientId, epoch);
  const known = engine.sessions.get(clientId);
  if (known !== undefined && known.claim.epoch >= epoch) {
    found.outdone.push({ session: recovered.session, hadWill: recovered.will !== undefined });
    return;
  }
  if (known !== undefined) withdraw(engine, found, known);
  const session = engine.sessions.create(clientId, recovered.session, claim);
  session.isStored = true;
  session.username = recovered.username;
  session.expiryInterval = recovered.sessionExpiryInterval;
  session.isTrusted = recovered.isTrusted;
  if (recovered.will !== undefined) session.will = willFromStore(engine, recovered.will);
  for (const { packetIdentifier, denied } of recovered.inbound)
    session.ensureInbound().begin(packetIdentifier, denied);
  for (const subscription of recovered.subscriptions)
    restoreSubscription(engine, session, subscription);
  restoreQueue(session, recovered);
  found.sessions.push({
    session,
    detachedAt: recovered.detachedAt,
    owed: recovered.subscriptions.filter(({ retainedOwed }) => retainedOwed),
  });
}

/** A session with a higher epoch has its Client Identifier: what was restored of it goes. */
function withdraw(engine: Engine, found: Recovered, session: Session): void {
  session.isEnded = true;
  engine.cluster?.filtersRemoved(session);
  engine.topicTree.removeSubscriber(session.subscriber);
  engine.shared.leaveAll(session);
  engine.sessions.remove(session);
  found.outdone.push({ session: session.key, hadWill: session.will !== undefined });
}

function restoreSubscription(engine: Engine, session: Session, record: SubscribeRecord): void {
  const { topicFilter, subscriptionIdentifier: identifier } = record;
  const parsed = parseTopicFilter(topicFilter);
  const options = optionsOf(record);
  if (parsed.shareName === undefined) {
    engine.topicTree.add(topicFilter, session.subscriber, options, identifier);
    engine.cluster?.filterAdded(topicFilter);
  } else engine.shared.join(session, topicFilter, parsed, options, identifier);
}

function optionsOf({ qos, noLocal, retainAsPublished }: SubscribeRecord): number {
  return packOptions(qos, noLocal, retainAsPublished);
}

/**
 * Deals with everything that the time without a process brought: sessions that are over end, Wills
 * and delayed messages that are due are published, in the order of their times; for all others the
 * timers are set. Call it once the store is open and before anybody is let in, so that no Will comes
 * after its client is back.
 */
export function finishRecovery(engine: Engine): RecoverySummary {
  const found = engine.recovered;
  engine.recovered = undefined;
  const { sessionsEnded, willsPublished, delayedPublished } = engine.counters;
  let hasDue = false;
  if (found !== undefined && !engine.store.isVolatile) {
    engine.enter();
    engine.timeMarks.start();
    engine.bans.resume();
    for (const { session, hadWill } of found.outdone) endOutdone(engine, session, hadWill);
    const due = dueOf(engine, found).sort((a, b) => a.at - b.at);
    for (const { run } of due) run();
    for (const { session, owed } of found.sessions)
      if (!session.isEnded) oweRetained(engine, session, owed);
    engine.sweep();
    hasDue = due.length > 0;
  }
  const summary: RecoverySummary = {
    sessionsEnded: engine.counters.sessionsEnded - sessionsEnded,
    willsPublished: engine.counters.willsPublished - willsPublished,
    delayedPublished: engine.counters.delayedPublished - delayedPublished,
  };
  if (hasDue) {
    const message = "what fell due while no broker ran was done";
    engine.log.write("info", "caught-up", { message, ...summary });
  }
  return summary;
}

/** What is due, in no order; sets the timers of all that is not. */
function dueOf(engine: Engine, found: Recovered): Due[] {
  const due: Due[] = [];
  const now = engine.storeTime();
  // When connections ended, nobody knows: at the latest when the next mark would have come.
  const endedAt =
    found.mark === undefined ? now : Math.min(now, found.mark.storeTime + MARK_AT_LEAST_EVERY_MS);
  for (const one of found.sessions)
    if (!one.session.isEnded) resume(engine, one, now, endedAt, due);
  for (const { session, clientId, will } of found.wills) {
    due.push({
      at: endedAt,
      run: () => {
        engine.append({ type: "will-clear", session });
        sendWill(engine, clientId, willFromStore(engine, will));
      },
    });
  }
  for (const recovered of found.left)
    due.push({ at: now, run: () => passOnLeft(engine, recovered) });
  engine.delayed.resume((at, run) => due.push({ at, run }));
  return due;
}

/** Lets the intervals of a session go on, or be over. */
function resume(
  engine: Engine,
  restored: RestoredSession,
  now: number,
  endedAt: number,
  due: Due[],
): void {
  const { session } = restored;
  // Where the wall clock could not say what has passed, a record may be younger than the present.
  const detachedAt = Math.min(restored.detachedAt ?? endedAt, now);
  session.detachedAt = engineTimeOf(engine, detachedAt);
  if (restored.detachedAt === undefined && session.expiryInterval > 0) {
    engine.append({
      type: "session-detach",
      session: session.key,
      sessionExpiryInterval: session.expiryInterval,
      detachedAt,
      inFlight: inFlightOf(session),
    });
  }
  const expiresAt =
    session.expiryInterval === NEVER_EXPIRES
      ? Infinity
      : detachedAt + session.expiryInterval * 1000;
  const { will } = session;
  if (will !== undefined) {
    // The session's end comes first where it is earlier [MQTT5-3.1.2-8].
    const willAt = Math.min(expiresAt, detachedAt + will.delayInterval * 1000);
    if (willAt <= now) due.push({ at: willAt, run: () => publishWill(engine, session) });
    else scheduleWill(engine, session, willAt - now);
  }
  if (expiresAt <= now) due.push({ at: expiresAt, run: () => endOverdue(engine, session) });
  else scheduleExpiry(engine, session, expiresAt - now);
}

function endOverdue(engine: Engine, session: Session): void {
  if (session.expiryInterval === 0) endSession(engine, session, "its connection ended");
  else expireSession(engine, session);
}

/** Begins anew with the retained messages of subscriptions that did not get all of theirs. */
function oweRetained(engine: Engine, session: Session, owed: readonly SubscribeRecord[]): void {
  for (const record of owed) {
    const { topicFilter, subscriptionIdentifier } = record;
    engine.retained.replay(session, topicFilter, optionsOf(record), subscriptionIdentifier);
  }
}

/** Its owner had handed it on: what there is of it here is a copy. */
function endOutdone(engine: Engine, session: SessionKey, hadWill: boolean): void {
  if (hadWill) engine.append({ type: "will-clear", session });
  engine.append({ type: "session-end", session });
}

/** Goes on passing its queue on, which ends it. */
function passOnLeft(engine: Engine, recovered: RecoveredSession): void {
  const { session, clientId, will, queue } = recovered;
  if (will !== undefined) {
    engine.append({ type: "will-clear", session });
    sendWill(engine, clientId, willFromStore(engine, will));
  }
  // What was in flight was settled when it left.
  passOnEstate(engine, {
    session,
    clientId,
    first: queue.first,
    resendCount: 0,
    reading: undefined,
  });
}
