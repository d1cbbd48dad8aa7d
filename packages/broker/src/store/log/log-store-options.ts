/** How an embedded log store behaves. Sizes are bytes, times milliseconds. */
export interface LogStoreOptions {
  /**
   * "strict": durable is what is flushed. "relaxed": what is written, flushed each second; a
   * crash of the machine, not of the process, loses up to that. Default "strict".
   */
  readonly durability: "strict" | "relaxed";
  /** Size at which a segment is closed. Default 64 MiB. */
  readonly segmentBytes: number;
  /** Messages with which a segment is closed. Default 131 072. */
  readonly segmentMessages: number;
  /** At most so much goes out in one write and flush. Default 4 MiB. */
  readonly writeBytes: number;
  /** "relaxed": time between flushes. Default 1000. */
  readonly flushEveryMs: number;
  /** "relaxed": flush earlier where so much is written and not flushed. Default 16 MiB. */
  readonly flushBytes: number;
  /** Time after which a refusing disk is tried again. Default 1000. */
  readonly retryMs: number;
  /** "slow" above so much that is not flushed, until it is half of it. Default 16 MiB. */
  readonly slowBytes: number;
  /** "full" while the segments take more. Default none. */
  readonly maximumBytes: number;
  /** "full" while less is free on the disk. Default 64 MiB. */
  readonly minimumFreeBytes: number;
  /** A checkpoint is made after so much log. Default 64 MiB. */
  readonly checkpointBytes: number;
  /** A segment is copied forward when less than this share of it is wanted, 0…1. Default 0.25. */
  readonly compactBelow: number;
  /**
   * Nothing is copied forward while no more than so many full segments are wasted: what is wanted
   * of them may soon be wanted no more. It does not count while the store refuses. Default 3.
   */
  readonly compactSlack: number;
  /** Of what was read lately, so much is kept in memory. Default 16 MiB. */
  readonly cacheBytes: number;
  /** So much of what was written last stays in memory. Default 8 MiB. */
  readonly recentBytes: number;
  /** In pieces of this size. Default 32 KiB. */
  readonly blockBytes: number;
}

/** What applies where nothing is said. */
export const DEFAULT_LOG_STORE_OPTIONS: LogStoreOptions = {
  durability: "strict",
  segmentBytes: 64 << 20,
  segmentMessages: 131_072,
  writeBytes: 4 << 20,
  flushEveryMs: 1000,
  flushBytes: 16 << 20,
  retryMs: 1000,
  slowBytes: 16 << 20,
  maximumBytes: Infinity,
  minimumFreeBytes: 64 << 20,
  checkpointBytes: 64 << 20,
  compactBelow: 0.25,
  compactSlack: 3,
  recentBytes: 8 << 20,
  cacheBytes: 16 << 20,
  blockBytes: 32 << 10,
};
