import {
  PacketType,
  Parser,
  ProtocolError,
  TopicNameTable,
  fromClient,
  fromServer,
} from "@sericite/protocol";
import type { Packet } from "@sericite/protocol";
import type { LinkWatcher } from "./faulty-link.ts";

/** What hears the packets of one connection, at the broker's end of its link. */
export interface PacketListener {
  /** More bytes came: what follows in `received` reached the broker in one piece. */
  chunk(): void;
  /** The broker was given a whole packet. Views in it are good during the call only. */
  received(packet: Packet, size: number): void;
  /** The broker sent one. Views in it are good during the call only. */
  sent(packet: Packet, size: number): void;
  /** The broker sent what is no packet, or no packet of this version. */
  sentNonsense(reason: string): void;
  /** The broker closed the connection ("asked"), or is about to learn that it is closed. Once, last. */
  closed(how: "asked" | "ended" | "lost"): void;
}

const UNLIMITED = 268_435_460;
// Shared by all taps: what a name means never changes.
const topicNames = new TopicNameTable({ maximumEntries: 4096 });

/** Reads along at the broker's end of a link: whole packets, both ways, at the moment they pass. */
export class PacketTap implements LinkWatcher {
  readonly #listener: PacketListener;
  readonly #in = new Parser({ from: fromClient, maximumPacketSize: UNLIMITED, topicNames });
  readonly #out = new Parser({
    from: fromServer,
    protocolVersion: 4,
    maximumPacketSize: UNLIMITED,
    topicNames,
  });
  #isInBroken = false;
  #isOutBroken = false;

  constructor(listener: PacketListener) {
    this.#listener = listener;
  }

  onData(bytes: Uint8Array, start: number, end: number): void {
    if (this.#isInBroken) return;
    this.#listener.chunk();
    try {
      this.#in.push(bytes, start, end);
      for (let type = this.#in.next(); type !== 0; type = this.#in.next()) {
        const packet = this.#in.packet();
        if (type === PacketType.connect) this.#out.protocolVersion = this.#in.protocolVersion;
        this.#listener.received(packet, this.#in.end - this.#in.start);
      }
    } catch (error) {
      // A client may misbehave; what follows means nothing.
      if (!(error instanceof ProtocolError)) throw error;
      this.#isInBroken = true;
    }
  }

  onWrite(bytes: Uint8Array): void {
    if (this.#isOutBroken) return;
    try {
      this.#out.push(bytes, 0, bytes.length);
      for (let type = this.#out.next(); type !== 0; type = this.#out.next()) {
        this.#listener.sent(this.#out.packet(), this.#out.end - this.#out.start);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#isOutBroken = true;
      this.#listener.sentNonsense(error.message);
    }
  }

  onClosed(how: "asked" | "ended" | "lost"): void {
    this.#listener.closed(how);
  }
}
