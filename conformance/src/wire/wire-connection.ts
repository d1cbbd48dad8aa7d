import { encodePacket, PacketType, Parser, TopicNameTable, fromServer } from "@sericite/protocol";
import type { Packet, ProtocolVersion, PublishPacket } from "@sericite/protocol";
import { connectTcp, connectWebSocket } from "./transport.ts";
import type { Address, Transport } from "./transport.ts";

/** A packet as it came, with its bytes. */
export interface Received {
  readonly packet: Packet;
  readonly bytes: Uint8Array;
}

/** A connection to a broker at the level of packets and bytes. It answers nothing by itself. */
export class WireConnection {
  #transport: Transport | undefined;
  readonly #parser: Parser;
  readonly version: ProtocolVersion;
  readonly #queue: Received[] = [];
  #waiters: (() => void)[] = [];
  /** Packet Identifiers of the broker's PUBLISHes that were not answered for good. */
  readonly #unanswered = new Set<number>();
  /** The broker closed, or the connection broke. */
  isClosed = false;
  /** What the broker sent was no packet. */
  fault: Error | undefined;
  /** Packet Identifier of the last PUBLISH or PUBREL that was taken. */
  lastIdentifier = 0;
  /** Client Identifier that CONNACK assigned. */
  assignedClientIdentifier: string | undefined;

  private constructor(version: ProtocolVersion) {
    this.version = version;
    this.#parser = new Parser({
      from: fromServer,
      protocolVersion: version,
      maximumPacketSize: 268_435_460,
      topicNames: new TopicNameTable({ maximumEntries: 1000 }),
    });
  }

  /** Opens a connection by TCP, or by WebSocket where subprotocols are given. */
  static async open(
    address: Address,
    version: ProtocolVersion,
    subprotocols?: readonly string[],
  ): Promise<WireConnection> {
    const connection = new WireConnection(version);
    const listener = {
      onBytes: (bytes: Uint8Array) => connection.#read(bytes),
      onClose: () => connection.#close(),
    };
    connection.#transport =
      subprotocols === undefined
        ? await connectTcp(address, listener)
        : await connectWebSocket(address, listener, subprotocols);
    return connection;
  }

  get #to(): Transport {
    return this.#transport!;
  }

  /** WebSocket: what the broker chose. */
  get subprotocol(): string | undefined {
    return this.#to.subprotocol;
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
      this.fault ??= error instanceof Error ? error : new Error(String(error));
    }
    this.#wake();
  }

  send(packet: Packet): void {
    if (
      packet.type === "puback" ||
      packet.type === "pubcomp" ||
      (packet.type === "pubrec" && (packet.reasonCode ?? 0) >= 0x80)
    )
      this.#unanswered.delete(packet.packetIdentifier);
    this.#to.write(encodePacket(packet, this.version));
  }

  sendBytes(bytes: Uint8Array): void {
    this.#to.write(bytes);
  }

  sendText(bytes: Uint8Array): void {
    this.#to.writeText(bytes);
  }

  /** The next packet that has come, if one has. */
  take(): Received | undefined {
    const received = this.#queue.shift();
    if (received === undefined) {
      if (this.fault !== undefined)
        throw new Error(`the broker sent what is no packet: ${this.fault.message}`);
      return undefined;
    }
    const { packet } = received;
    if (packet.type === "publish") this.#notePublish(packet);
    else if (packet.type === "pubrel") this.lastIdentifier = packet.packetIdentifier;
    else if (packet.type === "connack")
      this.assignedClientIdentifier = packet.properties?.assignedClientIdentifier;
    return received;
  }

  #notePublish({ packetIdentifier = 0, dup }: PublishPacket): void {
    this.lastIdentifier = packetIdentifier;
    if (packetIdentifier === 0) return;
    if (!dup && this.#unanswered.has(packetIdentifier))
      throw new Error(`a new PUBLISH has Packet Identifier ${packetIdentifier}, which is in use`);
    this.#unanswered.add(packetIdentifier);
  }

  /** The next packet, or `undefined` when none came in time or the connection closed. */
  async next(timeoutMs: number): Promise<Received | undefined> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const received = this.take();
      const rest = deadline - performance.now();
      if (received !== undefined || this.isClosed || rest <= 0) return received;
      await this.change(rest);
    }
  }

  /** Settles when something came, when the connection closed, or after a time. */
  change(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#waiters.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** Settles when the broker closed; false where it did not in time. */
  async closed(timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (!this.isClosed && performance.now() < deadline) {
      await this.change(deadline - performance.now());
    }
    return this.isClosed;
  }

  ping(): void {
    this.#to.write(Uint8Array.of(PacketType.pingreq << 4, 0));
  }

  cut(): void {
    this.#to.cut();
  }

  end(): void {
    this.#to.end();
  }
}
