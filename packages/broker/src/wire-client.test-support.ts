import assert from "node:assert/strict";
import { encodePacket, Parser, TopicNameTable, fromServer } from "@sericite/protocol";
import type {
  ConnackPacket,
  ConnectPacket,
  LinkHandler,
  Packet,
  Properties,
  ProtocolVersion,
  PublishPacket,
  QoS,
  SubscriptionRequest,
} from "@sericite/protocol";
import { bytesOf, hexOf, lineOf, utf8 } from "./spelling.test-support.ts";
import type { FaultyLink } from "./testing/index.ts";

/** Fields of a CONNECT; Clean Start 1 and Keep Alive 0 where nothing is said. */
export type ConnectOptions = Partial<
  Omit<ConnectPacket, "type" | "clientId" | "protocolVersion">
> & {
  readonly isTrusted?: boolean;
};

/** Fields of a PUBLISH; QoS 0 where nothing is said, Packet Identifier 1 at higher QoS. */
export interface PublishOptions {
  readonly qos?: QoS;
  readonly retain?: boolean;
  readonly dup?: boolean;
  readonly id?: number;
  readonly properties?: Properties;
}

const UNLIMITED = 268_435_460;
const topicNames = new TopicNameTable({ maximumEntries: 4096 });

/**
 * The client's end of a link, at the level of packets and bytes: it does nothing by itself. What
 * comes is kept until it is taken, as packets or as lines (`told`).
 */
export class WireClient implements LinkHandler {
  /** The client's end; `stall` belongs to the other one. */
  readonly link: FaultyLink;
  /** The broker's end: `brokerLink.stall()` makes its writes wait. */
  readonly brokerLink: FaultyLink;
  readonly protocolVersion: ProtocolVersion;
  connack: ConnackPacket | undefined;
  isClosed = false;
  /** Bytes of every packet since the connection began. */
  readonly sizes: number[] = [];
  readonly #settle: () => void;
  readonly #parser: Parser;
  /** Not taken yet. */
  #packets: Packet[] = [];
  /** The bytes of each of them. */
  #bytes: Uint8Array[] = [];
  #isCloseTold = false;
  #nextIdentifier = 0;

