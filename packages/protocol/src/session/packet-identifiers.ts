const HIGHEST_IDENTIFIER = 0xffff;

/**
 * Packet Identifiers of one session and direction: PUBLISH, SUBSCRIBE and UNSUBSCRIBE draw on one
 * set. A bitmap of 8 KiB, made on first use.
 */
export class PacketIdentifiers {
  #taken: Uint32Array | undefined = undefined;
  #size = 0;
  #last = 0;

  /** Identifiers that are taken. */
  get size(): number {
    return this.#size;
  }

  /**
   * Takes the next free identifier after the one taken last, so that none comes back at once.
   *
   * @returns 1…65 535 [MQTT5-2.2.1-3] [MQTT5-2.2.1-4], or 0 if none is free.
   */
  take(): number {
    if (this.#size === HIGHEST_IDENTIFIER) return 0;
    let packetIdentifier = this.#last;
    do {
      packetIdentifier = packetIdentifier === HIGHEST_IDENTIFIER ? 1 : packetIdentifier + 1;
    } while (!this.isFree(packetIdentifier));
    this.reserve(packetIdentifier);
    this.#last = packetIdentifier;
    return packetIdentifier;
  }

  isFree(packetIdentifier: number): boolean {
    const taken = this.#taken;
    return (
      taken === undefined || (taken[packetIdentifier >>> 5]! & (1 << (packetIdentifier & 31))) === 0
    );
  }

  /** Takes this very identifier: one that a store gave back. No effect if it is taken. */
  reserve(packetIdentifier: number): void {
    if (!this.isFree(packetIdentifier)) return;
    this.#taken ??= new Uint32Array((HIGHEST_IDENTIFIER + 1) / 32);
    this.#taken[packetIdentifier >>> 5]! |= 1 << (packetIdentifier & 31);
    this.#size++;
  }

  /** The identifier is free again. No effect if it is free. */
  release(packetIdentifier: number): void {
    if (this.isFree(packetIdentifier)) return;
    this.#taken![packetIdentifier >>> 5]! &= ~(1 << (packetIdentifier & 31));
    this.#size--;
  }

  /** All are free, as at the start of a session. */
  clear(): void {
    this.#taken = undefined;
    this.#size = 0;
  }
}
