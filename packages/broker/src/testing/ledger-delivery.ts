import type { PublishPacket, QoS } from "@sericite/protocol";
import type { LedgerConnection } from "./ledger-connection.ts";
import type { Ledger } from "./ledger.ts";
import { EXPIRY_MARGIN_MS, isExpired } from "./ledger-messages.ts";
import type { Point, PublishedMessage, Routing } from "./ledger-messages.ts";
import { isShared } from "./ledger-shared.ts";
import type { Flight, LedgerSession, SubscriptionPeriod } from "./ledger-session.ts";

/** Checks one PUBLISH that the broker sent to a client, and notes what it means. */
export function deliver(
  connection: LedgerConnection,
  session: LedgerSession,
  packet: PublishPacket,
  topicName: string,
): void {
  const { ledger } = connection;
  const message = ledger.messages.find(topicName, packet.payload);
  const text = new TextDecoder().decode(packet.payload);
  if (message === undefined)
    return connection.complain(`got "${text}" on ${topicName}, which nobody published there`);
  const identifier = packet.packetIdentifier ?? 0;
  if (packet.qos === 0) {
    if (packet.dup)
      connection.complain(`DUP at QoS 0 (${message.name}) [MQTT5-3.3.1-2] [MQTT3-3.3.1-2]`);
    checkNothingPassed(connection, session, message);
    return checkFirst(connection, session, packet, message, false);
  }
  const flight = session.flights.get(identifier);
  if (flight !== undefined && isRepeat(connection, flight, packet, message))
    return resend(connection, session, flight, packet);
  // Behind what is no packet the tap reads no acknowledgement.
  const isKnown = flight?.settledOn === undefined && !connection.mayMisbehave;
  if (flight !== undefined && isKnown && !flight.isUncertain) {
    // [MQTT5-2.2.1-4] [MQTT3-2.3.1-4]
    return connection.complain(
      `Packet Identifier ${identifier} used for ${message.name} while ${flight.message.name} (QoS ${flight.qos}, ${flight.state}) is in flight under it`,
    );
  }
  const mayLackDup = flight?.message === message && !packet.dup;
  session.settle(identifier);
  const revived = packet.dup ? takeRevived(connection, session, packet, message) : undefined;
  if (revived !== undefined) {
    session.flights.set(identifier, { ...revived, packetIdentifier: identifier });
    return resend(connection, session, session.flights.get(identifier) as Flight, packet);
  }
  if (packet.dup && session.connections < 2)
    connection.complain(
      `DUP on the first delivery of ${message.name} [MQTT5-3.3.1-1] [MQTT3-3.3.1-1]`,
    );
  checkNothingPassed(connection, session, message);
  checkFirst(connection, session, packet, message, mayLackDup);
  connection.outstanding.add(identifier);
  checkReceiveMaximum(connection);
  session.order += 1;
  session.flights.set(identifier, {
    packetIdentifier: identifier,
    message,
    qos: packet.qos,
    order: session.order,
    state: "sent",
    sentOn: connection,
    sentAtMs: ledger.nowMs,
    sentAt: ledger.point,
    retain: packet.retain,
    receivedOn: undefined,
    pubrelOn: undefined,
    pubrelAtMs: 0,
    settledOn: undefined,
    // An acknowledgement of an earlier copy under it may be taken for one of this.
    isUncertain: connection.resent.has(identifier),
    wasReleased: false,
    isPlaceOpen: false,
  });
  if (packet.qos === 2) ledger.durability?.deliveredQos2(connection, session, message);
}

/** Whether a PUBLISH is what stands in a flight, once more. */
function isRepeat(
  connection: LedgerConnection,
  flight: Flight,
  packet: PublishPacket,
  message: PublishedMessage,
): boolean {
  if (flight.message !== message || flight.qos !== packet.qos || flight.retain !== packet.retain)
    return false;
  // PUBREC is kept before PUBREL is sent: what comes now is another delivery of the same message.
  if (flight.wasReleased) return false;
  // Settled, and the broker may know: a new message of the same content is as likely.
  if ((flight.settledOn !== undefined || flight.isUncertain) && !packet.dup) return false;
  if (flight.settledOn !== connection) return true;
  // The broker may not have read that; but too early, or in 5.0, it is a delivery of its own.
  const { nowMs, retryIntervalMs } = connection.ledger;
  const mayRetry = connection.version !== 5 && nowMs - flight.sentAtMs >= retryIntervalMs;
  return mayRetry && connection.mayHaveUnread;
}

