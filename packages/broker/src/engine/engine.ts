import {
  MatchCache,
  ReasonCode,
  TimerEntry,
  TimingWheel,
  TopicNameTable,
  TopicTree,
} from "@sericite/protocol";
import type {
  Clock,
  Link,
  LinkHandler,
  PacketLimits,
  Peer,
  Random,
  Scheduler,
} from "@sericite/protocol";
import { Arena } from "./arena.ts";
import { ask } from "./ask.ts";
import type { AutoSubscriptions } from "./auto-subscribe.ts";
import { Bans } from "./bans.ts";
import { Cluster } from "./cluster.ts";
import type { ClusterOptions } from "./cluster.ts";
import { PageLine } from "./backlog.ts";
import { Connection } from "./connection.ts";
import { DelayedMessages } from "./delayed.ts";
import { createCounters } from "./counters.ts";
import type { Counters } from "./counters.ts";
import { dropReasons } from "./drop-reasons.ts";
import type { DropReason } from "./drop-reasons.ts";
import { EntryLimits } from "./entry-limits.ts";
import { EventHub } from "./events.ts";
import { numberOf } from "./forms.ts";
import { HeldPublishers } from "./held-publishers.ts";
import type { Hooks } from "./hooks.ts";
import { packetLimitsOf } from "./limits.ts";
import { limitTable } from "./limit-table.ts";
import type { LimitName } from "./limit-table.ts";
import { LINES_OF_REFUSALS, QuietLog } from "./quiet-log.ts";
import type { Message } from "./message.ts";
import { Joiner } from "./output.ts";
import { PacketTrace } from "./packet-trace.ts";
import type { TraceListener, TraceOptions } from "./packet-trace.ts";
import type { Authenticator, Bus, Log, Ownership, Position, Store } from "./ports.ts";
import type { Meter } from "./queue.ts";
import type { StoreRecord, TimeMark } from "./records.ts";
import type { Recovered } from "./recovery.ts";
import { Overload } from "./overload.ts";
import { PublishRate } from "./publish-rate.ts";
import type { TopicRewriter } from "./rewrite.ts";
import { Retained } from "./retained.ts";
import { RetainedSweep } from "./retained-sweep.ts";
import type { Receipt } from "./route.ts";
import { SessionRegistry } from "./session-registry.ts";
import type { Sender } from "./sender.ts";
import type { Session } from "./session.ts";
import type { EngineSettings } from "./settings.ts";
import { Slabs } from "./slab.ts";
import { StoreTime } from "./store-time.ts";
import { messageToStore } from "./stored-message.ts";
import { SysTopics } from "./sys-topics.ts";
import { deliverShared, SharedGroups } from "./shared.ts";
import type { SharedGroup } from "./shared.ts";
import { findReceivers } from "./targets.ts";
import type { Receivers } from "./targets.ts";
import { TimeMarks } from "./time-marks.ts";
import type { Unpack } from "./unpacking.ts";
import { Unpacking } from "./unpacking.ts";

/** Memory that reads are copied into, at a time. Bytes. */
const SLAB = 256 * 1024;
/** Topic Names whose receivers are remembered. */
const TOPIC_NAMES = 65536;
/** Steps of clearing out ended sessions' subscriptions in one turn. */
const SWEEP = 2000;

/** Connections that are counted together, such as those of one listener. */
export interface ConnectionGroup {
  /** More are refused. */
  maximum: number;
  count: number;
  /** Bytes; the largest packet that is taken from them. Left out: as the settings say. */
  maximumPacketSize?: number | undefined;
  /** In place of `limits.messageRate` and `limits.byteRate`. Left out: as the settings say. */
  messageRate?: number | undefined;
  byteRate?: number | undefined;
}

/** Who met a limit; `clientId` is empty before CONNECT, `peer` is not there without a connection. */
export interface Limited {
  readonly clientId: string;
  readonly username: string | undefined;
  readonly peer?: Pick<Peer, "address" | "listener">;
}

