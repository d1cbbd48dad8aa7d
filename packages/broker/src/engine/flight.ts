/** Bits of `meta`, in the number that holds both. */
const META_BITS = 32;

/** Packs what has to be known of a message in flight: its sequence in the queue, then `meta`. */
export function packDetail(sequence: number, meta: number): number {
  return sequence * META_BITS + meta;
}

/** The sequence in what `packDetail` made. */
export function sequenceOf(detail: number): number {
  return Math.floor(detail / META_BITS);
}

/** The QoS and RETAIN of the delivery in what `packDetail` made. */
export function metaOf(detail: number): number {
  return detail % META_BITS;
}
