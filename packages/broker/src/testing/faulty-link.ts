import { ConnectionError } from "@sericite/protocol";
import type { Accept, Dial, Link, LinkHandler, Peer } from "@sericite/protocol";
import type { SimulatedProcess } from "./event-scheduler.ts";
import type { Chance } from "./random.ts";

/** What goes wrong on a link by itself, and how often. Shares are 0…1. */
export interface LinkFaults {
  /** Share of deliveries that come late. */
  readonly delay: number;
  /** How late, at most. Milliseconds. */
  readonly delayMaximumMs: number;
  /** Share of deliveries that bring only a part of what is on its way. */
  readonly split: number;
  /** Share of writes that the link does not take at once: `write` returns false. */
  readonly hold: number;
}

/** A link on which nothing goes wrong but that several writes arrive as one. */
export const NO_LINK_FAULTS: LinkFaults = { delay: 0, delayMaximumMs: 0, split: 0, hold: 0 };

/** What watches one end of a link from outside, at the very moment of each thing. */
export interface LinkWatcher {
  /** Bytes are about to be handed to this end's handler. */
  onData(bytes: Uint8Array, start: number, end: number): void;
  /** This end wrote. */
  onWrite(bytes: Uint8Array): void;
  /**
   * This end asked for the close, in order or at once, or is about to be told of it: the first of these.
   *
   * @param how  "asked": by this end; "ended": the other end did, and all its bytes came; "lost".
   */
  onClosed(how: "asked" | "ended" | "lost"): void;
}

/** Bytes that a delivery lies among, so that an offset forgotten is noticed. */
const MARGIN = 16;
/** Bytes on their way in one direction above which nothing more is taken. */
const CAPACITY = 256 * 1024;
/** What a delivery's bytes become when its call is over, so that a view kept is noticed. */
const POISON = 0xdb;

/**
 * One end of a simulated link. It keeps the contract of `Link` to the letter and no more: bytes
 * that it holds are read late, bytes that it handed over turn to poison, and everything that it
 * tells is an event of the end's process. `stall` and `cut` are the outside world's.
 */
export class FaultyLink implements Link {
  readonly peer: Peer;
  watcher: LinkWatcher | undefined;
  faults: LinkFaults = NO_LINK_FAULTS;
  readonly process: SimulatedProcess;
  readonly #chance: Chance;
  #handler: LinkHandler | undefined;
  #other!: FaultyLink;
  /** Written and not taken: the writer's own bytes. */
  #held: Uint8Array[] = [];
  #unsentBytes = 0;
  #owesWritable = false;
  /** Taken and not arrived. */
  #inTransit: Uint8Array[] = [];
  #transitBytes = 0;
  #deliveryPosted = false;
  #releasePosted = false;
  /** The other end is to learn of the close, behind all bytes. */
  #isEndDue = false;
  /** The other end learns of it as of a failure. */
  #isReset = false;
  #stalled = false;
  #paused = false;
  /** A delivery that was on its way when this end paused. */
  #mayArriveOnce = false;
  #ending = false;
  /** `end`, `destroy` or a cut: nothing is written any more. */
  #writesAreOver = false;
  #closed = false;
  #closeTold = false;
  #cause: Error | undefined;

  /** Ends are made in pairs, by `faultyLinkPair`. */
  constructor(process: SimulatedProcess, chance: Chance, peer: Peer) {
    this.process = process;
    this.#chance = chance;
    this.peer = peer;
  }

  /** Makes two ends a pair. */
  static join(near: FaultyLink, far: FaultyLink): void {
    near.#other = far;
    far.#other = near;
  }

  /** Who is told. Until there is one, everything waits: as a connection that was not accepted yet. */
  get handler(): LinkHandler | undefined {
    return this.#handler;
  }

