import type { Publication } from "./publication.ts";
import { Queue } from "./queue.ts";

/** Messages that wait to be sent, in one line for all QoS, and what they weigh. */
export class PublishQueue {
  readonly #queue = new Queue<Publication>();
  #messages = 0;
  #bytes = 0;
  #numbered = 0;

  /** Messages that wait; those that were given up meanwhile do not count. */
  get messages(): number {
    return this.#messages;
  }

  /** Bytes of their payloads and Topic Names, about. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Those that have a Packet Identifier already. */
  get numbered(): number {
    return this.#numbered;
  }

  /** A message that waits was given its Packet Identifier. */
  noteNumbered(): void {
    this.#numbered++;
  }

  /** Puts a message behind all others. */
  push(publication: Publication): void {
    this.#enter(publication);
    this.#queue.push(publication);
  }

  /** Puts messages before all others, in their order. */
  unshift(publications: readonly Publication[]): void {
    for (const publication of publications) this.#enter(publication);
    this.#queue.unshift(publications);
  }

  /** The first message that is not settled; it stays. */
  peek(): Publication | undefined {
    for (let first = this.#queue.peek(); first !== undefined; first = this.#queue.peek()) {
      if (!first.isSettled) return first;
      this.#queue.shift();
    }
    return undefined;
  }

  /** Takes the first message. */
  shift(): void {
    const publication = this.#queue.shift();
    if (publication !== undefined) this.leave(publication);
  }

  /** A message does not wait any more, wherever it stands: it is settled. */
  leave(publication: Publication): void {
    if (!publication.isQueued) return;
    publication.isQueued = false;
    this.#messages--;
    this.#bytes -= publication.size;
    if (publication.packetIdentifier !== 0) this.#numbered--;
  }

  /** Takes all that are not settled. */
  clear(): Publication[] {
    const publications = this.#queue.clear().filter((publication) => !publication.isSettled);
    for (const publication of publications) this.leave(publication);
    return publications;
  }

  #enter(publication: Publication): void {
    publication.isQueued = true;
    this.#messages++;
    this.#bytes += publication.size;
    if (publication.packetIdentifier !== 0) this.#numbered++;
  }
}
