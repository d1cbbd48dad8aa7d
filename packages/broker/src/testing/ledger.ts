import { topicFilterMatches } from "@sericite/protocol";
import type { Clock, ConnackPacket, ConnectPacket, Packet } from "@sericite/protocol";
import { LedgerConnection } from "./ledger-connection.ts";
import { Delayed } from "./ledger-delayed.ts";
import { CONNECTED_AFTER_MARK_MS, forget } from "./ledger-crash.ts";
import type { Restart } from "./ledger-crash.ts";
import { checkRecords } from "./ledger-records.ts";
import { checkOwed, checkRetainedSent } from "./ledger-rest.ts";
import { DurabilityAudit } from "./ledger-durability.ts";
import { LedgerGuards } from "./ledger-guards.ts";
import { EXPIRY_MARGIN_MS, MessageBook } from "./ledger-messages.ts";
import type { Point, Routing } from "./ledger-messages.ts";
import { LedgerSession } from "./ledger-session.ts";
import { Shared } from "./ledger-shared.ts";
import type { ArmedWill } from "./ledger-wills.ts";
import { Wills } from "./ledger-wills.ts";
import type { WatchedStore } from "./watched-store.ts";

/** What a ledger is told of the broker that it watches: settings, never state. */
export interface LedgerOptions {
  readonly clock: Clock;
  /** `session.maximumExpiryInterval`. Seconds. */
  readonly maximumExpiry: number;
  /** `mqtt.retryInterval`. Milliseconds. */
  readonly retryIntervalMs: number;
  /** Hooks or ports may answer late: what a connection was given may never be handled. */
  readonly mayPark: boolean;
  /** A connection may handle only some of what it was given in a turn: the rest goes when it is closed. */
  readonly mayLag: boolean;
  /** Queues may be full and drop. */
  readonly mayDrop: boolean;
  /** Told of every packet, for a trace. */
  readonly onPacket?:
    | ((
        connection: LedgerConnection,
        direction: "in" | "out" | "closed",
        packet: Packet | undefined,
      ) => void)
    | undefined;
  /** Topic Names that nobody may publish to. */
  readonly isDenied?: ((topicName: string) => boolean) | undefined;
  /** What the rewrite rules make of a Topic Name that is published to. */
  readonly rewrite?: ((topicName: string) => string) | undefined;
  /** Whether a client may have messages of a Topic Name. */
  readonly mayReceive?: ((clientId: string, topicName: string) => boolean) | undefined;
}

/**
 * What every client was promised and what it got, seen from outside: the packets that pass the
 * broker's end of each link, in their order. It knows the standard and nothing of the engine. What
 * is between two packets it does not guess: where a thing happened "between receipt and answer",
 * only what holds at both ends is demanded.
 */
export class Ledger {
  readonly #clock: Clock;
  readonly maximumExpiry: number;
  readonly retryIntervalMs: number;
  readonly mayPark: boolean;
  readonly mayLag: boolean;
  readonly mayDrop: boolean;
  readonly isDenied: (topicName: string) => boolean;
  readonly rewrite: (topicName: string) => string;
  readonly mayReceive: (clientId: string, topicName: string) => boolean;
  readonly onPacket: LedgerOptions["onPacket"];
  readonly messages = new MessageBook();
  readonly delayed = new Delayed(this);
  readonly shared = new Shared(this);
  readonly guards = new LedgerGuards(this);
  durability: DurabilityAudit | undefined;
  /** Everything that was wrong. */
  readonly complaints: string[] = [];
  #store: WatchedStore | undefined;
  readonly #wills: Wills;
  /** Those that live, as far as is known. */
  readonly #sessions: LedgerSession[] = [];
  readonly #everySession: LedgerSession[] = [];
  readonly #byClientId = new Map<string, LedgerSession>();
  readonly #connections: LedgerConnection[] = [];
  readonly #contenders = new Map<string, Set<LedgerConnection>>();
  readonly #matches = new Map<string, boolean>();
  #point: Point = 0;
  #sessionNumber = 0;
  /** Store time, which is what intervals are counted in, above the clock's. Milliseconds. */
  #aheadMs = 0;
  /** When earlier stores last took nothing. Milliseconds; -1: never. */
  #troubledAtMs = -1;
  #crashedAtMs = 0;
  /** When everything last was at rest. */
  #restedAt: Point = 0;

