import type { Message } from "./message.ts";

/** A stretch of memory that reads are copied into, one after the other; packets are parsed in place. */
export class Slab {
  readonly bytes: Uint8Array;
  /** Bytes in use, from the start. */
  used = 0;
  /** Messages in here that something still refers to. */
  live = 0;
  /** A transport still sends from here: never use it again. */
  isHeld = false;
  /** Messages that were referred to since the slab was last empty: the first `#noted` of them. */
  readonly #messages: (Message | undefined)[] = [];
  #noted = 0;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
  }

  /** A message in here is referred to. */
  note(message: Message): void {
    this.#messages[this.#noted++] = message;
  }

  /** Copies the messages out that something still refers to. */
  evacuate(): void {
    for (let i = 0; i < this.#noted; i++) {
      this.#messages[i]!.own(this);
      // It has memory of its own now, which must not be held by this note.
      this.#messages[i] = undefined;
    }
    this.#forget();
  }

  /** Nothing refers to what is in here. */
  empty(): void {
    this.used = 0;
    this.#forget();
  }

  #forget(): void {
    // The array stays, or it would grow from nothing in each turn, but for one that is far too large.
    const { length } = this.#messages;
    if (length > KEPT_NOTES && length > 8 * this.#noted) this.#messages.length = 0;
    this.#noted = 0;
  }
}

/** Notes of messages, which may hold what is gone, that a slab has room for in any case. */
const KEPT_NOTES = 1024;

/** Retired slabs that may keep their messages before those are copied out of the oldest. */
const RETIRED_MAXIMUM = 8;
const FREE_MAXIMUM = 8;

/**
 * The slabs of an engine. What was parsed from a slab stays valid until the end of the turn; a
 * message that something refers to for longer keeps its slab for a while, and is copied out of it
 * once the slab is the oldest of several. Most messages are acknowledged by then and are never
 * copied.
 */
export class Slabs {
  readonly #size: number;
  readonly #retired: Slab[] = [];
  readonly #free: Slab[] = [];
  current: Slab;

  /** @param size  Bytes of one slab. */
  constructor(size: number) {
    this.#size = size;
    this.current = new Slab(size);
  }

  /** The slab that has room for `length` more bytes at `used`. */
  room(length: number): Slab {
    const current = this.current;
    if (current.used + length <= current.bytes.length) return current;
    this.#retired.push(current);
    this.current =
      length > this.#size ? new Slab(length) : (this.#free.pop() ?? new Slab(this.#size));
    return this.current;
  }

  /** A transport still sends from `bytes`. */
  hold(bytes: Uint8Array): void {
    if (this.current.bytes === bytes) this.current.isHeld = true;
    else for (const slab of this.#retired) if (slab.bytes === bytes) slab.isHeld = true;
  }

  /** Uses memory again that nothing refers to. Only when no output is waiting to be flushed. */
  endTurn(): void {
    const current = this.current;
    if (current.live === 0 && current.used !== 0) {
      if (current.isHeld) this.current = this.#free.pop() ?? new Slab(this.#size);
      else current.empty();
    }
    if (this.#retired.length === 0) return;
    let kept = 0;
    for (let i = 0; i < this.#retired.length; i++) {
      const slab = this.#retired[i]!;
      if (slab.live > 0 && this.#retired.length - i > RETIRED_MAXIMUM) slab.evacuate();
      if (slab.live > 0) this.#retired[kept++] = slab;
      else if (
        !slab.isHeld &&
        slab.bytes.length === this.#size &&
        this.#free.length < FREE_MAXIMUM
      ) {
        slab.empty();
        this.#free.push(slab);
      }
    }
    this.#retired.length = kept;
  }
}
