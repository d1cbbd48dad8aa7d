import type { Packet } from "@sericite/protocol";
import { EventScheduler } from "./event-scheduler.ts";
import type { SimulatedProcess } from "./event-scheduler.ts";
import { NO_LINK_FAULTS } from "./faulty-link.ts";
import type { FaultyLink, LinkFaults } from "./faulty-link.ts";
import type { LedgerConnection } from "./ledger-connection.ts";
import { Ledger } from "./ledger.ts";
import { OwnClient } from "./own-client.ts";
import { PacketTap } from "./packet-tap.ts";
import { Chance } from "./random.ts";
import { RawClient } from "./raw-client.ts";
import type { RawConnectOptions } from "./raw-client.ts";
import type { SimulatedBroker } from "./simulated-broker.ts";
import {
  HOLD_TIMEOUT_MS,
  isDeniedTopic,
  mayReceiveTopic,
  rewriteTopic,
  SimulationGuards,
} from "./simulation-guards.ts";
import { BrokerLives } from "./simulation-lives.ts";
import type { LivesListener } from "./simulation-lives.ts";
import { ORDINARY, planOf } from "./simulation-plan.ts";
import type { SimulationPlan, StepKind } from "./simulation-plan.ts";
import {
  describeConnect,
  describePublish,
  describeSubscriptions,
  SHARED_FILTERS,
  StepMaker,
  TOPIC_FILTERS,
} from "./simulation-steps.ts";

/** How a run is made. */
export interface SimulationOptions {
  /** Writes every packet among the steps. */
  readonly trace?: boolean;
}

/** What came of a run. */
export interface SimulationResult {
  readonly seed: number;
  /** What was done, one line a step. */
  readonly steps: readonly string[];
  /** What was wrong; empty where all was well. */
  readonly complaints: readonly string[];
  /** Events that ran. */
  readonly events: number;
}

/** Longest that anything of a run takes once nothing fails any more. Milliseconds. */
const REST_MS = 1500;
/** Seconds: of the longest Session Expiry Interval that the broker grants. */
const MAXIMUM_EXPIRY = 604_800;
/** Ten days back, a little back and forth, and back to before the software was made. Milliseconds. */
const WALL_CLOCK_JUMPS = [-864_000_000, -5000, 5000, 400_000, -50_000_000_000];
/** As no faults, but on a link that had some and will have them again. */
const CALM: LinkFaults = { delay: 0, delayMaximumMs: 0, split: 0, hold: 0 };

type SimulatedClient = RawClient | OwnClient;

/**
 * One run: a broker, clients that a seed leads, and a ledger that watches. The same seed gives the
 * same run, to the last event.
 */