  constructor(options: LedgerOptions) {
    this.#clock = options.clock;
    this.maximumExpiry = options.maximumExpiry;
    this.retryIntervalMs = options.retryIntervalMs;
    this.mayPark = options.mayPark;
    this.mayLag = options.mayLag;
    this.mayDrop = options.mayDrop;
    this.isDenied = options.isDenied ?? (() => false);
    this.rewrite = options.rewrite ?? ((topicName) => topicName);
    this.mayReceive = options.mayReceive ?? (() => true);
    this.onPacket = options.onPacket;
    this.#wills = new Wills(this);
  }

  /** Asks a store what is durable whenever something is promised. */
  watch(store: WatchedStore): void {
    this.#store = store;
    this.durability = new DurabilityAudit(this, store);
  }

  /** The listener of a new connection: give it to a `PacketTap`. */
  connection(name: string): LedgerConnection {
    const connection = new LedgerConnection(this, name);
    this.#connections.push(connection);
    return connection;
  }

  complain(text: string): void {
    this.complaints.push(`${this.nowMs} ms: ${text}`);
  }

  /** Store time: the clock's, but a crash may change it. */
  get nowMs(): number {
    return this.#clock.now() + this.#aheadMs;
  }

  get point(): Point {
    return this.#point;
  }

  /** Something new was seen. */
  nextPoint(): Point {
    this.#point += 1;
    return this.#point;
  }

  /** The store takes nothing at present. */
  get isTroubled(): boolean {
    return this.#store !== undefined && this.#store.state !== "ok";
  }

  /** Time at which it last took nothing. Milliseconds; -1: never. */
  get troubledAtMs(): number {
    const at = this.#store?.troubledAtMs ?? -1;
    return at < 0 ? this.#troubledAtMs : Math.max(this.#troubledAtMs, at + this.#aheadMs);
  }

  wasTroubledSince(ms: number): boolean {
    return this.troubledAtMs >= ms;
  }

  /** Whether it is known which session this is, and that it lives. */
  isCertain(session: LedgerSession): boolean {
    return (
      session.lifeAt(this.nowMs, EXPIRY_MARGIN_MS) === "lives" &&
      session.contenders.size === 0 &&
      !session.wasDegraded
    );
  }

  /** Compares the Wills that a crash would leave with those that clients left. */
  checkKeptWills(payloads: ReadonlySet<string>): void {
    this.#wills.checkKept(payloads);
  }

  /** Sessions that have not ended, as far as is known. */
  sessions(): readonly LedgerSession[] {
    return this.#sessions;
  }

  /** All that ever were. */
  everySession(): readonly LedgerSession[] {
    return this.#everySession;
  }

  /** Whether the broker answered a publish, with whatever Reason Code. */
  wasAnswered(topicName: string, payload: Uint8Array): boolean {
    const message = this.messages.find(topicName, payload);
    return (
      message?.stream.routings.some(
        (routing) =>
          routing.message === message && (routing.to < Infinity || routing.refused !== undefined),
      ) ?? false
    );
  }

  /**
   * What was delivered to a client, by Topic Name and payload: `once`: at QoS 2, `often`: below, where repeats may
   * come; `isCertain`: above QoS 0 in the session that it has.
   */
  deliveriesTo(
    clientId: string,
  ): ReadonlyMap<string, { once: number; often: number; isCertain: boolean }> {
    const deliveries = new Map<string, { once: number; often: number; isCertain: boolean }>();
    for (const session of this.#everySession) {
      if (session.clientId !== clientId) continue;
      for (const [message, [atMostOnce, atLeastOnce, exactlyOnce]] of session.counts) {
        const before = deliveries.get(message.key) ?? { once: 0, often: 0, isCertain: false };
        deliveries.set(message.key, {
          once: before.once + exactlyOnce,
          often: before.often + atMostOnce + atLeastOnce,
          isCertain:
            before.isCertain ||
            (!session.isEnded &&
              !session.isUncertain &&
              !session.wasDegraded &&
              message.payload !== "" &&
              !session.lost.has(message) &&
              atLeastOnce + exactlyOnce > 0),
        });
      }
    }
    return deliveries;
  }

