import type { PublishPacket, QoS } from "@sericite/protocol";
import type { LedgerConnection } from "./ledger-connection.ts";
import type { Ledger } from "./ledger.ts";
import { EXPIRY_MARGIN_MS } from "./ledger-messages.ts";
import type { Point, PublishedMessage, Routing } from "./ledger-messages.ts";
import type { LedgerSession, SubscriptionPeriod } from "./ledger-session.ts";

/** Topic Names of which Shared Subscriptions alone get anything: `#` and `+` do not match them. */
const PREFIX = "$shared/";

/** A member was sent a message, for the first time. */
interface SharedDelivery {
  readonly session: LedgerSession;
  readonly qos: QoS;
  /** In a crash the broker may have forgotten that it had the message. */
  isUndone: boolean;
}

/** Whether a message goes to Shared Subscriptions only. */
export function isShared(topicName: string): boolean {
  return topicName.startsWith(PREFIX);
}

/**
 * Shared Subscriptions, one for each topic: of each message one member gets a copy; another one only
 * where the first one's session ended without it. Order is not promised [MQTT5-4.6.0-6].
 */
export class Shared {
  readonly #ledger: Ledger;
  readonly #deliveries = new Map<PublishedMessage, SharedDelivery[]>();
  #crashedAt: Point = 0;
  /** Owed to some member. */
  readonly #owed = new Set<Routing>();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** A member was sent a message, and it is no repeat. */
  deliver(
    connection: LedgerConnection,
    session: LedgerSession,
    packet: PublishPacket,
    message: PublishedMessage,
  ): void {
    const routings = message.stream.routings.filter(
      (routing) => routing.message === message && routing.refused === undefined,
    );
    const fits = routings.some((routing) =>
      periodsOf(session, message.topicName).some(
        ({ untilSure, request }) =>
          untilSure >= routing.from && Math.min(routing.qos, request.qos) === packet.qos,
      ),
    );
    if (!fits)
      return connection.complain(
        `got ${message.name} with QoS ${packet.qos} and is no member of its Shared Subscription, or one with another QoS [MQTT5-4.8.2-3]`,
      );
    let deliveries = this.#deliveries.get(message);
    if (deliveries === undefined) this.#deliveries.set(message, (deliveries = []));
    const held = deliveries.filter((delivery) => !mayBePassedOn(delivery, this.#ledger.nowMs));
    if (held.length >= routings.length)
      connection.complain(
        `got ${message.name}, which ${held.map((one) => one.session.name).join(", ")} got by the same Shared Subscription [MQTT5-4.8.2-4] [MQTT5-4.8.2-5]`,
      );
    deliveries.push({ session, qos: packet.qos, isUndone: false });
  }

  /** The broker crashed. */
  crashed(): void {
    this.#crashedAt = this.#ledger.point;
    for (const [{ stream }, deliveries] of this.#deliveries) {
      if (stream.routings.every((routing) => routing.isSure)) continue;
      for (const delivery of deliveries)
        // QoS 2 is kept before it is sent, where anything of its session is.
        if (delivery.qos < 2 || !delivery.session.wasKept) delivery.isUndone = true;
    }
  }

  /** These were routed, for certain. */
  routed(routings: readonly Routing[]): void {
    for (const routing of routings)
      if (routing.qos > 0 && isShared(routing.message.topicName)) this.#owed.add(routing);
  }

  /** Nothing is under way: who is a member and connected has all, or another one has. */
  atRest(sessions: readonly LedgerSession[]): void {
    const ledger = this.#ledger;
    for (const routing of this.#owed) {
      const { message, from } = routing;
      if (this.#deliveries.has(message)) {
        this.#owed.delete(routing);
        continue;
      }
      const members = sessions.filter((session) =>
        periodsOf(session, message.topicName).some(({ untilSure }) => untilSure >= from),
      );
      // Somebody who is away may have it, or whose session is not certain.
      const isHidden = members.some(
        (session) =>
          session.connection === undefined || !ledger.isCertain(session) || session.hadSmallPackets,
      );
      if (isHidden || ledger.mayDrop) continue;
      this.#owed.delete(routing);
      const mayHaveDied = this.#crashedAt > from && !this.wasKeptFrom(message.topicName, from);
      const isOwed =
        !mayHaveDied &&
        members.some((session) => wasMember(session, message.topicName, from, ledger.point));
      if (isOwed)
        ledger.complain(
          `no member of its Shared Subscription got ${message.name}, acknowledged to ${routing.publisher}`,
        );
    }
  }

  /** Whether nobody could have got it whose session a crash ends. */
  wasKeptFrom(topicName: string, from: Point): boolean {
    return this.#ledger
      .everySession()
      .every(
        (session) =>
          session.wasKept ||
          periodsOf(session, topicName).every(({ untilSure }) => untilSure < from),
      );
  }
}

function mayBePassedOn({ session, qos, isUndone }: SharedDelivery, nowMs: number): boolean {
  if (isUndone) return true;
  const mayHaveExpired =
    session.connection === undefined && session.lifeAt(nowMs, EXPIRY_MARGIN_MS) !== "lives";
  const mayHaveEnded =
    mayHaveExpired ||
    // A Clean Start that is not answered yet may have ended it.
    session.mayEnd ||
    session.isEnded ||
    session.isUncertain ||
    session.wasDegraded;
  return mayHaveEnded && qos === 1;
}

/** Lives of the subscription by which a session is a member for a topic. */
function periodsOf(session: LedgerSession, topicName: string): SubscriptionPeriod[] {
  return session.periods.filter(({ request }) => {
    const [share, , ...levels] = request.topicFilter.split("/");
    return share === "$share" && levels.join("/") === topicName;
  });
}

/** Whether a session surely was a member the whole time. */
function wasMember(session: LedgerSession, topicName: string, from: Point, to: Point): boolean {
  return periodsOf(session, topicName).some(
    ({ fromSure, until }) => fromSure <= from && until >= to,
  );
}