/** Everything an engine asks for. */
export interface EngineOptions {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly settings: EngineSettings;
  readonly store: Store;
  readonly ownership: Ownership;
  readonly bus: Bus;
  /** Absent: everybody is let in. */
  readonly authenticator?: Authenticator | undefined;
  readonly hooks?: Hooks | undefined;
  /** Absent: topics stay as clients name them. */
  readonly rewriter?: TopicRewriter | undefined;
  /** Absent: clients have what they subscribe to. */
  readonly autoSubscriptions?: AutoSubscriptions | undefined;
  /** Absent: what clients compressed goes as it is. */
  readonly unpack?: Unpack | undefined;
  readonly log: Log;
  /** Absent: this node is the broker. */
  readonly cluster?: ClusterOptions | undefined;
  /** Of the software, for $SYS. */
  readonly version?: string | undefined;
}

/**
 * The broker's state and its doors: `accept` for links, `route` for messages (route.ts), and the
 * turn, at whose end everything that was decided leaves together. It never waits and knows no
 * platform; time, chance and trouble are its inputs.
 */
export class Engine {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly random: Random;
  settings: EngineSettings;
  /** Of clients that connect from now on. */
  packetLimits: PacketLimits;
  readonly store: Store;
  readonly ownership: Ownership;
  readonly bus: Bus;
  authenticator: Authenticator | undefined;
  hooks: Hooks;
  rewriter: TopicRewriter | undefined;
  autoSubscriptions: AutoSubscriptions | undefined;
  /** While the settings ask for it. */
  unpacking: Unpacking | undefined;
  readonly #unpack: Unpack | undefined;
  readonly log: Log;
  /** For what clients could have written as often as they like. */
  readonly quietLog: QuietLog;

  readonly events: EventHub;
  readonly counters: Counters = createCounters();
  /** Messages dropped, by reason. */
  readonly drops: Record<DropReason, number>;
  /** How often clients met a limit. */
  readonly limitsReached: Record<LimitName, number>;
  readonly wheel: TimingWheel;
  readonly topicNames = new TopicNameTable({ maximumEntries: TOPIC_NAMES });
  readonly topicTree: TopicTree;
  readonly matches: MatchCache<Receivers>;
  readonly sessions = new SessionRegistry();
  readonly retained: Retained;
  readonly retainedSweep = new RetainedSweep(this);
  readonly shared = new SharedGroups(this);
  readonly delayed = new DelayedMessages(this);
  readonly timeMarks = new TimeMarks(this);
  readonly bans = new Bans(this);
  readonly entryLimits = new EntryLimits(this);
  readonly overload = new Overload(this);
  readonly heldPublishers = new HeldPublishers(this);
  /** What the store gave back and `finishRecovery` has still to deal with. */
  recovered: Recovered | undefined;
  readonly sys: SysTopics;
  /** `undefined` where there is one node. */
  readonly cluster: Cluster | undefined;
  /** Of the software. */
  readonly version: string;
  readonly connections = new Set<Connection>();
  /** `undefined` while nothing is traced. */
  trace: PacketTrace | undefined;
  /** New connections are refused and old ones told to leave. */
  isDraining = false;

  /** Engine time: the clock's, read once a turn. Milliseconds. */
  now: number;
  /** Number of the turn. */
  turn = 0;
  /** The turn ends: what its connections have to say is written. */
  isFlushing = false;
  readonly slabs = new Slabs(SLAB);
  readonly arena = new Arena();
  readonly joiner: Joiner;
  readonly receipt: Receipt = { sessions: 0, store: 0, bus: 0 };
  /** Highest position given out. */
  newestPosition: Position = 0;
  /** The same of the bus. */
  newestBusPosition: Position = 0;
  /** Records taken: tells whether something appended any, since records of a turn share a position. */
  records = 0;
  /** Connections with acknowledgements that wait for the store or the bus. */
  readonly waiting = new Set<Sender>();
  /** Of messages in memory that wait or are in flight. */
  readonly meter: Meter = { bytes: 0 };
  /** Pages of queues that are read from the store. */
  readonly pages = new PageLine();
  /** Sessions whose next QoS 2 message waits for its record. */
  readonly waitingSessions = new Set<Session>();

