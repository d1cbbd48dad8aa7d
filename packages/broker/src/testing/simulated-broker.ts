import type { ClusterOptions } from "../engine/cluster.ts";
import { Engine } from "../engine/engine.ts";
import type { EngineOptions } from "../engine/engine.ts";
import type { Hooks } from "../engine/hooks.ts";
import type { Authenticator, Bus, Log, LogLevel, Ownership, Store } from "../engine/ports.ts";
import { finishRecovery, recoveryOf } from "../engine/recovery.ts";
import type { RecoverySummary } from "../engine/recovery.ts";
import type { TopicRewriter } from "../engine/rewrite.ts";
import { engineSettings } from "../engine/settings.ts";
import type { EngineSettings } from "../engine/settings.ts";
import { LocalOwnership, MemoryStore, NullBus } from "../store/index.ts";
import type { EventScheduler, SimulatedProcess } from "./event-scheduler.ts";
import { faultyLinkPair } from "./faulty-link.ts";
import type { FaultyLink, FaultyLinkOptions } from "./faulty-link.ts";
import type { Chance } from "./random.ts";

/** What a simulated broker is made with. Everything has a default. */
export interface SimulatedBrokerOptions {
  /** Changes to the defaults; beside them `sys.interval` is 0, so that a week is nothing but a week. */
  readonly settings?: { readonly [S in keyof EngineSettings]?: Partial<EngineSettings[S]> };
  /** A process to run in, where its ports are to die with it; default: one of its own. */
  readonly process?: SimulatedProcess;
  readonly store?: Store;
  readonly ownership?: Ownership;
  readonly bus?: Bus;
  readonly cluster?: ClusterOptions;
  readonly authenticator?: Authenticator;
  readonly hooks?: Hooks | undefined;
  readonly rewriter?: TopicRewriter | undefined;
  /** Told when it begins to let clients in. */
  readonly onListening?: () => void;
  /** Told of each log line. */
  readonly onLog?: (
    level: LogLevel,
    event: string,
    fields: Readonly<Record<string, unknown>>,
  ) => void;
}

/**
 * A broker's engine in a simulated process: what ships, on a clock and links of the simulation's.
 * It crashes when you say so; another one on the same medium takes its place:
 *
 *     broker.crash();
 *     const next = simulatedBroker(events, chance, { store: new FaultStore(process, chance, store.crash()), process });
 */
export class SimulatedBroker {
  readonly process: SimulatedProcess;
  readonly engine: Engine;
  /** What it found in its store; `undefined` until it lets clients in. */
  recovered: RecoverySummary | undefined;
  readonly #chance: Chance;
  readonly #links = new Set<FaultyLink>();

  /** Made by `simulatedBroker`. */
  constructor(process: SimulatedProcess, engine: Engine, chance: Chance) {
    this.process = process;
    this.engine = engine;
    this.#chance = chance;
  }

  /** Whether it is up: it lets clients in. */
  get isListening(): boolean {
    return this.recovered !== undefined && !this.process.isStopped;
  }

  /**
   * Opens a link from another process: gives that end. The broker accepts it in an event of its own;
   * where it is down the link fails.
   *
   * @param onPair  Told of both ends at once: for watchers.
   */
  link(
    from: SimulatedProcess,
    options: FaultyLinkOptions = {},
    onPair?: (near: FaultyLink, far: FaultyLink) => void,
  ): FaultyLink {
    const [near, far] = faultyLinkPair(from, this.process, this.#chance, options);
    if (!this.isListening) {
      near.cut(false);
      return near;
    }
    for (const link of this.#links) if (link.isClosed) this.#links.delete(link);
    this.#links.add(far);
    onPair?.(near, far);
    this.process.post(() => {
      far.handler = this.engine.accept(far);
    });
    return near;
  }

  /**
   * The process dies: nothing of it happens any more, and its links are closed. What it had written
   * may still arrive.
   */
  crash(): void {
    this.process.stop();
    for (const link of this.#links) {
      link.watcher = undefined;
      link.destroy();
    }
    this.#links.clear();
  }
}

/** Makes a simulated broker. Its store is open after the next `settle`. */
export function simulatedBroker(
  events: EventScheduler,
  chance: Chance,
  options: SimulatedBrokerOptions = {},
): SimulatedBroker {
  const process = options.process ?? events.process("broker");
  const log: Log = {
    enabled: () => options.onLog !== undefined,
    write: (level, event, fields) => options.onLog?.(level, event, fields),
  };
  const engineOptions: EngineOptions = {
    clock: process.clock,
    scheduler: process,
    random: chance.random,
    settings: settingsWith({ ...options.settings, sys: { interval: 0, ...options.settings?.sys } }),
    store: options.store ?? new MemoryStore(),
    ownership: options.ownership ?? new LocalOwnership(),
    bus: options.bus ?? new NullBus(),
    cluster: options.cluster,
    authenticator: options.authenticator,
    hooks: options.hooks,
    rewriter: options.rewriter,
    log,
  };
  const engine = new Engine(engineOptions);
  const broker = new SimulatedBroker(process, engine, chance);
  const listen = (): void => {
    broker.recovered = finishRecovery(engine);
    options.onListening?.();
  };
  const opened = engine.store.open(recoveryOf(engine));
  // A volatile store has nothing to give back, and its promise is no event of the simulation.
  if (engine.store.isVolatile) listen();
  else opened.then(listen).catch((error: unknown) => events.fail(error));
  return broker;
}

/** The engine's defaults, with some settings changed. */
export function settingsWith(changes: {
  readonly [S in keyof EngineSettings]?: Partial<EngineSettings[S]>;
}): EngineSettings {
  const settings: Record<string, Record<string, unknown>> = {};
  for (const [section, rows] of Object.entries(engineSettings)) {
    const values: Record<string, unknown> = {};
    for (const [key, row] of Object.entries(rows)) values[key] = row.default;
    settings[section] = { ...values, ...changes[section as keyof EngineSettings] };
  }
  return settings as unknown as EngineSettings;
}
