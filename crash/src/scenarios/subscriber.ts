import { encodeAcknowledgement, encodeSubscribe } from "../wire/encode.ts";
import type { Packet, Publish, Version } from "../wire/packet.ts";
import { Fault } from "../wire/wire-client.ts";
import type { WireClient } from "../wire/wire-client.ts";
import type { World } from "../world.ts";

/** What a subscriber does with what it gets. */
export interface Receiver {
  /**
   * A message came. At QoS 2 only once for each Packet Identifier, until PUBREL frees it.
   *
   * @param connection  Number of the subscriber's connection.
   */
  receive(packet: Publish, connection: number): void;
  /** A new session is about to subscribe, and has subscribed. */
  subscribing?(): void;
  subscribed?(): void;
}

/** What a subscriber is like. Times are milliseconds; a pair is the shortest and the longest. */
export interface SubscriberOptions {
  readonly clientId: string;
  readonly version: Version;
  readonly topicFilter: string;
  readonly qos: 1 | 2;
  /** 5.0 only. */
  readonly receiveMaximum?: number;
  /** How long it stays and how long it is away; `undefined`: it never leaves. */
  readonly online?: readonly [number, number];
  readonly away?: readonly [number, number];
  /** Longest time that acknowledgements are withheld. */
  readonly holdMs: number;
  /** How often the connection is cut at each step of a QoS 2 handshake. 0…1. */
  readonly cuts: number;
  /** How often it begins anew with Clean Start when it comes back; 5.0 only. 0…1. */
  readonly renews: number;
}

/** A QoS 2 message between PUBLISH and PUBREL. */
interface Inbound {
  /** The payload's beginning, to know a repeat. */
  readonly key: string;
  /** When it came first, for people. */
  readonly first: string;
}

/**
 * A client with a durable session. As a receiver of QoS 2 it follows method B of §4.3.3: it counts a
 * message when PUBLISH comes, and knows it by its Packet Identifier until PUBREL.
 */
export class Subscriber {
  readonly #world: World;
  readonly #options: SubscriberOptions;
  readonly #receiver: Receiver;
  /** QoS 2 messages between PUBLISH and PUBREL, by Packet Identifier. */
  #inbound = new Map<number, Inbound>();
  #state: "none" | "begun" | "subscribed" = "none";
  #connection = 0;
  #held: Buffer[] = [];
  #client: WireClient | undefined;

  constructor(world: World, options: SubscriberOptions, receiver: Receiver) {
    this.#world = world;
    this.#options = options;
    this.#receiver = receiver;
  }

  /** Whether everything it got is acknowledged. */
  get isSettled(): boolean {
    return this.#client !== undefined && this.#held.length === 0 && this.#inbound.size === 0;
  }

  /** Makes the session, with its subscription. */
  async prepare(): Promise<void> {
    const client = await this.#connect();
    client.cut();
    await client.closed;
  }

  /** Comes and goes until all is over. */
  async run(): Promise<void> {
    const { clientId, online, away } = this.#options;
    const { chance } = this.#world;
    await this.#world.repeat(clientId, async () => {
      const client = await this.#connect();
      this.#client = client;
      const begun = performance.now();
      try {
        const stays = online === undefined ? Infinity : chance.integer(...online);
        while (client.isOpen && !this.#world.isOver) {
          const rest = begun + stays - performance.now();
          if (rest <= 0 && !this.#world.isSettling) break;
          await this.#world.stay(client, Math.max(20, Math.min(rest, 100)));
        }
        if (client.isOpen && chance.happens(0.5)) await client.disconnect();
      } finally {
        this.#client = undefined;
        client.cut();
      }
      if (away !== undefined && !this.#world.isSettling) await this.#rest(chance.integer(...away));
    });
  }

  async #rest(ms: number): Promise<void> {
    const until = performance.now() + ms;
    while (performance.now() < until && !this.#world.isSettling && !this.#world.isOver)
      await this.#world.pause(Math.min(50, ms));
  }