  #storeTime: StoreTime;
  #isInTurn = false;
  /** Connections with something to send at the end of the turn: the first `#readyCount` of them. */
  #ready: (Connection | undefined)[] = [];
  #readyCount = 0;
  #readySpare: (Connection | undefined)[] = [];
  #nextTurn: Connection[] = [];
  #isSweeping = false;
  /** Waits for the last connection to be gone. */
  #onEmpty: (() => void) | undefined;
  /** Highest that were given out. */
  #messageNumber = 0;
  #sessionKey = 0;
  /** Callbacks that wait for positions, of the embedding program. */
  #whenDurable: { store: Position; bus: Position; done: () => void }[] = [];

  constructor(options: EngineOptions) {
    this.clock = options.clock;
    this.scheduler = options.scheduler;
    this.random = options.random;
    this.settings = options.settings;
    this.packetLimits = packetLimitsOf(this.settings);
    this.store = options.store;
    this.ownership = options.ownership;
    this.bus = options.bus;
    this.authenticator = options.authenticator;
    this.hooks = options.hooks ?? {};
    this.rewriter = options.rewriter;
    this.autoSubscriptions = options.autoSubscriptions;
    this.#unpack = options.unpack;
    this.unpacking = this.#newUnpacking();
    this.log = options.log;
    this.quietLog = new QuietLog(this.log);
    this.now = this.clock.now();
    this.#storeTime = new StoreTime(undefined, this.now, this.clock.wallTime());
    this.events = new EventHub((name, error) => {
      this.counters.listenerErrors++;
      this.log.write("error", "listener-failed", { listener: name, error: messageOf(error) });
    });
    const reasons = Object.keys(dropReasons) as DropReason[];
    this.drops = Object.fromEntries(reasons.map((reason) => [reason, 0])) as typeof this.drops;
    this.limitsReached = {} as Record<LimitName, number>;
    for (const limit of Object.keys(limitTable) as LimitName[]) this.limitsReached[limit] = 0;
    this.wheel = new TimingWheel({ clock: this.clock, scheduler: this.scheduler });
    // Clients cannot make up level texts with equal hashes: they do not know the seed.
    const seed = Math.floor(options.random() * 2 ** 32);
    this.topicTree = new TopicTree({ seed });
    this.matches = new MatchCache(this.topicTree, (topicName) => findReceivers(this, topicName));
    this.retained = new Retained(this, seed);
    this.joiner = new Joiner((bytes) => this.#hold(bytes));
    this.store.onDurable = () => this.#onDurable();
    this.store.onState = () => this.#onStoreState();
    this.bus.onDurable = () => this.#onDurable();
    this.version = options.version ?? "";
    this.cluster = options.cluster === undefined ? undefined : new Cluster(this, options.cluster);
    this.sys = new SysTopics(this);
  }

  // --- doors ---

  /**
   * Takes a link that a listener accepted.
   *
   * @param isTrusted  A link of the embedding program: neither authenticator nor hooks are asked.
   * @param group  Counts the connections of its listener, and bounds them.
   */
  accept(link: Link, isTrusted = false, group?: ConnectionGroup): LinkHandler {
    this.enter();
    this.counters.connectionsAccepted++;
    const connection = new Connection(this, link, isTrusted);
    this.connections.add(connection);
    const largest = group?.maximumPacketSize;
    if (largest !== undefined) connection.parser.maximumPacketSize = largest;
    if (!this.entryLimits.refusesConnection(connection, group) && !isTrusted)
      this.#meet(connection);
    return connection;
  }

  /** Tells of a connection, and asks whether it may be there. */
  #meet(connection: Connection): void {
    const { peer } = connection;
    if (this.events.has("connectionOpened")) this.events.emit("connectionOpened", { peer });
    const authorize = this.hooks.authorizeConnection;
    if (authorize === undefined) return;
    ask(
      connection,
      "authorizeConnection",
      () => authorize(peer),
      false,
      (allowed) => {
        if (allowed === true) return;
        this.counters.connectionsRefused++;
        const { listener, address, port } = peer;
        this.quietLog.write(
          "info",
          "connection-refused",
          "reason",
          "a hook refused it",
          this.now,
          { listener, address, port },
          LINES_OF_REFUSALS,
        );
        this.events.emit("connectionRefused", { listener, reason: "hook", address, port });
        connection.abort("refused by a hook");
      },
    );
  }

