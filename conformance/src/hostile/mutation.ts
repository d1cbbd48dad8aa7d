import type { Chance } from "@sericite/broker/testing";

/** Bytes that lengths, flags and texts are tripped up by. */
const AWKWARD = [0x00, 0x01, 0x7f, 0x80, 0xc0, 0xed, 0xfe, 0xff];

const KINDS = {
  flipBit: 4,
  setByte: 4,
  setLength: 3,
  insert: 2,
  remove: 2,
  repeat: 2,
  cut: 1,
  swap: 1,
} as const;

/**
 * A packet after one to four accidents: bits flipped, bytes set, put in, taken out, repeated, cut off
 * or swapped. What it was made of stays as it is.
 */
export function mutate(bytes: Uint8Array, chance: Chance): Uint8Array {
  let mutated: Buffer = Buffer.from(bytes);
  for (let left = chance.integer(1, 4); left > 0 && mutated.length > 0; left -= 1)
    mutated = mutateOnce(mutated, chance);
  return mutated;
}

/** @param bytes  At least one; changed. */
function mutateOnce(bytes: Buffer, chance: Chance): Buffer {
  const last = bytes.length - 1;
  const at = chance.integer(0, last);
  const end = Math.min(bytes.length, at + chance.integer(1, 8));
  switch (chance.weighted(KINDS)) {
    case "flipBit":
      bytes[at]! ^= 1 << chance.integer(0, 7);
      return bytes;
    case "setByte":
      bytes[at] = chance.happens(0.5) ? chance.pick(AWKWARD) : chance.integer(0, 255);
      return bytes;
    case "setLength":
      bytes.writeUInt8(chance.pick(AWKWARD), at);
      if (at < last) bytes.writeUInt8(chance.pick(AWKWARD), at + 1);
      return bytes;
    case "insert": {
      const added = Array.from({ length: chance.integer(1, 32) }, () => chance.integer(0, 255));
      return Buffer.concat([bytes.subarray(0, at), Buffer.from(added), bytes.subarray(at)]);
    }
    case "remove":
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
    case "repeat":
      return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
    case "cut":
      return bytes.subarray(0, at);
    case "swap": {
      const other = chance.integer(0, last);
      [bytes[at], bytes[other]] = [bytes[other]!, bytes[at]!];
      return bytes;
    }
  }
}
