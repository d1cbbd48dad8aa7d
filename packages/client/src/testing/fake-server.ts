import type {
  ConnackPacket,
  ConnectPacket,
  Dial,
  Link,
  LinkHandler,
  Packet,
  ProtocolVersion,
  PublishPacket,
} from "@sericite/protocol";
import {
  Parser,
  TopicNameTable,
  connectMemory,
  encodePacket,
  fromClient,
} from "@sericite/protocol";
import type { Client } from "../client.ts";
import { openClient } from "../open-client.ts";
import type { ConnectOptions } from "../options.ts";
import type { Platform } from "../platform.ts";
import { FakeWorld } from "./fake-world.ts";

/** The server's end of one connection, for a test to play. */
export class FakeConnection implements LinkHandler {
  readonly link: Link;
  /** Packets that came, in order. */
  readonly received: Packet[] = [];
  /** How many bytes arrived at once, write by write. */
  readonly reads: number[] = [];
  isClosed = false;
  protocolVersion: ProtocolVersion = 5;
  readonly #server: FakeServer;
  readonly #parser: Parser;

  constructor(server: FakeServer, link: Link) {
    this.#server = server;
    this.link = link;
    this.#parser = new Parser({
      from: fromClient,
      maximumPacketSize: 268_435_460,
      topicNames: new TopicNameTable({ maximumEntries: 100 }),
    });
  }

  get connect(): ConnectPacket {
    return this.received[0] as ConnectPacket;
  }

  /** Packets of one type that came. */
  of<Type extends Packet["type"]>(type: Type): (Packet & { type: Type })[] {
    return this.received.filter(
      (packet): packet is Packet & { type: Type } => packet.type === type,
    );
  }

  send(...packets: Packet[]): void {
    for (const packet of packets) this.link.write(encodePacket(packet, this.protocolVersion));
  }

  /** Sends bytes that are no packet. */
  sendHex(hex: string): void {
    this.link.write(Uint8Array.from(hex.split(" "), (byte) => Number.parseInt(byte, 16)));
  }

  publish(topicName: string, payload: string, more: Partial<PublishPacket> = {}): void {
    this.send({
      type: "publish",
      topicName,
      payload: new TextEncoder().encode(payload),
      qos: 0,
      dup: false,
      retain: false,
      ...more,
    });
  }

  onData(bytes: Uint8Array, start: number, end: number): void {
    this.reads.push(end - start);
    this.#parser.push(bytes, start, end);
    while (this.#parser.next() !== 0) {
      const packet = structuredClone(this.#parser.packet());
      this.protocolVersion = this.#parser.protocolVersion;
      this.received.push(packet);
      this.#server.onPacket(packet, this);
    }
  }

  onWritable(): void {}

  onClose(): void {
    this.isClosed = true;
  }
}

/**
 * A server that a test plays packet by packet, over a link in memory. By itself it answers CONNECT,
 * SUBSCRIBE, UNSUBSCRIBE and PINGREQ; `answers` says which.
 */
export class FakeServer {
  readonly world: FakeWorld = new FakeWorld();
  readonly connections: FakeConnection[] = [];
  /** What is left out here the test answers itself. */
  readonly answers: Set<Packet["type"]> = new Set([
    "connect",
    "subscribe",
    "unsubscribe",
    "pingreq",
    "publish",
    "pubrel",
  ]);
  /** What CONNACK says. */
  connack: Partial<ConnackPacket> = {};
  /** Attempts to connect are refused by the network. */
  isDown = false;
  dials = 0;
  /** Addresses where nobody answers. */
  readonly downAddresses: Set<string> = new Set();
  /** Addresses that were dialled. */
  readonly addresses: string[] = [];
  errors: unknown[] = [];

  /** The newest connection. */
  get connection(): FakeConnection {
    return this.connections.at(-1)!;
  }

  readonly #dial: Dial = connectMemory((link) => {
    const connection = new FakeConnection(this, link);
    this.connections.push(connection);
    return connection;
  }, this.world);

  readonly dial: Dial = (handler) => {
    this.dials++;
    return this.isDown ? Promise.reject(new Error("the network is down")) : this.#dial(handler);
  };

  readonly platform: Platform = {
    clock: this.world,
    random: () => 0.5,
    dial: (address) => {
      return (handler) => {
        this.addresses.push(address.url);
        const isDown = this.downAddresses.has(address.url);
        return isDown ? Promise.reject(new Error("the network is down")) : this.dial(handler);
      };
    },
    createScheduler: () => this.world,
    stayAwake: () => () => {},
    reportError: (error) => this.errors.push(error),
  };

  /** A client, not yet connected. */
  open(options: ConnectOptions = {}): Promise<Client> {
    return openClient(this.platform, {
      clientId: "c",
      ...(options.url === undefined ? { dial: this.dial } : {}),
      ...options,
    });
  }

  /** A client that dials in its own way. */
  openWith(dial: Dial): Promise<Client> {
    return openClient(this.platform, { dial });
  }

  /** A connected client. */
  async connect(options: ConnectOptions = {}): Promise<Client> {
    const client = this.open(options);
    await this.world.settle();
    return await client;
  }

  onPacket(packet: Packet, connection: FakeConnection): void {
    if (!this.answers.has(packet.type)) return;
    switch (packet.type) {
      case "connect":
        connection.send({ type: "connack", sessionPresent: false, reasonCode: 0, ...this.connack });
        return;
      case "subscribe": {
        const reasonCodes = packet.subscriptions.map(({ qos }) => qos);
        connection.send({ type: "suback", packetIdentifier: packet.packetIdentifier, reasonCodes });
        return;
      }
      case "unsubscribe": {
        const reasonCodes = packet.topicFilters.map(() => 0);
        connection.send({
          type: "unsuback",
          packetIdentifier: packet.packetIdentifier,
          reasonCodes,
        });
        return;
      }
      case "publish":
        if (packet.qos === 0) return;
        connection.send({
          type: packet.qos === 1 ? "puback" : "pubrec",
          packetIdentifier: packet.packetIdentifier!,
        });
        return;
      case "pubrel":
        connection.send({ type: "pubcomp", packetIdentifier: packet.packetIdentifier });
        return;
      case "pingreq":
        connection.send({ type: "pingresp" });
        return;
      default:
    }
  }
}