  /** A connection is gone. */
  forget(connection: Connection): void {
    if (!this.connections.delete(connection)) return;
    this.counters.connectionsClosed++;
    this.entryLimits.gone(connection);
    if (this.connections.size === 0) this.#onEmpty?.();
  }

  /** The session with this number, if it lives. */
  subscriberAt(subscriber: number): Session | undefined {
    return this.sessions.at(subscriber);
  }

  /** Whether the session has a subscription with this Topic Filter, to the character. */
  hasSubscription(session: Session, topicFilter: string): boolean {
    return (
      session.shares?.has(topicFilter) === true ||
      this.topicTree.find(topicFilter, session.subscriber) >= 0
    );
  }

  /** A member of a Shared Subscription is gone: another one gets its message. @returns false where there is none. */
  passOn(group: SharedGroup, message: Message): boolean {
    // The store forgets a message that nothing there refers to, as it may be by now.
    message.isStored = false;
    const isTaken = deliverShared(this, group, message) >= 0;
    this.cluster?.passOn(message);
    return isTaken;
  }

  // --- the turn ---

  /** Begins a turn, if none has begun: reads the time and arranges for the end. */
  enter(): void {
    if (this.#isInTurn) return;
    this.#isInTurn = true;
    this.turn++;
    this.now = this.clock.now();
    this.scheduler.endOfTurn(this.#endTurn);
  }

  /** The connection has something to send at the end of the turn. */
  ready(connection: Connection): void {
    if (connection.isReady) return;
    connection.isReady = true;
    this.#ready[this.#readyCount++] = connection;
    if (!this.#isInTurn) this.enter();
  }

  /** It has more to send than one turn's share. */
  readyNextTurn(connection: Connection): void {
    this.#nextTurn.push(connection);
  }

  /** Runs `callback` in the next turn. */
  nextTurn(callback: () => void): void {
    this.scheduler.nextTurn(() => {
      this.enter();
      callback();
    });
  }

  readonly #endTurn = (): void => {
    const ready = this.#ready;
    const count = this.#readyCount;
    this.#ready = this.#readySpare;
    this.#readySpare = ready;
    this.#readyCount = 0;
    this.isFlushing = true;
    for (let i = 0; i < count; i++) {
      const connection = ready[i]!;
      // The arrays stay as long as they are: they would grow from nothing in each turn.
      ready[i] = undefined;
      connection.isReady = false;
      connection.flushTurn();
    }
    this.isFlushing = false;
    this.store.endTurn();
    this.joiner.endTurn();
    this.#isInTurn = false;
    // What a flush made ready again leaves in a turn of its own; its bytes must stay until then.
    if (this.#readyCount === 0) {
      this.slabs.endTurn();
      this.arena.endTurn();
    } else this.enter();
    if (this.#nextTurn.length > 0) {
      const connections = this.#nextTurn;
      this.#nextTurn = [];
      this.scheduler.nextTurn(() => {
        for (const connection of connections) this.ready(connection);
      });
    }
  };

  #hold(bytes: Uint8Array): void {
    this.arena.hold(bytes);
    this.slabs.hold(bytes);
  }

  // --- store and bus ---

  /** Takes a record into this turn's batch. */
  append(record: StoreRecord): Position {
    this.enter();
    this.records++;
    const position = this.store.append(record);
    if (position > this.newestPosition) this.newestPosition = position;
    if (this.now >= this.timeMarks.dueAt) this.timeMarks.write();
    return position;
  }

  /** Records a message's body, once however many sessions queue it. */
  recordMessage(message: Message): void {
    if (message.isStored) return;
    message.isStored = true;
    this.append({ type: "message", message: messageToStore(this, message) });
  }

  /** Store time, milliseconds: a clock that goes on across restarts. */
  storeTime(): number {
    return this.#storeTime.at(this.now);
  }

  /** Goes on counting store time from where a store was left. */
  continueTime(mark: TimeMark): void {
    this.now = this.clock.now();
    this.#storeTime = new StoreTime(mark, this.now, this.clock.wallTime());
  }

  /** Calls `done` once everything up to these positions is durable. */
  whenDurable(store: Position, bus: Position, done: () => void): void {
    if (store <= this.store.durable && bus <= this.bus.durable) done();
    else this.#whenDurable.push({ store, bus, done });
  }

  #onDurable(): void {
    this.enter();
    for (const sender of this.waiting) sender.drainPending();
    for (const session of this.waitingSessions)
      if (session.connection !== undefined) this.ready(session.connection);
    this.waitingSessions.clear();
    if (this.#whenDurable.length === 0) return;
    const waiting = this.#whenDurable;
    this.#whenDurable = [];
    for (const one of waiting) this.whenDurable(one.store, one.bus, one.done);
  }

  #onStoreState(): void {
    this.enter();
    this.heldPublishers.release();
  }

