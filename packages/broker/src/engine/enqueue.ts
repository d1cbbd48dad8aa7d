import { OutboundState } from "@sericite/protocol";
import { giveWay, isCrowded } from "./away.ts";
import {
  addToBacklog,
  countSettled,
  goesToBacklog,
  isBeingRead,
  trimBacklog,
  waitingOf,
} from "./backlog.ts";
import type { Engine } from "./engine.ts";
import type { Extras } from "./extras.ts";
import { metaOf, sequenceOf } from "./flight.ts";
import type { Message } from "./message.ts";
import { takesMessages } from "./ports.ts";
import type { Position } from "./ports.ts";
import { META_DUP, META_KEPT, META_QOS, META_RETAIN } from "./queue.ts";
import type { Dropped } from "./queue.ts";
import type { Session } from "./session.ts";
import type { StagedEntry } from "./session-snapshot.ts";

/**
 * Puts a message into a session's queue, whether its client is there or not [MQTT5-4.5.0-1]
 * [MQTT3-4.5.0-1] [MQTT3-3.1.2-5].
 *
 * @returns the position of its record; 0 where it needs none.
 */
export function enqueue(
  engine: Engine,
  session: Session,
  message: Message,
  meta: number,
  extras: Extras | undefined,
): Position {
  const connection = session.connection;
  const qos = meta & META_QOS;
  if (connection === undefined) {
    if (session.staged !== undefined) return stage(engine, session.staged, message, meta, extras);
    if (qos === 0 && !engine.settings.session.queueQos0) {
      engine.drop("offline-qos0", session.clientId, message, qos);
      return 0;
    }
    if (isCrowded(engine, session, message) && !giveWay(engine, session, message, qos)) return 0;
  }
  if (isFull(engine, session, message) && !makeRoom(engine, session, message, qos)) return 0;
  const isForStore = session.isKept && goesToBacklog(engine, session);
  if (isForStore && qos === 0 && !takesMessages(engine.store.state)) {
    engine.drop("store-refusing", session.clientId, message, qos);
    return 0;
  }
  const sequence = session.nextSequence++;
  let position = 0;
  if (session.isKept && (qos !== 0 || isForStore || engine.settings.session.queueQos0)) {
    position = recordEnqueue(engine, session, message, sequence, meta, extras);
    meta |= META_KEPT;
  }
  if (isForStore) addToBacklog(session, sequence, message, extras, position);
  else {
    const queue = session.ensureQueue(engine.meter);
    queue.push(message, meta, extras, qos === 2 ? position : 0, sequence);
  }
  engine.counters.messagesQueued++;
  if (connection !== undefined && !connection.isReady) engine.ready(connection);
  return position;
}

/** Its queue is on its way here. The node that had it until now gets the message too, and records it. */
function stage(
  engine: Engine,
  staged: StagedEntry[],
  message: Message,
  meta: number,
  extras: Extras | undefined,
): Position {
  message.refer();
  staged.push({ stamp: engine.cluster!.stamp(), message, meta, extras });
  return 0;
}

function isFull(engine: Engine, session: Session, message: Message): boolean {
  const limits = engine.settings.session;
  const { queue, backlog } = session;
  if (backlog === undefined) {
    return (
      queue !== undefined &&
      (queue.length >= limits.queueMaximumMessages ||
        queue.bytes + message.end - message.start > limits.queueMaximumBytes)
    );
  }
  return (
    waitingOf(session) >= limits.queueMaximumMessages ||
    (queue?.bytes ?? 0) + backlog.bytes + message.size > limits.queueMaximumBytes
  );
}

