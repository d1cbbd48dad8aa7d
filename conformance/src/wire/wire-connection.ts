import { createConnection } from "node:net";
import type { Socket } from "node:net";
import { encodePacket, PacketType, Parser, TopicNameTable } from "@sericite/protocol";
import type { Packet, ProtocolVersion } from "@sericite/protocol";

/** A packet as it came, with its bytes. */
export interface Received {
  readonly packet: Packet;
  readonly bytes: Uint8Array;
}

/** A connection to a broker at the level of packets and bytes. It answers nothing by itself. */
export class WireConnection {
  readonly #socket: Socket;
  readonly #parser: Parser;
  readonly version: ProtocolVersion;
  readonly #queue: Received[] = [];
  #waiters: (() => void)[] = [];
  /** The broker closed, or the bytes it sent were no packets. */
  isClosed = false;
  fault: Error | undefined;
  /** Packet Identifier of the last PUBLISH that came. */
  lastIdentifier = 0;

  private constructor(socket: Socket, version: ProtocolVersion) {
    this.#socket = socket;
    this.version = version;
    this.#parser = new Parser({
      from: "server",
      protocolVersion: version,
      maximumPacketSize: 268_435_460,
      topicNames: new TopicNameTable({ maximumEntries: 1000 }),
    });
    socket.on("data", (chunk) => this.#read(chunk));
    socket.on("close", () => this.#close());
    socket.on("error", () => this.#close());
  }

  static open(host: string, port: number, version: ProtocolVersion): Promise<WireConnection> {
    return new Promise((resolve, reject) => {
      const socket = createConnection({ host, port, noDelay: true });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.removeListener("error", reject);
        resolve(new WireConnection(socket, version));
      });
    });
  }

  #close(): void {
    this.isClosed = true;
    this.#wake();
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }

  #read(chunk: Uint8Array): void {
    try {
      this.#parser.push(chunk, 0, chunk.length);
      while (this.#parser.next() !== 0) {
        const { bytes, start, end } = this.#parser;
        this.#queue.push({ packet: this.#parser.packet(), bytes: bytes.slice(start, end) });
      }
    } catch (error) {
      this.fault = error instanceof Error ? error : new Error(String(error));
    }
    this.#wake();
  }

  send(packet: Packet): void {
    this.#socket.write(encodePacket(packet, this.version));
  }

  sendBytes(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** The next packet, or `undefined` when none came in time or the connection closed. */
  async next(timeoutMs: number): Promise<Received | undefined> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      if (this.fault !== undefined) throw this.fault;
      const received = this.#queue.shift();
      if (received !== undefined) {
        const { packet } = received;
        if (packet.type === "publish") this.lastIdentifier = packet.packetIdentifier ?? 0;
        return received;
      }
      const rest = deadline - performance.now();
      if (this.isClosed || rest <= 0) return undefined;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, rest);
        this.#waiters.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** Settles when the broker closed; false where it did not in time. */
  async closed(timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (!this.isClosed && performance.now() < deadline) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, deadline - performance.now());
        this.#waiters.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return this.isClosed;
  }

  ping(): void {
    this.#socket.write(Uint8Array.of(PacketType.pingreq << 4, 0));
  }

  cut(): void {
    this.#socket.resetAndDestroy();
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
