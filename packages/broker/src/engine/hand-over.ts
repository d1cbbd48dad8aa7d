import type { Connection } from "./connection.ts";
import { enqueue } from "./enqueue.ts";
import type { Engine } from "./engine.ts";
import type { Extras } from "./extras.ts";
import { isNative, sharedIdentifier } from "./forms.ts";
import type { Message } from "./message.ts";
import type { Position } from "./ports.ts";
import { META_QOS } from "./queue.ts";
import { sendPublish } from "./send-publish.ts";
import type { Session } from "./session.ts";

/**
 * Gives a message to a receiver: into its connection's output, where nothing waits before it and its own
 * bytes may go out as they are, else into its queue.
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
  if (
    connection === undefined ||
    extras !== undefined ||
    !isNative(message, connection.protocolVersion === 5, meta) ||
    !isNext(engine, connection, session, message, meta & META_QOS)
  )
    return enqueue(engine, session, message, meta, extras);
  const packetIdentifier = message.qos === 0 ? 0 : sharedIdentifier(message.number);
  const sequence = session.nextSequence++;
  // In flight from now on.
  if (packetIdentifier !== 0) message.refer();
  if (sendPublish(connection, session, message, meta, undefined, packetIdentifier, sequence)) {
    if (!connection.isReady) engine.ready(connection);
    return 0;
  }
  if (packetIdentifier !== 0) message.release();
  // It is too large: dropped where all are that cannot be sent.
  return enqueue(engine, session, message, meta, undefined);
}

/** Nothing would leave before it, it needs to outlive nothing, and nobody has to be asked about it. */
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
    session.replays !== undefined ||
    session.isParked ||
    (session.isDurable && (qos !== 0 || engine.settings.session.queueQos0)) ||
    connection.state !== "open" ||
    !connection.isWritable ||
    connection.outboundAliases !== undefined ||
    connection.rights !== undefined ||
    connection.sender.awaitsConnack ||
    connection.sender.output.size >= engine.settings.limits.bytesPerTurn ||
    // A listener of what is sent just now would not be told of it.
    engine.isFlushing
  )
    return false;
  if (outbound !== undefined) {
    if (outbound.resendNext !== 0) return false;
    // [MQTT5-3.3.4-9] [MQTT5-4.9.0-2] [MQTT5-2.2.1-4] [MQTT3-2.3.1-4]
    if (qos !== 0 && outbound.stateOf(sharedIdentifier(message.number)) !== 0) return false;
  }
  if (qos !== 0 && connection.sent >= connection.sendMaximum) return false;
  const { authorizeDelivery, answers } = engine.hooks;
  return (
    authorizeDelivery === undefined ||
    connection.isTrusted ||
    (answers !== undefined && connection.isDeliveryAllowed(answers, message.topic))
  );
}
