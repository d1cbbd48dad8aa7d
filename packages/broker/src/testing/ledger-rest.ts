import type { Ledger } from "./ledger.ts";
import { mayBeExpired } from "./ledger-messages.ts";
import type { LedgerSession } from "./ledger-session.ts";

/** Everything is at rest: a session whose client is connected has all that it is owed, and what is in flight. */
export function checkOwed(ledger: Ledger, session: LedgerSession): void {
  for (const routing of session.owed) {
    const { message } = routing;
    const isOver =
      session.delivered.has(message) ||
      mayBeExpired(routing, ledger.nowMs) ||
      ledger.mayDrop ||
      session.hadSmallPackets ||
      ledger.guards.wasWithheld(session.clientId, message.topicName, routing.from) ||
      !session.mustHave(
        message.topicName,
        routing.publisher,
        routing.qos,
        routing.from,
        ledger.point,
      );
    if (isOver) session.owed.delete(routing);
    else if (session.connection !== undefined) {
      session.owed.delete(routing);
      ledger.complain(
        `${session.name} never got ${message.name}, acknowledged to ${routing.publisher}, QoS ${routing.qos}`,
      );
    }
  }
  const { connection } = session;
  if (connection === undefined) return;
  for (const flight of session.flights.values()) {
    // Behind what is no packet the tap read no acknowledgement, but the broker may have.
    if (connection.mayMisbehave) flight.isUncertain = true;
    if (flight.settledOn !== undefined || flight.isUncertain)
      session.flights.delete(flight.packetIdentifier);
    else if (flight.state === "sent" && flight.sentOn !== connection) {
      ledger.complain(
        `${session.name}: ${flight.message.name} is in flight and was not sent again [MQTT5-4.4.0-1] [MQTT3-4.4.0-1]`,
      );
    } else if (flight.state === "received" && flight.pubrelOn !== connection) {
      ledger.complain(
        `${session.name}: PUBREL ${flight.packetIdentifier} was not sent again [MQTT5-4.4.0-1] [MQTT3-4.4.0-1]`,
      );
    }
  }
}

/** Everything is at rest: a subscription has brought what is retained. */
export function checkRetainedSent(ledger: Ledger, session: LedgerSession): void {
  if (ledger.mayDrop || session.hadSmallPackets || session.connection === undefined) return;
  for (const period of session.periods) {
    if (!period.isRetainedOwed || period.retainedGot === undefined || period.fromSure === Infinity)
      continue;
    period.isRetainedOwed = false;
    if (period.until !== Infinity) continue;
    for (const topicName of ledger.messages.retainedTopics(period.request.topicFilter)) {
      if (period.retainedGot.has(topicName)) continue;
      if (ledger.guards.wasWithheld(session.clientId, topicName, period.from)) continue;
      const { routings, mayBeNone } = ledger.messages.retainedBetween(
        topicName,
        period.from,
        ledger.point,
        ledger.nowMs,
      );
      if (mayBeNone || routings.some((routing) => session.delivered.has(routing.message))) continue;
      const wasLossy = session.connection !== period.connection;
      if (wasLossy && routings.some((routing) => Math.min(routing.qos, period.request.qos) === 0))
        continue;
      // Whether No Local holds for what is retained, the standard does not say.
      if (
        period.request.noLocal === true &&
        routings.some((routing) => routing.publisher === session.clientId)
      )
        continue;
      ledger.complain(
        `${session.name} subscribed to ${period.request.topicFilter} and never got what ${topicName} has retained: ${routings.map((routing) => routing.message.name).join(" or ")}`,
      );
    }
  }
}
