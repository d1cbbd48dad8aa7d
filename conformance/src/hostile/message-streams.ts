import type { QoS } from "@sericite/protocol";

/**
 * What the well-behaved pair is owed: of each QoS a stream of messages, numbered from 1. Nobody of the
 * pair loses a connection, so each arrives once and in order, whatever its QoS.
 */
export class MessageStreams {
  readonly #sent = [0, 0, 0];
  readonly #received = [0, 0, 0];

  /** @returns the number of the next message to send. */
  next(qos: QoS): number {
    return (this.#sent[qos] = this.#sent[qos]! + 1);
  }

  /** Notes a message that came. @returns what is wrong about it. */
  receive(qos: QoS, number: number): string | undefined {
    const last = this.#received[qos]!;
    const sent = this.#sent[qos]!;
    if (number > sent || number < 1) return `QoS ${qos}: message ${number} came and was never sent`;
    this.#received[qos] = Math.max(last, number);
    if (number === last + 1) return undefined;
    if (number === last) return `QoS ${qos}: message ${number} came twice`;
    if (number < last) return `QoS ${qos}: message ${number} came after ${last}`;
    return `QoS ${qos}: message ${number} came after ${last}: ${number - last - 1} are missing`;
  }

  /** Messages that are yet to come. */
  get owed(): number {
    let owed = 0;
    for (const qos of [0, 1, 2]) owed += this.#sent[qos]! - this.#received[qos]!;
    return owed;
  }

  get sent(): number {
    return this.#sent[0]! + this.#sent[1]! + this.#sent[2]!;
  }
}
