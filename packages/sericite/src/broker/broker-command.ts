import {
  checkConfiguration,
  createBroker,
  durabilityTexts,
  namesAuthentication,
} from "@sericite/broker";
import type { Broker, BrokerOptions, Durability, Listener } from "@sericite/broker";
import { ConnectionError } from "@sericite/protocol";
import { usageError } from "../errors.ts";
import { ExitCode } from "../exit-code.ts";
import { checkAuditFile } from "../log/audit-file.ts";
import { AuditLog } from "../log/audit-log.ts";
import { LogSink } from "../log/log-sink.ts";
import { logFormatFor, LogWriter } from "../log/log-writer.ts";
import { renderHelp } from "../options/help.ts";
import { lastOption, parseOptions, refusePositionals } from "../options/option.ts";
import { listenerRows } from "../settings/listener-list.ts";
import type { ConfiguredListener } from "../settings/listener-list.ts";
import { printList, printSettings } from "../settings/print-settings.ts";
import { environmentName, settingsIn } from "../settings/setting-name.ts";
import { banRows } from "../settings/ban-list.ts";
import { autoSubscribeRows, rewriteRows } from "../settings/topic-lists.ts";
import { onStopSignal } from "../stop-signal.ts";
import { printText } from "../standard-output.ts";
import { version } from "../version.ts";
import { brokerCommandSettings, brokerHelp, brokerOptions } from "./broker-options.ts";
import { letsAnonymousInAnywhere, openPorts } from "./exposure.ts";
import { ReloadSignal } from "./reload-signal.ts";
import { Reloading } from "./reloading.ts";
import { resolveBrokerSettings } from "./resolve-broker-settings.ts";
import type { ResolvedBrokerSettings } from "./resolve-broker-settings.ts";
import { fileLimitWarning, openFileLimit, storeFiles } from "./file-limit.ts";
import { Systemd } from "./systemd.ts";
import { Traces } from "./traces.ts";
import { closeTrouble, listedTrouble, listenTrouble, storeTrouble } from "./start-trouble.ts";

/** Time beyond the drain's deadline after which the process ends without it. Milliseconds. */
const graceMs = 2000;

/**
 * `sericite broker`: runs until a signal.
 *
 * @param signal  Takes SIGHUP already.
 * @returns exit code.
 * @throws UsageError for options and settings; ConnectionError where the broker cannot listen.
 */
export async function run(
  argv: readonly string[],
  signal: ReloadSignal = new ReloadSignal(),
): Promise<number> {
  using reloadSignal = signal;
  const options = brokerOptions();
  const line = parseOptions(options, argv, "broker");
  refusePositionals(line, "broker");
  if (lastOption(line, "help")) {
    printText(renderHelp(brokerHelp, options));
    return ExitCode.ok;
  }
  const resolved = await resolveBrokerSettings(line);
  if (lastOption(line, "print-config")) {
    const lists = [
      printList("listeners", listenerRows, resolved.listeners),
      printList("rewrite", rewriteRows, resolved.rewrite.items),
      printList("autoSubscribe", autoSubscribeRows, resolved.autoSubscribe.items),
      printList("bans", banRows, resolved.bans.items),
    ];
    const sections = printSettings(brokerCommandSettings, resolved);
    printText(`# sericite ${version}\n${sections}${lists.join("")}`);
    return ExitCode.ok;
  }
  const anonymous = checkTogether(resolved);
  if (lastOption(line, "check-config")) {
    const { log: _log, shutdown: _shutdown, trace: _trace, ...ofBroker } = resolved.settings;
    checkConfiguration(
      ofBroker,
      resolved.listeners.map(({ options }) => options),
    );
    checkAuditFile(resolved.settings.log);
    printText("settings are right\n");
    return ExitCode.ok;
  }
  return await serve(resolved, anonymous, reloadSignal, async () => {
    const next = await resolveBrokerSettings(line);
    checkTogether(next);
    return next;
  });
}

/** What no setting alone can tell. @returns whether clients without a username are let in. */
function checkTogether({ settings, listeners }: ResolvedBrokerSettings): boolean {
  if (
    openPorts(settings.listen).length === 0 &&
    settings.listen.unix === "" &&
    listeners.length === 0
  ) {
    throw usageError(
      "ERR_NO_LISTENER",
      "every listener is off: nobody could reach the broker. Give --port a number",
    );
  }
  return letsAnonymousInAnywhere(settings, listeners);
}