  matches(topicFilter: string, topicName: string): boolean {
    const key = `${topicFilter} ${topicName}`;
    let matches = this.#matches.get(key);
    if (matches === undefined)
      this.#matches.set(key, (matches = topicFilterMatches(topicFilter, topicName)));
    return matches;
  }

  /** A CONNECT came, which may or may not be let in. */
  connecting(connection: LedgerConnection, connect: ConnectPacket): void {
    this.#wills.contested(connection, connect.clientId, connect.cleanStart);
    if (connect.cleanStart) this.#wills.sessionMayEnd(connect.clientId);
    this.#contendersOf(connect.clientId).add(connection);
    if (connect.will !== undefined)
      this.#wills.arm(connection, connect.clientId, connect.will, this.#askedExpiry(connect));
  }

  /** CONNACK refused it. */
  refused(connection: LedgerConnection, connect: ConnectPacket): void {
    this.#wills.uncontested(connect.clientId);
    this.#contendersOf(connect.clientId).delete(connection);
  }

  /** Its client says that it leaves, and that the Will is to be published. */
  leaving(will: ArmedWill): void {
    this.#wills.mayCome(will);
  }

  /** A message was delivered that is the Will of a client that is connected: perhaps not any more. */
  mayBeDue(routing: Routing): boolean {
    return this.#wills.mayBeDue(routing);
  }

  /** Its connection is gone before anybody knew. */
  gaveUp(connection: LedgerConnection, connect: ConnectPacket): void {
    this.#wills.gaveUp(connection, connect.clientId, connect.cleanStart);
    let session = this.#byClientId.get(connect.clientId);
    this.#contendersOf(connect.clientId).delete(connection);
    if (session === undefined || session.isEnded) {
      // It may have begun one.
      session = this.#begin(connect.clientId);
      session.mayBeReplaced = true;
    }
    session.mayBeReplaced ||=
      connect.cleanStart || session.lifeAt(this.nowMs, EXPIRY_MARGIN_MS) !== "lives";
    session.isUncertain = true;
  }

