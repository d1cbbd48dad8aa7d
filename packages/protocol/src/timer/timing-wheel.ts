import { UsageError } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Scheduler } from "../ports/scheduler.ts";

/**
 * A timer that a `TimingWheel` can hold, in one wheel at a time. Made once and scheduled as often as
 * wanted: scheduling and cancelling allocate nothing, since the wheel's lists run through the
 * entries.
 */
export class TimerEntry {
  /** What is called when it is due, with the entry itself. */
  readonly fire: (entry: TimerEntry) => void;
  /** When it is due, in milliseconds of `Clock.now()`; once it fired or was cancelled, when it was. */
  deadline = 0;

  // From here on: what the wheel has noted. The wheel alone changes it.
  list: TimerList | undefined = undefined;
  previous: TimerEntry | undefined = undefined;
  next: TimerEntry | undefined = undefined;

  constructor(fire: (entry: TimerEntry) => void) {
    this.fire = fire;
  }

  /** Whether it is waiting in a wheel. */
  get isScheduled(): boolean {
    return this.list !== undefined;
  }
}

/** Entries in the order in which they were set: those of a bucket, or those that are about to fire. */
class TimerList {
  first: TimerEntry | undefined = undefined;
  last: TimerEntry | undefined = undefined;
  /** The wheel and slot that it is the bucket of; none for those that are about to fire. */
  readonly wheel: Wheel | undefined;
  readonly slot: number;

  constructor(wheel: Wheel | undefined, slot: number) {
    this.wheel = wheel;
    this.slot = slot;
  }

  append(entry: TimerEntry): void {
    entry.list = this;
    entry.next = undefined;
    entry.previous = this.last;
    if (this.last === undefined) {
      this.first = entry;
      this.wheel?.mark(this.slot);
    } else this.last.next = entry;
    this.last = entry;
  }

  remove(entry: TimerEntry): void {
    if (entry.previous === undefined) this.first = entry.next;
    else entry.previous.next = entry.next;
    if (entry.next === undefined) this.last = entry.previous;
    else entry.next.previous = entry.previous;
    entry.list = undefined;
    entry.previous = undefined;
    entry.next = undefined;
    if (this.first === undefined) this.wheel?.unmark(this.slot);
  }
}

/** One wheel: a ring of buckets, each as long as a whole turn of the wheel below. */
class Wheel {
  /** Ticks of one bucket. */
  readonly span: number;
  readonly #buckets: (TimerList | undefined)[];
  /** One bit for each bucket that holds something. */
  readonly #marks: Uint32Array;
  /** Turn that the wheel is in: it holds entries of this turn only. */
  turn: number;

  constructor(span: number, slots: number, tick: number) {
    this.span = span;
    this.#buckets = Array.from({ length: slots }, () => undefined);
    this.#marks = new Uint32Array(Math.ceil(slots / 32));
    this.turn = Math.floor(tick / (span * slots));
  }

  bucket(slot: number): TimerList {
    return (this.#buckets[slot] ??= new TimerList(this, slot));
  }

  mark(slot: number): void {
    this.#marks[slot >>> 5]! |= 1 << (slot & 31);
  }

  unmark(slot: number): void {
    this.#marks[slot >>> 5]! &= ~(1 << (slot & 31));
  }

  /** First bucket that holds something, or -1. */
  firstMarked(): number {
    for (let word = 0; word < this.#marks.length; word++) {
      const marks = this.#marks[word] as number;
      if (marks !== 0) return word * 32 + 31 - Math.clz32(marks & -marks);
    }
    return -1;
  }
}

interface Failure {
  readonly error: unknown;
}

/** Entries that fire between two looks at the clock. */
const lookEvery = 8;
/** Time after which firing goes on in the next turn. Milliseconds. */
const sliceMs = 1;

/** Longest delay that every platform's timer takes. */
const longestAlarmMs = 0x7fff_ffff;

/**
 * Timers by the million: a hierarchical timing wheel, as Kafka has it.
 *
 * The lowest wheel has a bucket for each tick of its present turn. What is due later waits in the
 * overflow wheel above, whose bucket is as long as a turn of this one, and so on; wheels are made
 * when the first entry needs them. When time enters a bucket of an overflow wheel, its entries move
 * down. Scheduling and cancelling are O(1). There is one alarm, for the first bucket that holds
 * something; while nothing is scheduled nothing runs, and a jump in time costs no more than the
 * buckets that hold something.
 *
 * An entry never fires early and at most one tick late (the scheduler's own delay comes on top).
 * Entries of the same tick fire in the order in which they were set. Where very many are due at once,
 * firing them takes turns: about a millisecond of each, so that others have theirs.
 */
export class TimingWheel {
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;
  readonly #tickMs: number;
  readonly #slots: number;
  readonly #onError: ((error: unknown, entry: TimerEntry) => void) | undefined;
  /** Lowest first. */
  readonly #wheels: Wheel[] = [];
  readonly #due = new TimerList(undefined, 0);
  /** Every bucket that begins at this tick or before was emptied. */
  #tick: number;
  /** Tick that the alarm is set for; Infinity where it is not set. */
  #alarmTick = Infinity;
  #isAdvancing = false;
  #size = 0;
  readonly #advance = (): void => {
    this.#alarmTick = Infinity;
    this.#fireDue();
  };
  #goesOnNextTurn = false;
  readonly #goOn = (): void => {
    // Where it was stopped meanwhile there may be nothing to go on with.
    if (this.#goesOnNextTurn) this.#advance();
  };

