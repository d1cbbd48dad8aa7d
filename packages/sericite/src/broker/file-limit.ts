import { readFileSync } from "node:fs";

/** Descriptors that the process needs for itself: standard streams, listeners, lock, thread pool. */
const ownDescriptors = 64;

/** Files of a store that there is room for where the settings name no bound. */
const usualSegments = 64;

/** Fewer connections than this are worth a warning where the settings ask for no number. */
const fewConnections = 4000;

/**
 * How many files and sockets the process may have open.
 *
 * @param limits  Text of `/proc/self/limits`; elsewhere than on Linux there is none.
 * @returns `undefined` where there is no limit, or none is told.
 */
export function openFileLimit(limits: string | undefined = readLimits()): number | undefined {
  const soft = /^Max open files\s+(\d+)/m.exec(limits ?? "")?.[1];
  return soft === undefined ? undefined : Number(soft);
}

/** How many files a store may have open: each of its segments is one. */
export function storeFiles(store: {
  readonly durability: string;
  readonly maximumBytes: number;
  readonly segmentBytes: number;
}): number {
  if (store.durability === "memory") return 0;
  if (store.maximumBytes === 0) return usualSegments;
  return Math.ceil(store.maximumBytes / store.segmentBytes) + 2;
}

/**
 * A warning where the limit of open files is low.
 *
 * @param connections  Highest number of connections by the settings; 0: as many as the system allows.
 * @param besides  Files that the store may have open, and connections that are only told no.
 */
export function fileLimitWarning(
  limit: number | undefined,
  connections: number,
  besides: number = 0,
): string | undefined {
  if (limit === undefined) return undefined;
  const room = Math.max(0, limit - ownDescriptors - besides);
  if (room >= (connections === 0 ? fewConnections : connections)) return undefined;
  const wanted = Math.max(65536, connections + ownDescriptors + besides);
  return (
    `this process may open ${limit} files, which is room for about ${room} connections` +
    `${connections === 0 ? "" : `; limits.connections is ${connections}`}. ` +
    `Raise it: \`ulimit -n ${wanted}\` in a shell, LimitNOFILE=${wanted} in a systemd unit, ` +
    `--ulimit nofile=${wanted} with docker`
  );
}

function readLimits(): string | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    return readFileSync("/proc/self/limits", "utf8");
  } catch {
    // A sandbox without /proc: the warning is left out, nothing else depends on it.
    return undefined;
  }
}