  /** CONNACK let a client in: which session does it have? */
  attach(
    connection: LedgerConnection,
    connect: ConnectPacket,
    connack: ConnackPacket,
  ): LedgerSession {
    const clientId =
      connect.clientId || (connack.properties?.assignedClientIdentifier ?? connection.name);
    const before = this.#byClientId.get(clientId);
    this.guards.checkEntered(connection, clientId);
    this.#contendersOf(connect.clientId).delete(connection);
    // Time may have passed since the broker decided.
    const first = before?.lifeAt(connection.connectMs, EXPIRY_MARGIN_MS) ?? "ended";
    let life =
      first === (before?.lifeAt(this.nowMs, EXPIRY_MARGIN_MS) ?? "ended") ? first : "perhaps";
    // Another one may have been let in and out again, unseen.
    const rivals = this.#connections.filter(
      (other) => other !== connection && other.isUndecided && other.connect?.clientId === clientId,
    );
    const mayBeReplaced = rivals.some(
      (rival) => rival.connect?.cleanStart === true || life !== "lives",
    );
    if (rivals.length > 0) life = "perhaps";
    const isKnown = connect.protocolVersion !== 3;
    const present = isKnown ? connack.sessionPresent : !connect.cleanStart && life !== "ended";
    if (present && connect.cleanStart)
      connection.complain("Session Present after Clean Start [MQTT5-3.2.2-2] [MQTT3-3.2.2-1]");
    if (present && life === "ended")
      connection.complain("Session Present, but its session has ended [MQTT5-3.2.2-3]");
    if (!present && !connect.cleanStart && life === "lives")
      connection.complain(
        "its session is gone: no Session Present [MQTT5-3.1.2-5] [MQTT3-3.1.2-4]",
      );
    let session = before;
    let ended: LedgerSession | undefined;
    if (session === undefined || session.isEnded || !present) {
      if (session !== undefined && !session.isEnded) {
        if (first === "lives" && rivals.length === 0) ended = session;
        this.#end(session);
      }
      session = this.#begin(clientId);
    }
    if (session.mayBeReplaced || mayBeReplaced || (!isKnown && life === "perhaps"))
      session.degrade();
    session.isUncertain = false;
    session.mayBeReplaced = false;
    session.expiry = this.#expiryOf(connect, connack);
    session.wasKept ||= session.expiry > 0;
    session.connection = connection;
    session.connections += 1;
    connection.session = session;
    this.#wills.returned(session, connection.connectMs);
    this.durability?.attached(connection, session, ended);
    return session;
  }

  /** Connections whose CONNECT is not answered yet. */
  #contendersOf(clientId: string): Set<LedgerConnection> {
    let contenders = this.#contenders.get(clientId);
    if (contenders === undefined) this.#contenders.set(clientId, (contenders = new Set()));
    return contenders;
  }

  #begin(clientId: string): LedgerSession {
    this.#sessionNumber += 1;
    const session = new LedgerSession(clientId, this.#sessionNumber, this.#contendersOf(clientId));
    this.#sessions.push(session);
    this.#everySession.push(session);
    this.#byClientId.set(clientId, session);
    return session;
  }

  /** A connection is gone. */
  detach(connection: LedgerConnection, session: LedgerSession): void {
    for (const flight of session.flights.values()) {
      // Behind what is no packet the tap read no acknowledgement, but the broker may have.
      if (connection.mayMisbehave) flight.isUncertain = true;
      if (flight.settledOn === connection && connection.wasReadToEnd)
        session.settle(flight.packetIdentifier);
    }
    this.#wills.closed(connection, session);
    if (session.connection !== connection) return;
    session.connection = undefined;
    session.detachedAt = this.#point;
    session.detachedAtMs = session.detachedLatestMs = this.nowMs;
    // DISCONNECT may have set another expiry, or was never read.
    const isUnread = connection.leftWith !== undefined && !connection.wasReadToEnd;
    // What the broker holds for its store's sake it ends only later.
    if (isUnread || this.wasTroubledSince(connection.lastReceivedMs)) session.isUncertain = true;
    else if (session.expiry === 0 && !session.isUncertain) this.#end(session);
  }

  #end(session: LedgerSession): void {
    if (session.isEnded) return;
    session.isEnded = true;
    session.endedAt = this.#point;
    session.owed.clear();
    this.#wills.sessionEnded(session);
    const index = this.#sessions.indexOf(session);
    if (index >= 0) this.#sessions.splice(index, 1);
  }

  #askedExpiry(connect: ConnectPacket): number {
    if (connect.protocolVersion === 5) return connect.properties?.sessionExpiryInterval ?? 0;
    return connect.cleanStart ? 0 : this.maximumExpiry;
  }

  #expiryOf(connect: ConnectPacket, connack: ConnackPacket): number {
    if (connect.protocolVersion !== 5) return connect.cleanStart ? 0 : this.maximumExpiry;
    const asked = connect.properties?.sessionExpiryInterval ?? 0;
    return connack.properties?.sessionExpiryInterval ?? asked;
  }

  /**
   * Everything is at rest: links, store and hooks are through with all they had, nothing fails,
   * clients acknowledge. What has not happened by now will not happen.
   */
  atRest(): void {
    this.nextPoint();
    for (const session of [...this.#sessions]) {
      if (session.lifeAt(this.nowMs, EXPIRY_MARGIN_MS) === "ended") this.#end(session);
    }
    for (const connection of this.#connections) if (!connection.isClosed) connection.checkAtRest();
    this.#wills.atRest();
    this.delayed.atRest();
    this.#closeRoutings();
    for (const session of this.#sessions) {
      checkOwed(this, session);
      checkRetainedSent(this, session);
      // All that was done is kept now, and all that came back because of a crash has come.
      session.settled.length = 0;
      if (session.connection !== undefined) session.revived.length = 0;
    }
    this.shared.atRest(this.#sessions);
    this.#restedAt = this.#point;
    this.durability?.atRest();
    if (this.#store !== undefined) checkRecords(this, this.#store);
    let open = 0;
    for (const connection of this.#connections)
      if (!connection.isClosed) this.#connections[open++] = connection;
    this.#connections.length = open;
  }

  /** Publishers have been held for long: none waits for an answer that it asked for before `sinceMs`. */
  checkHeld(sinceMs: number): void {
    for (const connection of this.#connections)
      if (!connection.isClosed) connection.checkHeld(sinceMs);
  }

  /**
   * The broker died, with all its connections. What was acknowledged must hold; of what was not, and
   * of what nobody waits for, all or nothing may have been kept.
   */
  crashed(): void {
    this.nextPoint();
    this.#crashedAtMs = this.nowMs;
    this.#troubledAtMs = this.troubledAtMs;
    // The time at which they ended may come once more.
    for (const session of this.#sessions)
      if (session.lifeAt(this.nowMs, EXPIRY_MARGIN_MS) !== "lives") session.isUncertain = true;
    for (const connection of this.#connections) {
      connection.isUndone = true;
      connection.closed("lost");
    }
    for (const session of this.#sessions) forget(session, this.#restedAt);
    for (const session of this.#everySession) {
      // Nobody waits for the record of an end.
      const mayReturn = session.isEnded && session.wasKept && session.endedAt > this.#restedAt;
      if (mayReturn && this.#byClientId.get(session.clientId) === session) this.#revive(session);
    }
    this.shared.crashed();
    this.guards.crashed(this.#store?.durable ?? 0);
    this.#wills.crashed(this.#restedAt);
    this.#store = undefined;
    this.durability = undefined;
  }

  #revive(session: LedgerSession): void {
    forget(session, this.#restedAt);
    session.isEnded = false;
    session.isUncertain = true;
    session.degrade();
    this.#sessions.push(session);
  }

  /** The broker is open again, on what survived. */
  restarted(store: WatchedStore, { passedMs, markAgeMs }: Restart): void {
    this.nextPoint();
    this.#aheadMs += this.#crashedAtMs + passedMs - this.nowMs;
    if (passedMs < 0) this.messages.timeLost(this.#crashedAtMs, this.nowMs);
    this.watch(store);
    const markedAtMs = this.#crashedAtMs - markAgeMs;
    const detachedAtMs = Math.min(this.nowMs, markedAtMs + CONNECTED_AFTER_MARK_MS);
    for (const session of this.#sessions) {
      // When it was detached is known where that is kept.
      if (session.detachedAt >= this.#restedAt) {
        session.detachedLatestMs = Math.max(session.detachedLatestMs, detachedAtMs);
        session.detachedAtMs = Math.min(session.detachedAtMs, detachedAtMs);
      }
      // Where time was lost, it was at the latest now.
      session.detachedAtMs = Math.min(session.detachedAtMs, this.nowMs);
    }
    this.delayed.restarted();
    this.#wills.restarted(this.#crashedAtMs, detachedAtMs, this.#restedAt);
  }

  /** What was routed by now is known; it is owed to whoever surely was subscribed. */
  #closeRoutings(): void {
    const sure = this.messages.rest(this.#point, (ms) => this.wasTroubledSince(ms));
    this.shared.routed(sure);
    for (const routing of sure) {
      const { message, publisher, qos, from, to } = routing;
      for (const session of this.#sessions) {
        if (session.mustHave(message.topicName, publisher, qos, from, to))
          session.owed.add(routing);
      }
    }
  }
}
