import { encodePacket } from "@sericite/protocol";
import type { Link, LinkHandler, Packet, ProtocolVersion, Scheduler } from "@sericite/protocol";

/** Turns that end when they are told to. */
export class Turns implements Scheduler {
  #ends: (() => void)[] = [];

  endOfTurn(callback: () => void): void {
    this.#ends.push(callback);
  }

  nextTurn(callback: () => void): void {
    this.#ends.push(callback);
  }

  setAlarm(): void {
    // No timer matters here.
  }

  clearAlarm(): void {
    // Likewise.
  }

  /** Runs all that waits, and what comes of it. */
  end(): void {
    while (this.#ends.length > 0) {
      const ends = this.#ends;
      this.#ends = [];
      for (const end of ends) end();
    }
  }
}

/** A link whose other end takes everything. */
export class SinkLink implements Link {
  readonly peer = { listener: "bench", transport: "memory" } as const;
  readonly unsentBytes = 0;
  /** Bytes that were written to it. */
  received = 0;
  #handler: LinkHandler | undefined;

  /** @param accept  Takes the near end: a broker's engine. */
  constructor(accept: (link: Link) => LinkHandler) {
    this.#handler = accept(this);
  }

  write(bytes: Uint8Array): boolean {
    this.received += bytes.length;
    return true;
  }

  pause(): void {
    // Never full.
  }

  resume(): void {
    // Never paused.
  }

  end(): void {
    // Never ends.
  }

  destroy(): void {
    // Never ends.
  }

  /** Bytes arrive at the broker. */
  send(bytes: Uint8Array): void {
    this.#handler!.onData(bytes, 0, bytes.length);
  }

  sendPacket(packet: Packet, version: ProtocolVersion): void {
    this.send(encodePacket(packet, version));
  }
}
