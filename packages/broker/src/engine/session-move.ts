import { OutboundState, ReasonCode, TimerEntry } from "@sericite/protocol";
import type { Cluster } from "./cluster.ts";
import type { Connection } from "./connection.ts";
import type { Engine } from "./engine.ts";
import { landed } from "./enqueue.ts";
import type { MoveEvent } from "./envelope.ts";
import { isPromise } from "./hooks.ts";
import type { Claim } from "./ports.ts";
import type { Session } from "./session.ts";
import { endSession } from "./session-registry.ts";
import {
  entryOf,
  exportSession,
  importSession,
  mergeQueue,
  mergeSubscriptions,
  stageSession,
  storedEntryOf,
} from "./session-snapshot.ts";
import type { MovingEntry, SessionSnapshot } from "./session-snapshot.ts";
import { dropWill } from "./will.ts";

/** Bytes of messages in one part of a queue, about. */
const PAGE = 256 * 1024;
/** Time after which a store that is being read, or that could not be read, is asked again. Milliseconds. */
const SOON = 10;
const READ_AGAIN = 1000;

/** A session that leaves. */
interface Departure {
  readonly session: Session;
  readonly to: string;
  readonly epoch: number;
  /** Nodes that may still send something for it only here. */
  readonly unaware: Set<string>;
  /** All of it was sent: what comes now is the new owner's. */
  isSent: boolean;
}

/** A session that was asked for. */
interface Arrival {
  readonly from: string;
  readonly epoch: number;
  isAsked: boolean;
  snapshot: SessionSnapshot | undefined;
  /** `undefined` where one is here already: the other is added to it. */
  session: Session | undefined;
  readonly entries: MovingEntry[];
  /** Up to which number of each node the owner before heard it, once it has said so. */
  heard: ReadonlyMap<string, number> | undefined;
  /** Nodes of which something may still come that the owner before has, too. */
  readonly behind: Set<string>;
  /** What waits for it here. */
  readonly waiting: ((isHere: boolean) => void)[];
  /** Nodes that claimed it meanwhile. */
  readonly asks: { readonly node: string; readonly epoch: number }[];
}

/**
 * How a session moves to the node that claimed it. Both nodes have it until the new one has
 * recorded it; nothing is lost between them, and nothing comes twice:
 *
 *     new owner                       old owner                     any other node
 *     session-ask ──────────────────► closes the connection (0x8E)
 *     subscribes, stages ◄─────────── session-state
 *     session-sync ─────────────────► ─────────────────────────────► session-synced (to the old owner)
 *                                     all know the new owner: what
 *                                     came only here is in the queue
 *     waits ◄──────────────────────── session-page …, session-last
 *     session-sync ────────────────────────────────────────────────► session-synced (to the new owner)
 *     takes it in
 *     session-taken ────────────────► ends its copy
 *
 * `session-last` says up to where the old owner heard each node. What was staged up to there is in
 * the queue that came, or was delivered before; what was staged above comes behind it. Once every
 * other node has answered again, all that it sent up to there has come here, too.
 */
export class SessionMoves {
  readonly #engine: Engine;
  readonly #cluster: Cluster;
  readonly #departures = new Map<string, Departure>();
  /** The first is under way: a session may go and be claimed back while it is still to come. */
  readonly #arrivals = new Map<string, Arrival[]>();

  constructor(engine: Engine, cluster: Cluster) {
    this.#engine = engine;
    this.#cluster = cluster;
  }

  // --- to here ---

  /**
   * Claims a session and asks for it where another node has it: whether anybody still waits for the
   * answer or not, since it is this node's from now on.
   */
  claim(clientId: string): Claim | Promise<Claim> {
    const answer = this.#engine.ownership.claim(clientId);
    if (!isPromise(answer)) return this.#granted(clientId, answer);
    return answer.then((claim) => this.#granted(clientId, claim));
  }

  #granted(clientId: string, claim: Claim): Claim {
    if (claim.from !== undefined) this.#ask(clientId, claim.epoch, claim.from);
    return claim;
  }

