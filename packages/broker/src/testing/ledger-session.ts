import { topicFilterMatches } from "@sericite/protocol";
import type { QoS, SubscriptionRequest } from "@sericite/protocol";
import type { SessionKey } from "../engine/ports.ts";
import type { LedgerConnection } from "./ledger-connection.ts";
import type { Point, PublishedMessage, Routing, Stream } from "./ledger-messages.ts";

/** One life of a subscription: between two moments that the ledger knows only roughly. */
export interface SubscriptionPeriod {
  readonly request: SubscriptionRequest;
  /** 0: none. */
  readonly identifier: number;
  /** Perhaps from here on … */
  readonly from: Point;
  /** … surely from here on; `Infinity` while it is not granted. */
  fromSure: Point;
  /** Surely until here … */
  until: Point;
  /** UNSUBSCRIBE came here; `Infinity` while none did. */
  endRequested: Point;
  /** … perhaps until here. */
  untilSure: Point;
  /** Granted with SUBACK on this connection. */
  readonly connection: LedgerConnection;
  /** What took its place without a gap. */
  replacedBy: SubscriptionPeriod | undefined;
  /** Retained messages are due because of it: topics of which it got one already. */
  readonly retainedGot: Set<string> | undefined;
  /** It must get the retained messages, and whether it did was not looked at yet. */
  isRetainedOwed: boolean;
}

/** A QoS 1 or 2 message that the broker sent and the client has not settled. */
export interface Flight {
  readonly packetIdentifier: number;
  readonly message: PublishedMessage;
  readonly qos: QoS;
  readonly order: number;
  state: "sent" | "received";
  /** Connection on which it was sent last. */
  sentOn: LedgerConnection;
  sentAtMs: number;
  /** When it was sent first. */
  readonly sentAt: Point;
  /** Its RETAIN flag, 1 where it came because of a subscription. */
  readonly retain: boolean;
  /** Connection on which PUBREC came. */
  receivedOn: LedgerConnection | undefined;
  /** Connection on which PUBREL was sent last. */
  pubrelOn: LedgerConnection | undefined;
  pubrelAtMs: number;
  /** The client settled it, but the broker may not have read that. */
  settledOn: LedgerConnection | undefined;
  /** It may have ended with its session, unseen. */
  isUncertain: boolean;
  /** PUBREL was sent: so PUBREC is kept, and PUBLISH never comes again. */
  wasReleased: boolean;
  /** After a crash it may be another delivery of the same message, elsewhere in the order. */
  isPlaceOpen: boolean;
}

/** What the ledger knows of one Session. */
export class LedgerSession {
  readonly clientId: string;
  readonly number: number;
  /** Seconds. */
  expiry = 0;
  /** When a DISCONNECT changed it. */
  expiryChangedAt: Point = 0;
  connection: LedgerConnection | undefined;
  /** When its connection went. */
  detachedAt: Point = 0;
  /** The same as a time. Milliseconds. */
  detachedAtMs = 0;
  /** The same, at the latest: after a crash the broker may know it less well. */
  detachedLatestMs = 0;
  isEnded = false;
  /** When that was known. */
  endedAt: Point = 0;
  /** It once was to outlive its connection. */
  wasKept = false;
  /** A CONNECT came for it of which nobody knows whether it was let in. */
  isUncertain = false;
  /** Connections of its Client Identifier whose CONNECT is not answered yet. */
  readonly contenders: ReadonlySet<LedgerConnection>;
  /** … and it had Clean Start: what is found under its name may be another session. */
  mayBeReplaced = false;
  /** It once was replaced, perhaps: what was known of it may be another session's. */
  wasDegraded = false;
  /** Under which the store has it, where it does. */
  storeKey: SessionKey | undefined;
  readonly periods: SubscriptionPeriod[] = [];
  readonly flights = new Map<number, Flight>();
  /** Settled since everything last was at rest: a crash may undo that. */
  readonly settled: Flight[] = [];
  /** Settled, which a crash may have undone: they may come once more. */
  readonly revived: Flight[] = [];
  order = 0;
  /** QoS 2 messages of the client that are not released: Packet Identifier -> routing. */
  readonly inbound = new Map<number, Routing>();
  /** The last message delivered of each stream, and its place in it. */
  readonly progress = new Map<
    Stream,
    { readonly rank: number; readonly message: PublishedMessage }
  >();
  /** Routings that were delivered. */
  readonly used = new Set<Routing>();
  /** How many deliveries of a message may be live as well as retained. */
  readonly ambiguous = new Map<PublishedMessage, number>();
  /** How many empty messages of a topic it got. */
  readonly empty = new Map<PublishedMessage, number>();
  readonly delivered = new Set<PublishedMessage>();
  /** Sent before a crash, and perhaps neither received nor kept. */
  readonly lost = new Set<PublishedMessage>();
  /** How often each message was delivered that was no repeat, by QoS. */
  readonly counts = new Map<PublishedMessage, [number, number, number]>();
  /** Must still be delivered. */
  readonly owed = new Set<Routing>();
  /** Its client once took small packets only: what does not fit is dropped. */
  hadSmallPackets = false;
  connections = 0;

  constructor(clientId: string, number: number, contenders: ReadonlySet<LedgerConnection>) {
    this.clientId = clientId;
    this.contenders = contenders;
    this.number = number;
  }

  get name(): string {
    return `${this.clientId} (session ${this.number})`;
  }

  /** A CONNECT with Clean Start waits for its answer. */
  get mayEnd(): boolean {
    return [...this.contenders].some(({ connect }) => connect?.cleanStart === true);
  }

