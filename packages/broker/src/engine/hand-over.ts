import type { Connection } from "./connection.ts";
import { enqueue } from "./enqueue.ts";
import type { Engine } from "./engine.ts";
import type { Extras } from "./extras.ts";
import type { Message } from "./message.ts";
import type { Position } from "./ports.ts";
import { META_QOS } from "./queue.ts";
import { identifierFor, sendPublish } from "./send-publish.ts";
import type { Session } from "./session.ts";

/**
 * Gives a message to a receiver: into its connection's output, where nothing waits before it and every
 * gate is open, else into its queue.
 *
 * @returns the position of its record; 0 where it needs none.
 */
export function handOver(
  engine: Engine,
  session: Session,
  message: Message,
  meta: number,
  extras: Extras | undefined,
): Position {
  const { connection } = session;
  const qos = meta & META_QOS;
  if (connection === undefined || !isNext(engine, connection, session, message, qos))
    return enqueue(engine, session, message, meta, extras);
  let packetIdentifier = 0;
  if (qos !== 0) {
    // [MQTT5-3.3.4-9] [MQTT5-4.9.0-2]
    if (connection.sent < connection.sendMaximum)
      packetIdentifier = identifierFor(session, message, meta);
    if (packetIdentifier === 0) return enqueue(engine, session, message, meta, extras);
    message.refer();
  }
  const sequence = session.nextSequence++;
  if (!sendPublish(connection, session, message, meta, extras, packetIdentifier, sequence)) {
    engine.drop("packet-too-large", session.clientId, message, qos); // [MQTT5-3.1.2-24] [MQTT5-3.1.2-25]
    if (qos !== 0) message.release();
  } else if (!connection.isReady) engine.ready(connection);
  return 0;
}

/** Nothing would leave before it, it needs no record, and nobody has to be asked about it. */
function isNext(
  engine: Engine,
  connection: Connection,
  session: Session,
  message: Message,
  qos: number,
): boolean {
  const { queue, outbound } = session;
  if (
    (queue !== undefined && queue.length > 0) ||
    session.backlog !== undefined ||
    (session.isKept && (qos !== 0 || engine.settings.session.queueQos0)) ||
    session.replays !== undefined ||
    session.isParked ||
    (outbound !== undefined && outbound.resendNext !== 0) ||
    message.expiresAt !== 0 ||
    !connection.isWritable ||
    connection.state !== "open" ||
    connection.rights !== undefined ||
    connection.sender.awaitsConnack ||
    connection.sender.output.size >= engine.settings.limits.bytesPerTurn
  )
    return false;
  const { authorizeDelivery, answers } = engine.hooks;
  return (
    authorizeDelivery === undefined ||
    connection.isTrusted ||
    (answers !== undefined && connection.isDeliveryAllowed(answers, message.topic))
  );
}
