const prime = 0x0100_0193;
const basis = 0x811c_9dc5;

/** A hash of the code units of `text` from `start` to `end`. 32 bits, with sign. */
export function hashText(text: string, start: number, end: number, seed: number): number {
  let hash = basis ^ seed;
  for (let index = start; index < end; index++) hash = Math.imul(hash ^ text.charCodeAt(index), prime);
  return mixHash(hash);
}

/** A hash of two integers. 32 bits, with sign. */
export function hashPair(first: number, second: number, seed: number): number {
  return mixHash(Math.imul(first ^ seed, 0x9e37_79b1) + Math.imul(second, 0x85eb_ca77));
}

/** Spreads every bit over all of them (MurmurHash3's last step). */
export function mixHash(hash: number): number {
  let mixed = hash;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return mixed ^ (mixed >>> 16);
}
