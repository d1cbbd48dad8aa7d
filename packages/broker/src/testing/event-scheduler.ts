import type { Random, Scheduler } from "@sericite/protocol";
import { FakeClock } from "./fake-clock.ts";

/** Something that will happen in the simulation. */
interface SimulatedEvent {
  readonly process: SimulatedProcess;
  readonly run: () => void;
  /** Milliseconds on the clock; 0 once it is due. */
  readonly at: number;
  readonly order: number;
  cancelled: boolean;
}

/** Events between two looks at whether a simulation goes round in circles. */
const EVENTS_UNTIL_STUCK = 200_000;

/**
 * Owns everything that is yet to happen in a simulation: ends of turns, next turns, alarms,
 * deliveries of links, answers of ports. Of what is due at one moment it picks the next by chance;
 * time moves only when you move it.
 *
 *     const events = new EventScheduler(seededRandom(7));
 *     const process = events.process("broker");
 *     process.setAlarm(604_800_000, () => console.log("a week later"));
 *     events.advance(604_800_000);
 */
export class EventScheduler {
  readonly clock: FakeClock;
  readonly #random: Random;
  readonly #due: SimulatedEvent[] = [];
  readonly #later: SimulatedEvent[] = [];
  #order = 0;
  #ran = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(random: Random, clock: FakeClock = new FakeClock()) {
    this.#random = random;
    this.clock = clock;
  }

  /**
   * A process of the simulation, with turns and an alarm of its own.
   *
   * @param usesPromises  Its code goes on after promises: `settleAsync` and `advanceAsync` let all
   * of that happen after each event of this process.
   */
  process(name: string, usesPromises: boolean = false): SimulatedProcess {
    return new SimulatedProcess(this, name, usesPromises);
  }

  /** Events that ran so far. */
  get ran(): number {
    return this.#ran;
  }

  /** Whether nothing is due at this moment. */
  get isSettled(): boolean {
    return this.#due.length === 0;
  }

  /** Monotonic time of the next event that is not due yet, or `undefined`. */
  get nextAt(): number | undefined {
    while (this.#later[0]?.cancelled === true) this.#takeEarliest();
    return this.#later[0]?.at;
  }

  /** Adds an event for `process`; at once due, or `delayMs` from now. @returns what takes it back. */
  post(process: SimulatedProcess, run: () => void, delayMs: number = 0): () => void {
    const at = delayMs > 0 ? this.clock.now() + delayMs : 0;
    const event: SimulatedEvent = { process, run, at, order: (this.#order += 1), cancelled: false };
    if (at === 0) this.#due.push(event);
    else this.#addLater(event);
    return () => {
      event.cancelled = true;
    };
  }

  /** Runs until nothing is due. @throws what a callback threw, and when it never comes to rest. */
  settle(): void {
    let left = EVENTS_UNTIL_STUCK;
    while (this.#due.length > 0) {
      this.#runOne();
      left -= 1;
      if (left === 0)
        throw new Error(`not at rest after ${EVENTS_UNTIL_STUCK} events at ${this.clock.now()} ms`);
    }
    this.#throwFailure();
  }

  /** Runs at most so many of the events that are due. */
  run(count: number): void {
    for (let left = count; left > 0 && this.#due.length > 0; left -= 1) this.#runOne();
    this.#throwFailure();
  }

  /** Moves time on, step by step, and runs what becomes due on the way and at the end. */
  advance(byMs: number): void {
    const end = this.clock.now() + byMs;
    this.settle();
    for (let at = this.nextAt; at !== undefined && at <= end; at = this.nextAt) {
      this.#moveTo(at);
      this.settle();
    }
    this.clock.moveTo(end);
  }

  /** `settle` for processes that use promises. */
  async settleAsync(): Promise<void> {
    let left = EVENTS_UNTIL_STUCK;
    await reactions();
    while (this.#due.length > 0) {
      if (this.#runOne()) await reactions();
      left -= 1;
      if (left === 0)
        throw new Error(`not at rest after ${EVENTS_UNTIL_STUCK} events at ${this.clock.now()} ms`);
    }
    this.#throwFailure();
  }

  /** `run` for processes that use promises. */
  async runAsync(count: number): Promise<void> {
    await reactions();
    for (let left = count; left > 0 && this.#due.length > 0; left -= 1) {
      if (this.#runOne()) await reactions();
    }
    this.#throwFailure();
  }

  /** `advance` for processes that use promises. */
  async advanceAsync(byMs: number): Promise<void> {
    const end = this.clock.now() + byMs;
    await this.settleAsync();
    for (let at = this.nextAt; at !== undefined && at <= end; at = this.nextAt) {
      this.#moveTo(at);
      await this.settleAsync();
    }
    this.clock.moveTo(end);
  }

  /** Makes the present or next `settle` or `advance` throw: for failures that have no caller. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  #throwFailure(): void {
    if (this.#failure === undefined) return;
    const { error } = this.#failure;
    this.#failure = undefined;
    throw error;
  }

  /** @returns whether promises may go on now. */
  #runOne(): boolean {
    const due = this.#due;
    const index = Math.floor(this.#random() * due.length);
    const event = due[index] as SimulatedEvent;
    const last = due.pop() as SimulatedEvent;
    if (last !== event) due[index] = last;
    if (event.cancelled || event.process.isStopped) return false;
    this.#ran += 1;
    event.run();
    if (this.#failure !== undefined) this.#throwFailure();
    return event.process.usesPromises;
  }

  #moveTo(at: number): void {
    this.clock.moveTo(at);
    while (this.#later[0] !== undefined && this.#later[0].at <= at) {
      const event = this.#takeEarliest();
      if (!event.cancelled) this.#due.push(event);
    }
  }

  // A binary heap by time, then by the order in which events were added.
  #addLater(event: SimulatedEvent): void {
    const heap = this.#later;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isEarlier(event, heap[parent] as SimulatedEvent)) break;
      heap[index] = heap[parent] as SimulatedEvent;
      index = parent;
    }
    heap[index] = event;
  }

  #takeEarliest(): SimulatedEvent {
    const heap = this.#later;
    const earliest = heap[0] as SimulatedEvent;
    const moved = heap.pop() as SimulatedEvent;
    if (heap.length === 0) return earliest;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (
        child + 1 < heap.length &&
        isEarlier(heap[child + 1] as SimulatedEvent, heap[child] as SimulatedEvent)
      )
        child += 1;
      if (!isEarlier(heap[child] as SimulatedEvent, moved)) break;
      heap[index] = heap[child] as SimulatedEvent;
      index = child;
    }
    heap[index] = moved;
    return earliest;
  }
}

function isEarlier(a: SimulatedEvent, b: SimulatedEvent): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** After everything that promises have ready: an immediate comes behind all microtasks. */
function reactions(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/**
 * One process of the simulation: its `Scheduler`, and where events for it are posted. Its turn ends
 * at a moment of the simulation's choosing after something asked for the end.
 */
export class SimulatedProcess implements Scheduler {
  readonly name: string;
  readonly usesPromises: boolean;
  readonly #events: EventScheduler;
  #atEnd: (() => void)[] = [];
  #thisTurn: (() => void)[] = [];
  #nextTurn: (() => void)[] = [];
  #endPosted = false;
  #stopped = false;
  #cancelAlarm: (() => void) | undefined;

  /** Made by `EventScheduler.process`. */
  constructor(events: EventScheduler, name: string, usesPromises: boolean) {
    this.#events = events;
    this.name = name;
    this.usesPromises = usesPromises;
  }

  get clock(): FakeClock {
    return this.#events.clock;
  }

  /** Whether `stop` was called. */
  get isStopped(): boolean {
    return this.#stopped;
  }

  endOfTurn(callback: () => void): void {
    this.#atEnd.push(callback);
    this.#postEnd();
  }

  nextTurn(callback: () => void): void {
    this.#nextTurn.push(callback);
    this.#postEnd();
  }

  setAlarm(delayMs: number, callback: () => void): void {
    this.clearAlarm();
    this.#cancelAlarm = this.#events.post(
      this,
      () => {
        this.#cancelAlarm = undefined;
        callback();
      },
      delayMs,
    );
  }

  clearAlarm(): void {
    this.#cancelAlarm?.();
    this.#cancelAlarm = undefined;
  }

  /** Adds an event of this process. @returns what takes it back. */
  post(run: () => void, delayMs: number = 0): () => void {
    return this.#events.post(this, run, delayMs);
  }

  /** Fails the simulation: for errors that nobody would see. */
  fail(error: unknown): void {
    this.#events.fail(error);
  }

  /** The process dies: none of its events happens any more. */
  stop(): void {
    this.#stopped = true;
  }

  #postEnd(): void {
    if (this.#endPosted) return;
    this.#endPosted = true;
    this.#events.post(this, () => this.#endTurn());
  }

  #endTurn(): void {
    this.#endPosted = false;
    // What was left for this turn comes before its end, and what it leaves at the end still counts.
    const carried = this.#thisTurn;
    this.#thisTurn = [];
    for (const callback of carried) callback();
    const ending = this.#atEnd;
    this.#atEnd = [];
    for (const callback of ending) callback();
    this.#thisTurn = this.#nextTurn;
    this.#nextTurn = [];
    if (this.#thisTurn.length > 0 || this.#atEnd.length > 0) this.#postEnd();
  }
}
