import type { Packet, ProtocolVersion, QoS, SubscriptionRequest, Will } from "@sericite/protocol";
import type { Hooks } from "../engine/hooks.ts";
import { MemoryStore } from "../store/index.ts";
import { Answer } from "./answer.ts";
import { EventScheduler } from "./event-scheduler.ts";
import type { SimulatedProcess } from "./event-scheduler.ts";
import { FaultMedium, FaultStore, NO_STORE_FAULTS } from "./fault-store.ts";
import { FaultOwnership } from "./fault-ownership.ts";
import { NO_LINK_FAULTS } from "./faulty-link.ts";
import type { FaultyLink, LinkFaults } from "./faulty-link.ts";
import { Ledger } from "./ledger.ts";
import type { LedgerConnection } from "./ledger-connection.ts";
import { PacketTap } from "./packet-tap.ts";
import { Chance } from "./random.ts";
import { RawClient } from "./raw-client.ts";
import type { RawConnectOptions } from "./raw-client.ts";
import { simulatedBroker } from "./simulated-broker.ts";
import type { SimulatedBroker } from "./simulated-broker.ts";
import { planOf } from "./simulation-plan.ts";
import type { SimulationPlan, StepKind } from "./simulation-plan.ts";

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

const TOPICS = ["a", "a/b", "a/c", "b", "b/x/y", "denied/x"] as const;
const FILTERS = ["a", "a/b", "a/+", "a/#", "#", "+", "+/b", "b/#", "b/+/y", "denied/#"] as const;
/** Longest that anything of a run takes once nothing fails any more. Milliseconds. */
const REST_MS = 1500;
const WATCHER = "watcher";

/** One run: a broker, clients that a seed leads, and a ledger that watches. */
export class Simulation {
  readonly seed: number;
  readonly plan: SimulationPlan;
  readonly steps: string[] = [];
  readonly ledger: Ledger;
  readonly events: EventScheduler;
  readonly broker: SimulatedBroker;
  readonly #chance: Chance;
  readonly #links: Chance;
  readonly #store: FaultStore | undefined;
  readonly #clients: RawClient[] = [];
  readonly #clientProcess: SimulatedProcess;
  /** Open pairs, the broker's ends. */
  readonly #pairs = new Set<{ readonly near: FaultyLink; readonly far: FaultyLink }>();
  #isFaulty = true;
  #messages = 0;
  #connections = 0;
  #identifiers = 0;

