import { UsageError } from "@sericite/protocol";
import { NodeDisk } from "./disk/node-disk.ts";
import type { Log, Store } from "./engine/ports.ts";
import type { Recovery } from "./engine/records.ts";
import { LogStore } from "./store/log/log-store.ts";
import { MemoryStore } from "./store/memory.ts";
import { durabilityTexts } from "./store/settings.ts";
import type { Durability, StoreSettings } from "./store/settings.ts";

/** Between lines that tell how far a start is. Milliseconds. */
const PROGRESS_MS = 1000;

/** What a store gave back at the start of a broker. */
export interface Recovered {
  readonly sessions: number;
  /** Messages that wait for the sessions; one that waits for two counts twice. */
  readonly queuedMessages: number;
  readonly retainedMessages: number;
  readonly delayedMessages: number;
  /** Will Messages of clients that were connected, or whose Will Delay had not passed. */
  readonly wills: number;
  /** What it took. */
  readonly durationMs: number;
}

/** A store that the settings ask for, with the disk below it where it has one. */
export interface ConfiguredStore {
  readonly store: Store;
  readonly disk: NodeDisk | undefined;
}

/** @throws UsageError ERR_SETTING where a directory is needed and none is named. */
export function configuredStore(settings: StoreSettings): ConfiguredStore {
  const { dataDir, durability, maximumBytes, ...sizes } = settings;
  if (durability === "memory") return { store: new MemoryStore(), disk: undefined };
  if (dataDir === "")
    throw new UsageError(
      "ERR_SETTING",
      `store.dataDir: expected a directory, since store.durability is "${durability}"`,
    );
  const disk = new NodeDisk(dataDir);
  const store = new LogStore(disk, {
    ...sizes,
    durability: durability as Exclude<Durability, "memory">,
    maximumBytes: maximumBytes === 0 ? Infinity : maximumBytes,
  });
  return { store, disk };
}

/**
 * Opens a store, and tells in the log how far it is and what it gave back.
 *
 * @param disk  The disk below it, where it has one and the settings speak of it.
 * @throws ConnectionError with a code of the store's.
 */
export async function openStore(
  { store, disk }: ConfiguredStore,
  recovery: Recovery,
  log: Log,
  settings: StoreSettings,
): Promise<Recovered> {
  const startedAt = performance.now();
  const took = (): number => Math.round(performance.now() - startedAt);
  const counts = {
    sessions: 0,
    queuedMessages: 0,
    retainedMessages: 0,
    delayedMessages: 0,
    wills: 0,
  };
  const progress = setInterval(() => {
    const read = disk === undefined || disk.reading.file === "" ? "" : describeReading(disk);
    log.write("info", "store-opening", {
      message: `the store is being opened since ${Math.round(took() / 1000)} s${read}`,
      durationMs: took(),
      bytesRead: disk?.reading.bytes,
      file: disk?.reading.file,
    });
  }, PROGRESS_MS);
  try {
    await store.open(counting(recovery, counts));
  } finally {
    clearInterval(progress);
  }
  const recovered = { ...counts, durationMs: took() };
  if (!store.isVolatile) announce(log, disk, settings, recovered);
  return recovered;
}

function announce(
  log: Log,
  disk: NodeDisk | undefined,
  { durability }: StoreSettings,
  recovered: Recovered,
): void {
  const { sessions, queuedMessages, retainedMessages, delayedMessages, durationMs } = recovered;
  const name =
    disk === undefined
      ? "the store"
      : `the store ${disk.name} (${durability}: ${durabilityTexts[durability as Durability]})`;
  log.write("info", "store-opened", {
    message:
      `${name} gave back ${sessions} sessions with ${queuedMessages} waiting messages, ` +
      `${retainedMessages} retained and ${delayedMessages} delayed ones, in ${durationMs} ms`,
    directory: disk?.name,
    durability: disk === undefined ? undefined : durability,
    ...recovered,
  });
}

function describeReading({ reading }: NodeDisk): string {
  return `: ${Math.round(reading.bytes / 1e6)} MB read, now ${reading.file}`;
}

type Counts = { -readonly [K in Exclude<keyof Recovered, "durationMs">]: Recovered[K] };

/** The same recovery, counted. */
function counting(recovery: Recovery, counts: Counts): Recovery {
  return {
    session: (session) => {
      counts.sessions += 1;
      counts.queuedMessages += session.queue.count;
      if (session.will !== undefined) counts.wills += 1;
      recovery.session(session);
    },
    retained: (message) => {
      counts.retainedMessages += 1;
      recovery.retained(message);
    },
    will: (...will) => {
      counts.wills += 1;
      recovery.will(...will);
    },
    delayed: (...delayed) => {
      counts.delayedMessages += 1;
      recovery.delayed(...delayed);
    },
    ban: (ban) => recovery.ban(ban),
    time: (mark) => recovery.time(mark),
    numbers: (message, session) => recovery.numbers(message, session),
  };
}
