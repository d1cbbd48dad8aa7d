import { UsageError } from "../errors.ts";
import { IdentifierTable, NOT_FOUND } from "./identifier-table.ts";

/** What a Packet Identifier in flight waits for. */
export const OutboundState = {
  free: 0,
  awaitingPuback: 1,
  awaitingPubrec: 2,
  awaitingPubcomp: 3,
} as const;

/** One of `OutboundState`. */
export type OutboundState = (typeof OutboundState)[keyof typeof OutboundState];

/** Called for each packet in flight. `sentAt` is the time given to `begin` or `touch` last. */
export type OutboundVisitor<T> = (
  packetIdentifier: number,
  state: OutboundState,
  value: T,
  detail: number,
  sentAt: number,
) => void;

const FIRST_CAPACITY = 8;
/** An empty sender that had more than this many in flight gives its arrays back. */
const KEPT_CAPACITY = 256;
const HIGHEST_IDENTIFIER = 0xffff;
const NONE = -1;

// One row of `#rows` for each slot.
const IDENTIFIER = 0;
const STATE = 1;
const NEXT = 2;
const PREVIOUS = 3;
const SENDINGS = 4;
const WIDTH = 5;

/**
 * The sending side of QoS 1 and QoS 2 (§4.3.2, §4.3.3, §4.4, §4.6), for a client and for a broker.
 *
 * What is in flight stands in two lists: PUBLISH packets in the order of their first sending
 * [MQTT5-4.6.0-1], and PUBREL packets in the order of their PUBREC [MQTT5-4.6.0-4]. What must be
 * sent again goes PUBRELs first: PUBRECs come in the order of their PUBLISHes, so those messages
 * are the older ones, and a receiver that hands a message on at its PUBREL keeps the order too.
 *
 * Nothing is allocated for a packet; the arrays are made on first use and grow by doubling.
 */
export class Outbound<T> {
  readonly #slots = new IdentifierTable();
  #rows: Int32Array | undefined = undefined;
  /** For each slot detail and time of sending. */
  #numbers: Float64Array | undefined = undefined;
  #values: (T | undefined)[] | undefined = undefined;
  #capacity = 0;
  /** Head of the list of free slots, linked by NEXT. */
  #free = NONE;
  #publishHead = NONE;
  #publishTail = NONE;
  #pubrelHead = NONE;
  #pubrelTail = NONE;
  /** Next slot to send again, or NONE. */
  #cursor = NONE;

  /** Packet Identifiers in flight, in all states: what counts against the peer's Receive Maximum. */
  get size(): number {
    return this.#slots.size;
  }

  /** What the Packet Identifier waits for. */
  stateOf(packetIdentifier: number): OutboundState {
    const slot = this.#slots.get(packetIdentifier);
    return slot === NOT_FOUND ? OutboundState.free : this.#state(slot);
  }

  /** What `begin` was given, or `undefined` where the Packet Identifier is free. */
  valueOf(packetIdentifier: number): T | undefined {
    const slot = this.#slots.get(packetIdentifier);
    return slot === NOT_FOUND ? undefined : this.#values![slot];
  }

  /** Puts another value in its place: after PUBREC, for one that does not hold the payload. */
  setValue(packetIdentifier: number, value: T): void {
    this.#values![this.#slotOf(packetIdentifier)] = value;
  }

  /** The caller's number given to `begin`, or -1 where the Packet Identifier is free. */
  detailOf(packetIdentifier: number): number {
    const slot = this.#slots.get(packetIdentifier);
    return slot === NOT_FOUND ? -1 : this.#numbers![slot * 2]!;
  }

  /** How often the packet was sent since `begin`, PUBREC or `rewind`, whichever was last. */
  sendingsOf(packetIdentifier: number): number {
    const slot = this.#slots.get(packetIdentifier);
    return slot === NOT_FOUND ? 0 : this.#rows![slot * WIDTH + SENDINGS]!;
  }