function resend(
  connection: LedgerConnection,
  session: LedgerSession,
  flight: Flight,
  packet: PublishPacket,
): void {
  const { ledger } = connection;
  const what = `${flight.message.name} under Packet Identifier ${flight.packetIdentifier}`;
  if (!packet.dup)
    connection.complain(`${what} sent again without DUP [MQTT5-3.3.1-1] [MQTT3-3.3.1-1]`);
  if (
    flight.state === "received" &&
    flight.receivedOn?.wasReadToEnd === true &&
    !flight.isUncertain
  ) {
    connection.complain(`${what} sent again after PUBREC [MQTT5-4.3.3-6]`);
  }
  if (flight.settledOn !== undefined && flight.settledOn.wasReadToEnd)
    connection.complain(`${what} sent again after it was settled`);
  const mayBeAnother = flight.isUncertain || flight.settledOn !== undefined;
  if (mayBeAnother && roomFor(connection, session, flight.message) > 0) flight.isPlaceOpen = true;
  if (flight.sentOn === connection) {
    connection.checkResend(flight);
    connection.resent.add(flight.packetIdentifier);
  } else {
    for (const other of session.flights.values()) {
      if (flight.isPlaceOpen || other.isPlaceOpen) continue;
      if (other.order < flight.order && isOwedAgain(connection, other)) {
        connection.complain(
          `${what} sent again before ${other.message.name}, which came first [MQTT5-4.6.0-1] [MQTT3-4.6.0-1]`,
        );
      }
    }
  }
  flight.isUncertain = false;
  flight.state = "sent";
  flight.settledOn = undefined;
  flight.sentOn = connection;
  flight.sentAtMs = ledger.nowMs;
  connection.outstanding.add(flight.packetIdentifier);
  checkReceiveMaximum(connection);
}

/** What a crash may have brought back, though its client had settled it. */
function takeRevived(
  connection: LedgerConnection,
  session: LedgerSession,
  packet: PublishPacket,
  message: PublishedMessage,
): Flight | undefined {
  const fits = session.revived.filter(
    (flight) =>
      flight.message === message &&
      flight.qos === packet.qos &&
      flight.retain === packet.retain &&
      !flight.wasReleased &&
      // QoS 1 may come under another one where what was before it has gone.
      (flight.qos === 1 || flight.packetIdentifier === packet.packetIdentifier),
  );
  const [first] = fits;
  if (first === undefined) return undefined;
  session.revived.splice(session.revived.indexOf(first), 1);
  if (fits.length === 1 && roomFor(connection, session, message) === 0) return first;
  // Which of several deliveries it is, and so which place it has, is not known.
  return { ...first, isPlaceOpen: true };
}

/** In flight from an earlier connection, and not sent again on this one. */
function isOwedAgain(connection: LedgerConnection, flight: Flight): boolean {
  return (
    !flight.isUncertain &&
    flight.state === "sent" &&
    flight.settledOn === undefined &&
    flight.sentOn !== connection
  );
}

/** What is in flight comes before anything new [MQTT5-4.4.0-1] [MQTT5-4.6.0-1]. */
function checkNothingPassed(
  connection: LedgerConnection,
  session: LedgerSession,
  message: PublishedMessage,
): void {
  for (const flight of session.flights.values()) {
    if (isOwedAgain(connection, flight)) {
      connection.complain(
        `${message.name} was sent before ${flight.message.name}, which is in flight from an earlier connection`,
      );
    }
  }
}

function checkReceiveMaximum(connection: LedgerConnection): void {
  if (connection.outstanding.size > connection.receiveMaximum && !connection.mayMisbehave) {
    connection.complain(
      `${connection.outstanding.size} unacknowledged PUBLISHes, Receive Maximum ${connection.receiveMaximum} [MQTT5-3.3.4-9]`,
    );
  }
}

