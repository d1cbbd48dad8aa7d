import { resolve } from "node:path";
import { brokerSettings } from "@sericite/broker";
import { defaultDataDirectory, defaultDataDirectoryText } from "../data-directory.ts";

/** The broker's settings as the command has them: what is acknowledged outlives the process, unless you say otherwise. */
export const durableSettings = {
  ...brokerSettings,
  store: {
    ...brokerSettings.store,
    durability: { ...brokerSettings.store.durability, default: "strict" },
    dataDir: { ...brokerSettings.store.dataDir, emptyMeans: defaultDataDirectoryText },
  },
} as const;

/**
 * Directory that the settings of a store come to.
 *
 * @returns an absolute path; empty where nothing is kept on a disk.
 */
export function dataDirectory(
  { durability, dataDir }: { readonly durability: string; readonly dataDir: string },
  fallback: string = defaultDataDirectory(),
): string {
  if (durability === "memory") return "";
  return dataDir === "" ? fallback : resolve(dataDir);
}
