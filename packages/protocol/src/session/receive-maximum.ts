/**
 * The quota of QoS 1 and QoS 2 PUBLISH packets without their last acknowledgement (§4.9), of one
 * direction and one connection. The sender asks before it sends, the receiver counts what came in.
 */
export class ReceiveMaximum {
  #maximum: number;
  #available: number;

  /** @param maximum  The Receive Maximum of the side that receives, 1…65 535. */
  constructor(maximum: number) {
    this.#maximum = maximum;
    this.#available = maximum;
  }

  /** The value at which the quota started. */
  get maximum(): number {
    return this.#maximum;
  }

  /** PUBLISH packets that may still be sent. */
  get available(): number {
    return this.#available;
  }

  /** A PUBLISH takes one [MQTT5-4.9.0-2]. @returns false if none is left: it must wait. */
  take(): boolean {
    if (this.#available === 0) return false;
    this.#available--;
    return true;
  }

  /**
   * PUBACK, PUBCOMP, or PUBREC of 0x80 or above: one is given back, never above the start value
   * (a PUBCOMP may belong to a PUBLISH of the last connection).
   */
  give(): void {
    if (this.#available < this.#maximum) this.#available++;
  }

  /** A new connection starts afresh. */
  reset(maximum: number): void {
    this.#maximum = maximum;
    this.#available = maximum;
  }
}