  /**
   * @param options.tickMs   Exactness, milliseconds. Default 10.
   * @param options.slots    Buckets of a wheel, 2 or more. Default 256.
   * @param options.onError  Told of what an entry's `fire` threw. Without it the first error is
   * thrown on to the scheduler, after all other entries of its turn have fired.
   */
  constructor(options: {
    readonly clock: Clock;
    readonly scheduler: Scheduler;
    readonly tickMs?: number | undefined;
    readonly slots?: number | undefined;
    readonly onError?: ((error: unknown, entry: TimerEntry) => void) | undefined;
  }) {
    const { tickMs = 10, slots = 256 } = options;
    if (!(tickMs > 0))
      throw new UsageError("ERR_USAGE", `tickMs is ${tickMs}, expected more than 0`);
    if (!Number.isInteger(slots) || slots < 2)
      throw new UsageError("ERR_USAGE", `slots is ${slots}, expected a whole number of 2 or more`);
    this.#clock = options.clock;
    this.#scheduler = options.scheduler;
    this.#tickMs = tickMs;
    this.#slots = slots;
    this.#onError = options.onError;
    this.#tick = Math.floor(this.#clock.now() / tickMs);
  }

  /** The clock that deadlines are measured with. */
  get clock(): Clock {
    return this.#clock;
  }

  /** Entries that are waiting. */
  get size(): number {
    return this.#size;
  }

  /**
   * Lets `entry` fire once, `delayMs` from now. One that is scheduled already gets the new time.
   *
   * @param delayMs  Milliseconds, 0 or more; never fires from inside this call.
   */
  schedule(entry: TimerEntry, delayMs: number): void {
    if (!(delayMs >= 0 && delayMs < Number.MAX_SAFE_INTEGER))
      throw new UsageError("ERR_USAGE", `delayMs is ${delayMs}, expected 0 or more`);
    if (entry.list === undefined) this.#size += 1;
    else entry.list.remove(entry);
    const now = this.#clock.now();
    this.#follow(now);
    entry.deadline = now + delayMs;
    const start = this.#insert(entry, Math.max(this.#tickOf(entry), this.#tick + 1));
    if (start < this.#alarmTick && !this.#isAdvancing) this.#setAlarm(start, now);
  }

  /** Takes `entry` back; nothing happens where it is not scheduled. */
  cancel(entry: TimerEntry): void {
    // The alarm stays: it costs one wake-up, which finds nothing, and moving it costs more.
    if (entry.list === undefined) return;
    entry.list.remove(entry);
    this.#size -= 1;
  }

  /** Takes every entry back. The wheel can be used again. */
  stop(): void {
    for (const wheel of this.#wheels) {
      for (let slot = wheel.firstMarked(); slot >= 0; slot = wheel.firstMarked())
        this.#empty(wheel.bucket(slot));
    }
    this.#empty(this.#due);
    this.#size = 0;
    this.#alarmTick = Infinity;
    this.#goesOnNextTurn = false;
    this.#scheduler.clearAlarm();
  }

  #empty(list: TimerList): void {
    while (list.first !== undefined) list.remove(list.first);
  }