export class Simulation {
  readonly seed: number;
  readonly plan: SimulationPlan;
  readonly steps: string[] = [];
  readonly ledger: Ledger;
  readonly events: EventScheduler;
  readonly #chance: Chance;
  readonly #maker: StepMaker;
  readonly #lives: BrokerLives;
  readonly #guards: SimulationGuards | undefined;
  readonly #clients: SimulatedClient[] = [];
  readonly #rawProcess: SimulatedProcess;
  readonly #usesPromises: boolean;
  readonly #pairs = new Set<{
    readonly near: FaultyLink;
    readonly far: FaultyLink;
    readonly connection: LedgerConnection;
  }>();
  #connections = 0;

  constructor(seed: number, options: SimulationOptions = {}) {
    this.seed = seed;
    this.#chance = Chance.ofSeed(seed);
    const plan = planOf(this.#chance.fork());
    this.plan = plan;
    const links = this.#chance.fork();
    const ports = this.#chance.fork();
    this.#maker = new StepMaker(this.#chance.fork(), plan.habits);
    this.events = new EventScheduler(this.#chance.fork().random);
    this.#rawProcess = this.events.process("clients");
    this.ledger = new Ledger({
      clock: this.events.clock,
      maximumExpiry: MAXIMUM_EXPIRY,
      retryIntervalMs: plan.settings.mqtt.retryInterval,
      mayPark: plan.late > 0 || plan.weights.overload > 0,
      mayLag: plan.settings.limits.packetsPerTurn < 1000,
      mayDrop: plan.settings.session.queueMaximumMessages < 1000,
      isDenied: isDeniedTopic,
      rewrite: plan.isGuarded ? rewriteTopic : undefined,
      mayReceive: plan.isGuarded ? mayReceiveTopic : undefined,
      onPacket:
        options.trace === true
          ? (connection, direction, packet) => this.#trace(connection, direction, packet)
          : undefined,
    });
    if (plan.isGuarded)
      this.#guards = new SimulationGuards(this.ledger, this.#chance.fork(), (text) =>
        this.#note(text),
      );
    const listener: LivesListener = {
      onLog: (level, event, fields) => {
        // What a late port may bring about is no fault.
        if (level === "error" && !(plan.late > 0 && event.startsWith("hook-")))
          this.ledger.complain(`the broker logged ${event}: ${JSON.stringify(fields)}`);
      },
      onListening: (store, restart) => {
        this.#note("the broker is there again");
        this.ledger.restarted(store, restart);
      },
      complain: (text) => this.ledger.complain(text),
    };
    this.#lives = new BrokerLives(this.events, plan, links, ports, listener, this.#guards);
    if (this.#lives.store !== undefined) this.ledger.watch(this.#lives.store);
    this.#usesPromises = plan.clients.some(({ isOwn }) => isOwn);
    for (const { clientId, version, isOwn } of plan.clients) {
      this.#clients.push(
        isOwn ? this.#ownClient(clientId, version, links.fork()) : new RawClient(clientId, version),
      );
    }
  }

  /** Runs all steps, then lets everything come to rest. Stops at the first complaint. */
  async run(): Promise<SimulationResult> {
    const { complaints } = this.ledger;
    try {
      // Until its store is open a broker accepts nobody.
      await this.#advance(1000);
      this.#open(new RawClient("watcher", 5), {
        cleanStart: true,
        keepAlive: 0,
        sessionExpiryInterval: MAXIMUM_EXPIRY,
      });
      if (this.plan.isPrepared) await this.#prepare();
      for (let step = 0; step < this.plan.steps && complaints.length === 0; step += 1) {
        await this.#step(this.#chance.weighted(this.plan.weights));
      }
      if (complaints.length === 0) await this.#finish();
    } catch (error) {
      this.ledger.complain(error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    for (const client of this.#clients) if (client instanceof OwnClient) await client.close();
    return { seed: this.seed, steps: this.steps, complaints, events: this.events.ran };
  }

  /** The broker in its present life. */
  get broker(): SimulatedBroker {
    return this.#lives.broker;
  }

  // --- time ---

  /** Without clients that use promises everything runs at once. */
  async #advance(ms: number): Promise<void> {
    if (this.#usesPromises) await this.events.advanceAsync(ms);
    else this.events.advance(ms);
  }

  async #settle(): Promise<void> {
    if (this.#usesPromises) await this.events.settleAsync();
    else this.events.settle();
  }

  async #some(count: number): Promise<void> {
    if (this.#usesPromises) await this.events.runAsync(count);
    else this.events.run(count);
  }

  /** What a run dwells on needs clients that are there. */
  async #prepare(): Promise<void> {
    for (const client of this.#clients) this.#connect(client);
    await this.#advance(500);
    for (const client of this.#clients) {
      this.#stepOf("subscribe", client);
      this.#stepOf("subscribe", client);
    }
    if (this.plan.weights.share > ORDINARY.share)
      for (const client of this.#clients) this.#share(client);
    await this.#advance(500);
  }

  // --- steps ---

  async #step(kind: StepKind): Promise<void> {
    const chance = this.#chance;
    switch (kind) {
      case "some": {
        const count = chance.integer(1, 6);
        this.#note(`${count} events`);
        return this.#some(count);
      }
      case "settle":
        this.#note("all that is due");
        return this.#settle();
      case "moment":
        return this.#pass(chance.integer(1, 100));
      case "seconds":
        return this.#pass(chance.integer(1000, 15_000));
      case "hours":
        return this.#hours();
      case "rest":
        return this.#rest();
      case "crash":
        return this.#crash();
      case "overload":
        return this.#overload();
      case "refusal":
        return this.#refusal(chance.pick(this.#clients));
      default:
        return this.#stepOf(kind, chance.pick(this.#clients));
    }
  }

  #stepOf(kind: StepKind, client: SimulatedClient): void {
    const chance = this.#chance;
    const name = client.clientId;
    switch (kind) {
      case "connect":
        return this.#connect(client);
      case "disconnect":
        return this.#disconnect(client);
      case "publish": {
        if (!client.isConnected) return;
        const message = this.#maker.publish(name, client.version);
        this.#note(`${name} publishes ${describePublish(message)}`);
        return client.publish(message);
      }
      case "delay": {
        // What the suite's own client is told is looked up by Topic Name.
        if (!(client instanceof RawClient) || !client.isConnected) return;
        const message = this.#maker.delayed(name);
        this.#note(`${name} publishes ${describePublish(message)}`);
        return client.publish(message);
      }
      case "share":
        return this.#share(client);
      case "subscribe": {
        if (!client.isConnected) return;
        const { subscriptions, identifier } = this.#maker.subscribe(client.version);
        this.#note(
          `${name} subscribes to ${describeSubscriptions(subscriptions)}${identifier === undefined ? "" : `, identifier ${identifier}`}`,
        );
        return client.subscribe(subscriptions, identifier);
      }
      case "unsubscribe": {
        if (!client.isConnected) return;
        const topicFilter = chance.pick(TOPIC_FILTERS);
        this.#note(`${name} unsubscribes from ${topicFilter}`);
        return client.unsubscribe([topicFilter]);
      }
      case "ping":
        return client instanceof RawClient ? client.ping() : undefined;
      case "cut":
      case "half":
      case "stall":
        return this.#spoil(kind);
      case "release":
        this.#note("links are released");
        return this.#release();
      case "withhold":
        client.isWithholding = true;
        if (client instanceof RawClient) client.acknowledgesHalf = chance.happens(0.4);
        this.#note(`${name} withholds acknowledgements`);
        return;
      case "acknowledge":
        this.#note(`${name} acknowledges`);
        return client.releaseAcknowledgements();
      case "resend":
        if (!(client instanceof RawClient) || client.version === 5 || client.outgoing.size === 0)
          return;
        this.#note(`${name} sends again what is not acknowledged`);
        return client.resend();
      case "misbehave":
        return this.#misbehave(client);
      case "store":
        return this.#disturbStore();
      case "revoke":
        return this.#guards?.revoke(name);
      case "ban":
        if (this.broker.isListening) this.#guards?.ban(this.broker, name, this.#lives.store);
        return;
      default:
        return;
    }
  }

  #hours(): Promise<void> {
    // Where something happens each second a week takes too long.
    const isQuiet = !this.#usesPromises && this.plan.store?.type !== "log";
    return this.#pass(this.#chance.pick(isQuiet ? [60, 400, 8 * 86_400] : [60, 400]) * 1000);
  }

  /** Time passes, in which some clients say that they mean to stay. */
  async #pass(ms: number): Promise<void> {
    this.#note(`${ms} ms pass`);
    for (const client of this.#clients) {
      if (client instanceof RawClient && this.#chance.happens(0.5)) client.ping();
    }
    await this.#advance(ms);
  }

  #connect(client: SimulatedClient): void {
    const isOwn = client instanceof OwnClient;
    if (
      isOwn
        ? !client.mayOpen
        : client.isConnected && !this.#chance.happens(this.plan.habits.takeover)
    )
      return;
    const options = this.#maker.connect(client.version, isOwn);
    this.#note(
      `${client.clientId} ${isOwn ? "is opened" : "connects"}: ${describeConnect(options)}`,
    );
    if (isOwn) client.open(options);
    else this.#open(client, options, this.plan.link);
  }

  /** Something about Shared Subscriptions. */
  #share(client: SimulatedClient): void {
    if (!(client instanceof RawClient) || !client.isConnected) return;
    const chance = this.#chance;
    const kind = chance.weighted({ publish: 6, join: 3, leave: 1 });
    if (kind === "publish") {
      const message = this.#maker.shared(client.clientId);
      this.#note(`${client.clientId} publishes ${describePublish(message)}`);
      return client.publish(message);
    }
    const topicFilter = chance.pick(SHARED_FILTERS);
    this.#note(`${client.clientId} ${kind}s ${topicFilter}`);
    if (kind === "join")
      client.subscribe([{ topicFilter, qos: chance.pick([1, 2] as const) }], undefined);
    else client.unsubscribe([topicFilter]);
  }

  #disconnect(client: SimulatedClient): void {
    if (!client.isConnected) return;
    const chance = this.#chance;
    const withWill = chance.happens(0.3);
    const mayExpire =
      client instanceof RawClient &&
      client.version === 5 &&
      (client.options?.sessionExpiryInterval ?? 0) > 0;
    const expiry = mayExpire && chance.happens(0.3) ? chance.pick([0, 5, 300]) : undefined;
    this.#note(
      `${client.clientId} disconnects${withWill ? ", 0x04" : ""}${expiry === undefined ? "" : `, expiry ${expiry}`}`,
    );
    client.disconnect(withWill, expiry);
  }

  #spoil(kind: "cut" | "half" | "stall"): void {
    const pairs = [...this.#pairs].filter(({ near }) => near.faults !== NO_LINK_FAULTS);
    if (pairs.length === 0) return;
    const pair = this.#chance.pick(pairs);
    const isNear = this.#chance.happens(0.5);
    const end = isNear ? pair.near : pair.far;
    const what = { cut: "is cut", half: "is cut, unknown to the other end", stall: "stalls" }[kind];
    this.#note(`${pair.connection.name}, ${isNear ? "the client's" : "the broker's"} end ${what}`);
    if (kind === "stall") end.stall();
    else end.cut(kind === "cut");
  }

  #release(): void {
    for (const { near, far } of this.#pairs) {
      near.release();
      far.release();
    }
  }

  #misbehave(client: SimulatedClient): void {
    if (!(client instanceof RawClient) || !client.isConnected) return;
    const bytes = this.#maker.nonsense();
    this.#note(`${client.clientId} sends ${Buffer.from(bytes).toString("hex")}`);
    for (const { near, connection } of this.#pairs)
      if (near === client.link) connection.mayMisbehave = true;
    client.misbehave(bytes);
  }

  #disturbStore(): void {
    const { storage } = this.#lives;
    if (storage !== undefined && this.broker.isListening)
      this.#note(`store: ${storage.disturb(this.plan.trouble)}`);
  }

  /** Publishers that are held for too long are disconnected. */
  async #overload(): Promise<void> {
    const { broker } = this;
    if (this.#guards === undefined || !broker.isListening) return;
    this.#guards.overload(broker);
    if (!this.#guards.holds(broker)) return;
    for (const client of this.#clients) {
      for (let count = 0; count < 3; count += 1) this.#stepOf("publish", client);
    }
    const sinceMs = this.ledger.nowMs;
    await this.#pass(HOLD_TIMEOUT_MS + REST_MS);
    this.ledger.checkHeld(sinceMs);
  }

  /** A client that left in good times is back while the store takes nothing, and is to find its session as it was. */
  async #refusal(client: SimulatedClient): Promise<void> {
    const { storage } = this.#lives;
    if (storage === undefined || !(client instanceof RawClient)) return;
    await this.#rest();
    if (!client.isConnected) this.#connect(client);
    await this.#settle();
    client.disconnect(false);
    await this.#advance(100);
    this.#note("the store takes nothing");
    storage.refuse();
    await this.#settle();
    this.#connect(client);
    await this.#advance(100);
    await this.#rest();
  }

  // --- crashes ---

  /** The broker dies; some time later it is there again, on what survived, and clients come back. */
  async #crash(): Promise<void> {
    const chance = this.#chance;
    if (this.#lives.storage === undefined) return;
    if (chance.happens(0.2)) await this.#rest();
    const kind = chance.pick(["kill", "power"] as const);
    this.#note(`the broker crashes: ${kind}`);
    this.ledger.crashed();
    this.#lives.crash(kind);
    for (const pair of this.#pairs) {
      // A client may not notice.
      if (chance.happens(0.2)) pair.far.cut(false);
    }
    const downMs = chance.pick([0, 10, 3000, 100_000]);
    const jumpedMs = chance.happens(0.5) ? 0 : chance.pick(WALL_CLOCK_JUMPS);
    this.#note(`it is down for ${downMs} ms, the wall clock jumps by ${jumpedMs} ms`);
    await this.#advance(downMs);
    this.events.clock.jumpWallTime(jumpedMs);
    await this.#restart();
  }

  async #restart(): Promise<void> {
    const chance = this.#chance;
    const broker = this.#lives.start();
    if (chance.happens(0.15)) {
      const count = chance.integer(0, 30);
      await this.#some(count);
      if (!broker.isListening) {
        const kind = chance.pick(["kill", "power"] as const);
        this.#note(`the broker crashes while it starts: ${kind}`);
        this.#lives.crash(kind);
        return this.#restart();
      }
    }
    for (let tries = 0; !broker.isListening; tries += 1) {
      if (tries > 100) throw new Error("the broker does not come up again");
      await this.#advance(tries === 0 ? 0 : 100);
    }
    for (const client of this.#clients) {
      if (!(client instanceof RawClient)) continue;
      const { options } = client;
      if (options === undefined || !this.#chance.happens(this.plan.habits.returns)) continue;
      this.#note(`${client.clientId} connects again`);
      this.#open(client, { ...options, cleanStart: false }, this.plan.link);
    }
  }

  // --- links ---

  #ownClient(clientId: string, version: RawClient["version"], chance: Chance): OwnClient {
    const process = this.events.process(clientId, true);
    return new OwnClient(clientId, version, process, chance, this.ledger, () =>
      this.#link(process, this.plan.link),
    );
  }

  #open(client: RawClient, options: RawConnectOptions, faults: LinkFaults = NO_LINK_FAULTS): void {
    client.connect(this.#link(this.#rawProcess, faults), options);
  }

  /** A link to the broker that the ledger listens to. @returns the client's end. */
  #link(process: SimulatedProcess, faults: LinkFaults): FaultyLink {
    for (const pair of this.#pairs)
      if (pair.near.isClosed && pair.far.isClosed) this.#pairs.delete(pair);
    this.#connections += 1;
    const connection = this.ledger.connection(`connection ${this.#connections}`);
    const present = this.#lives.isFaulty || faults === NO_LINK_FAULTS ? faults : CALM;
    return this.broker.link(process, { faults: present }, (near, far) => {
      far.watcher = new PacketTap(connection);
      this.#pairs.add({ near, far, connection });
    });
  }

  // --- rest ---

  /** Takes all faults away and lets everything finish: what the ledger then misses is lost. */
  async #rest(): Promise<void> {
    this.#note("rest");
    this.#calm();
    await this.#advance(REST_MS);
    this.ledger.atRest();
    for (const client of this.#clients) {
      if (!(client instanceof OwnClient)) continue;
      client.checkAtRest();
      client.isSlow = true;
    }
    this.#lives.isFaulty = true;
    for (const { near, far } of this.#pairs)
      if (near.faults === CALM) near.faults = far.faults = this.plan.link;
    this.#lives.storage?.spoil();
  }

  #calm(): void {
    this.#lives.isFaulty = false;
    this.#guards?.calm(this.broker);
    this.#release();
    for (const { near, far } of this.#pairs) {
      if (near.faults === NO_LINK_FAULTS) continue;
      near.faults = far.faults = CALM;
      // The other half of a cut is noticed at last, and a connection that its client left lying about is closed.
      if (near.isClosed !== far.isClosed) (near.isClosed ? far : near).cut(true);
      else if (!this.#clients.some((client) => client.link === near)) near.cut(true);
    }
    this.#lives.storage?.calm();
    for (const client of this.#clients) {
      client.releaseAcknowledgements();
      if (client instanceof OwnClient) client.isSlow = false;
    }
  }

  /** Wills and expiries come, everybody comes back, and somebody new looks at what is retained. */
  async #finish(): Promise<void> {
    await this.#rest();
    this.#note("the end: everybody comes back");
    this.#calm();
    for (let passed = 0; passed < 65_000; passed += 5000) {
      for (const client of this.#clients) if (client instanceof RawClient) client.ping();
      await this.#advance(5000);
    }
    for (const client of this.#clients) {
      if (!(client instanceof RawClient) || client.isConnected || client.options === undefined)
        continue;
      const options = {
        ...client.options,
        cleanStart: false,
        will: undefined,
        keepAlive: 0,
        maximumPacketSize: undefined,
      };
      this.#open(client, options);
    }
    await this.#rest();
    const checker = new RawClient("checker", 4);
    this.#open(checker, { cleanStart: true, keepAlive: 0 });
    await this.#settle();
    checker.subscribe([{ topicFilter: "#", qos: 2 }], undefined);
    await this.#rest();
  }

  #trace(
    { name, clientId }: LedgerConnection,
    direction: "in" | "out" | "closed",
    packet: Packet | undefined,
  ): void {
    const arrow = { in: "->", out: "<-", closed: "||" }[direction];
    this.#note(
      `    ${name} ${clientId} ${arrow} ${packet === undefined ? "closed" : describePacket(packet)}`,
    );
  }

  #note(text: string): void {
    this.steps.push(`${String(this.events.clock.now()).padStart(9)} ms  ${text}`);
  }
}

/** Runs one seed. */
export function simulate(seed: number, options: SimulationOptions = {}): Promise<SimulationResult> {
  return new Simulation(seed, options).run();
}

/** A packet in one line. */
function describePacket(packet: Packet): string {
  const { type, properties, ...fields } = { properties: undefined, ...packet };
  const texts = Object.entries({ ...fields, ...properties }).filter(
    ([, value]) => value !== undefined,
  );
  return `${type.toUpperCase()} ${texts.map(([name, value]) => `${name} ${describeValue(value)}`).join(", ")}`;
}

function describeValue(value: unknown): string {
  if (value instanceof Uint8Array) return `"${new TextDecoder().decode(value).slice(0, 16)}"`;
  if (typeof value !== "object") return String(value);
  return JSON.stringify(value, (_name, inner: unknown) =>
    inner instanceof Uint8Array ? new TextDecoder().decode(inner) : inner,
  );
}
