import type { TopicAliasOutbound } from "@sericite/protocol";
import type { Connection } from "./connection.ts";
import type { Extras } from "./extras.ts";
import { packDetail } from "./flight.ts";
import { encodeForm, formOf, isNative, sharedIdentifier } from "./forms.ts";
import type { Message } from "./message.ts";
import { META_DUP, META_KEPT, META_QOS } from "./queue.ts";
import { armRetry } from "./retry.ts";
import type { Session } from "./session.ts";

/**
 * Puts a PUBLISH into the connection's output, where every gate is open for it. At QoS 1 and 2 it is in
 * flight from then on, and the flight refers to the message.
 *
 * @param packetIdentifier  Of `identifierFor`; 0 at QoS 0.
 * @returns false where it is above the client's Maximum Packet Size: nothing was done.
 */
export function sendPublish(
  connection: Connection,
  session: Session,
  message: Message,
  meta: number,
  extras: Extras | undefined,
  packetIdentifier: number,
  sequence: number,
): boolean {
  if (!write(connection, message, meta, extras, packetIdentifier)) return false;
  const { engine } = connection;
  const qos = meta & META_QOS;
  engine.counters.publishSent++;
  if (qos === 0) return true;
  if (qos === 2 && (meta & META_KEPT) !== 0) session.freedIdentifiers ??= new Set();
  connection.sent++;
  engine.meter.bytes += message.end - message.start;
  if (extras !== undefined) (session.flightExtras ??= new Map()).set(packetIdentifier, extras);
  // Unacknowledged from here on, until it is answered to the end [MQTT5-4.3.2-3] [MQTT5-4.3.3-3] [MQTT5-4.3.3-5] [MQTT3-4.3.2-1] [MQTT3-4.3.3-1].
  session
    .ensureOutbound()
    .begin(packetIdentifier, qos as 1 | 2, message, packDetail(sequence, meta), engine.now);
  if (connection.protocolVersion !== 5) armRetry(connection);
  return true;
}

/** The shared identifier where it is free; 0 where the message has to wait for it [MQTT5-4.3.2-1] [MQTT5-4.3.3-1] [MQTT3-2.3.1-4]. */
export function identifierFor(session: Session, message: Message, meta: number): number {
  const shared = sharedIdentifier(message.number);
  const outbound = session.outbound;
  if (outbound === undefined || outbound.stateOf(shared) === 0) return shared;
  // A stored QoS 2 message keeps its identifier through a crash, so it waits for just that one.
  if ((meta & META_QOS) === 2 && (meta & META_KEPT) !== 0) return 0;
  return outbound.nextFree(shared);
}

/** Adds a PUBLISH to the output. @returns false, nothing added, where it is above the client's Maximum Packet Size. */
function write(
  connection: Connection,
  message: Message,
  meta: number,
  extras: Extras | undefined,
  packetIdentifier: number,
): boolean {
  const isVersion5 = connection.protocolVersion === 5;
  const { unpacking } = connection.engine;
  if (unpacking !== undefined) message = unpacking.readable(message, connection.acceptedEncodings);
  if (connection.outboundAliases !== undefined) {
    return writeAliased(
      connection,
      connection.outboundAliases,
      message,
      meta,
      extras,
      packetIdentifier,
    );
  }
  if (extras === undefined || extras.identifiers.length === 0 || !isVersion5) {
    const shares =
      (meta & META_DUP) === 0 &&
      (packetIdentifier === 0 || packetIdentifier === sharedIdentifier(message.number));
    if (shares && isNative(message, isVersion5, meta)) {
      if (message.end - message.start > connection.maximumPacketSize) return false;
      connection.sender.output.append(message.bytes, message.start, message.end);
      return true;
    }
    if (shares) {
      const form = formOf(connection.engine, message, isVersion5, meta);
      if (form.end - form.start > connection.maximumPacketSize) return false;
      connection.sender.output.append(form.bytes, form.start, form.end);
      return true;
    }
  }
  const form = encodeForm(
    connection.engine,
    message,
    isVersion5,
    meta,
    extras?.identifiers,
    (meta & META_DUP) !== 0, // [MQTT5-3.3.1-1] [MQTT3-3.3.1-1]
    packetIdentifier,
  );
  if (form.end - form.start > connection.maximumPacketSize) return false;
  connection.sender.output.append(form.bytes, form.start, form.end);
  return true;
}

/** The same for a client that takes Topic Aliases: its packets are its own. */
function writeAliased(
  connection: Connection,
  aliases: TopicAliasOutbound,
  message: Message,
  meta: number,
  extras: Extras | undefined,
  packetIdentifier: number,
): boolean {
  const identifiers = extras?.identifiers;
  // An alias is set by a packet that is surely sent, so its size is judged before.
  const largest = message.size + 16 + 5 * (identifiers?.length ?? 0);
  const alias = largest > connection.maximumPacketSize ? 0 : aliases.assign(message.topicName);
  const form = encodeForm(
    connection.engine,
    message,
    true,
    meta,
    identifiers,
    (meta & META_DUP) !== 0,
    packetIdentifier,
    alias,
    alias !== 0 && !aliases.isNew,
  ); // [MQTT5-3.3.2-11]
  if (form.end - form.start > connection.maximumPacketSize) return false;
  connection.sender.output.append(form.bytes, form.start, form.end);
  return true;
}