  /** Goes on counting above what a store gave out before. */
  continueNumbers(messageNumber: number, sessionKey: number): void {
    this.#messageNumber = Math.max(this.#messageNumber, messageNumber);
    this.#sessionKey = Math.max(this.#sessionKey, sessionKey);
  }

  /**
   * Numbers begin at 1.
   *
   * @param packetIdentifier  The one that the message was sent under by another node; 0: none.
   */
  nextMessageNumber(packetIdentifier = 0): number {
    const next = this.#messageNumber + 1;
    this.#messageNumber = packetIdentifier === 0 ? next : numberOf(packetIdentifier, next);
    return this.#messageNumber;
  }

  nextSessionKey(): number {
    return ++this.#sessionKey;
  }

  /** A Client Identifier that no session uses [MQTT5-3.2.2-16]. */
  assignClientIdentifier(): string {
    for (;;) {
      let clientId = "auto-";
      for (let i = 0; i < 20; i++)
        clientId += "0123456789abcdefghijklmnopqrstuvwxyz"[Math.floor(this.random() * 36)]!;
      if (this.sessions.get(clientId) === undefined) return clientId;
    }
  }

  /** Clears out the subscriptions of ended sessions, a slice a turn. */
  sweep(): void {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    this.nextTurn(this.#sweep);
  }

  readonly #sweep = (): void => {
    const isMore = this.topicTree.sweep(SWEEP);
    this.sessions.reclaim((subscriber) => this.topicTree.isSwept(subscriber));
    this.#isSweeping = isMore;
    if (isMore) this.nextTurn(this.#sweep);
  };

  // --- the end ---

  /**
   * Tells all clients to leave and settles when they are gone, or after `timeoutMs`, when those that
   * stay are cut off.
   */
  drain(timeoutMs: number): Promise<void> {
    this.enter();
    this.isDraining = true;
    return new Promise((resolve) => {
      const timer = new TimerEntry(() => {
        this.enter();
        for (const connection of [...this.connections])
          connection.abort("the broker is shutting down");
        done();
      });
      const done = (): void => {
        this.wheel.cancel(timer);
        this.#onEmpty = undefined;
        resolve();
      };
      if (this.connections.size === 0) return done();
      this.#onEmpty = done;
      this.wheel.schedule(timer, timeoutMs);
      for (const connection of [...this.connections]) this.#sendAway(connection);
    });
  }

  #sendAway(connection: Connection): void {
    const reference = this.settings.mqtt.serverReference;
    if (reference === "")
      connection.close(ReasonCode.serverShuttingDown, "the broker is shutting down");
    else connection.close(ReasonCode.useAnotherServer, "the broker is shutting down", reference);
  }