  set handler(handler: LinkHandler | undefined) {
    this.#handler = handler;
    if (handler === undefined) return;
    this.#other.#postDelivery();
    if (this.#closed) this.#postClose();
  }

  /** Whether this end is closed, told or not. */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** Whether this end asked for its close. */
  get isEnding(): boolean {
    return this.#ending;
  }

  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closed || this.#writesAreOver) return true;
    this.watcher?.onWrite(bytes);
    if (bytes.length === 0) return !this.#owesWritable;
    if (
      this.#stalled ||
      this.#held.length > 0 ||
      this.#transitBytes >= CAPACITY ||
      this.#chance.happens(this.faults.hold)
    ) {
      // Kept as they are, uncopied: a writer that changes them too early is found out.
      this.#held.push(bytes);
      this.#unsentBytes += bytes.length;
      this.#owesWritable = true;
      this.#postRelease();
      return false;
    }
    this.#take(bytes.slice());
    return true;
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#mayArriveOnce = this.#other.#deliveryPosted && this.#chance.happens(0.5);
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#other.#postDelivery();
  }

  end(): void {
    if (this.#closed || this.#ending) return;
    this.#ending = true;
    this.#writesAreOver = true;
    this.#noteClosed("asked");
    if (this.#held.length === 0) this.#postEnd();
  }

  destroy(): void {
    if (this.#closed) return;
    this.#noteClosed("asked");
    this.#close(undefined);
    // What was taken is on its way and may arrive or not; then the other end learns of it.
    if (this.#chance.happens(0.5)) this.#inTransit = [];
    this.#isReset = true;
    this.#postEnd();
  }

  /** The other end's window is full: nothing more is taken until `release`. */
  stall(): void {
    this.#stalled = true;
  }

  /** Ends `stall`. */
  release(): void {
    if (!this.#stalled) return;
    this.#stalled = false;
    if (this.#held.length > 0) this.#postRelease();
  }

  /**
   * The network fails: what is on its way is lost both ways, and this end learns of the close.
   *
   * @param both  The other end learns of it too; else it goes on unaware until it is cut as well,
   * and what it writes is taken and lost.
   */
  cut(both: boolean): void {
    this.#lose();
    this.#other.#lose();
    this.#close(lost());
    if (both) this.#other.#close(lost());
    else this.#other.#stalled = false;
  }

  #lose(): void {
    this.#inTransit = [];
    this.#transitBytes = 0;
    this.#deliveryPosted = false;
  }

  #take(bytes: Uint8Array): void {
    this.#inTransit.push(bytes);
    this.#transitBytes += bytes.length;
    this.#postDelivery();
  }

  #delay(): number {
    const { delay, delayMaximumMs } = this.faults;
    return delay > 0 && this.#chance.happens(delay) ? this.#chance.integer(1, delayMaximumMs) : 0;
  }

  #postRelease(): void {
    if (this.#releasePosted || this.#stalled || this.#transitBytes >= CAPACITY) return;
    this.#releasePosted = true;
    this.process.post(() => {
      this.#releasePosted = false;
      this.#releaseHeld();
    }, this.#delay());
  }

  #releaseHeld(): void {
    if (this.#stalled || this.#closed || this.#held.length === 0) return;
    const held = this.#held;
    let left = this.#chance.happens(this.faults.split)
      ? this.#chance.integer(1, this.#unsentBytes)
      : this.#unsentBytes;
    while (left > 0 && this.#transitBytes < CAPACITY) {
      const first = held[0] as Uint8Array;
      const count = Math.min(left, first.length);
      this.#take(first.slice(0, count));
      if (count === first.length) held.shift();
      else held[0] = first.subarray(count);
      left -= count;
      this.#unsentBytes -= count;
    }
    if (held.length > 0) {
      this.#postRelease();
      return;
    }
    if (this.#ending) {
      this.#postEnd();
      return;
    }
    this.#owesWritable = false;
    this.#handler?.onWritable();
  }

  #postDelivery(): void {
    if (this.#deliveryPosted || (this.#transitBytes === 0 && !this.#isEndDue)) return;
    this.#deliveryPosted = true;
    this.#other.process.post(() => {
      this.#deliveryPosted = false;
      this.#deliver();
    }, this.#delay());
  }

  #postEnd(): void {
    this.#isEndDue = true;
    this.#postDelivery();
    if (this.#ending && !this.#closed) {
      this.process.post(() => this.#close(undefined), this.#delay());
    }
  }

  #deliver(): void {
    const other = this.#other;
    if (other.#closed || other.#handler === undefined) return;
    if (this.#inTransit.length === 0) this.#transitBytes = 0;
    if (this.#transitBytes > 0) {
      if (other.#paused && !other.#mayArriveOnce) return;
      other.#mayArriveOnce = false;
      this.#hand(
        this.#chance.happens(this.faults.split)
          ? this.#chance.integer(1, this.#transitBytes)
          : this.#transitBytes,
      );
      if (this.#held.length > 0) this.#postRelease();
      if (this.#transitBytes > 0 || this.#isEndDue) this.#postDelivery();
      return;
    }
    // A paused end learns of the close only with the bytes before it, and all of these it has.
    if (this.#isEndDue) other.#close(this.#isReset ? lost() : undefined);
  }

  #hand(count: number): void {
    const bytes = new Uint8Array(count + 2 * MARGIN).fill(POISON);
    let at = MARGIN;
    while (at < MARGIN + count) {
      const first = this.#inTransit[0] as Uint8Array;
      const length = Math.min(first.length, MARGIN + count - at);
      bytes.set(length === first.length ? first : first.subarray(0, length), at);
      if (length === first.length) this.#inTransit.shift();
      else this.#inTransit[0] = first.subarray(length);
      at += length;
    }
    this.#transitBytes -= count;
    const other = this.#other;
    other.watcher?.onData(bytes, MARGIN, MARGIN + count);
    other.#handler?.onData(bytes, MARGIN, MARGIN + count);
    bytes.fill(POISON);
  }

  #noteClosed(how: "asked" | "ended" | "lost"): void {
    const watcher = this.watcher;
    this.watcher = undefined;
    watcher?.onClosed(how);
  }

  #close(cause: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#writesAreOver = true;
    this.#held = [];
    this.#unsentBytes = 0;
    this.#cause = cause;
    this.#postClose();
  }

  #postClose(): void {
    this.process.post(() => {
      if (this.#closeTold || this.#handler === undefined) return;
      this.#closeTold = true;
      this.#noteClosed(this.#cause === undefined ? "ended" : "lost");
      this.#handler.onClose(this.#cause);
    });
  }
}

function lost(): Error {
  return new ConnectionError("ERR_CONNECTION_LOST", "the simulated network failed");
}

/** Settings of `faultyLinkPair`. */
export interface FaultyLinkOptions {
  /** Of both directions; default: none. */
  readonly faults?: LinkFaults;
  /** What the accepting end is told of the other; default: a memory peer. */
  readonly peer?: Peer;
}

const SIMULATED_PEER: Peer = { listener: "memory", transport: "memory" };

/** A link between two processes of a simulation: the dialling end, then the accepting one. */
export function faultyLinkPair(
  near: SimulatedProcess,
  far: SimulatedProcess,
  chance: Chance,
  options: FaultyLinkOptions = {},
): [near: FaultyLink, far: FaultyLink] {
  const one = new FaultyLink(near, chance, SIMULATED_PEER);
  const other = new FaultyLink(far, chance, options.peer ?? SIMULATED_PEER);
  FaultyLink.join(one, other);
  one.faults = options.faults ?? NO_LINK_FAULTS;
  other.faults = options.faults ?? NO_LINK_FAULTS;
  return [one, other];
}

/** Told of each link that a simulated dial made, before a byte flows. */
export type OnLink = (near: FaultyLink, far: FaultyLink) => void;

/**
 * A `Dial` that reaches `accept` over faulty links: what a client of this suite is given in place of
 * a transport.
 */
export function dialFaulty(
  near: SimulatedProcess,
  far: SimulatedProcess,
  accept: Accept,
  chance: Chance,
  options: FaultyLinkOptions & { readonly onLink?: OnLink } = {},
): Dial {
  return (handler: LinkHandler) =>
    new Promise<Link>((resolve, reject) => {
      far.post(() => {
        const [one, other] = faultyLinkPair(near, far, chance, options);
        one.handler = handler;
        try {
          options.onLink?.(one, other);
          other.handler = accept(other);
        } catch (cause) {
          reject(cause as Error);
          return;
        }
        near.post(() => resolve(one));
      });
    });
}