async function serve(
  resolved: ResolvedBrokerSettings,
  anonymous: boolean,
  reloadSignal: ReloadSignal,
  resolveAgain: () => Promise<ResolvedBrokerSettings>,
): Promise<number> {
  const { log: logSettings, shutdown: _shutdown, trace, ...ofBroker } = resolved.settings;
  const log = new LogWriter(
    new LogSink(1),
    logSettings.level as "info",
    logFormatFor(logSettings.format as "auto", 1),
  );
  process.on("uncaughtException", (error) => {
    log.always("error", "internal-error", { error: error.stack ?? String(error) });
    void log.exit(ExitCode.failure);
  });

  const audit = new AuditLog(log);
  audit.prepare(logSettings).apply();
  const broker = await openBroker({
    settings: ofBroker,
    log,
    rewrite: resolved.rewrite.entries,
    autoSubscribe: resolved.autoSubscribe.entries,
    bans: resolved.bans.entries,
  });
  audit.listen(broker);
  const traces = new Traces(broker, log);
  traces.set(trace);
  const systemd = new Systemd(log);
  announce(log, broker, await openListeners(broker, resolved.listeners), anonymous);
  warn(log, resolved);

  const status = (): string => `listens on ${broker.listeners.map(({ url }) => url).join(", ")}`;
  systemd.ready(status());

  const reloading = new Reloading({ broker, log, audit, traces, resolveAgain, resolved });
  reloadSignal.handle(() => {
    systemd.reloading();
    void reloading.run().then(() => systemd.reloaded(status()));
  });
  const signal = await new Promise<NodeJS.Signals>((resolve) => {
    onStopSignal(resolve, (second) => {
      log.write("warn", "stopped-at-once", { signal: second });
      void log.exit(ExitCode.failure);
    });
  });
  reloadSignal.ignore();
  const isTold = systemd.stopping();
  const { shutdown } = reloading.settings;
  log.write("info", "stopping", {
    signal,
    connections: broker.gauges.connections,
    timeoutMs: shutdown.timeout,
  });
  try {
    await within(broker.close({ timeoutMs: shutdown.timeout }), shutdown.timeout + graceMs);
  } catch (error) {
    throw closeTrouble(error);
  }
  await audit.end();
  await isTold;
  log.write("info", "stopped", {});
  return log.exit(ExitCode.ok);
}

async function openBroker(options: BrokerOptions): Promise<Broker> {
  try {
    return await createBroker(options);
  } catch (error) {
    throw storeTrouble(error, options.settings?.store?.dataDir ?? "");
  }
}

/** All or none. */
async function openListeners(
  broker: Broker,
  listeners: readonly ConfiguredListener[],
): Promise<readonly Listener[]> {
  try {
    return await broker.listenAsConfigured(listeners.map(({ options }) => options));
  } catch (error) {
    await broker.close();
    throw listenTrouble(listedTrouble(error, listeners), broker.settings.listen);
  }
}

/** Who may enter, in words. @param anonymous  Whether clients without a username are let in, by any listener. */
function entryText(settings: Broker["settings"], anonymous: boolean): string {
  if (!namesAuthentication(settings))
    return anonymous ? "everybody may enter" : "nobody may enter: no users are configured";
  if (!anonymous) return "only the configured users may enter";
  // One with a wrong password may not.
  return settings.auth.allowAnonymous
    ? "the configured users may enter, and clients without a username"
    : "the configured users may enter, and by some listeners clients without a username";
}

/** The start line: always written, since it may hold the port that port 0 picked. */
function announce(
  log: LogWriter,
  { settings }: Broker,
  listeners: readonly Listener[],
  anonymous: boolean,
): void {
  const { durability, dataDir } = settings.store;
  const urls = listeners.map((listener) => listener.url);
  const entry = entryText(settings, anonymous);
  const where = dataDir === "" ? "" : ` in ${dataDir}`;
  const kept = `${durability}${where}: ${durabilityTexts[durability as Durability]}`;
  log.always("info", "started", {
    message: `sericite ${version} listens on ${urls.join(", ")}; ${entry}; ${kept}`,
    version,
    listeners: urls,
    anonymous,
    durability,
    directory: dataDir === "" ? undefined : dataDir,
    pid: process.pid,
    node: process.versions.node,
  });
}

/** What works, and could be better. */
function warn(log: LogWriter, { settings, origins, ignored }: ResolvedBrokerSettings): void {
  const lowLimit = fileLimitWarning(
    openFileLimit(),
    origins.get("limits.connections") === "default" ? 0 : settings.limits.connections,
    storeFiles(settings.store) + settings.limits.refusalReserve,
  );
  if (lowLimit !== undefined) log.write("warn", "file-limit-low", { message: lowLimit });
  const { durability } = settings.store;
  if (durability === "memory" && origins.get("store.dataDir") !== "default") {
    log.write("warn", "directory-unused", {
      message: "store.dataDir is set and not used, since store.durability is memory",
    });
  }
  if (ignored.length > 0) {
    log.write("warn", "environment-ignored", {
      message: `${ignored.join(", ")}: no settings of the broker, and left alone`,
    });
  }
  for (const { path, row } of settingsIn(brokerCommandSettings)) {
    if (row.secret !== true || !origins.get(path)!.startsWith("-")) continue;
    log.write("warn", "secret-on-command-line", {
      message: `other users of this machine can read flags: give ${path} by ${environmentName(path)} or in the config file`,
    });
  }
}

async function within(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new ConnectionError("ERR_DRAIN", `the broker did not drain within ${ms} ms`)),
      ms,
    );
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