  /** Whether the session must have ended, may have, or must live. */
  lifeAt(nowMs: number, marginMs: number): "lives" | "perhaps" | "ended" {
    if (this.isEnded) return "ended";
    if (this.isUncertain || this.mayEnd) return "perhaps";
    if (this.connection !== undefined) return this.expiry === 0 ? "perhaps" : "lives";
    if (this.expiry === 0xffff_ffff) return "lives";
    if (nowMs > this.detachedLatestMs + this.expiry * 1000 + marginMs) return "ended";
    return nowMs < this.detachedAtMs + this.expiry * 1000 - marginMs ? "lives" : "perhaps";
  }

  /** What was in flight under it is settled. */
  settle(packetIdentifier: number): void {
    const flight = this.flights.get(packetIdentifier);
    if (flight === undefined) return;
    this.flights.delete(packetIdentifier);
    this.settled.push(flight);
  }

  /** Forgets all that is sure of it, and keeps what may be. */
  degrade(): void {
    this.wasDegraded = true;
    for (const period of this.periods) {
      period.fromSure = Infinity;
      period.isRetainedOwed = false;
    }
    this.owed.clear();
    for (const flight of this.flights.values()) flight.isUncertain = true;
    this.inbound.clear();
    this.storeKey = undefined;
    this.connections += 1;
  }

  /** Subscriptions that may have matched at some moment between two points. */
  possible(topicName: string, publisher: string, from: Point, to: Point): SubscriptionPeriod[] {
    return this.periods.filter(
      (period) =>
        period.from <= to &&
        period.untilSure >= from &&
        topicFilterMatches(period.request.topicFilter, topicName) &&
        !isLocal(period, this.clientId, publisher),
    );
  }

  /** Subscriptions that surely matched the whole time between two points. */
  sure(topicName: string, publisher: string, from: Point, to: Point): SubscriptionPeriod[] {
    return this.periods.filter(
      (period) =>
        period.fromSure <= from &&
        period.until >= to &&
        topicFilterMatches(period.request.topicFilter, topicName) &&
        !isLocal(period, this.clientId, publisher),
    );
  }

  /** Whether a message of `qos` must have been queued: without a gap something matched above QoS 0. */
  mustHave(topicName: string, publisher: string, qos: QoS, from: Point, to: Point): boolean {
    if (qos === 0) return false;
    return this.periods.some((first) => {
      if (first.fromSure > from || !topicFilterMatches(first.request.topicFilter, topicName))
        return false;
      for (
        let period: SubscriptionPeriod | undefined = first;
        period !== undefined;
        period = period.replacedBy
      ) {
        if (period.request.qos === 0 || isLocal(period, this.clientId, publisher)) return false;
        if (period.until >= to) return true;
      }
      return false;
    });
  }

  /** Begins the life of a subscription: SUBSCRIBE was received. */
  begin(
    request: SubscriptionRequest,
    identifier: number,
    connection: LedgerConnection,
    at: Point,
  ): SubscriptionPeriod {
    const before = this.current(request.topicFilter);
    const handling = request.retainHandling ?? 0;
    const wasSure = before !== undefined && before.fromSure <= at && before.until >= at;
    const sendsRetained = handling === 0 || (handling === 1 && !wasSure);
    const period: SubscriptionPeriod = {
      request,
      identifier,
      from: at,
      fromSure: Infinity,
      until: Infinity,
      endRequested: Infinity,
      untilSure: Infinity,
      connection,
      replacedBy: undefined,
      retainedGot: sendsRetained ? new Set() : undefined,
      isRetainedOwed: handling === 0 || (handling === 1 && before === undefined),
    };
    if (before !== undefined) before.until = Math.min(before.until, at);
    this.periods.push(period);
    return period;
  }

  /** SUBACK granted it. */
  grant(period: SubscriptionPeriod, at: Point): void {
    period.fromSure = at;
    for (const before of this.periods) {
      if (
        before === period ||
        before.request.topicFilter !== period.request.topicFilter ||
        before.from > period.from
      )
        continue;
      if (before.untilSure < at) continue;
      before.untilSure = at;
      if (before.fromSure <= period.from && before.until >= period.from) before.replacedBy = period;
    }
  }

  /** SUBACK refused it: what was there before stands. */
  refuse(period: SubscriptionPeriod): void {
    this.periods.splice(this.periods.indexOf(period), 1);
    const before = this.current(period.request.topicFilter);
    if (before !== undefined && before.until === period.from) before.until = before.endRequested;
  }

  /** UNSUBSCRIBE was received. */
  beginEnd(topicFilter: string, at: Point): void {
    for (const period of this.periods) {
      if (period.request.topicFilter !== topicFilter) continue;
      period.endRequested = Math.min(period.endRequested, at);
      period.until = Math.min(period.until, at);
    }
  }

  /** UNSUBACK was sent. */
  end(topicFilter: string, requestedAt: Point, at: Point): void {
    for (const period of this.periods) {
      if (period.request.topicFilter === topicFilter && period.from <= requestedAt)
        period.untilSure = Math.min(period.untilSure, at);
    }
  }

  /** The newest life of a subscription that is not surely over. */
  current(topicFilter: string): SubscriptionPeriod | undefined {
    return this.periods.findLast(
      (period) => period.request.topicFilter === topicFilter && period.untilSure === Infinity,
    );
  }
}

function isLocal({ request }: SubscriptionPeriod, clientId: string, publisher: string): boolean {
  return request.noLocal === true && clientId === publisher;
}
