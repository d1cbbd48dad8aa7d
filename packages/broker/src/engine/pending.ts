import type { Position } from "./ports.ts";

/** What waits to be sent: a short acknowledgement packed into a number, or an encoded packet. */
export type PendingItem = number | Uint8Array;

/** What sends them when their time has come. */
export interface PendingSink {
  sendPending(item: PendingItem): void;
}

/** Packs PUBACK, PUBREC, PUBREL or PUBCOMP: packet type, Reason Code, Packet Identifier. */
export function packAcknowledgement(
  packetType: number,
  packetIdentifier: number,
  reasonCode: number,
): number {
  return (packetType << 24) | (reasonCode << 16) | packetIdentifier;
}

/**
 * Acknowledgements of one connection that wait for the store or the bus, in order: the first leaves
 * when what it promises is durable, and no later one leaves before it.
 */
export class PendingLine {
  #items: PendingItem[] = [];
  #stores: Position[] = [];
  #buses: Position[] = [];
  #head = 0;

  get isEmpty(): boolean {
    return this.#head === this.#items.length;
  }

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(item: PendingItem, store: Position, bus: Position): void {
    this.#items.push(item);
    this.#stores.push(store);
    this.#buses.push(bus);
  }

  /** Gives to `sink`, in order, what waits for nothing beyond these positions. */
  drain(store: Position, bus: Position, sink: PendingSink): void {
    while (
      this.#head < this.#items.length &&
      this.#stores[this.#head]! <= store &&
      this.#buses[this.#head]! <= bus
    ) {
      const item = this.#items[this.#head]!;
      this.#head++;
      sink.sendPending(item);
    }
    if (this.#head === this.#items.length || this.#head > 1024) {
      this.#items.splice(0, this.#head);
      this.#stores.splice(0, this.#head);
      this.#buses.splice(0, this.#head);
      this.#head = 0;
    }
  }
}
