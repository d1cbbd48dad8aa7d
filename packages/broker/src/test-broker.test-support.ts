import assert from "node:assert/strict";
import type { Clock, Peer, ProtocolVersion } from "@sericite/protocol";
import { autoSubscriptionsOf } from "./engine/auto-subscribe.ts";
import type { AutoSubscription } from "./engine/auto-subscribe.ts";
import { Engine } from "./engine/engine.ts";
import type { EventName, Events } from "./engine/events.ts";
import type { Hooks } from "./engine/hooks.ts";
import type { Authenticator, Bus, LogLevel, Ownership, Store } from "./engine/ports.ts";
import type { StoreRecord } from "./engine/records.ts";
import { rewriterOf } from "./engine/rewrite.ts";
import type { RewriteRule } from "./engine/rewrite.ts";
import { finishRecovery, recoveryOf } from "./engine/recovery.ts";
import { createSettings } from "./settings.ts";
import type { PartialSettings } from "./settings.ts";
import { MemoryStore } from "./store/memory.ts";
import { LocalOwnership, NullBus } from "./store/single-node.ts";
import {
  Chance,
  EventScheduler,
  FaultStore,
  faultyLinkPair,
  seededRandom,
} from "./testing/index.ts";
import type { FaultMedium, SimulatedProcess } from "./testing/index.ts";
import { WireClient } from "./wire-client.test-support.ts";
import type { ConnectOptions } from "./wire-client.test-support.ts";

/** The three versions, for tables. */
export const VERSIONS: readonly ProtocolVersion[] = [3, 4, 5];

/** How the versions are called, for the names of tests. */
export const NAME_OF_VERSION = { 3: "3.1", 4: "3.1.1", 5: "5.0" } as const;

/** What a test broker is made with. */
export interface TestBrokerOptions {
  readonly settings?: PartialSettings;
  readonly hooks?: Hooks | ((broker: TestBroker) => Hooks);
  readonly rewrite?: readonly RewriteRule[];
  readonly autoSubscribe?: readonly AutoSubscription[];
  readonly authenticator?: Authenticator | ((broker: TestBroker) => Authenticator);
  /** true: a `FaultStore`, so that sessions are recorded and acknowledgements wait. */
  readonly durable?: boolean;
  readonly store?: Store;
  readonly bus?: (process: SimulatedProcess) => Bus;
  readonly ownership?: (process: SimulatedProcess) => Ownership;
}

/** What happened between a crash and the next start. */
export interface Outage {
  /** Milliseconds. Default 1000. */
  readonly lasts?: number;
  /** What the wall clock jumped by besides. Milliseconds. */
  readonly wallClockJumps?: number;
  /** Share of the batches on their way that survive. Default 0. */
  readonly tail?: number;
  /** Records of this kind are lost: what they are good for shows. */
  readonly loses?: StoreRecord["type"];
  /** The next process gets nothing onto the medium until it calls `unstall`. */
  readonly stalls?: boolean;
}

/** What a broker is started again with. */
interface Past {
  readonly events: EventScheduler;
  readonly medium: FaultMedium;
  readonly ports: number;
  readonly stalls: boolean;
}

/** One line that the engine logged. */
export interface LogLine {
  readonly level: LogLevel;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** An engine in a world of its own: a clock that stands until `advance`, and links that can be cut. */
export class TestBroker {
  readonly events: EventScheduler;
  readonly process: SimulatedProcess;
  readonly clients: SimulatedProcess;
  readonly engine: Engine;
  readonly log: LogLine[] = [];
  readonly #chance = Chance.ofSeed(2);
  readonly #store: FaultStore | undefined;
  readonly #options: TestBrokerOptions;
  #ports: number;

