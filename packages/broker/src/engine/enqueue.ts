import { OutboundState } from "@sericite/protocol";
import type { Engine } from "./engine.ts";
import type { Extras } from "./extras.ts";
import type { Message } from "./message.ts";
import type { Position } from "./ports.ts";
import { META_QOS, META_RETAIN } from "./queue.ts";
import type { Dropped } from "./queue.ts";
import type { Session } from "./session.ts";

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
  if (connection === undefined && qos === 0 && !engine.settings.session.queueQos0) {
    engine.drop("offline-qos0", session.clientId, message, qos);
    return 0;
  }
  const queue = session.ensureQueue();
  const limits = engine.settings.session;
  if (
    queue.length >= limits.queueMaximumMessages ||
    queue.bytes + message.end - message.start > limits.queueMaximumBytes
  ) {
    if (!makeRoom(engine, session, message, qos)) return 0;
  }
  let position = 0;
  if (qos !== 0 && session.isDurable && !engine.store.isVolatile) {
    position = recordEnqueue(engine, session, message, queue.nextSequence, meta, extras);
  }
  queue.push(message, meta, extras, qos === 2 ? position : 0);
  engine.counters.messagesQueued++;
  if (connection !== undefined && !connection.isReady) engine.ready(connection);
  return position;
}

/** Drops what the setting says until the message fits: QoS 0 first. @returns false where the new one is what goes. */
function makeRoom(engine: Engine, session: Session, message: Message, qos: number): boolean {
  const queue = session.queue!;
  const limits = engine.settings.session;
  while (
    queue.length > 0 &&
    (queue.length >= limits.queueMaximumMessages ||
      queue.bytes + message.end - message.start > limits.queueMaximumBytes)
  ) {
    let dropped: Dropped | undefined;
    if (limits.queueFull === "oldest" || qos !== 0) dropped = queue.dropQos0();
    if (dropped === undefined && limits.queueFull === "oldest" && qos !== 0)
      dropped = queue.dropOldest();
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
    share: "",
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
  if ((meta & META_QOS) !== 0 && session.isDurable && !engine.store.isVolatile) {
    engine.append({ type: "settled", session: session.key, sequence });
  }
}

/** Lets go of everything that waits or is in flight: the session ends. */
export function releaseAll(engine: Engine, session: Session): void {
  const queue = session.queue;
  if (queue !== undefined) {
    session.queue = undefined;
    queue.forEach((message, meta, _sequence, extras) => {
      if (extras?.group === undefined || !engine.passOn(extras.group, message)) {
        engine.drop("session-ended", session.clientId, message, meta & META_QOS);
      }
      message.release();
    });
  }
  const outbound = session.outbound;
  if (outbound !== undefined) {
    session.outbound = undefined;
    outbound.forEach((packetIdentifier, state, message) => {
      // QoS 1 goes to another member; QoS 2 already sent ends with its session [MQTT5-4.8.2-5].
      const group = session.flightExtras?.get(packetIdentifier)?.group;
      if (state === OutboundState.awaitingPuback && group !== undefined)
        engine.passOn(group, message);
      if (state !== OutboundState.awaitingPubcomp) message.release();
    });
    outbound.clear();
  }
  session.replays = undefined;
  session.flightExtras = undefined;
  session.inbound = undefined;
}