  /** Lets a CONNECT go on when the session that it claimed is here. */
  fetch(connection: Connection, granted: Claim, proceed: () => void): void {
    const engine = this.#engine;
    const { clientId } = connection;
    const arrival = this.#arrivals.get(clientId)?.at(-1);
    if (arrival === undefined) {
      this.#keep(clientId);
      return proceed();
    }
    const ticket = connection.park();
    const goOn = (isHere: boolean): void => {
      engine.wheel.cancel(timer);
      if (!connection.isWaitingFor(ticket)) return;
      connection.unpark();
      const epoch = engine.sessions.get(clientId)?.claim.epoch ?? 0;
      connection.guarded(() => {
        if (isHere && epoch <= granted.epoch) proceed();
        else connection.refuse(ReasonCode.serverUnavailable, "the session is at another node");
      });
      if (!connection.isParked) connection.intake.run();
    };
    const timer = new TimerEntry(() => {
      engine.enter();
      goOn(false);
    });
    engine.wheel.schedule(timer, engine.settings.limits.hookTimeout);
    arrival.waiting.push(goOn);
  }

  /** Another node was found to have a session too, by an older claim. */
  fetchFound(clientId: string, { epoch, from }: Claim): void {
    this.#engine.enter();
    this.#ask(clientId, epoch, from!);
  }

  #ask(clientId: string, epoch: number, from: string): void {
    if (this.#arrival(from, clientId, epoch) !== undefined) return;
    const arrival: Arrival = {
      from,
      epoch,
      isAsked: false,
      snapshot: undefined,
      session: undefined,
      entries: [],
      heard: undefined,
      behind: new Set(this.#cluster.others),
      waiting: [],
      asks: [],
    };
    const arrivals = this.#arrivals.get(clientId);
    if (arrivals !== undefined) return void arrivals.push(arrival);
    this.#arrivals.set(clientId, [arrival]);
    this.#askNext(clientId);
  }

  /** Asks for the first that was not asked for. What leaves here has to be gone before. */
  #askNext(clientId: string): void {
    const next = this.#arrivals.get(clientId)?.[0];
    if (next === undefined || next.isAsked || this.#departures.has(clientId)) return;
    next.isAsked = true;
    this.#cluster.tell(next.from, { type: "session-ask", clientId, epoch: next.epoch });
  }

  #arrival(from: string, clientId: string, epoch: number): Arrival | undefined {
    return this.#arrivals.get(clientId)?.find((one) => one.epoch === epoch && one.from === from);
  }

