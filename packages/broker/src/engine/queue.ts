import type { Extras } from "./extras.ts";
import type { Message } from "./message.ts";
import type { Position } from "./ports.ts";

/** Bits of a queue entry's `meta`: QoS of the delivery, then RETAIN. */
export const META_QOS = 3;
export const META_RETAIN = 4;
/** The store has a record of it, which has to be settled. */
export const META_KEPT = 8;
/** It may have been sent before a crash: it is sent with DUP, under the identifier that it then had. */
export const META_DUP = 16;

/** Counts the bytes of messages that all sessions have in memory. */
export interface Meter {
  bytes: number;
}

/** What left a queue without being sent. */
export interface Dropped {
  readonly message: Message;
  readonly meta: number;
  readonly sequence: number;
}

/**
 * Messages that wait for one receiver, in strict order [MQTT5-4.6.0-5] [MQTT5-4.6.0-6]
 * [MQTT3-4.6.0-5]. A ring of columns that grows by doubling.
 * Entries keep their sequence when one in the middle is dropped: its place stays empty until the
 * head reaches it.
 */
export class Queue {
  #messages: (Message | undefined)[] = filled(8, undefined);
  #meta: number[] = filled(8, 0);
  /** Made when the first delivery has some. */
  #extras: (Extras | undefined)[] | undefined;
  /** Position of the record, of QoS 2 entries of durable sessions; made on first need. */
  #positions: Position[] | undefined;
  #sequences: number[] = filled(8, 0);
  #mask = 7;
  #head = 0;
  #places = 0;
  /** Places that have left. */
  #left = 0;
  #qos0 = 0;
  /** No QoS 0 message is in an earlier place, counted from the first ever. */
  #qos0From = 0;
  readonly #meter: Meter;

  /** Messages that wait. */
  length = 0;
  /** Their bytes. */
  bytes = 0;

  constructor(meter: Meter) {
    this.#meter = meter;
  }

  /**
   * Puts a message at the end. The queue refers to it until it is shifted or dropped.
   *
   * @param sequence  Above all that were pushed before.
   */
  push(
    message: Message,
    meta: number,
    extras: Extras | undefined,
    position: Position,
    sequence: number,
  ): void {
    if (this.#places > this.#mask) this.#resize((this.#mask + 1) * 2);
    const at = (this.#head + this.#places) & this.#mask;
    this.#messages[at] = message;
    this.#meta[at] = meta;
    this.#sequences[at] = sequence;
    if (extras !== undefined) (this.#extras ??= filled(this.#mask + 1, undefined))[at] = extras;
    else if (this.#extras !== undefined) this.#extras[at] = undefined;
    if (position !== 0) (this.#positions ??= filled(this.#mask + 1, 0))[at] = position;
    else if (this.#positions !== undefined) this.#positions[at] = 0;
    message.refer();
    this.length++;
    this.bytes += message.end - message.start;
    this.#meter.bytes += message.end - message.start;
    const place = this.#left + this.#places++;
    if ((meta & META_QOS) === 0 && this.#qos0++ === 0) this.#qos0From = place;
  }

  /** The message at the head, or `undefined` when none waits. */
  head(): Message | undefined {
    while (this.#places > 0) {
      const message = this.#messages[this.#head];
      if (message !== undefined) return message;
      this.#advance();
    }
    return undefined;
  }

  /** Of the head, after `head()` gave one. */
  get headMeta(): number {
    return this.#meta[this.#head]!;
  }
  get headExtras(): Extras | undefined {
    return this.#extras?.[this.#head];
  }
  get headPosition(): Position {
    return this.#positions?.[this.#head] ?? 0;
  }
  get headSequence(): number {
    return this.#sequences[this.#head]!;
  }

  /** Takes the head off, after `head()` gave one. The caller takes over the reference. */
  shift(): void {
    this.#take(this.#head);
    this.#advance();
  }

  /** Drops the oldest QoS 0 message. @returns it, still referred to, or `undefined` where there is none. */
  dropQos0(): Dropped | undefined {
    if (this.#qos0 === 0) return undefined;
    let at = Math.max(0, this.#qos0From - this.#left);
    while (
      this.#messages[(this.#head + at) & this.#mask] === undefined ||
      (this.#meta[(this.#head + at) & this.#mask]! & META_QOS) !== 0
    )
      at++;
    this.#qos0From = this.#left + at;
    return this.#drop(at);
  }

  /** Drops the oldest message. @returns it, still referred to, or `undefined` where none waits. */
  dropOldest(): Dropped | undefined {
    return this.head() === undefined ? undefined : this.#drop(0);
  }

  #drop(at: number): Dropped {
    const slot = (this.#head + at) & this.#mask;
    const meta = this.#meta[slot]!;
    return { message: this.#take(slot), meta, sequence: this.#sequences[slot]! };
  }

  #take(slot: number): Message {
    const message = this.#messages[slot]!;
    this.#messages[slot] = undefined;
    this.length--;
    this.bytes -= message.end - message.start;
    this.#meter.bytes -= message.end - message.start;
    if ((this.#meta[slot]! & META_QOS) === 0) this.#qos0--;
    return message;
  }

  /** Takes everything off. The caller takes over the references. */
  takeAll(
    visit: (message: Message, meta: number, sequence: number, extras: Extras | undefined) => void,
  ): void {
    this.#meter.bytes -= this.bytes;
    this.forEach(visit);
    this.#messages = filled(8, undefined);
    this.#meta = filled(8, 0);
    this.#sequences = filled(8, 0);
    this.#extras = undefined;
    this.#positions = undefined;
    this.#mask = 7;
    this.#head = this.#places = this.#qos0 = this.length = this.bytes = 0;
  }

  /** Visits all that wait, in order. */
  forEach(
    visit: (message: Message, meta: number, sequence: number, extras: Extras | undefined) => void,
  ): void {
    for (let i = 0; i < this.#places; i++) {
      const slot = (this.#head + i) & this.#mask;
      const message = this.#messages[slot];
      if (message !== undefined)
        visit(message, this.#meta[slot]!, this.#sequences[slot]!, this.#extras?.[slot]);
    }
  }

  #advance(): void {
    this.#head = (this.#head + 1) & this.#mask;
    this.#places--;
    this.#left++;
    // A queue that was once long gives its memory back.
    if (this.#places === 0 && this.#mask >= 4096) this.#resize(8);
  }

  #resize(size: number): void {
    this.#messages = this.#unrolled(this.#messages, size, undefined);
    this.#meta = this.#unrolled(this.#meta, size, 0);
    this.#sequences = this.#unrolled(this.#sequences, size, 0);
    if (this.#extras !== undefined) this.#extras = this.#unrolled(this.#extras, size, undefined);
    if (this.#positions !== undefined) this.#positions = this.#unrolled(this.#positions, size, 0);
    this.#head = 0;
    this.#mask = size - 1;
  }

  #unrolled<V>(column: V[], size: number, empty: V): V[] {
    const next = filled(size, empty);
    for (let i = 0; i < this.#places; i++) next[i] = column[(this.#head + i) & this.#mask]!;
    return next;
  }
}

/** A column of `size` places, without holes. */
function filled<V>(size: number, value: V): V[] {
  const column: V[] = [];
  for (let i = 0; i < size; i++) column.push(value);
  return column;
}