  /**
   * Lets the wheels follow the clock as far as nothing is due, so that a short delay after a long
   * pause is not taken for a long one.
   */
  #follow(now: number): void {
    const tick = Math.floor(now / this.#tickMs);
    if (tick > this.#tick && tick < this.#alarmTick && !this.#isAdvancing) this.#moveTo(tick);
  }

  #moveTo(tick: number): void {
    this.#tick = tick;
    for (const wheel of this.#wheels) {
      const turn = Math.floor(tick / (wheel.span * this.#slots));
      if (turn === wheel.turn) return; // so are all above
      wheel.turn = turn;
    }
  }

  /** First tick at which it is not early. */
  #tickOf(entry: TimerEntry): number {
    return Math.ceil(entry.deadline / this.#tickMs);
  }

  /** @returns the tick at which its bucket begins. */
  #insert(entry: TimerEntry, tick: number): number {
    const slots = this.#slots;
    for (let level = 0; ; level++) {
      const wheel = this.#wheels[level] ?? this.#addWheel();
      const place = Math.floor(tick / wheel.span);
      const turn = Math.floor(place / slots);
      if (turn === wheel.turn) {
        wheel.bucket(place - turn * slots).append(entry);
        return place * wheel.span;
      }
    }
  }

  #addWheel(): Wheel {
    const wheel = new Wheel(this.#slots ** this.#wheels.length, this.#slots, this.#tick);
    this.#wheels.push(wheel);
    return wheel;
  }

  #setAlarm(tick: number, now: number): void {
    this.#alarmTick = tick;
    const delayMs = tick * this.#tickMs - now;
    this.#scheduler.setAlarm(Math.min(Math.max(delayMs, 0), longestAlarmMs), this.#advance);
  }

  #fireDue(): void {
    const now = this.#clock.now();
    const tick = Math.floor(now / this.#tickMs);
    const endsAt = now + sliceMs;
    let failure: Failure | undefined;
    this.#isAdvancing = true;
    this.#goesOnNextTurn = false;
    let fired = 0;
    let next: { readonly start: number; readonly list: TimerList } | undefined;
    for (;;) {
      for (let entry = this.#due.first; entry !== undefined; entry = this.#due.first) {
        if (fired > 0 && fired % lookEvery === 0 && this.#clock.now() >= endsAt) {
          this.#goesOnNextTurn = true;
          break;
        }
        fired += 1;
        this.#due.remove(entry);
        this.#size -= 1;
        try {
          entry.fire(entry);
        } catch (error) {
          const thrownOn = this.#report(error, entry);
          failure ??= thrownOn;
        }
      }
      if (this.#goesOnNextTurn) break;
      next = this.#firstBucket();
      if (next === undefined || next.start > tick) break;
      this.#moveTo(next.start);
      this.#takeOut(next.list);
    }
    this.#isAdvancing = false;
    if (this.#goesOnNextTurn) {
      // As if the alarm were set for now: the wheels stay where they are until the rest has fired.
      this.#alarmTick = this.#tick;
      this.#scheduler.nextTurn(this.#goOn);
    } else if (next !== undefined) this.#setAlarm(next.start, this.#clock.now());
    if (failure !== undefined) throw failure.error;
  }

  /** @returns what is to be thrown on. */
  #report(error: unknown, entry: TimerEntry): Failure | undefined {
    if (this.#onError === undefined) return { error };
    try {
      this.#onError(error, entry);
      return undefined;
    } catch (thrown) {
      return { error: thrown };
    }
  }

  /** Moves a bucket's entries to the wheels below, or to those that are about to fire. */
  #takeOut(list: TimerList): void {
    for (let entry = list.first; entry !== undefined; entry = list.first) {
      list.remove(entry);
      const tick = this.#tickOf(entry);
      if (tick <= this.#tick) this.#due.append(entry);
      else this.#insert(entry, tick);
    }
  }

  /** A wheel holds only its present turn: all that is in a lower one is due before all above. */
  #firstBucket(): { readonly start: number; readonly list: TimerList } | undefined {
    for (const wheel of this.#wheels) {
      const slot = wheel.firstMarked();
      if (slot >= 0)
        return { start: (wheel.turn * this.#slots + slot) * wheel.span, list: wheel.bucket(slot) };
    }
    return undefined;
  }
}
