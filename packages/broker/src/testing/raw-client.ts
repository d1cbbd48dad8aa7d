import { encodePacket, Parser, TopicNameTable, fromServer } from "@sericite/protocol";
import type {
  AcknowledgementPacket,
  ConnackPacket,
  LinkHandler,
  Packet,
  Properties,
  ProtocolVersion,
  PublishPacket,
  QoS,
  SubscriptionRequest,
  UserProperty,
  Will,
} from "@sericite/protocol";
import type { FaultyLink } from "./faulty-link.ts";

/** How a raw client connects. */
export interface RawConnectOptions {
  readonly cleanStart: boolean;
  /** Seconds. */
  readonly keepAlive: number;
  /** Seconds; 5.0 only. */
  readonly sessionExpiryInterval?: number | undefined;
  readonly receiveMaximum?: number | undefined;
  readonly maximumPacketSize?: number | undefined;
  /** 5.0: Topic Aliases that the broker may use. */
  readonly topicAliasMaximum?: number | undefined;
  readonly will?: Will | undefined;
}

/** What a raw client publishes. */
export interface RawPublish {
  readonly topicName: string;
  readonly payload: string;
  readonly qos: QoS;
  readonly retain: boolean;
  /** Seconds; 5.0 only. */
  readonly expiry?: number | undefined;
  readonly userProperties?: readonly UserProperty[] | undefined;
  /** 5.0: used where the broker takes so many. */
  readonly topicAlias?: number | undefined;
}

interface Outgoing {
  readonly packet: PublishPacket;
  state: "publish" | "pubrel";
}

/** Packet Identifiers are drawn from few, so that they are used again and again. */
const IDENTIFIERS = 60;

const topicNames = new TopicNameTable({ maximumEntries: 4096 });
const encoder = new TextEncoder();

/**
 * A client that speaks packets: it does what it is told, at once or never, and keeps its side of a
 * Session by the book. It can withhold acknowledgements and leave connections lying about.
 */
export class RawClient {
  readonly clientId: string;
  readonly version: ProtocolVersion;
  /** Acknowledges nothing until `releaseAcknowledgements`. */
  isWithholding = false;
  /** It is PUBCOMP alone that it withholds. */
  acknowledgesHalf = false;
  link: FaultyLink | undefined;
  isConnected = false;
  /** How it connected last. */
  options: RawConnectOptions | undefined;
  /** QoS 1 and 2 messages of its own that are not settled, in order. */
  readonly outgoing = new Map<number, Outgoing>();
  /** QoS 2 messages that it got and that are not released. */
  readonly #incoming = new Set<number>();
  readonly #withheld: AcknowledgementPacket[] = [];
  readonly #subscribing = new Set<number>();
  /** What it got, in order: "QoS Topic Name payload", repeats that the standard lets it recognize left out. */
  readonly received: string[] = [];
  #identifier = 0;
  /** How many Topic Aliases the broker takes on this connection, and those that it was told. */
  #aliasMaximum = 0;
  readonly #aliases = new Map<number, string>();

  constructor(clientId: string, version: ProtocolVersion) {
    this.clientId = clientId;
    this.version = version;
  }

