import { UsageError } from "../errors.ts";
import type { Accept, Dial, Link, LinkHandler, Peer } from "./link.ts";
import type { Scheduler } from "./scheduler.ts";

/** Settings of a pair of memory links. */
export interface MemoryLinkOptions {
  /** Bytes on their way in one direction above which `write` returns false. Default 256 KiB. */
  readonly capacity?: number;
  /** What the accepting side is told of the dialling one. */
  readonly peerOfServer?: Peer;
  /** What the dialling side is told of the accepting one. */
  readonly peerOfClient?: Peer;
}

const DEFAULT_CAPACITY = 256 * 1024;
const MEMORY_PEER: Peer = { listener: "memory", transport: "memory" };

/**
 * One end of a stream of bytes within one process. Bytes are copied when they are written and
 * arrive in a later turn. Where the other end is paused they wait, `unsentBytes` counts them, and
 * `write` returns false above the capacity.
 */
export class MemoryLink implements Link {
  readonly peer: Peer;
  /** Who is told of what happens. Set it before the turn ends in which the pair was made. */
  handler: LinkHandler | undefined = undefined;
  readonly #scheduler: Scheduler;
  readonly #capacity: number;
  #other: MemoryLink | undefined = undefined;
  /** Written here and not yet arrived there. */
  #chunks: Uint8Array[] = [];
  #unsentBytes = 0;
  #full = false;
  #paused = false;
  #ending = false;
  #closed = false;
  #deliveryDue = false;
  #isEndTold = false;

  /** Ends are made in pairs: see `memoryLinkPair`. */
  constructor(scheduler: Scheduler, capacity: number, peer: Peer) {
    this.#scheduler = scheduler;
    this.#capacity = capacity;
    this.peer = peer;
  }

  /** Makes two ends a pair. */
  static join(one: MemoryLink, other: MemoryLink): void {
    one.#other = other;
    other.#other = one;
  }

  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closed || this.#ending) return true; // As a socket: what comes after the end is lost.
    if (bytes.length > 0) {
      // Not `slice`, which Node's Buffer answers with a view.
      this.#chunks.push(new Uint8Array(bytes));
      this.#unsentBytes += bytes.length;
      this.#scheduleDelivery();
    }
    if (this.#unsentBytes > this.#capacity) this.#full = true;
    return !this.#full;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    const other = this.#other;
    if (other !== undefined) other.#scheduleDelivery();
  }

  end(): void {
    if (this.#closed || this.#ending) return;
    this.#ending = true;
    this.#scheduleDelivery();
  }

  destroy(): void {
    if (this.#closed) return;
    const other = this.#other;
    this.#close();
    if (other !== undefined) other.#close();
  }

  #scheduleDelivery(): void {
    if (this.#deliveryDue || this.#closed) return;
    this.#deliveryDue = true;
    this.#scheduler.nextTurn(() => {
      this.#deliveryDue = false;
      this.#deliver();
    });
  }

  /** Hands over what was written in earlier turns, then tells the writer, then ends. */
  #deliver(): void {
    const other = this.#other;
    if (this.#closed || other === undefined) return;
    let count = 0;
    const chunks = this.#chunks;
    const due = chunks.length;
    while (count < due && !other.#paused && !this.#closed) {
      const chunk = chunks[count++]!;
      this.#unsentBytes -= chunk.length;
      other.handler?.onData(chunk, 0, chunk.length);
    }
    if (this.#closed) return;
    chunks.splice(0, count);
    if (chunks.length > 0) {
      if (!other.#paused) this.#scheduleDelivery();
      else if (this.#ending && !this.#isEndTold) {
        this.#isEndTold = true;
        other.handler?.onEnd?.();
      }
      return;
    }
    if (this.#full) {
      this.#full = false;
      this.handler?.onWritable();
    }
    if (this.#ending && chunks.length === 0 && !this.#closed) this.destroy();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#chunks = [];
    this.#unsentBytes = 0;
    this.#scheduler.nextTurn(() => this.handler?.onClose());
  }
}

/** Two joined ends: the dialling one, then the accepting one. Give each its `handler`. */
export function memoryLinkPair(
  scheduler: Scheduler,
  options: MemoryLinkOptions = {},
): [client: MemoryLink, server: MemoryLink] {
  const capacity = options.capacity ?? DEFAULT_CAPACITY;
  if (!(capacity > 0))
    throw new UsageError("ERR_USAGE", `capacity ${capacity}, expected more than 0`);
  const client = new MemoryLink(scheduler, capacity, options.peerOfClient ?? MEMORY_PEER);
  const server = new MemoryLink(scheduler, capacity, options.peerOfServer ?? MEMORY_PEER);
  MemoryLink.join(client, server);
  return [client, server];
}

/**
 * A `Dial` that reaches an `Accept` in the same process: a client and a broker without a network.
 * Each call makes a new pair; the accepting side has it one turn later.
 */
export function connectMemory(
  accept: Accept,
  scheduler: Scheduler,
  options: MemoryLinkOptions = {},
): Dial {
  return (handler) =>
    new Promise((resolve, reject) => {
      scheduler.nextTurn(() => {
        const [client, server] = memoryLinkPair(scheduler, options);
        client.handler = handler;
        try {
          server.handler = accept(server);
        } catch (cause) {
          reject(cause instanceof Error ? cause : new Error(String(cause)));
          return;
        }
        resolve(client);
      });
    });
}