  /**
   * The first free Packet Identifier at or after `from`, going on at 1 after 65 535.
   *
   * @returns 0 if all are in flight.
   */
  nextFree(from: number): number {
    if (this.#slots.size >= HIGHEST_IDENTIFIER) return 0;
    let packetIdentifier = from;
    while (this.#slots.get(packetIdentifier) !== NOT_FOUND) {
      packetIdentifier = packetIdentifier === HIGHEST_IDENTIFIER ? 1 : packetIdentifier + 1;
    }
    return packetIdentifier;
  }

  /**
   * A PUBLISH is being sent for the first time.
   *
   * @param detail  Any integer of the caller's, such as a position in a queue.
   * @param sentAt  Milliseconds.
   * @throws UsageError if the Packet Identifier is in flight [MQTT5-2.2.1-3] [MQTT5-2.2.1-4], or
   * while packets of the last connection are still to be sent again (`resendNext`).
   */
  begin(packetIdentifier: number, qos: 1 | 2, value: T, detail: number, sentAt: number): void {
    if (this.#cursor !== NONE)
      throw new UsageError("ERR_USAGE", "packets in flight must be sent again first");
    const state = qos === 1 ? OutboundState.awaitingPuback : OutboundState.awaitingPubrec;
    this.#add(packetIdentifier, state, value, detail, sentAt, 1);
  }

  /** Takes one back from a store. Call it in the order of sending, for PUBRELs in that of PUBREC. */
  restore(packetIdentifier: number, state: OutboundState, value: T, detail: number): void {
    if (state === OutboundState.free)
      throw new UsageError("ERR_USAGE", "a free Packet Identifier is not restored");
    this.#add(packetIdentifier, state, value, detail, -1, 0);
  }

  /**
   * PUBACK came: the Packet Identifier is free.
   *
   * @returns its value, or `undefined` if no PUBACK was awaited.
   */
  puback(packetIdentifier: number): T | undefined {
    return this.#settle(packetIdentifier, OutboundState.awaitingPuback);
  }

  /**
   * PUBREC with success came: the message is not sent again, a PUBREL is due [MQTT5-4.3.3-4]. Call
   * `touch` when it is sent. The value is kept until PUBCOMP.
   *
   * @returns the value, or `undefined` if no PUBREC was awaited.
   */
  pubrec(packetIdentifier: number): T | undefined {
    const slot = this.#slots.get(packetIdentifier);
    if (slot === NOT_FOUND || this.#state(slot) !== OutboundState.awaitingPubrec) return undefined;
    this.#unlink(slot);
    const row = slot * WIDTH;
    this.#rows![row + STATE] = OutboundState.awaitingPubcomp;
    this.#rows![row + SENDINGS] = 0;
    this.#append(slot);
    return this.#values![slot];
  }

  /**
   * PUBCOMP came: the Packet Identifier is free.
   *
   * @returns its value, or `undefined` if no PUBCOMP was awaited.
   */
  pubcomp(packetIdentifier: number): T | undefined {
    return this.#settle(packetIdentifier, OutboundState.awaitingPubcomp);
  }

  /**
   * PUBACK or PUBREC of 0x80 or above came, or the caller gives the packet up: the Packet
   * Identifier is free, and the PUBLISH is not sent again [MQTT5-4.4.0-2].
   *
   * @returns its value, or `undefined` if it was free.
   */
  fail(packetIdentifier: number): T | undefined {
    const slot = this.#slots.get(packetIdentifier);
    return slot === NOT_FOUND ? undefined : this.#settle(packetIdentifier, this.#state(slot));
  }

  /** The packet is being sent again, or a PUBREL for the first time. @param sentAt  Milliseconds. */
  touch(packetIdentifier: number, sentAt: number): void {
    const slot = this.#slotOf(packetIdentifier);
    this.#rows![slot * WIDTH + SENDINGS]!++;
    this.#numbers![slot * 2 + 1] = sentAt;
  }

  /**
   * Calls `visit` for everything in flight in the order in which it must be sent again: PUBRELs in
   * the order of their PUBRECs, then PUBLISHes in the order of their first sending. `visit` may
   * settle or touch the packet that it is called for, and no other.
   */
  forEach(visit: OutboundVisitor<T>): void {
    this.#visitList(this.#pubrelHead, visit);
    this.#visitList(this.#publishHead, visit);
  }

  /**
   * When the packet that waits longest was sent, or -1 if nothing is in flight. Milliseconds. A
   * packet that was not sent since `restore` or `rewind` does not count. Looks at everything in flight: ask
   * when a timer fires, not for every packet.
   */
  get oldestSentAt(): number {
    let oldest = -1;
    this.forEach((_packetIdentifier, _state, _value, _detail, sentAt) => {
      if (sentAt >= 0 && (oldest < 0 || sentAt < oldest)) oldest = sentAt;
    });
    return oldest;
  }

  /**
   * A connection resumed the session: everything in flight is to be sent again, in the order of
   * `forEach` [MQTT5-4.4.0-1]. Go on with `resendNext` and `resent` until the former is 0.
   */
  rewind(): void {
    this.#cursor = this.#pubrelHead === NONE ? this.#publishHead : this.#pubrelHead;
    const rows = this.#rows;
    if (rows === undefined) return;
    for (let slot = 0; slot < this.#capacity; slot++) {
      rows[slot * WIDTH + SENDINGS] = 0;
      this.#numbers![slot * 2 + 1] = -1;
    }
  }

  /** Packet Identifier of the next packet to send again, or 0: none. A settled one is skipped. */
  get resendNext(): number {
    return this.#cursor === NONE ? 0 : this.#rows![this.#cursor * WIDTH + IDENTIFIER]!;
  }

  /** The packet of `resendNext` was sent again. @param sentAt  Milliseconds. */
  resent(sentAt: number): void {
    const slot = this.#cursor;
    if (slot === NONE) throw new UsageError("ERR_USAGE", "nothing is left to send again");
    this.#rows![slot * WIDTH + SENDINGS]!++;
    this.#numbers![slot * 2 + 1] = sentAt;
    this.#advanceCursor(slot);
  }

  /** Forgets everything in flight and lets the arrays go; `visit` gets each value, in order. */
  clear(visit?: (value: T) => void): void {
    if (visit !== undefined) this.forEach((_packetIdentifier, _state, value) => visit(value));
    this.#slots.clear();
    this.#release();
  }

  /** Lets the arrays go if nothing is in flight: for a session that rests. */
  trim(): void {
    if (this.#slots.size === 0) this.clear();
  }

  #state(slot: number): OutboundState {
    return this.#rows![slot * WIDTH + STATE] as OutboundState;
  }

  #slotOf(packetIdentifier: number): number {
    const slot = this.#slots.get(packetIdentifier);
    if (slot === NOT_FOUND)
      throw new UsageError("ERR_USAGE", `Packet Identifier ${packetIdentifier} is not in flight`);
    return slot;
  }

  #add(
    packetIdentifier: number,
    state: OutboundState,
    value: T,
    detail: number,
    sentAt: number,
    sendings: number,
  ): void {
    if (!(packetIdentifier >= 1 && packetIdentifier <= HIGHEST_IDENTIFIER)) {
      throw new UsageError("ERR_USAGE", `${packetIdentifier} is not a Packet Identifier (1…65535)`); // [MQTT5-2.2.1-3]
    }
    if (this.#slots.get(packetIdentifier) !== NOT_FOUND) {
      throw new UsageError("ERR_USAGE", `Packet Identifier ${packetIdentifier} is in flight`);
    }
    if (this.#free === NONE) this.#grow();
    const slot = this.#free;
    const rows = this.#rows!;
    const row = slot * WIDTH;
    this.#free = rows[row + NEXT]!;
    rows[row + IDENTIFIER] = packetIdentifier;
    rows[row + STATE] = state;
    rows[row + SENDINGS] = sendings;
    this.#numbers![slot * 2] = detail;
    this.#numbers![slot * 2 + 1] = sentAt;
    this.#values![slot] = value;
    this.#append(slot);
    this.#slots.set(packetIdentifier, slot);
  }

  #settle(packetIdentifier: number, state: OutboundState): T | undefined {
    const slot = this.#slots.get(packetIdentifier);
    if (slot === NOT_FOUND || this.#state(slot) !== state) return undefined;
    const value = this.#values![slot];
    this.#unlink(slot);
    this.#slots.delete(packetIdentifier);
    this.#values![slot] = undefined;
    this.#rows![slot * WIDTH + STATE] = OutboundState.free;
    this.#rows![slot * WIDTH + NEXT] = this.#free;
    this.#free = slot;
    if (this.#slots.size === 0 && this.#capacity > KEPT_CAPACITY) this.clear();
    return value;
  }

  /** To the tail of the list that its state belongs to. */
  #append(slot: number): void {
    const rows = this.#rows!;
    const row = slot * WIDTH;
    const pubrel = rows[row + STATE] === OutboundState.awaitingPubcomp;
    const tail = pubrel ? this.#pubrelTail : this.#publishTail;
    rows[row + NEXT] = NONE;
    rows[row + PREVIOUS] = tail;
    if (tail !== NONE) rows[tail * WIDTH + NEXT] = slot;
    else if (pubrel) this.#pubrelHead = slot;
    else this.#publishHead = slot;
    if (pubrel) this.#pubrelTail = slot;
    else this.#publishTail = slot;
  }

  #unlink(slot: number): void {
    const rows = this.#rows!;
    const row = slot * WIDTH;
    if (slot === this.#cursor) this.#advanceCursor(slot);
    const pubrel = rows[row + STATE] === OutboundState.awaitingPubcomp;
    const next = rows[row + NEXT]!;
    const previous = rows[row + PREVIOUS]!;
    if (next !== NONE) rows[next * WIDTH + PREVIOUS] = previous;
    else if (pubrel) this.#pubrelTail = previous;
    else this.#publishTail = previous;
    if (previous !== NONE) rows[previous * WIDTH + NEXT] = next;
    else if (pubrel) this.#pubrelHead = next;
    else this.#publishHead = next;
  }

  /** From the end of the PUBRELs on to the PUBLISHes. */
  #advanceCursor(slot: number): void {
    const row = slot * WIDTH;
    const next = this.#rows![row + NEXT]!;
    const endOfPubrels =
      next === NONE && this.#rows![row + STATE] === OutboundState.awaitingPubcomp;
    this.#cursor = endOfPubrels ? this.#publishHead : next;
  }

  #visitList(head: number, visit: OutboundVisitor<T>): void {
    for (let slot = head; slot !== NONE;) {
      const row = slot * WIDTH;
      const rows = this.#rows!;
      const next = rows[row + NEXT]!;
      const numbers = this.#numbers!;
      visit(
        rows[row + IDENTIFIER]!,
        rows[row + STATE] as OutboundState,
        this.#values![slot] as T,
        numbers[slot * 2]!,
        numbers[slot * 2 + 1]!,
      );
      slot = next;
    }
  }

  #grow(): void {
    const from = this.#capacity;
    const capacity = from === 0 ? FIRST_CAPACITY : from * 2;
    const rows = new Int32Array(capacity * WIDTH);
    const numbers = new Float64Array(capacity * 2);
    if (from !== 0) {
      rows.set(this.#rows!);
      numbers.set(this.#numbers!);
    }
    this.#values ??= [];
    for (let slot = from; slot < capacity; slot++) {
      rows[slot * WIDTH + NEXT] = slot + 1 < capacity ? slot + 1 : NONE;
      this.#values.push(undefined);
    }
    this.#free = from;
    this.#rows = rows;
    this.#numbers = numbers;
    this.#capacity = capacity;
  }

  #release(): void {
    this.#rows = undefined;
    this.#numbers = undefined;
    this.#values = undefined;
    this.#capacity = 0;
    this.#free = NONE;
    this.#publishHead = NONE;
    this.#publishTail = NONE;
    this.#pubrelHead = NONE;
    this.#pubrelTail = NONE;
    this.#cursor = NONE;
  }
}