  constructor(options: TestBrokerOptions = {}, past?: Past) {
    this.#options = options;
    this.#ports = past?.ports ?? 50_000;
    this.events = past?.events ?? new EventScheduler(seededRandom(1));
    this.process = this.events.process("broker");
    this.clients = this.events.process("clients");
    let store = options.store;
    if (options.durable === true)
      store = this.#store = new FaultStore(this.process, this.#chance, past?.medium);
    const { hooks, authenticator } = options;
    this.engine = new Engine({
      clock: past === undefined ? this.events.clock : clockSince(this.events),
      scheduler: this.process,
      random: seededRandom(3),
      // $SYS would otherwise wake up a broker that rests.
      settings: createSettings({
        ...options.settings,
        sys: { interval: 0, ...options.settings?.sys },
      }),
      store: store ?? new MemoryStore(),
      ownership: options.ownership?.(this.process) ?? new LocalOwnership(),
      bus: options.bus?.(this.process) ?? new NullBus(),
      hooks: typeof hooks === "function" ? hooks(this) : hooks,
      rewriter: rewriterOf(options.rewrite),
      autoSubscriptions: autoSubscriptionsOf(options.autoSubscribe),
      authenticator: typeof authenticator === "function" ? authenticator(this) : authenticator,
      log: {
        enabled: () => true,
        write: (level, event, fields) => this.log.push({ level, event, fields }),
      },
    });
    if (past?.stalls === true) this.store.stall();
    const opened = this.engine.store.open(recoveryOf(this.engine));
    // What keeps nothing has nothing to tell, and a promise of the platform would come too late.
    if (this.engine.store.isVolatile) finishRecovery(this.engine);
    else void opened.then(() => finishRecovery(this.engine));
    // Time 0 is no time like any other; a broker never lives in it.
    if (past === undefined) this.advance(1000);
    else this.settle();
  }

  /** Kills the broker of a moment ago and starts another one on what its store kept; its clients are gone. */
  restart(outage: Outage = {}): TestBroker {
    this.process.stop();
    this.clients.stop();
    const medium = this.store.crash(outage.tail);
    this.events.advance(outage.lasts ?? 1000);
    this.events.clock.jumpWallTime(outage.wallClockJumps ?? 0);
    const kept = medium.kept.splice(0);
    medium.kept.push(...kept.filter(({ record }) => record.type !== outage.loses));
    const { events } = this;
    const stalls = outage.stalls === true;
    return new TestBroker(this.#options, { events, medium, ports: this.#ports, stalls });
  }

  /** The store of a durable broker. */
  get store(): FaultStore {
    assert.ok(this.#store !== undefined, "the broker was made without `durable`");
    return this.#store;
  }

  /** Runs until nothing is due, without a move of the clock. */
  settle(): void {
    this.events.settle();
  }

  /** Moves the clock on, in milliseconds. */
  advance(byMs: number): void {
    this.events.advance(byMs);
  }

  /** A link to the broker on which nothing was sent. */
  dial(protocolVersion: ProtocolVersion = 5, isTrusted = false): WireClient {
    const peer: Peer = {
      listener: "tcp:1883",
      transport: "tcp",
      address: "192.0.2.1",
      port: ++this.#ports,
    };
    const [near, far] = faultyLinkPair(this.clients, this.process, this.#chance, { peer });
    const client = new WireClient(() => this.settle(), near, far, protocolVersion);
    near.handler = client;
    far.handler = this.engine.accept(far, isTrusted);
    return client;
  }

  /** A client whose CONNECT was accepted. Clean Start and no expiry unless said otherwise. What came behind CONNACK is still to be taken. */
  connect(
    clientId: string,
    protocolVersion: ProtocolVersion = 5,
    options: ConnectOptions = {},
  ): WireClient {
    const client = this.dial(protocolVersion, options.isTrusted);
    client.sendConnect(clientId, options);
    const connack = client.takeFirst();
    assert.equal(connack?.type, "connack", `${clientId} was not answered with CONNACK`);
    assert.equal(connack.reasonCode, 0);
    client.connack = connack;
    return client;
  }

  /** What was emitted of an event since now; a growing list. */
  listen<N extends EventName>(name: N): Events[N][] {
    const seen: Events[N][] = [];
    this.engine.events.on(name, (event) => seen.push(event));
    return seen;
  }

  /** Events of this name in the log. */
  logged(event: string): LogLine[] {
    return this.log.filter((line) => line.event === event);
  }
}

/** A clock that begins near 0 at this moment, as that of a machine that was switched on does. */
function clockSince(events: EventScheduler): Clock {
  const offset = events.clock.now() - 1000;
  return { now: () => events.clock.now() - offset, wallTime: () => events.clock.wallTime() };
}