/** A delivery that is no repeat: live, or a retained message because of a subscription. */
function checkFirst(
  connection: LedgerConnection,
  session: LedgerSession,
  packet: PublishPacket,
  message: PublishedMessage,
  mayLackDup: boolean,
): void {
  // What may have been sent before has to be sent to the end.
  if (!packet.dup && !connection.ledger.guards.mayReceive(session.clientId, message.topicName))
    connection.complain(`${describe(packet, message)}: the client may not have it`);
  const counts = session.counts.get(message) ?? [0, 0, 0];
  counts[packet.qos] += 1;
  session.counts.set(message, counts);
  session.lost.delete(message);
  if (isShared(message.topicName)) {
    session.delivered.add(message);
    return connection.ledger.shared.deliver(connection, session, packet, message);
  }
  const live = findLive(connection, session, packet, message);
  const retained = packet.retain ? findRetained(connection, session, packet, message) : "";
  session.delivered.add(message);
  if (typeof live !== "string" && typeof retained !== "string") {
    // Either: what is not known is left open, and only the number of such deliveries counts.
    session.ambiguous.set(message, (session.ambiguous.get(message) ?? 0) + 1);
    checkTime(connection, packet, live);
  } else if (typeof live !== "string") {
    const rank = placeOf(live, session.progress.get(message.stream)?.rank ?? -1) ?? 0;
    session.progress.set(message.stream, { rank, message });
    session.used.add(live);
    if (message.payload === "") session.empty.set(message, (session.empty.get(message) ?? 0) + 1);
    checkTime(connection, packet, live);
  } else if (typeof retained !== "string") {
    retained.period.retainedGot?.add(message.topicName);
    checkTime(connection, packet, retained.routing);
  } else {
    const why = `${packet.retain ? `; nor is it a retained message: ${retained}` : ""}${mayLackDup ? "; or it is sent again without DUP [MQTT5-3.3.1-1]" : ""}`;
    return connection.complain(`${describe(packet, message)}: ${live}${why}`);
  }
  if ((session.ambiguous.get(message) ?? 0) > roomFor(connection, session, message)) {
    connection.complain(`${describe(packet, message)}: delivered once more, live or retained`);
  }
}

/** How many more deliveries of a message can be explained: routings that were not delivered, and subscriptions that bring it. */
function roomFor(
  connection: LedgerConnection,
  session: LedgerSession,
  message: PublishedMessage,
): number {
  const routings = message.stream.routings.filter(
    (routing) => routing.message === message && routing.refused === undefined,
  );
  const unused =
    message.payload === ""
      ? routings.length
      : routings.filter((routing) => !session.used.has(routing)).length;
  const periods = session.periods.filter(
    ({ request, retainedGot }) =>
      retainedGot?.has(message.topicName) === false &&
      connection.ledger.matches(request.topicFilter, message.topicName),
  );
  return unused + periods.length;
}

/** The routing that a delivery stands for, or why there is none. */
function findLive(
  connection: LedgerConnection,
  session: LedgerSession,
  packet: PublishPacket,
  message: PublishedMessage,
): Routing | string {
  const { ledger } = connection;
  const done = session.progress.get(message.stream)?.rank ?? -1;
  let why = "";
  let found: Routing | undefined;
  for (const routing of message.stream.routings) {
    if (routing.message !== message) continue;
    const fault = faultOf(session, packet, routing, done, ledger);
    if (fault !== undefined) why = why === "" ? fault : `${why}, or ${fault}`;
    else if (
      found === undefined ||
      isBetter(routing, found, done, packet.dup || mayBeHeld(ledger, routing) ? -1 : ledger.nowMs)
    )
      found = routing;
  }
  return found ?? why;
}

/** Why a delivery cannot be this routing, or nothing. */
function faultOf(
  session: LedgerSession,
  packet: PublishPacket,
  routing: Routing,
  done: number,
  ledger: Ledger,
): string | undefined {
  const { message } = routing;
  if (routing.refused !== undefined && !ledger.mayBeDue(routing))
    return `delivered, but it is ${routing.refused}`;
  if (ledger.nowMs < routing.notBeforeMs)
    return `too early, it is not due before ${routing.notBeforeMs} ms`;
  if (message.payload === "") {
    // Which of several empty messages it is, nobody knows: only their number counts.
    const count = message.stream.routings.filter((other) => other.refused === undefined).length;
    if ((session.empty.get(message) ?? 0) >= count) return "delivered once more";
  } else if (session.used.has(routing)) return "delivered once more";
  if (placeOf(routing, done) === undefined) {
    return `out of order: ${session.progress.get(routing.message.stream)?.message.name ?? "another"} came before it [MQTT5-4.6.0-6] [MQTT3-4.6.0-6]`;
  }
  return explain(session, packet, routing, ledger.point);
}