  constructor(seed: number, options: SimulationOptions = {}) {
    this.seed = seed;
    this.#chance = Chance.ofSeed(seed);
    const plan = planOf(this.#chance.fork());
    this.plan = plan;
    this.#links = this.#chance.fork();
    this.events = new EventScheduler(this.#chance.fork().random);
    this.#clientProcess = this.events.process("clients");
    const ports = this.#chance.fork();
    const process = this.events.process("store");
    this.#store =
      plan.store === undefined
        ? undefined
        : new FaultStore(process, ports, new FaultMedium(), plan.store);
    this.ledger = new Ledger({
      clock: this.events.clock,
      store: this.#store,
      maximumExpiry: 604_800,
      retryIntervalMs: plan.settings.mqtt.retryInterval,
      mayPark: plan.late > 0,
      mayLag: plan.settings.limits.packetsPerTurn < 1000,
      mayDrop: plan.settings.session.queueMaximumMessages < 1000,
      isDenied: (topicName) => topicName.startsWith("denied/"),
      onPacket:
        options.trace === true
          ? (connection, direction, packet) => this.#trace(connection, direction, packet)
          : undefined,
    });
    this.broker = simulatedBroker(this.events, this.#links, {
      settings: plan.settings,
      store: this.#store ?? new MemoryStore(),
      ownership: new FaultOwnership(process, ports, plan.late, 50),
      hooks: this.#hooks(process, ports),
      onLog: (level, event, fields) => {
        if (level === "error")
          this.ledger.complain(`the broker logged ${event}: ${JSON.stringify(fields)}`);
      },
    });
    for (const { clientId, version } of plan.clients)
      this.#clients.push(new RawClient(clientId, version));
    // Until its store is open a broker accepts nobody.
    this.events.advance(1000);
  }

  /** Runs all steps, then lets everything come to rest. Stops at the first complaint. */
  run(): SimulationResult {
    try {
      this.#open(this.#watcher(), NO_LINK_FAULTS);
      for (let step = 0; step < this.plan.steps && this.ledger.complaints.length === 0; step += 1) {
        this.#step(this.#chance.weighted(this.plan.weights));
      }
      if (this.ledger.complaints.length === 0) this.#finish();
    } catch (error) {
      this.ledger.complain(error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    return {
      seed: this.seed,
      steps: this.steps,
      complaints: this.ledger.complaints,
      events: this.events.ran,
    };
  }

  // --- hooks ---

  #hooks(process: SimulatedProcess, chance: Chance): Hooks | undefined {
    const { late } = this.plan;
    const answer = <T>(value: T): T | Promise<T> => {
      if (!this.#isFaulty || !chance.happens(late)) return value;
      return Answer.after(process, chance.integer(0, 100), () => value);
    };
    return {
      authorizePublish: (_client, { topicName }) => answer(!topicName.startsWith("denied/")),
      authorizeSubscribe: late === 0 ? undefined : () => answer(true),
      authorizeDelivery: late === 0 ? undefined : () => answer(true),
      publish: late === 0 ? undefined : () => answer(undefined),
    };
  }

  // --- steps ---

  #step(kind: StepKind): void {
    const chance = this.#chance;
    const client = chance.pick(this.#clients);
    switch (kind) {
      case "connect":
        if (client.isConnected && chance.happens(0.7)) return;
        return this.#connect(client);
      case "disconnect": {
        if (!client.isConnected) return;
        const withWill = chance.happens(0.3);
        const expiry =
          client.version === 5 &&
          (client.options?.sessionExpiryInterval ?? 0) > 0 &&
          chance.happens(0.3)
            ? chance.pick([0, 5, 300])
            : undefined;
        this.#note(
          `${client.clientId} disconnects${withWill ? ", 0x04" : ""}${expiry === undefined ? "" : `, expiry ${expiry}`}`,
        );
        return client.disconnect(withWill, expiry);
      }
      case "publish":
        return this.#publish(client);
      case "subscribe":
        return this.#subscribe(client);
      case "unsubscribe": {
        if (!client.isConnected) return;
        const topicFilter = chance.pick(FILTERS);
        this.#note(`${client.clientId} unsubscribes from ${topicFilter}`);
        return client.unsubscribe([topicFilter]);
      }
      case "ping":
        return client.ping();
      case "cut":
      case "half":
      case "stall":
        return this.#spoil(kind);
      case "release":
        this.#note("links are released");
        for (const { near, far } of this.#pairs) {
          near.release();
          far.release();
        }
        return;
      case "withhold":
        this.#note(`${client.clientId} withholds acknowledgements`);
        client.isWithholding = true;
        return;
      case "acknowledge":
        this.#note(`${client.clientId} acknowledges`);
        return client.releaseAcknowledgements();
      case "resend":
        if (client.version === 5 || client.outgoing.size === 0) return;
        this.#note(`${client.clientId} sends again what is not acknowledged`);
        return client.resend();
      case "misbehave":
        return this.#misbehave(client);
      case "some": {
        const count = chance.integer(1, 6);
        this.#note(`${count} events`);
        return this.events.run(count);
      }
      case "settle":
        this.#note("all that is due");
        return this.events.settle();
      case "moment":
        return this.#advance(chance.integer(1, 100));
      case "seconds":
        return this.#advance(chance.integer(1000, 15_000));
      case "hours":
        return this.#advance(chance.pick([60, 400, 8 * 86_400]) * 1000);
      case "store":
        return this.#disturbStore();
      case "rest":
        return this.#rest();
    }
  }

  #advance(ms: number): void {
    this.#note(`${ms} ms pass`);
    // A client that means to stay says so.
    for (const client of this.#clients) if (this.#chance.happens(0.5)) client.ping();
    this.events.advance(ms);
  }

  #connect(client: RawClient): void {
    const chance = this.#chance;
    const isNew = client.version === 5;
    const cleanStart = chance.happens(0.2);
    const options: RawConnectOptions = {
      cleanStart,
      keepAlive: chance.pick([0, 0, 10, 60]),
      sessionExpiryInterval: isNew ? chance.pick([undefined, 5, 300, 300, 100_000]) : undefined,
      receiveMaximum: isNew ? chance.pick([undefined, undefined, 1, 2, 5]) : undefined,
      maximumPacketSize: isNew && chance.happens(0.05) ? 40 : undefined,
      will: chance.happens(0.3) ? this.#will(client.version) : undefined,
    };
    const will =
      options.will === undefined
        ? ""
        : `, will ${new TextDecoder().decode(options.will.payload)} to ${options.will.topicName} QoS ${options.will.qos}${options.will.retain ? " retained" : ""} after ${options.will.properties?.willDelayInterval ?? 0} s`;
    this.#note(
      `${client.clientId} connects: clean ${cleanStart}, keep alive ${options.keepAlive}, expiry ${options.sessionExpiryInterval}, receive maximum ${options.receiveMaximum}, packets ${options.maximumPacketSize}${will}`,
    );
    this.#open({ client, options }, this.plan.link);
  }