/** Drops what the setting says until the message fits: QoS 0 first. @returns false where the new one is what goes. */
function makeRoom(engine: Engine, session: Session, message: Message, qos: number): boolean {
  const { queueFull, queueMaximumMessages } = engine.settings.session;
  const isTooMany = waitingOf(session) >= queueMaximumMessages;
  engine.limitReached(
    isTooMany ? "session.queueMaximumMessages" : "session.queueMaximumBytes",
    session,
  );
  while (waitingOf(session) > 0 && isFull(engine, session, message)) {
    const { queue } = session;
    let dropped: Dropped | undefined;
    if (queueFull === "oldest" || qos !== 0) dropped = queue?.dropQos0();
    if (dropped === undefined && queueFull === "oldest" && qos !== 0) {
      if (queue?.head() === undefined) {
        // The bound is passed for as long as that takes.
        if (isBeingRead(session)) return true;
        const { backlog } = session;
        if (backlog !== undefined && trimBacklog(engine, session, backlog)) {
          engine.drops["queue-full"]++;
          continue;
        }
      } else if ((queue.headMeta & META_DUP) === 0) dropped = queue.dropOldest();
    }
    if (dropped === undefined) {
      engine.drop("queue-full", session.clientId, message, qos);
      return false;
    }
    engine.drop("queue-full", session.clientId, dropped.message, dropped.meta & META_QOS);
    discard(engine, session, dropped.message, dropped.sequence, dropped.meta);
  }
  return true;
}

function recordEnqueue(
  engine: Engine,
  session: Session,
  message: Message,
  sequence: number,
  meta: number,
  extras: Extras | undefined,
): Position {
  engine.recordMessage(message);
  return engine.append({
    type: "enqueue",
    session: session.key,
    sequence,
    message: message.number,
    qos: (meta & META_QOS) as 0 | 1 | 2,
    retain: (meta & META_RETAIN) !== 0,
    subscriptionIdentifiers: extras?.identifiers ?? [],
    share: extras?.group?.topicFilter ?? "",
  });
}

/** A message that was queued will not be sent, or was settled: its record and its reference go. */
export function discard(
  engine: Engine,
  session: Session,
  message: Message,
  sequence: number,
  meta: number,
): void {
  recordSettled(engine, session, sequence, meta);
  message.release();
}

/** The receiver needs it no more. */
export function recordSettled(
  engine: Engine,
  session: Session,
  sequence: number,
  meta: number,
): void {
  if ((meta & META_KEPT) === 0) return;
  countSettled(engine, session, engine.append({ type: "settled", session: session.key, sequence }));
}

/** A message is in flight no more: its bytes are not needed again. */
export function landed(engine: Engine, message: Message): void {
  engine.meter.bytes -= message.size;
  message.release();
}

/**
 * Lets go of everything that waits in memory or is in flight: the session ends.
 *
 * @param isSettled  The session's records stay for now, so what is let go has to be settled.
 */
export function releaseAll(engine: Engine, session: Session, isSettled: boolean): void {
  const queue = session.queue;
  if (queue !== undefined) {
    session.queue = undefined;
    queue.takeAll((message, meta, sequence, extras) => {
      if (isSettled) recordSettled(engine, session, sequence, meta);
      if (extras?.group === undefined || !engine.passOn(extras.group, message)) {
        engine.drop("session-ended", session.clientId, message, meta & META_QOS);
      }
      message.release();
    });
  }
  const outbound = session.outbound;
  if (outbound !== undefined) {
    session.outbound = undefined;
    outbound.forEach((packetIdentifier, state, message, detail) => {
      if (isSettled) recordSettled(engine, session, sequenceOf(detail), metaOf(detail));
      // QoS 1 goes to another member; QoS 2 already sent ends with its session [MQTT5-4.8.2-5].
      const group = session.flightExtras?.get(packetIdentifier)?.group;
      if (state === OutboundState.awaitingPuback && group !== undefined)
        engine.passOn(group, message);
      if (state !== OutboundState.awaitingPubcomp) landed(engine, message);
    });
    outbound.clear();
  }
  session.endReplays();
  session.flightExtras = undefined;
  session.inbound = undefined;
}
