/** State of a hash of code units (FNV-1a) before the first. `mixHash` ends it. */
export function beginHash(seed: number): number {
  return 0x811c_9dc5 ^ seed;
}

/** State of a hash after one more code unit. */
export function stepHash(hash: number, unit: number): number {
  return Math.imul(hash ^ unit, 0x0100_0193);
}

/** A hash of two integers. 32 bits, with sign. */
export function hashPair(first: number, second: number, seed: number): number {
  return mixHash(Math.imul(first ^ seed, 0x9e37_79b1) + Math.imul(second, 0x85eb_ca77));
}

/** Spreads every bit over all of them (the last step of MurmurHash3). 32 bits, with sign. */
export function mixHash(hash: number): number {
  let mixed = hash;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return mixed ^ (mixed >>> 16);
}
