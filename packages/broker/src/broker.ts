import { randomInt } from "node:crypto";
import { connectMemory, ConnectionError, ReasonCode, UsageError } from "@sericite/protocol";
import type { Dial } from "@sericite/protocol";
import type { MessageHandler, TopicFilters } from "@sericite/client";
import {
  checkBan,
  checkConfiguredBans,
  checkBrokerOptions,
  checkEventName,
  checkTrace,
} from "./arguments.ts";
import type {
  BanOptions,
  BrokerOptions,
  LocalPublishOptions,
  LocalPublishResult,
  LocalSubscribeOptions,
  Reconfigurable,
  Reconfiguration,
} from "./broker-options.ts";
import { ConfiguredAcl } from "./auth/acl-configured.ts";
import { autoSubscriptionsOf } from "./engine/auto-subscribe.ts";
import type { AutoSubscription } from "./engine/auto-subscribe.ts";
import { describeClient, listClients } from "./client-list.ts";
import type { ClientInfo, ClientListOptions, ClientPage } from "./client-list.ts";
import type { BanInfo, ConfiguredBan } from "./engine/bans.ts";
import type { Counters } from "./engine/counters.ts";
import type { DelayedInfo } from "./engine/delayed.ts";
import type { DropReason } from "./engine/drop-reasons.ts";
import { Engine } from "./engine/engine.ts";
import type { EventListener, EventName } from "./engine/events.ts";
import type { LimitName } from "./engine/limit-table.ts";
import type { TraceListener, TraceOptions } from "./engine/packet-trace.ts";
import { joinHooks } from "./engine/hooks.ts";
import type { Hooks } from "./engine/hooks.ts";
import { takesMessages } from "./engine/ports.ts";
import type { BanKind } from "./engine/records.ts";
import { finishRecovery, recoveryOf } from "./engine/recovery.ts";
import { rewriterOf } from "./engine/rewrite.ts";
import type { RewriteRule } from "./engine/rewrite.ts";
import { Entry } from "./entry.ts";
import type { Listener } from "./listeners/listener.ts";
import type { ListenOptions, OwnListenOptions } from "./listen-options.ts";
import { Listening } from "./listening.ts";
import type { Reception } from "./listening.ts";
import { LocalClients } from "./local-clients.ts";
import { publishLocally } from "./local-publish.ts";
import type { LocalSubscription } from "./local-subscription.ts";
import { adaptLog, silentLog } from "./log.ts";
import { tellRefused } from "./refused-connections.ts";
import { configuredStore, openStore } from "./store-opening.ts";
import type { Recovered } from "./store-opening.ts";
import { OverloadWatch } from "./overload-watch.ts";
import { StoreWatch } from "./store-watch.ts";
import { version } from "./version.ts";
import { NodeScheduler, nodeClock, usableMemory } from "./platform.ts";
import { createSettings, liveChanges } from "./settings.ts";
import type { PartialSettings, Settings } from "./settings.ts";
import { LocalOwnership, NullBus } from "./store/single-node.ts";
import { unpack } from "./unpack.ts";