/** Whether it may have waited to be handled: that time the broker does not count. */
function mayBeHeld(ledger: Ledger, routing: Routing): boolean {
  return ledger.mayPark || ledger.mayLag || ledger.wasTroubledSince(routing.fromMs);
}

/** The earlier one, but not one whose time is over: its publisher may have sent it again since, with its time afresh. */
function isBetter(one: Routing, other: Routing, done: number, nowMs: number): boolean {
  const isOver = isExpired(one, nowMs);
  if (isOver !== isExpired(other, nowMs)) return !isOver;
  return (placeOf(one, done) ?? 0) < (placeOf(other, done) ?? 0);
}

/** The first place in its stream that a routing may have behind what was delivered; any where there is no order. */
function placeOf({ message, ranks }: Routing, done: number): number | undefined {
  return message.stream.isOrdered ? ranks.find((rank) => rank > done) : ranks[0];
}

/** Why a delivery does not fit a routing and the subscriptions at its time, or nothing. */
function explain(
  session: LedgerSession,
  packet: PublishPacket,
  routing: Routing,
  now: Point,
): string | undefined {
  const { topicName } = routing.message;
  const to = Math.min(routing.to, now);
  const possible = session.possible(topicName, routing.publisher, routing.from, to);
  if (possible.length === 0)
    return "no subscription of the client matches it, or only one with No Local [MQTT5-3.8.3-3]";
  const sure = session.sure(topicName, routing.publisher, routing.from, to);
  const atLeast = Math.max(0, ...sure.map((period) => period.request.qos));
  const fits = possible.filter(
    (period) =>
      Math.min(routing.qos, period.request.qos) === packet.qos &&
      packet.qos >= Math.min(routing.qos, atLeast),
  );
  if (fits.length === 0)
    return `QoS ${packet.qos}, published with ${routing.qos}, granted ${possible.map((period) => period.request.qos).join()}`;
  const flag = explainRetain(packet, routing, possible);
  if (flag !== undefined) return flag;
  return explainIdentifiers(packet, possible, sure);
}

/** RETAIN of an ordinary delivery: as published where that was asked for, else 0 [MQTT5-3.3.1-12] [MQTT5-3.3.1-13]. */
function explainRetain(
  packet: PublishPacket,
  routing: Routing,
  possible: readonly SubscriptionPeriod[],
): string | undefined {
  if (!packet.retain) {
    const allAsPublished = possible.every((period) => period.request.retainAsPublished === true);
    return routing.retain && allAsPublished
      ? "RETAIN 0, but Retain As Published was asked for [MQTT5-3.3.1-13]"
      : undefined;
  }
  if (!routing.retain) return "RETAIN 1, but it was published with 0";
  if (possible.some((period) => period.request.retainAsPublished === true)) return undefined;
  return "RETAIN 1 on an ordinary delivery [MQTT5-3.3.1-12] [MQTT3-3.3.1-9]";
}

/** Subscription Identifiers: of all that matched, and of no other [MQTT5-3.3.4-3] [MQTT5-3.3.4-5]. */
function explainIdentifiers(
  packet: PublishPacket,
  possible: readonly SubscriptionPeriod[],
  sure: readonly SubscriptionPeriod[],
): string | undefined {
  const given = packet.properties?.subscriptionIdentifiers ?? [];
  for (const identifier of given) {
    if (!possible.some((period) => period.identifier === identifier))
      return `Subscription Identifier ${identifier} of no subscription that matches`;
  }
  for (const { identifier } of sure) {
    if (identifier !== 0 && !given.includes(identifier))
      return `Subscription Identifier ${identifier} is missing [MQTT5-3.3.4-3]`;
  }
  return undefined;
}

