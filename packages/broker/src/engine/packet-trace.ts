import {
  PacketType,
  Parser,
  ProtocolError,
  topicFilterMatches,
  TopicNameTable,
  fromServer,
} from "@sericite/protocol";
import type { Packet } from "@sericite/protocol";
import type { Connection } from "./connection.ts";
import { packetText } from "./packet-text.ts";

/** Which packets are traced: of one client, of one Topic Filter, or of that client those. */
export interface TraceOptions {
  readonly clientId?: string;
  /** PUBLISH packets of the Topic Names that it matches, whoever sends or gets them. */
  readonly topicFilter?: string;
}

/** A packet that passed. */
export interface TracedPacket {
  /** "received": by the broker; "sent": by it. */
  readonly direction: "received" | "sent";
  /** Empty while the client has none. */
  readonly clientId: string;
  readonly address: string | undefined;
  /** Bytes, fixed header included. */
  readonly size: number;
  /** Readable, and without passwords and payloads. */
  readonly packet: string;
}

/** What hears of each packet that is traced. */
export type TraceListener = (traced: TracedPacket) => void;

interface Trace extends TraceOptions {
  readonly listener: TraceListener;
}

const UNLIMITED = 268_435_460;

/** Reads along with connections. There is none while nothing is traced, so that nothing is paid for it. */
export class PacketTrace {
  readonly #traces = new Set<Trace>();
  readonly #onError: (error: unknown) => void;
  // Of its own: what passes only because it is traced must not push others out of the engine's.
  readonly #topicNames = new TopicNameTable({ maximumEntries: 4096 });
  /** Of sent packets: Topic Names by connection and alias. */
  readonly #aliases = new WeakMap<Connection, Map<number, string>>();
  #tracesTopics = false;

  /** @param onError  Told of a listener that threw. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  get isEmpty(): boolean {
    return this.#traces.size === 0;
  }

  /** @returns what ends it. */
  add(options: TraceOptions, listener: TraceListener): () => void {
    const trace = { ...options, listener };
    this.#traces.add(trace);
    this.#update();
    return () => {
      this.#traces.delete(trace);
      this.#update();
    };
  }

  #update(): void {
    this.#tracesTopics = [...this.#traces].some(({ topicFilter }) => topicFilter !== undefined);
  }

  /** The parser's current packet is about to be handled. */
  received(connection: Connection, packetType: number): void {
    if (!this.#concerns(connection, packetType)) return;
    const { parser } = connection;
    const size = parser.end - parser.start;
    const packet = this.#read(() => parser.packet());
    if (packet === undefined) {
      const text = `malformed packet of type ${packetType}`;
      return this.#tell(connection, "received", undefined, connection.clientId, size, text);
    }
    const clientId = packet.type === "connect" ? packet.clientId : connection.clientId;
    const topicName =
      packet.type === "publish" && packet.topicName === ""
        ? this.#read(() => connection.aliases?.resolve(parser.topicAlias).name)
        : topicOf(packet);
    this.#tell(connection, "received", topicName, clientId, size, packetText(packet));
  }

  /** Whole packets are about to be handed to the link. */
  sent(connection: Connection, bytes: Uint8Array): void {
    if (!this.#tracesTopics && !this.#concerns(connection, 0)) return;
    const parser = new Parser({
      from: fromServer,
      protocolVersion: connection.protocolVersion,
      maximumPacketSize: UNLIMITED,
      topicNames: this.#topicNames,
    });
    this.#read(() => {
      parser.push(bytes, 0, bytes.length);
      for (let type = parser.next(); type !== 0; type = parser.next()) {
        if (!this.#concerns(connection, type)) continue;
        const packet = parser.packet();
        const topicName = this.#sentTopic(connection, packet);
        const size = parser.end - parser.start;
        const { clientId } = connection;
        this.#tell(connection, "sent", topicName, clientId, size, packetText(packet));
      }
    });
  }

  #sentTopic(connection: Connection, packet: Packet): string | undefined {
    if (packet.type !== "publish") return undefined;
    const alias = packet.properties?.topicAlias;
    if (alias === undefined) return packet.topicName;
    let names = this.#aliases.get(connection);
    if (names === undefined) this.#aliases.set(connection, (names = new Map()));
    if (packet.topicName !== "") names.set(alias, packet.topicName);
    return names.get(alias) ?? connection.outboundAliases?.nameOf(alias);
  }

  /** Whether some trace may be about it: all that can be told before it is read. */
  #concerns(connection: Connection, packetType: number): boolean {
    if (packetType === PacketType.publish && this.#tracesTopics) return true;
    for (const { clientId } of this.#traces) {
      if (clientId === connection.clientId) return true;
      if (clientId !== undefined && packetType === PacketType.connect) return true;
    }
    return false;
  }

  #tell(
    connection: Connection,
    direction: TracedPacket["direction"],
    topicName: string | undefined,
    clientId: string,
    size: number,
    text: string,
  ): void {
    for (const { listener, ...asked } of this.#traces) {
      if (asked.clientId !== undefined && asked.clientId !== clientId) continue;
      if (asked.topicFilter !== undefined) {
        if (topicName === undefined || !topicFilterMatches(asked.topicFilter, topicName)) continue;
      }
      const { address } = connection.peer;
      try {
        listener({ direction, clientId, address, size, packet: text });
      } catch (error) {
        this.#onError(error);
      }
    }
  }

  /** What is malformed is dealt with where it is handled, not here. */
  #read<V>(read: () => V): V | undefined {
    try {
      return read();
    } catch (error) {
      if (error instanceof ProtocolError) return undefined;
      throw error;
    }
  }
}

function topicOf(packet: Packet): string | undefined {
  return packet.type === "publish" ? packet.topicName : undefined;
}
