import type { Broker, LogLevel } from "@sericite/broker";
import type { AuditLog } from "../log/audit-log.ts";
import type { LogWriter } from "../log/log-writer.ts";
import { commandSettings } from "../settings/command-settings.ts";
import { fileLists } from "../settings/file-lists.ts";
import { listChanges } from "../settings/list-item.ts";
import { listenerRows } from "../settings/listener-list.ts";
import { banRows } from "../settings/ban-list.ts";
import { autoSubscribeRows, rewriteRows } from "../settings/topic-lists.ts";
import { settingsIn } from "../settings/setting-name.ts";
import { listedTrouble } from "./start-trouble.ts";
import type { Traces } from "./traces.ts";
import type { ResolvedBrokerSettings } from "./resolve-broker-settings.ts";

type BrokerCommandSettings = ResolvedBrokerSettings["settings"];

/** What a reload works on. */
export interface ReloadingOptions {
  readonly broker: Broker;
  readonly log: LogWriter;
  readonly audit: AuditLog;
  readonly traces: Traces;
  /** What the broker was started with. */
  readonly resolved: ResolvedBrokerSettings;
  /** Reads flags, environment and config file again. Rejects with what is wrong with them. */
  readonly resolveAgain: () => Promise<ResolvedBrokerSettings>;
}

/**
 * Reads the configuration of a running broker again, all or nothing. The log says what changed and
 * what waits for a restart, or why nothing changed.
 */
export class Reloading {
  readonly #options: ReloadingOptions;
  #settings: BrokerCommandSettings;
  #lists: Pick<ResolvedBrokerSettings, "rewrite" | "autoSubscribe" | "bans" | "listeners">;
  #underWay: Promise<void> | undefined;
  #isAskedAgain = false;

  constructor(options: ReloadingOptions) {
    this.#options = options;
    this.#settings = options.resolved.settings;
    this.#lists = options.resolved;
  }

  /** The command's own settings (`log`, `shutdown`) as they are in force. */
  get settings(): Pick<BrokerCommandSettings, keyof typeof commandSettings> {
    return this.#settings;
  }

  /** Reloads; asked for during a reload, once more after it. Never rejects. */
  run(): Promise<void> {
    this.#isAskedAgain = this.#underWay !== undefined;
    return (this.#underWay ??= this.#runAll());
  }

  async #runAll(): Promise<void> {
    do {
      this.#isAskedAgain = false;
      await this.#runOnce();
    } while (this.#isAskedAgain);
    this.#underWay = undefined;
  }

  async #runOnce(): Promise<void> {
    const { audit, broker, log, resolveAgain } = this.#options;
    try {
      const next = await resolveAgain();
      const { settings, listeners, rewrite, autoSubscribe, bans } = next;
      const { log: _log, shutdown: _shutdown, trace: _trace, ...ofBroker } = settings;
      const nextAudit = audit.prepare(settings.log);
      const { changed, needRestart } = await broker
        .reconfigure(ofBroker, {
          rewrite: rewrite.entries,
          autoSubscribe: autoSubscribe.entries,
          bans: bans.entries,
          listeners: listeners.map(({ options }) => options),
        })
        .catch((error: unknown) => {
          nextAudit.cancel();
          throw listedTrouble(error, listeners);
        });
      nextAudit.apply();
      const own = this.#takeOwn(settings);
      const all = new Set([
        // What changed in the lists is told more closely.
        ...changed.filter((path) => !Object.hasOwn(fileLists, path)),
        ...own.changed,
        ...listChanges("rewrite", rewriteRows, this.#lists.rewrite.items, rewrite.items),
        ...listChanges(
          "autoSubscribe",
          autoSubscribeRows,
          this.#lists.autoSubscribe.items,
          autoSubscribe.items,
        ),
        ...listChanges("bans", banRows, this.#lists.bans.items, bans.items),
        ...listChanges("listeners", listenerRows, this.#lists.listeners, listeners),
      ]);
      this.#lists = next;
      const waiting = [...needRestart, ...own.needRestart];
      log.always("info", "reloaded", {
        message: `configuration reloaded; changed: ${namesOf([...all])}; waiting for a restart: ${namesOf(waiting)}`,
        changed: [...all],
        needRestart: waiting,
        listeners: broker.listeners.map(({ url }) => url),
      });
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      log.write("error", "reload-failed", {
        message: `configuration not reloaded, nothing has changed: ${text}`,
        error: text,
      });
    }
  }

  /** Cannot fail: `resolveAgain` has checked them. */
  #takeOwn(settings: BrokerCommandSettings): { changed: string[]; needRestart: string[] } {
    const before = this.#settings as Record<string, Record<string, unknown>>;
    const after = settings as Record<string, Record<string, unknown>>;
    const changed: string[] = [];
    const needRestart: string[] = [];
    for (const { path, section, key, row } of settingsIn(commandSettings)) {
      if (before[section]![key] === after[section]![key]) continue;
      (row.live ? changed : needRestart).push(path);
    }
    const { format } = this.#settings.log;
    this.#settings = { ...settings, log: { ...settings.log, format } };
    if (changed.some((path) => path.startsWith("trace."))) this.#options.traces.set(settings.trace);
    this.#options.log.level = settings.log.level as LogLevel;
    return { changed, needRestart };
  }
}

function namesOf(paths: readonly string[]): string {
  return paths.length === 0 ? "nothing" : paths.join(", ");
}
