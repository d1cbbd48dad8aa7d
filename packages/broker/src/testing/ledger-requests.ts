import type { SubscribePacket } from "@sericite/protocol";
import type { Point, Routing } from "./ledger-messages.ts";
import type { SubscriptionPeriod } from "./ledger-session.ts";

/** A PUBLISH that the client waits for an answer to. */
export interface Unanswered {
  readonly packetIdentifier: number;
  /** What it brought, now or, for a repeat, before. */
  readonly routing: Routing;
  /** When it came. Milliseconds. */
  readonly atMs: number;
}

/** A SUBSCRIBE that the client waits for an answer to. */
export interface PendingSubscribe {
  readonly packet: SubscribePacket;
  readonly periods: readonly SubscriptionPeriod[];
  /** Where the store stood. */
  readonly place: number;
}

/** An UNSUBSCRIBE that the client waits for an answer to. */
export interface PendingUnsubscribe {
  readonly topicFilters: readonly string[];
  readonly at: Point;
  /** Where the store stood. */
  readonly place: number;
}

/** What one connection owes its client an answer to, in the order in which it was asked. */
export class LedgerRequests {
  readonly qos1: Unanswered[] = [];
  readonly qos2: Unanswered[] = [];
  /** How many PUBRELs came under a Packet Identifier. */
  readonly pubrels = new Map<number, number>();
  /** Packet Identifiers of PUBRECs that a PUBREL answers. */
  readonly owedPubrels: number[] = [];
  readonly subscribes = new Map<number, PendingSubscribe[]>();
  readonly unsubscribes = new Map<number, PendingUnsubscribe[]>();
  pings = 0;

  /** PUBLISHes that have no answer yet. */
  publishes(): Unanswered[] {
    return [...this.qos1, ...this.qos2];
  }

  /** Everything that has no answer yet, in words. */
  open(): string[] {
    const publishes = this.publishes().map(
      ({ packetIdentifier, routing }) => `PUBLISH ${packetIdentifier} (${routing.message.name})`,
    );
    return [
      ...publishes,
      ...[...this.pubrels.keys()].map((packetIdentifier) => `PUBREL ${packetIdentifier}`),
      ...this.owedPubrels.map((packetIdentifier) => `PUBREC ${packetIdentifier}`),
      ...[...this.subscribes.keys()].map((packetIdentifier) => `SUBSCRIBE ${packetIdentifier}`),
      ...[...this.unsubscribes.keys()].map((packetIdentifier) => `UNSUBSCRIBE ${packetIdentifier}`),
      ...(this.pings > 0 ? ["PINGREQ"] : []),
    ];
  }
}

/** Adds to what waits under a Packet Identifier: clients before 5.0 may send it again. */
export function push<T>(waiting: Map<number, T[]>, packetIdentifier: number, one: T): void {
  const before = waiting.get(packetIdentifier);
  if (before === undefined) waiting.set(packetIdentifier, [one]);
  else before.push(one);
}

/** Takes the first that waits under a Packet Identifier, where one does. */
export function shift<T>(waiting: Map<number, T[]>, packetIdentifier: number): T | undefined {
  const before = waiting.get(packetIdentifier);
  const first = before?.shift();
  if (before?.length === 0) waiting.delete(packetIdentifier);
  return first;
}
