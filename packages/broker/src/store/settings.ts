import type { SettingsOf, SettingTable } from "../engine/settings.ts";
import { DEFAULT_LOG_STORE_OPTIONS } from "./log/log-store-options.ts";

/** Settings of what outlives the process. */
export const storeSettings = {
  store: {
    durability: {
      type: "choice",
      default: "memory",
      choices: ["strict", "relaxed", "memory"],
      live: false,
      flag: "durability",
      text: "What an acknowledgement waits for: strict, until the message is flushed to the disk; relaxed, until it is written, and flushes follow each second; memory, for nothing, and nothing outlives the process.",
    },
    dataDir: {
      type: "string",
      default: "",
      live: false,
      flag: "data-dir",
      placeholder: "DIR",
      text: "Directory of the store, unless durability is memory. It is made where it is missing. One process has it at a time.",
    },
    maximumBytes: {
      type: "bytes",
      default: 0,
      minimum: 0,
      live: false,
      text: "Bytes on the disk above which durable messages are refused until queues are drained. Up to four times what waits may be on the disk. 0: as many as fit.",
    },
    minimumFreeBytes: {
      type: "bytes",
      default: DEFAULT_LOG_STORE_OPTIONS.minimumFreeBytes,
      minimum: 0,
      live: false,
      text: "Free space on the disk below which durable messages are refused.",
    },
    slowBytes: {
      type: "bytes",
      default: DEFAULT_LOG_STORE_OPTIONS.slowBytes,
      ofMemory: { each: 128, least: 1024 * 1024 },
      minimum: 64 * 1024,
      maximum: 1024 ** 3,
      live: false,
      text: "Bytes in memory that the disk has not taken yet, above which publishers are held until it is half of that.",
    },
    cacheBytes: {
      type: "bytes",
      default: DEFAULT_LOG_STORE_OPTIONS.cacheBytes,
      ofMemory: { each: 64, least: 1024 * 1024 },
      minimum: 64 * 1024,
      maximum: 4 * 1024 ** 3,
      live: false,
      text: "Memory for what was read from the disk lately: several clients may wait for the same messages.",
    },
    recentBytes: {
      type: "bytes",
      default: DEFAULT_LOG_STORE_OPTIONS.recentBytes,
      ofMemory: { each: 128, least: 1024 * 1024 },
      minimum: 64 * 1024,
      maximum: 4 * 1024 ** 3,
      live: false,
      text: "Memory for what was written last: who lags behind a little reads it there, and not from the disk.",
    },
    segmentBytes: {
      type: "bytes",
      default: DEFAULT_LOG_STORE_OPTIONS.segmentBytes,
      minimum: 1024 * 1024,
      maximum: 1024 ** 3,
      live: false,
      text: "Size of a file of the store. Each takes one file descriptor. Space comes back file by file.",
    },
  },
} as const satisfies SettingTable;

/** The store's settings, as values. */
export type StoreSettings = SettingsOf<typeof storeSettings>["store"];

/** What a store can be asked for: see `store.durability`. */
export type Durability = (typeof storeSettings.store.durability.choices)[number];

/** What is lost, and when, for each durability: as the start of a broker says it. */
export const durabilityTexts: Readonly<Record<Durability, string>> = {
  strict: "nothing that was acknowledged is lost",
  relaxed:
    "when the machine or its power fails, up to the last second is lost; when only the process ends, nothing",
  memory: "sessions and messages are lost when the process ends",
};