/** The retained message that a delivery stands for, or why there is none. */
function findRetained(
  connection: LedgerConnection,
  session: LedgerSession,
  packet: PublishPacket,
  message: PublishedMessage,
): { readonly routing: Routing; readonly period: SubscriptionPeriod } | string {
  const { ledger } = connection;
  let why = "no subscription asked for retained messages of this topic, or it got one already";
  for (const period of session.periods) {
    if (period.retainedGot === undefined || period.retainedGot.has(message.topicName)) continue;
    if (!ledger.matches(period.request.topicFilter, message.topicName)) continue;
    const { routings } = ledger.messages.retainedBetween(
      message.topicName,
      period.from,
      ledger.point,
      ledger.nowMs,
    );
    const routing = routings.findLast(
      (candidate) => candidate.message === message && ledger.nowMs >= candidate.notBeforeMs,
    );
    if (routing === undefined) {
      why = "it is not what is retained there";
      continue;
    }
    const qos = Math.min(routing.qos, period.request.qos) as QoS;
    if (qos !== packet.qos) {
      why = `QoS ${packet.qos}, expected ${qos}`;
      continue;
    }
    const given = packet.properties?.subscriptionIdentifiers ?? [];
    if (
      period.identifier === 0
        ? given.length > 0
        : !(given.length === 1 && given[0] === period.identifier)
    ) {
      why = `Subscription Identifiers ${given.join()}, expected ${period.identifier}`;
      continue;
    }
    return { routing, period };
  }
  return why;
}

/** Not after its expiry, and with what is left of it [MQTT5-3.3.2-5] [MQTT5-3.3.2-6]; properties as they were given. */
function checkTime(connection: LedgerConnection, packet: PublishPacket, routing: Routing): void {
  const { message, expiry } = routing;
  const { nowMs } = connection.ledger;
  // Which of several copies it is, is not known for certain.
  const copies = message.stream.routings.filter(
    (other) => other.message === message && other.refused === undefined,
  );
  const wasHeld = mayBeHeld(connection.ledger, routing);
  // Less than nothing where time was lost in a crash.
  const waitedMs = (since: number): number =>
    wasHeld ? Math.min(0, nowMs - since) : nowMs - since;
  const latestMs = Math.max(...copies.map((copy) => copy.latestMs), routing.latestMs);
  const left = packet.properties?.messageExpiryInterval;
  // Empty messages of one topic are not told apart. What was begun is finished, also where its first
  // try never left [MQTT5-3.3.2-5].
  if (packet.dup || message.payload === "") return;
  if (expiry !== undefined) {
    if (waitedMs(latestMs) > expiry * 1000 + EXPIRY_MARGIN_MS) {
      connection.complain(
        `${message.name} sent ${waitedMs(latestMs)} ms after it was published, expiry ${expiry} s [MQTT5-3.3.2-5]`,
      );
    } else if (connection.version === 5) {
      // Its publisher may have counted too, where it sent it again.
      const expiries = copies.map((copy) => copy.expiry ?? expiry);
      const earliestMs = Math.min(...copies.map((copy) => copy.fromMs), routing.fromMs);
      const margin = EXPIRY_MARGIN_MS / 1000 + 1;
      const most = Math.max(...expiries) - waitedMs(latestMs) / 1000 + margin;
      const least = Math.min(...expiries) - (nowMs - earliestMs) / 1000 - margin;
      if (!(left !== undefined && left >= least && left <= most)) {
        connection.complain(
          `${message.name} has Message Expiry Interval ${left}, expected ${least.toFixed(1)} to ${most.toFixed(1)} [MQTT5-3.3.2-6]`,
        );
      }
    }
  } else if (left !== undefined)
    connection.complain(
      `${message.name} has Message Expiry Interval ${left}, it was published without [X-50]`,
    );
  if (connection.version !== 5) return;
  const given = JSON.stringify(packet.properties?.userProperties ?? []);
  const published = JSON.stringify(message.userProperties);
  if (given !== published)
    connection.complain(
      `${message.name} has User Properties ${given}, published with ${published} [MQTT5-3.3.2-17]`,
    );
}

function describe(packet: PublishPacket, message: PublishedMessage): string {
  const flags = `QoS ${packet.qos}${packet.dup ? ", DUP" : ""}${packet.retain ? ", RETAIN" : ""}`;
  return `${message.name} (${flags}, Packet Identifier ${packet.packetIdentifier ?? "none"})`;
}