  async #connect(): Promise<WireClient> {
    const { clientId, version, receiveMaximum, renews } = this.#options;
    const isNew =
      this.#state === "none" || (!this.#world.isSettling && this.#world.chance.happens(renews));
    if (isNew) this.#state = "none";
    const client = await this.#world.connect("subscriber", {
      clientId,
      version,
      // On 3.1.1 a session with Clean Session 1 would end with its connection.
      cleanStart: isNew && version === 5,
      sessionExpiryInterval: 3600,
      ...(receiveMaximum === undefined ? {} : { receiveMaximum }),
    });
    if (client.sessionPresent === isNew)
      throw new Fault(`Session Present ${client.sessionPresent}, expected ${!isNew}`);
    if (isNew) {
      this.#inbound = new Map();
      this.#state = "begun";
      this.#world.figures.sessionsDiscarded += 1;
    } else this.#world.figures.sessionsResumed += 1;
    this.#connection += 1;
    this.#held = [];
    const suback = this.#subscribe(client);
    client.receive((packet) => this.#guard(client, packet));
    await suback;
    return client;
  }

  async #subscribe(client: WireClient): Promise<void> {
    if (this.#state !== "begun") return;
    const { version, topicFilter, qos } = this.#options;
    this.#receiver.subscribing?.();
    const suback = client.waitFor("SUBACK", ({ type }) => type === "suback");
    // What comes before SUBACK is of this session too.
    client.send(encodeSubscribe(version, 1, topicFilter, qos));
    const packet = await suback;
    if (packet.type !== "suback" || packet.reasonCodes[0] !== qos)
      throw new Fault(`SUBACK ${JSON.stringify(packet)}, expected QoS ${qos}`);
    this.#state = "subscribed";
    this.#receiver.subscribed?.();
  }

  #guard(client: WireClient, packet: Packet): void {
    if (!client.isOpen || this.#world.isOver) return;
    try {
      this.#handle(client, packet);
    } catch (error) {
      this.#world.fault(this.#options.clientId, error);
      client.cut();
    }
  }

  #handle(client: WireClient, packet: Packet): void {
    if (packet.type === "publish") this.#handlePublish(client, packet);
    else if (packet.type === "pubrel") {
      if (this.#cut(client)) return;
      this.#inbound.delete(packet.packetIdentifier);
      this.#answer(client, encodeAcknowledgement("pubcomp", packet.packetIdentifier));
      this.#cut(client);
    } else throw new Fault(`a subscriber was sent ${JSON.stringify(packet)}`);
  }

  #handlePublish(client: WireClient, packet: Publish): void {
    const { packetIdentifier } = packet;
    if (packet.qos === 1) {
      this.#receiver.receive(packet, this.#connection);
      this.#answer(client, encodeAcknowledgement("puback", packetIdentifier));
      return;
    }
    if (packet.qos === 0) throw new Fault(`QoS 0 of ${packet.topicName}`);
    const key = `${packet.topicName} ${packet.payload.toString("latin1", 0, 40)}`;
    const known = this.#inbound.get(packetIdentifier);
    const when = `life ${this.#world.life}, connection ${this.#connection}`;
    if (known === undefined) {
      this.#inbound.set(packetIdentifier, { key, first: when });
      this.#receiver.receive(packet, this.#connection);
    } else {
      const again = `${packetIdentifier} of "${known.key}" (${known.first}), not released,`;
      if (known.key !== key) throw new Fault(`${again} is now "${key}" (${when})`);
      if (!packet.dup) throw new Fault(`${again} again without DUP (${when})`);
    }
    if (this.#cut(client)) return;
    this.#answer(client, encodeAcknowledgement("pubrec", packetIdentifier));
    this.#cut(client);
  }

  /** Sends in order, at once or after a while. */
  #answer(client: WireClient, bytes: Buffer): void {
    const { holdMs } = this.#options;
    if (holdMs === 0 || this.#world.isSettling) {
      this.#flush(client);
      client.send(bytes);
      return;
    }
    this.#held.push(bytes);
    if (this.#held.length > 1) return;
    const held = this.#held;
    void this.#world.pause(this.#world.chance.integer(0, holdMs)).then(() => {
      // Of another connection by now: that one begins anew.
      if (held === this.#held) this.#flush(client);
    });
  }

  #flush(client: WireClient): void {
    for (const bytes of this.#held.splice(0)) client.send(bytes);
  }

  #cut(client: WireClient): boolean {
    const { chance, isSettling, figures } = this.#world;
    if (isSettling || !chance.happens(this.#options.cuts)) return false;
    figures.handshakesCut += 1;
    client.cut();
    return true;
  }
}
