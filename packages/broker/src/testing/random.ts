import type { Random } from "@sericite/protocol";

/**
 * Chance that a seed decides: the same seed gives the same numbers for ever (sfc32).
 *
 * @param seed  Any integer; its low 32 bits count.
 */
export function seededRandom(seed: number): Random {
  let a = 0x9e3779b9;
  let b = 0x243f6a88;
  let c = seed | 0;
  let counter = 1;
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return (sum >>> 0) / 0x1_0000_0000;
  };
  // Neighbouring seeds begin alike; after some rounds they no longer do.
  for (let round = 0; round < 15; round += 1) next();
  return next;
}

/** Questions that a simulation asks of a `Random`. */
export class Chance {
  /** The numbers themselves, for what wants a `Random`. */
  readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  /** A seeded one. */
  static ofSeed(seed: number): Chance {
    return new Chance(seededRandom(seed));
  }

  /** An integer from `low` to `high`, both inclusive. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.random() * (high - low + 1));
  }

  /** True in `share` of all cases, 0…1. */
  happens(share: number): boolean {
    return this.random() < share;
  }

  /** One of `choices`, which must not be empty. */
  pick<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.random() * choices.length)] as T;
  }

  /** One of the names in `weights`, as often as its weight says. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const names = Object.keys(weights) as K[];
    let total = 0;
    for (const name of names) total += weights[name];
    let rest = this.random() * total;
    for (const name of names) {
      rest -= weights[name];
      if (rest < 0) return name;
    }
    return names[names.length - 1] as K;
  }

  /** Another stream of chance: what is drawn from it does not move this one. */
  fork(): Chance {
    return Chance.ofSeed(Math.floor(this.random() * 0x1_0000_0000));
  }
}