  #will(version: ProtocolVersion): Will {
    const chance = this.#chance;
    this.#messages += 1;
    return {
      topicName: chance.pick(TOPICS.slice(0, 5)),
      payload: new TextEncoder().encode(`w${this.#messages}`),
      qos: chance.integer(0, 2) as QoS,
      retain: chance.happens(0.3),
      properties:
        version === 5 ? { willDelayInterval: chance.pick([undefined, 0, 3, 60]) } : undefined,
    };
  }

  #publish(client: RawClient): void {
    if (!client.isConnected) return;
    const chance = this.#chance;
    this.#messages += 1;
    const retain = chance.happens(0.25);
    const message = {
      topicName: chance.pick(TOPICS),
      payload:
        retain && chance.happens(0.25)
          ? ""
          : `m${this.#messages}${chance.happens(0.1) ? `:${"x".repeat(chance.integer(1, 300))}` : ""}`,
      qos: chance.integer(0, 2) as QoS,
      retain,
      expiry: client.version === 5 && chance.happens(0.2) ? chance.pick([1, 10, 1000]) : undefined,
      userProperties: chance.happens(0.2) ? ([["from", client.clientId]] as const) : undefined,
    };
    this.#note(
      `${client.clientId} publishes ${message.payload.slice(0, 12) || "nothing"} to ${message.topicName}, QoS ${message.qos}${retain ? ", retained" : ""}${message.expiry === undefined ? "" : `, expiry ${message.expiry}`}`,
    );
    client.publish(message);
  }

  #subscribe(client: RawClient): void {
    if (!client.isConnected) return;
    const chance = this.#chance;
    const isNew = client.version === 5;
    const filters = [
      ...new Set(Array.from({ length: chance.integer(1, 2) }, () => chance.pick(FILTERS))),
    ];
    const subscriptions = filters.map((topicFilter): SubscriptionRequest => ({
      topicFilter,
      qos: chance.integer(0, 2) as QoS,
      noLocal: isNew && chance.happens(0.2),
      retainAsPublished: isNew && chance.happens(0.3),
      retainHandling: isNew ? chance.pick([0, 0, 0, 1, 2] as const) : 0,
    }));
    this.#identifiers += 1;
    const identifier = isNew && chance.happens(0.3) ? this.#identifiers : undefined;
    const texts = subscriptions.map(
      ({ topicFilter, qos, noLocal, retainAsPublished, retainHandling }) =>
        `${topicFilter} QoS ${qos}${noLocal ? " no local" : ""}${retainAsPublished ? " retain as published" : ""}${retainHandling === 0 ? "" : ` retain handling ${retainHandling}`}`,
    );
    this.#note(
      `${client.clientId} subscribes to ${texts.join(", ")}${identifier === undefined ? "" : `, identifier ${identifier}`}`,
    );
    client.subscribe(subscriptions, identifier);
  }

  #spoil(kind: "cut" | "half" | "stall"): void {
    const pairs = [...this.#pairs].filter(({ near }) => near.faults !== NO_LINK_FAULTS);
    if (pairs.length === 0) return;
    const pair = this.#chance.pick(pairs);
    const end = this.#chance.happens(0.5) ? pair.near : pair.far;
    const name = `${pair.near.process.name}'s link ${[...this.#pairs].indexOf(pair)}, ${end === pair.near ? "the client's" : "the broker's"} end`;
    if (kind === "stall") {
      this.#note(`${name} stalls`);
      end.stall();
    } else {
      this.#note(kind === "cut" ? `${name}: cut` : `${name}: cut, unknown to the other end`);
      end.cut(kind === "cut");
    }
  }

  #misbehave(client: RawClient): void {
    if (!client.isConnected || client.link === undefined) return;
    const bytes = this.#chance.pick([
      [0x00, 0x00],
      [0x30, 0x01, 0x00],
      [0x36, 0x05, 0, 1, 0x61, 0, 1],
      [0xf0, 0x00],
      [0xc0, 0x01, 0x00],
    ]);
    this.#note(
      `${client.clientId} sends ${bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(" ")}`,
    );
    const watched = this.#watched.get(client.link);
    if (watched !== undefined) watched.mayMisbehave = true;
    client.misbehave(Uint8Array.from(bytes));
  }

  #disturbStore(): void {
    const store = this.#store;
    if (store === undefined) return;
    const kind = this.#chance.weighted({ stall: 5, unstall: 6, slow: 1, refusing: 1, ok: 2 });
    this.#note(`store: ${kind}`);
    if (kind === "stall") store.stall();
    else if (kind === "unstall") {
      if (store.state !== "refusing") store.unstall();
    } else store.enter(kind);
  }

  // --- links ---

  readonly #watched = new Map<FaultyLink, { mayMisbehave: boolean }>();

  #open(
    { client, options }: { client: RawClient; options: RawConnectOptions },
    faults: LinkFaults,
  ): void {
    this.#connections += 1;
    const connection = this.ledger.connection(`connection ${this.#connections}`);
    const near = this.broker.link(
      this.#clientProcess,
      { faults: this.#isFaulty ? faults : NO_LINK_FAULTS },
      (one, other) => {
        other.watcher = new PacketTap(connection);
        this.#pairs.add({ near: one, far: other });
      },
    );
    this.#watched.set(near, connection);
    client.connect(near, options);
    for (const pair of this.#pairs)
      if (pair.near.isClosed && pair.far.isClosed) this.#pairs.delete(pair);
  }

  #watcher(): { client: RawClient; options: RawConnectOptions } {
    const client = new RawClient(WATCHER, 5);
    const options: RawConnectOptions = {
      cleanStart: true,
      keepAlive: 0,
      sessionExpiryInterval: 0xffff_fffe,
    };
    return { client, options };
  }

  // --- rest ---

  /** Takes all faults away and lets everything finish: what the ledger then misses is lost. */
  #rest(): void {
    this.#note("rest");
    this.#calm();
    this.events.advance(REST_MS);
    this.ledger.atRest();
    this.#isFaulty = true;
    for (const { near, far } of this.#pairs) {
      if (near.faults === CALM) near.faults = far.faults = this.plan.link;
    }
    if (this.#store !== undefined)
      this.#store.faults = this.plan.store as NonNullable<SimulationPlan["store"]>;
  }

  #calm(): void {
    this.#isFaulty = false;
    for (const pair of this.#pairs) {
      const { near, far } = pair;
      if (near.faults !== NO_LINK_FAULTS) near.faults = far.faults = CALM;
      near.release();
      far.release();
      // The other half of a cut is noticed at last, and a connection that its client left lying about is closed.
      if (near.isClosed !== far.isClosed) (near.isClosed ? far : near).cut(true);
      else if (
        !this.#clients.some((client) => client.link === near) &&
        near.faults !== NO_LINK_FAULTS
      )
        near.cut(true);
    }
    const store = this.#store;
    if (store !== undefined) {
      store.faults = NO_STORE_FAULTS;
      store.enter("ok");
      store.unstall();
    }
    for (const client of this.#clients) client.releaseAcknowledgements();
  }

  #finish(): void {
    this.#rest();
    this.#note("the end: everybody comes back");
    this.#calm();
    this.#advanceTo(61_000);
    for (const client of this.#clients) {
      if (client.isConnected || client.options === undefined) continue;
      this.#open(
        {
          client,
          options: {
            ...client.options,
            cleanStart: false,
            will: undefined,
            keepAlive: 0,
            maximumPacketSize: undefined,
          },
        },
        NO_LINK_FAULTS,
      );
    }
    this.#rest();
    const checker = new RawClient("checker", 4);
    this.#open({ client: checker, options: { cleanStart: true, keepAlive: 0 } }, NO_LINK_FAULTS);
    this.events.settle();
    checker.subscribe([{ topicFilter: "#", qos: 2 }], undefined);
    this.#rest();
  }

  /** Lets time pass in which clients stay. */
  #advanceTo(ms: number): void {
    for (let passed = 0; passed < ms; passed += 5000) {
      for (const client of this.#clients) client.ping();
      this.events.advance(5000);
    }
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

/** As no faults, but on a link that had some and will have them again. */
const CALM: LinkFaults = { delay: 0, delayMaximumMs: 0, split: 0, hold: 0 };

/** Runs one seed. The same seed gives the same run, to the last event. */
export function simulate(seed: number, options: SimulationOptions = {}): SimulationResult {
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
