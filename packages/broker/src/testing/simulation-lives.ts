import type { Hooks } from "../engine/hooks.ts";
import type { Authenticator, LogLevel } from "../engine/ports.ts";
import { BUILD_TIME } from "../engine/store-time.ts";
import { MemoryStore } from "../store/index.ts";
import { Answer } from "./answer.ts";
import type { EventScheduler, SimulatedProcess } from "./event-scheduler.ts";
import { FaultAuthenticator } from "./fault-authenticator.ts";
import { FaultOwnership } from "./fault-ownership.ts";
import type { Restart } from "./ledger-crash.ts";
import type { Chance } from "./random.ts";
import { simulatedBroker } from "./simulated-broker.ts";
import type { SimulatedBroker } from "./simulated-broker.ts";
import { isDeniedTopic } from "./simulation-guards.ts";
import type { SimulationGuards } from "./simulation-guards.ts";
import type { SimulationPlan } from "./simulation-plan.ts";
import { DiskStorage, FaultStorage } from "./simulation-storage.ts";
import type { CrashKind, SimulationStorage } from "./simulation-storage.ts";
import type { WatchedStore } from "./watched-store.ts";

/** Whom the lives of a broker are told. */
export interface LivesListener {
  onLog(level: LogLevel, event: string, fields: Readonly<Record<string, unknown>>): void;
  /** The broker begins to let clients in; `restart` after a crash. */
  onListening(store: WatchedStore, restart: Restart): void;
  complain(text: string): void;
}

/** The lives of a simulation's broker: each begins on what the one before left. */
export class BrokerLives {
  broker: SimulatedBroker;
  /** Of this life; `undefined` where nothing is kept. */
  store: WatchedStore | undefined;
  /** `undefined`: nothing outlives the process. */
  readonly storage: SimulationStorage | undefined;
  /** Ports answer late, or not at all. */
  isFaulty = true;
  readonly #events: EventScheduler;
  readonly #plan: SimulationPlan;
  readonly #links: Chance;
  readonly #ports: Chance;
  readonly #listener: LivesListener;
  readonly #guards: SimulationGuards | undefined;
  #outside: SimulatedProcess;
  /** Store time at the crash. */
  #crashedAt = 0;
  #isFirst = true;
  #startedAt = 0;

  constructor(
    events: EventScheduler,
    plan: SimulationPlan,
    links: Chance,
    ports: Chance,
    listener: LivesListener,
    guards: SimulationGuards | undefined,
  ) {
    this.#events = events;
    this.#plan = plan;
    this.#links = links;
    this.#ports = ports;
    this.#listener = listener;
    this.#guards = guards;
    const { store } = plan;
    if (store?.type === "fault") this.storage = new FaultStorage(ports, store.faults);
    if (store?.type === "log") this.storage = new DiskStorage(ports, store.faults);
    this.#outside = events.process("ports");
    this.broker = this.start();
  }

  /** Begins a life. Its store is open, and the broker lets clients in, some events later. */
  start(): SimulatedBroker {
    const { late, settings } = this.#plan;
    const process = this.#events.process("broker");
    const outside = this.#events.process("ports");
    this.#startedAt = this.#events.clock.now();
    this.#outside = outside;
    this.store = this.storage?.open(process);
    this.broker = simulatedBroker(this.#events, this.#links, {
      process,
      settings,
      store: this.store ?? new MemoryStore(),
      ownership: new FaultOwnership(outside, this.#ports, late, 50),
      hooks: this.#hooks(outside),
      ...(late > 0 || this.#guards !== undefined
        ? { authenticator: this.#authenticator(outside) }
        : undefined),
      rewriter: this.#guards?.rewriter,
      onListening: () => {
        if (this.#isFirst) this.#isFirst = false;
        else this.#listener.onListening(this.store as WatchedStore, this.#found());
      },
      onLog: (level, event, fields) => this.#listener.onLog(level, event, fields),
    });
    return this.broker;
  }

  /** Ends a life: nothing of it happens any more. */
  crash(kind: CrashKind): void {
    const { broker } = this;
    if (broker.isListening) {
      broker.engine.enter();
      this.#crashedAt = broker.engine.storeTime();
    }
    broker.crash();
    this.#outside.stop();
    this.storage?.crash(kind);
  }

  /**
   * What time the new life found, once it lets clients in: it must go on from the newest mark of
   * both clocks by what the wall clock says.
   */
  #found(): Restart {
    const { engine } = this.broker;
    const { clock } = this.#events;
    engine.enter();
    const passedMs = engine.storeTime() - this.#crashedAt;
    // The new life has written one of its own.
    const marks = (this.store?.records ?? []).filter(({ record }) => record.type === "time-mark");
    const mark = marks[marks.length - 2]?.record;
    if (mark?.type !== "time-mark") {
      this.#listener.complain("no mark of both clocks survived");
      return { passedMs, markAgeMs: 0 };
    }
    const markAgeMs = this.#crashedAt - mark.storeTime;
    const isKnown = mark.wallTime >= BUILD_TIME && clock.wallTime() >= BUILD_TIME;
    const gapMs = isKnown ? clock.wallTime() - mark.wallTime : 0;
    // The wall clock was read at some moment while the store was opened; from then on the other one counts.
    const openingMs = clock.now() - this.#startedAt;
    const bounds = [Math.max(0, gapMs), Math.max(0, gapMs - openingMs) + openingMs];
    const least = Math.min(...bounds) - markAgeMs;
    const most = Math.max(...bounds) - markAgeMs;
    if (passedMs < least || passedMs > most)
      this.#listener.complain(
        `store time went on by ${passedMs} ms over a restart, expected ${least} to ${most} ms`,
      );
    return { passedMs, markAgeMs };
  }

  /** Lets everybody in, but not at once, and now and then not at all. */
  #authenticator(process: SimulatedProcess): Authenticator {
    const { late } = this.#plan;
    const open: Authenticator = {
      authenticate: ({ clientId }) => ({
        accepted: true,
        rights: this.#guards?.rightsOf(clientId),
      }),
    };
    const faults = { atOnce: 1 - late, late, never: 0.02, throws: 0.02, rejects: 0.02 };
    const faulty = new FaultAuthenticator(process, this.#ports, open, faults, 100);
    return {
      authenticate: (request) => (this.isFaulty && late > 0 ? faulty : open).authenticate(request),
    };
  }

  #hooks(process: SimulatedProcess): Hooks {
    const { late } = this.#plan;
    const answer = <T>(value: T): T | Promise<T> => {
      if (!this.isFaulty || !this.#ports.happens(late)) return value;
      return Answer.after(process, this.#ports.integer(0, 100), () => value);
    };
    return {
      authorizePublish: (_client, { topicName }) => answer(!isDeniedTopic(topicName)),
      authorizeSubscribe: late === 0 ? undefined : () => answer(true),
      authorizeDelivery:
        this.#guards?.deliveryHook(answer) ?? (late === 0 ? undefined : () => answer(true)),
      publish: late === 0 ? undefined : () => answer(undefined),
    };
  }
}
