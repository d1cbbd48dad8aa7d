/** Each bucket is this much wider than the one before. */
const GROWTH = 1.02;
/** Where the first bucket ends. Milliseconds. */
const FIRST_MS = 0.01;

/** Latencies in buckets of two per cent; histograms of several passes add up. */
export class LatencyHistogram {
  count = 0;
  /** Milliseconds. */
  longest = 0;
  readonly #buckets: number[] = [];

  /** @param ms  Milliseconds; below 0 counts as 0. */
  add(ms: number): void {
    const bucket = Math.max(
      0,
      Math.ceil(Math.log(Math.max(ms, FIRST_MS) / FIRST_MS) / Math.log(GROWTH)),
    );
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    this.count += 1;
    this.longest = Math.max(this.longest, ms);
  }

  /** Adds what another one holds. */
  merge(other: LatencyHistogram): void {
    for (const [bucket, count] of other.#buckets.entries())
      if (count !== undefined) this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + count;
    this.count += other.count;
    this.longest = Math.max(this.longest, other.longest);
  }

  /** The latency that `share` (0…1) of all do not exceed, in milliseconds; NaN of none. */
  quantile(share: number): number {
    if (this.count === 0) return Number.NaN;
    let left = Math.max(1, Math.ceil(this.count * share));
    for (const [bucket, count] of this.#buckets.entries()) {
      left -= count ?? 0;
      if (left <= 0) return Math.min(this.longest, FIRST_MS * GROWTH ** bucket);
    }
    return this.longest;
  }

  /** As data that `LatencyHistogram.of` reads. */
  toJSON(): LatencyData {
    const buckets: [number, number][] = [];
    for (const [bucket, count] of this.#buckets.entries())
      if (count !== undefined) buckets.push([bucket, count]);
    return { longest: this.longest, buckets };
  }

  /** A histogram from its data. */
  static of({ longest, buckets }: LatencyData): LatencyHistogram {
    const histogram = new LatencyHistogram();
    for (const [bucket, count] of buckets) {
      histogram.#buckets[bucket] = count;
      histogram.count += count;
    }
    histogram.longest = longest;
    return histogram;
  }
}

/** A histogram as plain data. */
export interface LatencyData {
  /** Milliseconds. */
  readonly longest: number;
  /** Number of the bucket, and how many latencies are in it. */
  readonly buckets: readonly (readonly [number, number])[];
}