/** An MQTT broker in this process. Several may live in one. */
export class Broker implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #entry: Entry;
  readonly #listening: Listening;
  readonly #acl: ConfiguredAcl;
  /** Those of the options. */
  readonly #hooks: readonly Hooks[];
  #rewrite: readonly RewriteRule[] = [];
  #autoSubscribe: readonly AutoSubscription[] = [];
  #configuredBans: readonly ConfiguredBan[] = [];
  readonly #locals: LocalClients;
  /** What the store gave back at the start. */
  readonly recovered: Recovered;
  #settings: Settings;
  /** Nothing says who may enter, but perhaps a listener. */
  #letsEverybodyIn: boolean;
  #closed: Promise<void> | undefined;
  /** Settles when the reconfiguration before is done. */
  #reconfiguring: Promise<void> = Promise.resolve();

  /** @internal Use `createBroker`. */
  constructor(
    engine: Engine,
    settings: Settings,
    entry: Entry,
    recovered: Recovered,
    acl: ConfiguredAcl,
    hooks: readonly Hooks[],
    { rewrite = [], autoSubscribe = [], bans = [] }: Reconfigurable,
  ) {
    this.#rewrite = rewrite;
    this.#autoSubscribe = autoSubscribe;
    this.#configuredBans = bans;
    this.recovered = recovered;
    this.#acl = acl;
    this.#hooks = hooks;
    this.#engine = engine;
    this.#locals = new LocalClients(engine);
    this.#settings = settings;
    this.#entry = entry;
    this.#letsEverybodyIn = engine.authenticator === undefined;
    const reception: Reception = {
      accept: (link, group) => engine.accept(link, false, group),
      isOverloaded: () => engine.overload.level > 0,
      refused: (refusal) => tellRefused(engine, refusal),
      note: (peer, policy) => entry.listeners.note(peer, policy),
      decide: (policy) => {
        engine.authenticator = entry.decide(policy) ?? engine.authenticator;
      },
    };
    this.#listening = new Listening(reception, engine.log);
  }

  /** The engine, for the testing door. @internal */
  get engine(): Engine {
    return this.#engine;
  }

  /** The settings in force, frozen. */
  get settings(): Settings {
    return this.#settings;
  }

  get listeners(): readonly Listener[] {
    return this.#listening.all;
  }

  /** What the broker counted since it was made. */
  get counters(): Readonly<Counters> {
    return this.#engine.counters;
  }

  /** Messages that were not delivered, by reason. */
  get drops(): Readonly<Record<DropReason, number>> {
    return this.#engine.drops;
  }

  /** How often clients met a limit, by the path of its setting. */
  get limitsReached(): Readonly<Record<LimitName, number>> {
    return this.#engine.limitsReached;
  }

  /** What there is now. */
  get gauges(): {
    connections: number;
    sessions: number;
    subscriptions: number;
    retainedMessages: number;
    retainedBytes: number;
  } {
    const engine = this.#engine;
    return {
      connections: engine.connections.size,
      sessions: engine.sessions.size,
      subscriptions: engine.topicTree.size,
      retainedMessages: engine.retained.count,
      retainedBytes: engine.retained.bytes,
    };
  }

  /**
   * Opens a listener, or takes the connections of a server that is given (which its owner closes).
   *
   * ```ts
   * await broker.listen({ transport: "websocket", port: 8083 });
   * await broker.listen({ server: httpServer, path: "/mqtt" });
   * ```
   *
   * @throws UsageError ERR_ANONYMOUS_BEYOND_LOOPBACK where everybody could come in unasked;
   * ERR_TLS_CERTIFICATE where certificates cannot be used.
   * @throws ConnectionError ERR_LISTEN where the port cannot be had.
   */
  async listen(options: ListenOptions = {}): Promise<Listener> {
    this.#checkOpen();
    return this.#listening.open(options, this.#settings, this.#isOpenToAll);
  }

  /**
   * Opens every listener that the settings ask for, and those of a list; all or none. From then on
   * `reconfigure` opens, changes and closes them. Fails as `listen` does; what is wrong with one of the
   * list begins with `listeners[1]`.
   */
  async listenAsConfigured(
    listeners: readonly OwnListenOptions[] = [],
  ): Promise<readonly Listener[]> {
    this.#checkOpen();
    return this.#listening.openConfigured(this.#settings, listeners, this.#isOpenToAll);
  }

  get #isOpenToAll(): boolean {
    return this.#letsEverybodyIn && !this.#settings.auth.allowAnonymous;
  }

  /**
   * Publishes a message. Settles when it is kept as its receivers ask: for durable sessions, when it
   * survives a crash. Rejects with ERR_STORE_REFUSING where it cannot be kept, with ERR_TOPIC_NAME
   * for a Topic Name that is none.
   *
   * @param payload  Copied.
   */
  async publish(
    topicName: string,
    payload: string | Uint8Array,
    options: LocalPublishOptions = {},
  ): Promise<LocalPublishResult> {
    this.#checkOpen();
    return publishLocally(this.#engine, topicName, payload, options);
  }

  /**
   * A way here for clients of this process, without a network. They come in as all others do.
   *
   * ```ts
   * const client = await connect({ dial: broker.dial() });
   * ```
   */
  dial(): Dial {
    const engine = this.#engine;
    return connectMemory((link) => engine.accept(link), engine.scheduler);
  }

  /**
   * Subscribes within the process: a session like any other, on a link in memory. With a handler, a
   * message is acknowledged when the handler's promise settles; without one, `for await` takes the
   * messages.
   *
   * ```ts
   * await using subscription = await broker.subscribe("sensors/#", (message) => store(message.payload), { qos: 1 });
   * ```
   */
  subscribe(
    topicFilters: TopicFilters,
    options?: LocalSubscribeOptions,
  ): Promise<LocalSubscription>;
  subscribe(
    topicFilters: TopicFilters,
    handler: MessageHandler,
    options?: LocalSubscribeOptions,
  ): Promise<LocalSubscription>;
  async subscribe(
    topicFilters: TopicFilters,
    handlerOrOptions: MessageHandler | LocalSubscribeOptions = {},
    optionsWithHandler: LocalSubscribeOptions = {},
  ): Promise<LocalSubscription> {
    this.#checkOpen();
    return typeof handlerOrOptions === "function"
      ? this.#locals.subscribe(topicFilters, handlerOrOptions, optionsWithHandler)
      : this.#locals.subscribe(topicFilters, undefined, handlerOrOptions);
  }

  /** A page of the clients: all sessions, connected or not. */
  async clients(options: ClientListOptions = {}): Promise<ClientPage> {
    return listClients(this.#engine, options);
  }

  /** What is known of one client, or `undefined`. */
  async client(clientId: string): Promise<ClientInfo | undefined> {
    const session = this.#engine.sessions.get(clientId);
    return session === undefined ? undefined : describeClient(this.#engine, session);
  }

  /** Ends a client's connection. Its session stays as it asked for. @returns whether it was connected. */
  async disconnectClient(
    clientId: string,
    reasonCode: number = ReasonCode.administrativeAction,
  ): Promise<boolean> {
    const connection = this.#engine.sessions.get(clientId)?.connection;
    if (connection === undefined) return false;
    this.#engine.enter();
    connection.close(reasonCode, "disconnected by the administrator");
    return true;
  }

  /**
   * Keeps out a Client Identifier, a Username, or an address or range of addresses, and ends the
   * connections that this is about (0x98). CONNECT is refused with 0x8A, of 3.x with 0x05. Settles
   * when the ban survives a crash.
   *
   * ```ts
   * await broker.ban("address", "192.0.2.0/24", { expiresInMs: 3_600_000, reason: "abuse" });
   * ```
   *
   * @throws UsageError ERR_USAGE where nobody could be meant; ConnectionError ERR_STORE_REFUSING
   * where it cannot be kept, and then nothing has happened.
   */
  async ban(kind: BanKind, value: string, options: BanOptions = {}): Promise<void> {
    const { expiresInMs = Infinity, reason = "by the administrator" } = options;
    checkBan(kind, value, expiresInMs);
    await this.#change(() => this.#engine.bans.add(kind, value, expiresInMs, reason));
  }

  /** Lifts a ban. Settles when that survives a crash. @returns whether there was one. */
  async unban(kind: BanKind, value: string): Promise<boolean> {
    checkBan(kind, value, Infinity);
    return this.#change(() => this.#engine.bans.lift(kind, value));
  }

  /** The bans in force, but for those of the option `bans`. */
  async bans(): Promise<readonly BanInfo[]> {
    return this.#engine.bans.list();
  }

  /** Changes what is kept; settles when the store has it. */
  async #change<R>(change: () => R): Promise<R> {
    this.#checkOpen();
    const engine = this.#engine;
    if (!engine.store.isVolatile && !takesMessages(engine.store.state))
      throw new ConnectionError("ERR_STORE_REFUSING", "the store takes nothing at present");
    const { records } = engine;
    const result = change();
    const position = engine.records > records ? engine.newestPosition : 0;
    return new Promise((resolve) => engine.whenDurable(position, 0, () => resolve(result)));
  }

  /** Messages that wait below `$delayed/`, in the order in which they came. `after`: the last id of the page before. */
  async delayedMessages(
    options: { readonly after?: number; readonly limit?: number } = {},
  ): Promise<readonly DelayedInfo[]> {
    return this.#engine.delayed.list(options.after ?? 0, Math.max(1, options.limit ?? 100));
  }

  /** Forgets a delayed message unpublished. @returns whether it was there. */
  async cancelDelayed(id: number): Promise<boolean> {
    const engine = this.#engine;
    engine.enter();
    if (!engine.delayed.cancel(id)) return false;
    const position = engine.newestPosition;
    return new Promise((resolve) => engine.whenDurable(position, 0, () => resolve(true)));
  }

  /** Listens to an event. Events only tell; a listener that throws is logged and counted. @returns what ends it. */
  on<N extends EventName>(name: N, listener: EventListener<N>): Disposable & { remove(): void } {
    checkEventName(name);
    const remove = this.#engine.events.on(name, listener);
    return { remove, [Symbol.dispose]: remove };
  }

  /**
   * Tells of each packet of one client, or of one Topic Filter, until it is disposed: readable, without
   * passwords and payloads. Without `listener` it goes to the log, as `packet`.
   *
   * ```ts
   * using trace = broker.trace({ clientId: "pump-7" }, ({ direction, packet }) => console.log(direction, packet));
   * ```
   *
   * @throws UsageError ERR_USAGE where neither is given; ERR_TOPIC_FILTER for a Topic Filter that is none.
   */
  trace(options: TraceOptions, listener?: TraceListener): Disposable & { remove(): void } {
    checkTrace(options);
    const engine = this.#engine;
    const remove = engine.startTrace(
      options,
      listener ?? ((traced) => engine.log.write("info", "packet", { ...traced })),
    );
    return { remove, [Symbol.dispose]: remove };
  }

  /**
   * Puts other settings in force: all of them are checked, then all or none taken; no connection
   * drops. Listeners come, go and change where `listenAsConfigured` was called; one that goes leaves its
   * connections. The files of certificates, users and access rules are read again each time, also where
   * their names stay. Settings that wait for a restart stay as they were, and are named again the next time.
   *
   * ```ts
   * await broker.reconfigure({ limits: { topicLevels: 16 } }, { autoSubscribe: [{ topicFilter: "to/%c" }] });
   * ```
   *
   * @throws UsageError that names what is wrong; ConnectionError ERR_LISTEN where a listener cannot be
   * opened. Nothing has changed then.
   */
  async reconfigure(given: PartialSettings, others: Reconfigurable = {}): Promise<Reconfiguration> {
    this.#checkOpen();
    // One after the other: each begins from what the one before has left.
    const done = this.#reconfiguring.then(() => this.#reconfigure(given, others));
    this.#reconfiguring = done.then(ended, ended);
    return done;
  }

  async #reconfigure(given: PartialSettings, others: Reconfigurable): Promise<Reconfiguration> {
    this.#checkOpen();
    const asked = createSettings(given, this.#settings);
    const { next, changed, needRestart } = liveChanges(this.#settings, asked);
    const { rewrite = this.#rewrite, autoSubscribe = this.#autoSubscribe } = others;
    const { bans = this.#configuredBans } = others;
    checkConfiguredBans(bans);
    const rewriter = rewriterOf(rewrite);
    const autoSubscriptions = autoSubscriptionsOf(autoSubscribe);
    const entry = this.#entry.prepare(next);
    const reloadAcl = this.#acl.prepareReload(next.auth);
    const isOpenToAll = entry.letsEverybodyIn && !next.auth.allowAnonymous;
    const listening = this.#listening.prepare(next, others.listeners, isOpenToAll);
    await listening.open();
    if (this.#closed !== undefined) {
      await listening.cancel();
      this.#checkOpen();
    }
    // Everything was checked; from here on nothing fails, and nothing is waited for from outside.
    addNew(changed, entry.changed);
    addNew(changed, listening.changed);
    if (reloadAcl.isFileChanged) addNew(changed, ["auth.aclFile"]);
    if (!isSameList(rewrite, this.#rewrite)) changed.push("rewrite");
    if (!isSameList(autoSubscribe, this.#autoSubscribe)) changed.push("autoSubscribe");
    if (!isSameList(bans, this.#configuredBans)) changed.push("bans");
    this.#engine.authenticator = entry.apply();
    this.#letsEverybodyIn = entry.letsEverybodyIn;
    reloadAcl.commit();
    this.#engine.hooks = hooksOf(this.#acl, this.#hooks);
    this.#settings = next;
    this.#engine.settings = next;
    this.#rewrite = rewrite;
    this.#autoSubscribe = autoSubscribe;
    this.#engine.rewriter = rewriter;
    this.#engine.autoSubscriptions = autoSubscriptions;
    this.#configuredBans = bans;
    this.#engine.bans.configure(bans);
    this.#engine.settingsChanged();
    await listening.commit();
    this.#engine.ratesChanged();
    return { changed, needRestart };
  }

  /**
   * Drains: stops listening, tells the clients to leave (0x8B), waits until what was sent is out, and
   * flushes the store. Those who are slow are cut off after `timeoutMs` (default 5000).
   *
   * @throws ConnectionError with the store's code where it cannot write the rest. Nobody was told
   * that this was kept.
   */
  close(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    return (this.#closed ??= this.#close(options.timeoutMs ?? 5000));
  }

  async #close(timeoutMs: number): Promise<void> {
    const engine = this.#engine;
    // The engine's timers keep no process alive, and somebody waits for one of them here.
    const alive = setInterval(() => undefined, timeoutMs + 1);
    try {
      engine.isDraining = true;
      await this.#listening.close();
      await this.#locals.close();
      await engine.drain(timeoutMs);
      this.#acl.close();
      this.#entry.close();
      engine.timeMarks.stop();
      engine.wheel.stop();
      await engine.bus.close();
      await engine.store.close();
    } finally {
      clearInterval(alive);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #checkOpen(): void {
    if (this.#closed !== undefined)
      throw new UsageError("ERR_BROKER_CLOSED", "the broker was closed");
  }
}

/**
 * Makes a broker, and has its store give back what was kept. It listens nowhere until `listen` is
 * called.
 *
 * ```ts
 * await createBroker({ settings: { store: { durability: "strict", dataDir: "/var/lib/sericite" } } });
 * ```
 *
 * @throws UsageError for options and settings; ConnectionError with a code of the store's where it
 * cannot be opened.
 */
export async function createBroker(options: BrokerOptions = {}): Promise<Broker> {
  checkBrokerOptions(options);
  checkConfiguredBans(options.bans ?? []);
  const settings = createSettings(options.settings, undefined, usableMemory());
  const hooks = [options.hooks ?? []].flat();
  const configured =
    options.store === undefined
      ? configuredStore(settings.store)
      : { store: options.store, disk: undefined };
  const engine = new Engine({
    clock: options.clock ?? nodeClock,
    scheduler: options.scheduler ?? new NodeScheduler(),
    random: options.random ?? secureRandom,
    settings,
    store: configured.store,
    ownership: options.ownership ?? new LocalOwnership(),
    bus: options.bus ?? new NullBus(),
    rewriter: rewriterOf(options.rewrite),
    unpack,
    autoSubscriptions: autoSubscriptionsOf(options.autoSubscribe),
    log: options.log === undefined ? silentLog : adaptLog(options.log),
    version,
  });
  const entry = new Entry(options, settings, engine.counters, engine.log);
  engine.authenticator = entry.prepare(settings).apply();
  const acl = new ConfiguredAcl(settings.auth, {
    counters: engine.counters,
    log: engine.log,
    now: () => engine.clock.now(),
  });
  engine.hooks = hooksOf(acl, hooks);
  new StoreWatch(configured.store, engine.log, engine.wheel).begin();
  new OverloadWatch(engine).begin();
  const recovered = await openStore(configured, recoveryOf(engine), engine.log, settings.store);
  // Before anybody is let in: no Will comes after its client is back.
  finishRecovery(engine);
  engine.bans.configure(options.bans ?? []);
  return new Broker(engine, settings, entry, recovered, acl, hooks, options);
}

/** Rules come before the hooks of the program: those are only asked about what is allowed. */
function hooksOf(acl: ConfiguredAcl, hooks: readonly Hooks[]): Hooks {
  return joinHooks(acl.hooks === undefined ? hooks : [acl.hooks, ...hooks]);
}

/** Client Identifiers that are assigned should not be guessed. */
function secureRandom(): number {
  return randomInt(2 ** 47) / 2 ** 47;
}

/** Whether two lists say the same. A regular expression counts by its text. */
function isSameList(one: readonly object[], other: readonly object[]): boolean {
  const textOf = (list: readonly object[]): string =>
    JSON.stringify(list, (_, value: unknown) => (value instanceof RegExp ? String(value) : value));
  return textOf(one) === textOf(other);
}

/** What went wrong is told to who asked for it. */
function ended(): void {}

function addNew(paths: string[], others: readonly string[]): void {
  for (const path of others) if (!paths.includes(path)) paths.push(path);
}