  /** The handler of a new link, which takes the place of an old one. Sends CONNECT on it. */
  connect(link: FaultyLink, options: RawConnectOptions): void {
    this.link = link;
    this.isConnected = false;
    this.options = options;
    this.#withheld.length = 0;
    const properties: Properties = {
      sessionExpiryInterval: options.sessionExpiryInterval,
      receiveMaximum: options.receiveMaximum,
      maximumPacketSize: options.maximumPacketSize,
      topicAliasMaximum: options.topicAliasMaximum,
    };
    link.handler = this.#handler(link);
    this.#send({
      type: "connect",
      protocolVersion: this.version,
      clientId: this.clientId,
      cleanStart: options.cleanStart,
      keepAlive: options.keepAlive,
      will: options.will,
      properties: this.version === 5 ? properties : undefined,
    });
  }

  publish(message: RawPublish): void {
    if (!this.isConnected) return;
    const packetIdentifier = message.qos === 0 ? undefined : this.#nextIdentifier();
    if (packetIdentifier === 0) return;
    const properties: Properties | undefined =
      this.version === 5
        ? { messageExpiryInterval: message.expiry, userProperties: message.userProperties }
        : undefined;
    const packet: PublishPacket = {
      type: "publish",
      topicName: message.topicName,
      payload: encoder.encode(message.payload),
      qos: message.qos,
      dup: false,
      retain: message.retain,
      packetIdentifier,
      properties,
    };
    if (packetIdentifier !== undefined)
      this.outgoing.set(packetIdentifier, { packet, state: "publish" });
    this.#send(this.#shorten(packet, message.topicAlias ?? 0));
  }

  /** With a Topic Alias, and without a Topic Name where the broker knows it by that. */
  #shorten(packet: PublishPacket, topicAlias: number): PublishPacket {
    if (topicAlias === 0 || topicAlias > this.#aliasMaximum) return packet;
    const { topicName } = packet;
    const isKnown = this.#aliases.get(topicAlias) === topicName;
    this.#aliases.set(topicAlias, topicName);
    return {
      ...packet,
      topicName: isKnown ? "" : topicName,
      properties: { ...packet.properties, topicAlias },
    };
  }

  subscribe(subscriptions: readonly SubscriptionRequest[], identifier: number | undefined): void {
    const packetIdentifier = this.isConnected ? this.#nextIdentifier() : 0;
    if (packetIdentifier === 0) return;
    this.#subscribing.add(packetIdentifier);
    const properties =
      this.version === 5 && identifier !== undefined
        ? { subscriptionIdentifiers: [identifier] }
        : undefined;
    this.#send({ type: "subscribe", packetIdentifier, subscriptions, properties });
  }

  unsubscribe(topicFilters: readonly string[]): void {
    const packetIdentifier = this.isConnected ? this.#nextIdentifier() : 0;
    if (packetIdentifier === 0) return;
    this.#subscribing.add(packetIdentifier);
    this.#send({ type: "unsubscribe", packetIdentifier, topicFilters });
  }

  ping(): void {
    if (this.isConnected) this.#send({ type: "pingreq" });
  }

  /** Says DISCONNECT and closes. @param withWill  Reason Code 0x04: the Will is to be published (5.0). */
  disconnect(withWill: boolean, sessionExpiryInterval?: number): void {
    if (!this.isConnected) return;
    const properties = sessionExpiryInterval === undefined ? undefined : { sessionExpiryInterval };
    this.#send({
      type: "disconnect",
      reasonCode: withWill && this.version === 5 ? 0x04 : 0,
      properties: this.version === 5 ? properties : undefined,
    });
    this.link?.end();
    this.#lost();
  }

  /** Sends what is not settled once more on the live connection, as clients before 5.0 may. */
  resend(): void {
    if (this.version === 5 || !this.isConnected) return;
    for (const { packet, state } of this.outgoing.values()) this.#sendAgain(packet, state);
  }

  /** Sends bytes that are no packet. */
  misbehave(bytes: Uint8Array): void {
    this.link?.write(bytes);
  }

  releaseAcknowledgements(): void {
    this.isWithholding = false;
    const withheld = this.#withheld.splice(0);
    if (this.isConnected) for (const packet of withheld) this.#send(packet);
  }

  #send(packet: Packet): void {
    this.link?.write(encodePacket(packet, this.version));
  }

  #sendAgain(packet: PublishPacket, state: Outgoing["state"]): void {
    if (state === "publish") this.#send({ ...packet, dup: true });
    else this.#send({ type: "pubrel", packetIdentifier: packet.packetIdentifier as number });
  }

  /** @returns 0 where all are in use. */
  #nextIdentifier(): number {
    for (let tried = 0; tried < IDENTIFIERS; tried += 1) {
      this.#identifier = (this.#identifier % IDENTIFIERS) + 1;
      if (!this.outgoing.has(this.#identifier) && !this.#subscribing.has(this.#identifier))
        return this.#identifier;
    }
    return 0;
  }

  #lost(): void {
    this.link = undefined;
    this.isConnected = false;
    this.#subscribing.clear();
    this.#withheld.length = 0;
  }

  #handler(link: FaultyLink): LinkHandler {
    const aliases = new Map<number, string>();
    const parser = new Parser({
      from: fromServer,
      protocolVersion: this.version,
      maximumPacketSize: 268_435_460,
      topicNames,
    });
    return {
      onData: (bytes, start, end) => {
        if (this.link !== link) return;
        parser.push(bytes, start, end);
        while (this.link === link && parser.next() !== 0) this.#handle(parser.packet(), aliases);
        parser.hold();
      },
      onWritable: () => undefined,
      onClose: () => {
        if (this.link === link) this.#lost();
      },
    };
  }

  #handle(packet: Packet, aliases: Map<number, string>): void {
    switch (packet.type) {
      case "connack":
        return this.#handleConnack(packet);
      case "publish":
        return this.#handlePublish(packet, aliases);
      case "puback":
        if (this.outgoing.get(packet.packetIdentifier)?.packet.qos === 1)
          this.outgoing.delete(packet.packetIdentifier);
        return;
      case "pubrec": {
        const outgoing = this.outgoing.get(packet.packetIdentifier);
        if (outgoing?.packet.qos !== 2) return;
        if ((packet.reasonCode ?? 0) >= 0x80) this.outgoing.delete(packet.packetIdentifier);
        else {
          outgoing.state = "pubrel";
          this.#send({ type: "pubrel", packetIdentifier: packet.packetIdentifier });
        }
        return;
      }
      case "pubcomp":
        if (this.outgoing.get(packet.packetIdentifier)?.state === "pubrel")
          this.outgoing.delete(packet.packetIdentifier);
        return;
      case "pubrel":
        if ((packet.reasonCode ?? 0) >= 0x80) return;
        this.#incoming.delete(packet.packetIdentifier);
        return this.#acknowledge({ type: "pubcomp", packetIdentifier: packet.packetIdentifier });
      case "suback":
      case "unsuback":
        this.#subscribing.delete(packet.packetIdentifier);
        return;
      default:
        return;
    }
  }

  #handleConnack(packet: ConnackPacket): void {
    if (packet.reasonCode !== 0) return;
    this.isConnected = true;
    this.#aliasMaximum = packet.properties?.topicAliasMaximum ?? 0;
    this.#aliases.clear();
    // 3.1 does not say whether there was a Session: it goes by what it asked for.
    const isResumed =
      this.version === 3 ? this.options?.cleanStart === false : packet.sessionPresent;
    if (!isResumed) {
      this.outgoing.clear();
      this.#incoming.clear();
      return;
    }
    for (const { packet: publish, state } of this.outgoing.values())
      this.#sendAgain(publish, state); // [MQTT5-4.4.0-1]
  }

  #handlePublish(packet: PublishPacket, aliases: Map<number, string>): void {
    const alias = packet.properties?.topicAlias;
    if (alias !== undefined && packet.topicName !== "") aliases.set(alias, packet.topicName);
    const topicName = packet.topicName || (aliases.get(alias ?? 0) ?? "");
    const packetIdentifier = packet.packetIdentifier ?? 0;
    if (packet.qos !== 2 || !this.#incoming.has(packetIdentifier)) {
      this.received.push(`${packet.qos} ${topicName} ${new TextDecoder().decode(packet.payload)}`);
    }
    if (packet.qos === 1) this.#acknowledge({ type: "puback", packetIdentifier });
    if (packet.qos === 2) {
      this.#incoming.add(packetIdentifier);
      this.#acknowledge({ type: "pubrec", packetIdentifier });
    }
  }

  #acknowledge(packet: AcknowledgementPacket): void {
    const isHeld = this.isWithholding && (packet.type === "pubcomp" || !this.acknowledgesHalf);
    // A repeat of what it still works on is not acknowledged twice.
    const at = this.#withheld.findIndex(
      (other) => other.type === packet.type && other.packetIdentifier === packet.packetIdentifier,
    );
    if (isHeld && at < 0) this.#withheld.push(packet);
    if (isHeld) return;
    if (at >= 0) this.#withheld.splice(at, 1);
    this.#send(packet);
  }
}
