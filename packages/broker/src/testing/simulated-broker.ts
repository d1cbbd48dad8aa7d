import { Engine } from "../engine/engine.ts";
import type { EngineOptions } from "../engine/engine.ts";
import type { Hooks } from "../engine/hooks.ts";
import type { Authenticator, Bus, Log, LogLevel, Ownership, Store } from "../engine/ports.ts";
import { finishRecovery, recoveryOf } from "../engine/recovery.ts";
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
  readonly store?: Store;
  readonly ownership?: Ownership;
  readonly bus?: Bus;
  readonly authenticator?: Authenticator;
  readonly hooks?: Hooks | undefined;
  /** Told of each log line. */
  readonly onLog?: (
    level: LogLevel,
    event: string,
    fields: Readonly<Record<string, unknown>>,
  ) => void;
}

/** A broker's engine in a simulated process: what ships, on a clock and links of the simulation's. */
export class SimulatedBroker {
  readonly process: SimulatedProcess;
  readonly engine: Engine;
  readonly #chance: Chance;

  /** Made by `simulatedBroker`. */
  constructor(process: SimulatedProcess, engine: Engine, chance: Chance) {
    this.process = process;
    this.engine = engine;
    this.#chance = chance;
  }

  /**
   * Opens a link from another process: gives that end. The broker accepts it in an event of its own.
   *
   * @param onPair  Told of both ends at once: for watchers.
   */
  link(
    from: SimulatedProcess,
    options: FaultyLinkOptions = {},
    onPair?: (near: FaultyLink, far: FaultyLink) => void,
  ): FaultyLink {
    const [near, far] = faultyLinkPair(from, this.process, this.#chance, options);
    onPair?.(near, far);
    this.process.post(() => {
      far.handler = this.engine.accept(far);
    });
    return near;
  }
}

/** Makes a simulated broker. Its store is open after the next `settle`. */
export function simulatedBroker(
  events: EventScheduler,
  chance: Chance,
  options: SimulatedBrokerOptions = {},
): SimulatedBroker {
  const process = events.process("broker");
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
    authenticator: options.authenticator,
    hooks: options.hooks,
    log,
  };
  const engine = new Engine(engineOptions);
  engine.store
    .open(recoveryOf(engine))
    .then(() => finishRecovery(engine))
    .catch((error: unknown) => events.fail(error));
  return new SimulatedBroker(process, engine, chance);
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
