import { beginHash, mixHash, stepHash } from "./topic-hash.ts";

/** Levels of a Topic Filter before its first wildcard that are told apart; deeper ones count as one. */
const prefixDepth = 3;

/** Hashes of a Topic Name: of all of it, and of its first levels. What `MatchGenerations` looks for. */
export interface MatchHashes {
  readonly whole: number;
  readonly prefix1: number;
  readonly prefix2: number;
  readonly prefix3: number;
}

const slash = 0x2f;

/**
 * When a subscription last came, went or changed that could match a Topic Name. What was made from
 * a match stays good until then; a client that comes empties no cache.
 *
 * Topic Filters are told apart by hash: one without wildcards by all of it, one with wildcards by
 * up to three levels before the first one. Two with equal hashes cost a match that was not needed,
 * never a match that is out of date.
 */
export class MatchGenerations {
  /** Rises with every change. */
  current = 1;
  #everywhere = 0;
  #changedAt = new Float64Array(8192);

  /** A subscription with this Topic Filter came, went or changed. */
  raise(topicFilter: string): void {
    const now = ++this.current;
    let hash = beginHash(0);
    let levels = 0;
    let prefix = 0;
    let start = 0;
    for (let index = 0; index < topicFilter.length; index++) {
      const unit = topicFilter.charCodeAt(index);
      if ((unit === 0x2b || unit === 0x23) && index === start) {
        if (levels === 0) this.#everywhere = now;
        else this.#set(prefix, now);
        return;
      }
      if (unit === slash) {
        levels += 1;
        start = index + 1;
        if (levels <= prefixDepth) prefix = prefixHash(hash, levels);
      }
      hash = stepHash(hash, unit);
    }
    this.#set(mixHash(hash), now);
  }

  /** More may have changed than is worth to tell apart: everything made before is out of date. */
  raiseAll(): void {
    this.#everywhere = ++this.current;
  }

  /** Whether nothing that could match has changed since `current` was `generation`. */
  isCurrent(hashes: MatchHashes, generation: number): boolean {
    const changedAt = this.#changedAt;
    const mask = changedAt.length - 1;
    return (
      this.#everywhere <= generation &&
      (changedAt[hashes.whole & mask] as number) <= generation &&
      (changedAt[hashes.prefix1 & mask] as number) <= generation &&
      (changedAt[hashes.prefix2 & mask] as number) <= generation &&
      (changedAt[hashes.prefix3 & mask] as number) <= generation
    );
  }

  /** Room for about this many Topic Filters to be told apart, up to a bound. Raises all where it grows. */
  reserve(topicFilters: number): void {
    if (topicFilters <= this.#changedAt.length || this.#changedAt.length >= 131_072) return;
    this.#changedAt = new Float64Array(this.#changedAt.length * 4);
    this.raiseAll();
  }

  #set(hash: number, now: number): void {
    this.#changedAt[hash & (this.#changedAt.length - 1)] = now;
  }
}

/** The hashes of a Topic Name that `MatchGenerations.isCurrent` asks for. */
export function matchHashes(topicName: string): MatchHashes {
  let hash = beginHash(0);
  let levels = 0;
  const prefixes: number[] = [];
  for (let index = 0; index < topicName.length; index++) {
    const unit = topicName.charCodeAt(index);
    if (unit === slash) {
      levels += 1;
      if (levels <= prefixDepth) prefixes.push(prefixHash(hash, levels));
    }
    hash = stepHash(hash, unit);
  }
  // The whole name is the last prefix: `a/b/#` matches `a/b`.
  if (levels < prefixDepth) prefixes.push(prefixHash(hash, levels + 1));
  const whole = mixHash(hash);
  const [prefix1 = whole, prefix2 = prefix1, prefix3 = prefix1] = prefixes;
  return { whole, prefix1, prefix2, prefix3 };
}

function prefixHash(hash: number, levels: number): number {
  return mixHash(hash ^ Math.imul(levels, 0x9e37_79b1));
}
