import { IdentifierTable, NOT_FOUND } from "./identifier-table.ts";

/**
 * The receiving side of QoS 2 (§4.3.3): Packet Identifiers between PUBLISH and PUBREL. A PUBLISH
 * with one of them is a repeat and must not be handed on again [MQTT5-4.3.3-10] [MQTT3-4.3.3-2].
 *
 * On 3.x a message may be refused; its identifier is then remembered as refused until its PUBREL,
 * so that a repeat is not taken for a new message.
 */
export class Inbound {
  readonly #identifiers = new IdentifierTable();

  /** Packet Identifiers between PUBLISH and PUBREL. */
  get size(): number {
    return this.#identifiers.size;
  }

  /** Whether a PUBLISH with this Packet Identifier would be a repeat. */
  has(packetIdentifier: number): boolean {
    return this.#identifiers.get(packetIdentifier) !== NOT_FOUND;
  }

  /** Whether the message with this Packet Identifier was refused. */
  isRefused(packetIdentifier: number): boolean {
    return this.#identifiers.get(packetIdentifier) === 1;
  }

  /** A new PUBLISH came. */
  begin(packetIdentifier: number, refused: boolean): void {
    this.#identifiers.set(packetIdentifier, refused ? 1 : 0);
  }

  /**
   * PUBREL came, or a PUBREC of 0x80 or above was sent: the next PUBLISH with the Packet Identifier
   * is a new message [MQTT5-4.3.3-9] [MQTT5-4.3.3-12].
   *
   * @returns whether the Packet Identifier was in use.
   */
  end(packetIdentifier: number): boolean {
    return this.#identifiers.delete(packetIdentifier) !== NOT_FOUND;
  }

  /** The Packet Identifiers in use, rising. */
  identifiers(): number[] {
    const identifiers: number[] = [];
    this.#identifiers.forEach((packetIdentifier) => identifiers.push(packetIdentifier));
    return identifiers.sort((a, b) => a - b);
  }

  /** Forgets everything and lets its memory go. */
  clear(): void {
    this.#identifiers.clear();
  }
}