  /** It is here, or will not come: goes on with what waited for that. */
  #settle(clientId: string, arrival: Arrival, isHere: boolean): void {
    const arrivals = this.#arrivals.get(clientId)!;
    arrivals.splice(arrivals.indexOf(arrival), 1);
    if (arrivals.length === 0) this.#arrivals.delete(clientId);
    for (const goOn of arrival.waiting) goOn(isHere);
    for (const { node, epoch } of arrival.asks) this.#handleAsk(node, clientId, epoch);
    this.#askNext(clientId);
  }

  // --- what the others tell ---

  /** Takes what another node tells of a session that moves. */
  handle(node: string, event: MoveEvent): void {
    const { clientId, epoch } = event;
    const arrival = this.#arrival(node, clientId, epoch);
    const departure = this.#departures.get(clientId);
    switch (event.type) {
      case "session-ask":
        return this.#handleAsk(node, clientId, epoch);
      case "session-state":
        return this.#handleState(clientId, arrival!, event.snapshot);
      case "session-sync":
        if (event.owner !== this.#cluster.node)
          return this.#cluster.tell(event.owner, { type: "session-synced", clientId, epoch });
        if (departure?.epoch === epoch) this.#handleSynced(node, departure);
        return;
      case "session-synced": {
        if (departure?.epoch === epoch) return this.#handleSynced(node, departure);
        const awaited = this.#arrivals.get(clientId)?.[0];
        if (awaited?.epoch === epoch && awaited.heard !== undefined)
          this.#handleCaughtUp(clientId, node, awaited);
        return;
      }
      case "session-page":
        return void arrival!.entries.push(...event.entries);
      case "session-last":
        arrival!.heard = event.heard;
        this.#cluster.tellAll({
          type: "session-sync",
          clientId,
          epoch,
          owner: this.#cluster.node,
        });
        // Of the one before, all has come in its order.
        return this.#handleCaughtUp(clientId, node, arrival!);
      case "session-none":
        if (arrival !== undefined) this.#handleNone(clientId, arrival, event.isRefused);
        return;
      case "session-taken":
        if (departure?.epoch === epoch) this.#end(departure);
        return;
    }
  }

  #handleState(clientId: string, arrival: Arrival, snapshot: SessionSnapshot): void {
    const { epoch, from } = arrival;
    arrival.snapshot = snapshot;
    const here = this.#engine.sessions.get(clientId);
    if (here === undefined)
      arrival.session = stageSession(this.#engine, clientId, { epoch }, snapshot);
    else mergeSubscriptions(this.#engine, here, snapshot);
    this.#cluster.tellAll({ type: "session-sync", clientId, epoch, owner: from });
  }

  #handleCaughtUp(clientId: string, node: string, arrival: Arrival): void {
    if (!arrival.behind.delete(node) || arrival.behind.size > 0) return;
    const engine = this.#engine;
    const { session, entries, from, epoch } = arrival;
    const snapshot = arrival.snapshot!;
    const heard = arrival.heard!;
    const here = engine.sessions.get(clientId);
    if (session !== undefined) importSession(engine, session, snapshot, entries, heard);
    else if (here !== undefined) mergeQueue(engine, here, snapshot, entries);
    else {
      const staged = stageSession(engine, clientId, { epoch }, snapshot);
      importSession(engine, staged, snapshot, entries, heard);
    }
    engine.whenDurable(engine.newestPosition, 0, () => {
      this.#cluster.tell(from, { type: "session-taken", clientId, epoch });
      this.#settle(clientId, arrival, true);
    });
  }

  #handleNone(clientId: string, arrival: Arrival, isRefused: boolean): void {
    const { session } = arrival;
    if (session !== undefined) {
      for (const { message } of session.staged ?? []) message.release();
      endSession(this.#engine, session, "it stays where it was");
    }
    const next = this.#arrivals.get(clientId)!.find((other) => other !== arrival);
    // It may be at the next node: nobody begins a new one yet.
    if (!isRefused && next !== undefined) next.waiting.push(...arrival.waiting.splice(0));
    this.#settle(clientId, arrival, !isRefused);
  }

  // --- from here ---

  #handleAsk(to: string, clientId: string, epoch: number): void {
    const engine = this.#engine;
    const before = this.#arrivals.get(clientId)?.findLast((one) => one.epoch < epoch);
    if (before !== undefined) return void before.asks.push({ node: to, epoch });
    const session = engine.sessions.get(clientId);
    const none = { type: "session-none", clientId, epoch } as const;
    if (session === undefined || this.#departures.has(clientId))
      return this.#cluster.tell(to, { ...none, isRefused: false });
    if (session.claim.epoch >= epoch || session.isTrusted)
      return this.#cluster.tell(to, { ...none, isRefused: true });
    this.#detach(session, to);
    if (session.isEnded) return this.#cluster.tell(to, { ...none, isRefused: false });
    const unaware = new Set(this.#cluster.others);
    this.#departures.set(clientId, { session, to, epoch, unaware, isSent: false });
    const snapshot = exportSession(engine, session);
    this.#cluster.tell(to, { type: "session-state", clientId, epoch, snapshot });
  }

  /** Ends the session's connection, and its timers: they go on where it goes. */
  #detach(session: Session, to: string): void {
    const engine = this.#engine;
    const { connection } = session;
    // What it sent before its link ended comes first: DISCONNECT may be in it.
    connection?.finishIntake();
    if (connection?.isAlive === true) {
      engine.counters.takeovers++;
      connection.close(ReasonCode.sessionTakenOver, `taken over at node ${to}`); // [MQTT5-3.1.4-3]
    }
    if (session.expiryTimer !== undefined) engine.wheel.cancel(session.expiryTimer);
    if (session.willTimer !== undefined) engine.wheel.cancel(session.willTimer);
  }

  /** What a node sent before it said this came before. Once all have said it, the queue is whole. */
  #handleSynced(node: string, departure: Departure): void {
    departure.unaware.delete(node);
    if (departure.unaware.size > 0) return;
    const engine = this.#engine;
    // What was promised to be safe, and may be answered again where it goes, is safe first.
    engine.whenDurable(engine.newestPosition, engine.newestBusPosition, () => {
      if (this.#departures.get(departure.session.clientId) === departure) this.#send(departure);
    });
  }

  #send(departure: Departure): void {
    const engine = this.#engine;
    const { session } = departure;
    let entries: MovingEntry[] = [];
    let bytes = 0;
    session.queue?.forEach((message, meta, _sequence, extras) => {
      entries.push(entryOf(engine, message, meta, extras, 0));
      bytes += message.size;
      if (bytes < PAGE) return;
      this.#sendPage(departure, entries);
      entries = [];
      bytes = 0;
    });
    this.#sendPage(departure, entries);
    const { backlog } = session;
    if (backlog === undefined) this.#sendLast(departure);
    else this.#sendBacklog(departure, backlog.first, backlog.resendCount);
  }

  #sendPage({ session, to, epoch }: Departure, entries: readonly MovingEntry[]): void {
    const { clientId } = session;
    if (entries.length > 0)
      this.#cluster.tell(to, { type: "session-page", clientId, epoch, entries });
  }

  /** @param from  Sequence to read on from. @param sent  So many of the next entries may have been sent. */
  #sendBacklog(departure: Departure, from: number, sent: number): void {
    const engine = this.#engine;
    const { session } = departure;
    const { clientId, nextSequence, backlog } = session;
    const isOver = (): boolean => this.#departures.get(clientId) !== departure;
    const again = (delayMs: number): void => {
      const timer = new TimerEntry(() => {
        engine.enter();
        if (!isOver()) this.#sendBacklog(departure, from, sent);
      });
      engine.wheel.schedule(timer, delayMs);
    };
    // A page that was asked for while its client was there.
    if (session.reading !== undefined) return again(SOON);
    engine.store.readQueue(session.key, from, PAGE).then(
      ({ entries, unreadable, next }) => {
        engine.enter();
        if (isOver()) return;
        if (unreadable.length > 0) engine.dropUnseen("unreadable", clientId, unreadable.length);
        const waiting = entries.filter(
          ({ sequence, qos }) =>
            session.answered?.has(sequence) !== true &&
            (qos > 0 || sequence >= (backlog?.freshFrom ?? 0)),
        );
        const page = waiting.map((entry, i) => storedEntryOf(engine, entry, i < sent));
        this.#sendPage(departure, page);
        const last = entries.at(-1)?.sequence ?? -1;
        // What came while it was read is the rest.
        const rest = next ?? Math.max(nextSequence, last + 1);
        if (next === undefined && rest >= session.nextSequence) this.#sendLast(departure);
        else this.#sendBacklog(departure, rest, Math.max(0, sent - waiting.length));
      },
      (error: unknown) => {
        engine.enter();
        const text = error instanceof Error ? error.message : String(error);
        engine.log.write("error", "store-read-failed", { clientId, error: text });
        again(READ_AGAIN);
      },
    );
  }

  #sendLast(departure: Departure): void {
    const { session, to, epoch } = departure;
    const { clientId } = session;
    const heard = this.#cluster.heard();
    this.#cluster.tell(to, { type: "session-last", clientId, epoch, heard });
    departure.isSent = true;
    letGo(this.#engine, session);
  }

  /** The session is claimed here while it leaves, and the node that it goes to cannot be reached. */
  #keep(clientId: string): void {
    const departure = this.#departures.get(clientId);
    if (departure === undefined) return;
    const { to, epoch } = departure;
    if (departure.isSent) return this.#end(departure);
    this.#departures.delete(clientId);
    this.#cluster.tell(to, { type: "session-none", clientId, epoch, isRefused: true });
  }

  /** The copy here ends. What a Shared Subscription chose it for since goes to another member. */
  #end({ session, to }: Departure): void {
    this.#departures.delete(session.clientId);
    dropWill(this.#engine, session);
    endSession(this.#engine, session, `moved to node ${to}`);
    this.#askNext(session.clientId);
  }
}

/** Lets go in memory of what was sent; the store keeps it until the copy ends. */
function letGo(engine: Engine, session: Session): void {
  session.queue?.takeAll((message) => message.release());
  session.queue = undefined;
  session.backlog = undefined;
  session.outbound?.forEach((_packetIdentifier, state, message) => {
    if (state !== OutboundState.awaitingPubcomp) landed(engine, message);
  });
  session.outbound = undefined;
  session.flightExtras = undefined;
}
