import { OutboundState, PacketType, ReasonCode } from "@sericite/protocol";
import type { Outbound } from "@sericite/protocol";
import type { Connection } from "./connection.ts";
import { landed, recordSettled } from "./enqueue.ts";
import { metaOf, sequenceOf } from "./flight.ts";
import { settledMessage } from "./message.ts";
import type { Message } from "./message.ts";
import { META_KEPT } from "./queue.ts";
import type { Session } from "./session.ts";

/** The client has a QoS 1 message (§4.3.2). One that it refuses is settled as well [MQTT5-4.4.0-2] [MQTT5-4.8.2-6]. */
export function handlePuback(
  connection: Connection,
  packetIdentifier: number,
  _reasonCode: number,
): void {
  const session = connection.session!;
  const outbound = session.outbound;
  if (outbound === undefined) return;
  const detail = outbound.detailOf(packetIdentifier);
  const isUnsent = waitsToBeSentAgain(outbound, packetIdentifier);
  const message = outbound.puback(packetIdentifier);
  if (message === undefined) return;
  if (isUnsent) uncount(connection, packetIdentifier);
  settle(connection, session, packetIdentifier, detail);
  landed(connection.engine, message);
}

/** The client has a QoS 2 message, or refuses it (§4.3.3). */
export function handlePubrec(
  connection: Connection,
  packetIdentifier: number,
  reasonCode: number,
): void {
  const session = connection.session!;
  const { engine } = connection;
  const outbound = session.outbound;
  const state = outbound === undefined ? OutboundState.free : outbound.stateOf(packetIdentifier);
  if (state === OutboundState.awaitingPubrec) {
    const detail = outbound!.detailOf(packetIdentifier);
    if (waitsToBeSentAgain(outbound!, packetIdentifier)) uncount(connection, packetIdentifier);
    if (reasonCode >= 0x80) {
      const message = outbound!.fail(packetIdentifier)!; // [MQTT5-4.4.0-2]
      settle(connection, session, packetIdentifier, detail);
      landed(engine, message);
      return;
    }
    const message = outbound!.pubrec(packetIdentifier)!;
    // From here on only the identifier counts [MQTT5-4.3.3-6] [MQTT5-4.3.3-13].
    outbound!.setValue(packetIdentifier, settledMessage);
    landed(engine, message);
    session.flightExtras?.delete(packetIdentifier);
    let position = 0;
    if ((metaOf(detail) & META_KEPT) !== 0) {
      position = engine.append({
        type: "received",
        session: session.key,
        sequence: sequenceOf(detail),
        packetIdentifier,
      });
    }
    connection.sender.acknowledge(
      PacketType.pubrel,
      packetIdentifier,
      ReasonCode.success,
      position,
      0,
    ); // [MQTT5-4.3.3-4]
    return;
  }
  if (reasonCode >= 0x80) return;
  // A repeat after PUBREL was lost, or an identifier that means nothing here.
  const known = state === OutboundState.awaitingPubcomp;
  connection.sender.acknowledge(
    PacketType.pubrel,
    packetIdentifier,
    known ? ReasonCode.success : ReasonCode.packetIdentifierNotFound,
    engine.newestPosition,
    0,
  );
}

/** The client let a Packet Identifier go: the QoS 2 delivery is complete. */
export function handlePubcomp(connection: Connection, packetIdentifier: number): void {
  const session = connection.session!;
  const outbound = session.outbound;
  if (outbound === undefined) return;
  const detail = outbound.detailOf(packetIdentifier);
  const message = outbound.pubcomp(packetIdentifier);
  if (message !== undefined) settle(connection, session, packetIdentifier, detail);
}

/** The client releases the Packet Identifier of its QoS 2 PUBLISH [MQTT5-4.3.3-11] [MQTT3-4.3.3-2]. */
export function handlePubrel(connection: Connection, packetIdentifier: number): void {
  const session = connection.session!;
  const { engine } = connection;
  const known = session.inbound?.end(packetIdentifier) ?? false;
  let position = engine.newestPosition;
  if (known && session.isKept) {
    position = engine.append({ type: "inbound-end", session: session.key, packetIdentifier });
  } else if (!session.isDurable) position = 0;
  connection.sender.acknowledge(
    PacketType.pubcomp,
    packetIdentifier,
    known ? ReasonCode.success : ReasonCode.packetIdentifierNotFound,
    position,
    0,
  );
}

/** Whether this connection has not sent it yet: the acknowledgement is for what an earlier one sent. */
function waitsToBeSentAgain(outbound: Outbound<Message>, packetIdentifier: number): boolean {
  return outbound.resendNext !== 0 && outbound.sendingsOf(packetIdentifier) === 0;
}

/** It took no quota on this connection, so what settles it gives none. */
function uncount(connection: Connection, packetIdentifier: number): void {
  (connection.uncounted ??= new Set()).add(packetIdentifier);
}

/** A delivery is over: its quota returns and the next message may go. */
function settle(
  connection: Connection,
  session: Session,
  packetIdentifier: number,
  detail: number,
): void {
  const { engine } = connection;
  if (connection.uncounted === undefined || !connection.uncounted.delete(packetIdentifier)) {
    if (connection.sent > 0) connection.sent--;
  }
  session.flightExtras?.delete(packetIdentifier);
  engine.counters.messagesAcknowledged++;
  recordSettled(engine, session, sequenceOf(detail), metaOf(detail));
  session.freedIdentifiers?.add(packetIdentifier);
  if (
    (session.queue !== undefined && session.queue.length > 0) ||
    session.backlog !== undefined ||
    session.replays !== undefined ||
    session.outbound!.resendNext !== 0
  )
    engine.ready(connection);
}