  /** @param settle  Runs everything that is due. */
  constructor(
    settle: () => void,
    link: FaultyLink,
    brokerLink: FaultyLink,
    protocolVersion: ProtocolVersion,
  ) {
    this.#settle = settle;
    this.link = link;
    this.brokerLink = brokerLink;
    this.protocolVersion = protocolVersion;
    this.#parser = new Parser({
      from: fromServer,
      protocolVersion,
      maximumPacketSize: UNLIMITED,
      topicNames,
    });
  }

  // --- out ---

  /** Sends bytes spelled as in `bytesOf`; they arrive when the broker is settled. */
  sendHex(spelled: string): void {
    this.sendBytes(bytesOf(spelled));
  }

  sendBytes(bytes: Uint8Array): void {
    this.link.write(bytes);
  }

  /** Sends packets in one piece. */
  send(...packets: Packet[]): void {
    const encoded = packets.map((packet) => encodePacket(packet, this.protocolVersion));
    this.sendBytes(Buffer.concat(encoded));
  }

  sendConnect(clientId: string, options: ConnectOptions = {}): void {
    const { isTrusted: _, ...fields } = options;
    this.send({
      type: "connect",
      protocolVersion: this.protocolVersion,
      clientId,
      cleanStart: true,
      keepAlive: 0,
      ...fields,
    });
  }

  sendPublish(topicName: string, payload: string | Uint8Array, options: PublishOptions = {}): void {
    const qos = options.qos ?? 0;
    this.send({
      type: "publish",
      topicName,
      payload: typeof payload === "string" ? utf8(payload) : payload,
      qos,
      dup: options.dup ?? false,
      retain: options.retain ?? false,
      packetIdentifier: qos === 0 ? undefined : (options.id ?? 1),
      properties: options.properties,
    });
  }

  sendSubscribe(
    subscriptions: readonly (SubscriptionRequest | readonly [filter: string, qos: QoS])[],
    properties?: Properties,
    packetIdentifier: number = ++this.#nextIdentifier,
  ): number {
    this.send({
      type: "subscribe",
      packetIdentifier,
      subscriptions: subscriptions.map((one) =>
        "topicFilter" in one ? one : { topicFilter: one[0], qos: one[1] },
      ),
      properties,
    });
    return packetIdentifier;
  }

  /** Subscribes to one filter and takes the SUBACK, which must come first and grant it. */
  subscribe(
    topicFilter: string,
    qos: QoS = 0,
    options: Partial<SubscriptionRequest> & { readonly identifier?: number } = {},
  ): void {
    const { identifier, ...request } = options;
    const packetIdentifier = this.sendSubscribe(
      [{ topicFilter, qos, ...request }],
      identifier === undefined ? undefined : { subscriptionIdentifiers: [identifier] },
    );
    const suback = this.takeFirst();
    assert.deepEqual(
      suback === undefined ? "nothing" : lineOf(suback),
      `SUBACK ${packetIdentifier} [${qos}]`,
    );
  }

  sendUnsubscribe(
    topicFilters: readonly string[],
    packetIdentifier: number = ++this.#nextIdentifier,
  ): number {
    this.send({ type: "unsubscribe", packetIdentifier, topicFilters });
    return packetIdentifier;
  }

  sendAcknowledgement(
    type: "puback" | "pubrec" | "pubrel" | "pubcomp",
    packetIdentifier: number,
    reasonCode?: number,
  ): void {
    this.send({ type, packetIdentifier, reasonCode });
  }

  sendDisconnect(reasonCode?: number, properties?: Properties): void {
    this.send({ type: "disconnect", reasonCode, properties });
  }

  /** Leaves in order: DISCONNECT 0x00, then the end of the connection. */
  leave(properties?: Properties): void {
    this.sendDisconnect(undefined, properties);
    this.#settle();
    assert.ok(this.isClosed, "the broker did not close after DISCONNECT");
  }

  /** The network fails: the broker is told, and the client sends nothing. */
  drop(): void {
    this.brokerLink.cut(true);
    this.#settle();
  }

  // --- in ---

  onData(bytes: Uint8Array, start: number, end: number): void {
    const copy = bytes.slice(start, end);
    this.#parser.push(copy, 0, copy.length);
    for (let type = this.#parser.next(); type !== 0; type = this.#parser.next()) {
      const packetBytes = this.#parser.bytes.slice(this.#parser.start, this.#parser.end);
      this.sizes.push(packetBytes.length);
      this.#bytes.push(packetBytes);
      this.#packets.push(this.#parser.packet());
    }
  }

  onWritable(): void {}

  onClose(): void {
    this.isClosed = true;
  }

  /** Settles, then gives the oldest packet that was not taken yet, if there is one. */
  takeFirst(): Packet | undefined {
    this.#settle();
    this.#bytes.shift();
    return this.#packets.shift();
  }

  /** Settles, then gives all packets since the last look. */
  take(): Packet[] {
    this.#settle();
    const packets = this.#packets;
    this.#packets = [];
    this.#bytes = [];
    return packets;
  }

  /** Settles, then gives everything since the last look as lines; `CLOSED` once, when the connection ended. */
  told(): string[] {
    const lines = this.take().map(lineOf);
    if (this.isClosed && !this.#isCloseTold) {
      this.#isCloseTold = true;
      lines.push("CLOSED");
    }
    return lines;
  }

  /** Settles, then gives the bytes since the last look as hex. */
  takeHex(): string {
    this.#settle();
    const hex = hexOf(Buffer.concat(this.#bytes));
    this.#packets = [];
    this.#bytes = [];
    return hex;
  }

  /** Settles, then gives the PUBLISH packets since the last look; everything else must be none. */
  takePublishes(): PublishPacket[] {
    return this.take().map((packet) => {
      assert.equal(packet.type, "publish", `unexpected ${lineOf(packet)}`);
      return packet as PublishPacket;
    });
  }
}
