import { readdir } from "node:fs/promises";
import { resolve } from "node:path";
import { NodeDisk, StoppedStore } from "@sericite/broker";
import { ConnectionError } from "@sericite/protocol";
import { usageError } from "../errors.ts";
import { lastOption } from "../options/option.ts";
import type { CommandLine } from "../options/option.ts";
import { onStopSignal } from "../stop-signal.ts";
import { ExitCode } from "../exit-code.ts";

/**
 * The directory that a command line names, else the one that a broker with the same environment and
 * `--config` would have.
 *
 * @throws UsageError for settings that a broker would not take.
 */
export async function storeDirectory(line: CommandLine): Promise<string> {
  const given = lastOption(line, "data-dir")?.words[0];
  if (given === "")
    throw usageError("ERR_OPTION_VALUE", "--data-dir needs the name of a directory");
  if (given !== undefined) return resolve(given);
  const { resolveBrokerSettings } = await import("../broker/resolve-broker-settings.ts");
  const { dataDir } = (await resolveBrokerSettings(line)).settings.store;
  if (dataDir !== "") return dataDir;
  throw usageError(
    "ERR_OPTION_VALUE",
    "store.durability is memory: such a broker has no store. Name the directory: --data-dir DIR",
  );
}

/** Names of what is in a directory; none where it is missing. @throws ConnectionError. */
export async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") return [];
    throw new ConnectionError("ERR_INPUT", `cannot read ${directory}: ${message}`, { cause });
  }
}

/** The store in a directory, for what only reads. */
export interface Stopped {
  readonly store: StoppedStore;
  readonly disk: NodeDisk;
}

/** @throws ConnectionError ERR_NO_STORE where there is none: it is not made. */
export async function openStopped(directory: string): Promise<Stopped> {
  await requireStore(directory);
  const disk = new NodeDisk(directory);
  return { store: new StoppedStore(disk), disk };
}

/** @throws ConnectionError ERR_NO_STORE where a directory holds no store. */
export async function requireStore(directory: string): Promise<void> {
  const names = await namesIn(directory);
  if (names.some((name) => /^\d+\.(log|ckp)$/.test(name))) return;
  throw new ConnectionError(
    "ERR_NO_STORE",
    `there is no store in ${directory}; --data-dir names another directory`,
  );
}

/**
 * Does work that SIGINT and SIGTERM end in good order; a second one ends the process at once.
 *
 * @param stopped  What is left then, as a sentence: "nothing was changed".
 * @throws ConnectionError: what failed, with what to do about it.
 */
export async function doWork<T>(
  stopped: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const ignoreSignals = onStopSignal(
    (name) => {
      controller.abort(new ConnectionError("ERR_STOPPED", `stopped by ${name}: ${stopped}`));
    },
    () => process.exit(ExitCode.failure),
  );
  try {
    return await work(controller.signal);
  } catch (error) {
    // What was ended may fail in another way before it notices.
    throw controller.signal.aborted ? controller.signal.reason : withAdvice(error as Error);
  } finally {
    ignoreSignals();
  }
}

/** What to do about a store that cannot be worked with, by the code of what failed. */
const advice: Readonly<Record<string, string>> = {
  ERR_STORE_LOCKED:
    "A running broker changes its files: stop it first, or name another directory with --data-dir",
  ERR_STORE_DAMAGED:
    "`sericite store check` tells all that is damaged, and `sericite store export --salvage` takes out what can be saved",
};

function withAdvice(error: Error & { code?: string }): Error {
  const text = error.code === undefined ? undefined : advice[error.code];
  if (text === undefined) return error;
  return new ConnectionError(error.code ?? "", `${error.message}. ${text}`, { cause: error });
}
