import { OutboundState } from "@sericite/protocol";
import type { Connection } from "./connection.ts";
import { landed, recordSettled } from "./enqueue.ts";
import { metaOf, sequenceOf } from "./flight.ts";
import { encodeForm } from "./forms.ts";
import { META_QOS } from "./queue.ts";
import type { Session } from "./session.ts";

/**
 * Sends a PUBLISH with DUP, or a PUBREL, once more, under its Packet Identifier [MQTT3-2.3.1-4].
 * A message of a Shared Subscription too: it stays with the one it was sent to [MQTT5-4.8.2-4].
 *
 * @returns false where it is too large for the client now.
 */
export function sendAgain(
  connection: Connection,
  session: Session,
  packetIdentifier: number,
): boolean {
  const engine = connection.engine;
  const outbound = session.outbound!;
  engine.counters.publishResent++;
  if (outbound.stateOf(packetIdentifier) === OutboundState.awaitingPubcomp) {
    connection.sender.resendPubrel(packetIdentifier); // [MQTT5-4.4.0-1] [MQTT3-4.4.0-1]
    return true;
  }
  const message = outbound.valueOf(packetIdentifier)!;
  const detail = outbound.detailOf(packetIdentifier);
  const meta = metaOf(detail);
  const extras = session.flightExtras?.get(packetIdentifier);
  const form = encodeForm(
    engine,
    engine.unpacking?.readable(message, connection.acceptedEncodings) ?? message,
    connection.protocolVersion === 5,
    meta,
    extras?.identifiers,
    true,
    packetIdentifier,
  ); // [MQTT5-3.3.1-1] [MQTT3-3.3.1-1]
  if (form.end - form.start > connection.maximumPacketSize) {
    engine.drop("packet-too-large", session.clientId, message, meta & META_QOS);
    outbound.fail(packetIdentifier);
    connection.sent--;
    recordSettled(engine, session, sequenceOf(detail), meta);
    landed(engine, message);
    return false;
  }
  connection.sender.output.append(form.bytes, form.start, form.end);
  engine.counters.publishSent++;
  return true;
}