  // --- what is told ---

  /** Every message that is not delivered passes here. */
  drop(reason: DropReason, clientId: string, message: Message, qos: number): void {
    this.drops[reason]++;
    if (this.events.has("messageDropped")) {
      this.events.emit("messageDropped", {
        reason,
        clientId,
        topicName: message.topicName,
        qos: qos as 0 | 1 | 2,
      });
    }
  }

  /** Messages that nobody looked at are not delivered either. */
  dropUnseen(reason: DropReason, clientId: string, count: number): void {
    this.drops[reason] += count;
    this.log.write("warn", "messages-dropped", { reason, clientId, count });
  }

  /** Other settings are in force: what connections keep of them is made anew. */
  settingsChanged(): void {
    this.enter();
    this.sys.reschedule();
    this.packetLimits = packetLimitsOf(this.settings);
    this.unpacking = this.#newUnpacking();
    this.ratesChanged();
  }

  #newUnpacking(): Unpacking | undefined {
    if (this.#unpack === undefined || this.settings.mqtt.unpackBytes === 0) return undefined;
    return new Unpacking(this, this.#unpack);
  }

  /** Settings or listeners may allow clients that are connected another rate. */
  ratesChanged(): void {
    for (const connection of this.connections)
      if (connection.state === "open") connection.rate = PublishRate.of(connection);
  }

  /** A client met a limit. */
  limitReached(limit: LimitName, who: Limited): void {
    this.limitsReached[limit]++;
    if (!this.quietLog.isDue("limit-reached", limit, this.now)) return;
    const { clientId, username, peer } = who;
    this.quietLog.write("warn", "limit-reached", "limit", limit, this.now, {
      ...(clientId !== "" && { clientId }),
      username,
      address: peer?.address,
      listener: peer?.listener,
    });
  }

  /** Tells `listener` of packets. @returns what ends that. */
  startTrace(options: TraceOptions, listener: TraceListener): () => void {
    const trace = (this.trace ??= new PacketTrace((error) => {
      this.counters.listenerErrors++;
      this.log.write("error", "listener-failed", { listener: "trace", error: messageOf(error) });
    }));
    const end = trace.add(options, listener);
    return () => {
      end();
      if (trace.isEmpty && this.trace === trace) this.trace = undefined;
    };
  }

  /** Something of our own went wrong while a client was served. */
  internalError(error: unknown, clientId: string): void {
    this.counters.internalErrors++;
    this.log.write("error", "internal-error", {
      clientId,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
  }

  /** A hook or port threw or rejected: refusal. @param about  The client that it was asked about. */
  hookFailed(name: string, error: unknown, about: HookSubject): void {
    this.counters.hookErrors++;
    this.quietLog.write("error", "hook-failed", "hook", name, this.now, {
      ...subjectOf(about),
      error: messageOf(error),
    });
  }

  /** A hook or port did not answer in time: refusal. */
  hookTimedOut(name: string, about: HookSubject): void {
    this.counters.hookTimeouts++;
    this.quietLog.write("error", "hook-timed-out", "hook", name, this.now, {
      ...subjectOf(about),
      timeoutMs: this.settings.limits.hookTimeout,
    });
  }
}

/** Whom a hook was asked about; `clientId` is empty before CONNECT, `peer` is not there after the connection. */
interface HookSubject {
  readonly clientId: string;
  readonly peer?: Peer;
}

function subjectOf({ clientId, peer }: HookSubject): Record<string, unknown> {
  return { ...(clientId !== "" && { clientId }), ...(peer && { address: peer.address }) };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
