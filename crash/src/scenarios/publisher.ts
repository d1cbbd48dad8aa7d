import { encodeAcknowledgement, encodePublish } from "../wire/encode.ts";
import type { Packet, Version } from "../wire/packet.ts";
import { Fault } from "../wire/wire-client.ts";
import type { WireClient } from "../wire/wire-client.ts";
import type { Moment, World } from "../world.ts";

/** One message that is to be published, and how far it came. */
export interface Publication {
  readonly topicName: string;
  readonly payload: Buffer;
  readonly qos: 1 | 2;
  readonly retain: boolean;
  /** How often its PUBLISH was sent. */
  sends: number;
  /** When it was first and last sent. */
  firstSent: Moment | undefined;
  lastSent: Moment | undefined;
  /** When PUBACK or PUBREC came. */
  acknowledged: Moment | undefined;
}

/** Makes a publication that was not sent yet. */
export function publication(
  topicName: string,
  payload: Buffer,
  qos: 1 | 2,
  retain = false,
): Publication {
  return {
    topicName,
    payload,
    qos,
    retain,
    sends: 0,
    firstSent: undefined,
    lastSent: undefined,
    acknowledged: undefined,
  };
}

/** What a publisher is like. */
export interface PublisherOptions {
  readonly clientId: string;
  readonly version: Version;
  /** Messages that it has unacknowledged at most. */
  readonly window: number;
  /** Longest time between two messages. Milliseconds. */
  readonly paceMs: number;
  /** Each acknowledgement stands for something durable, whatever was published before. */
  readonly isWitness: boolean;
  /** What to publish next, or `undefined` for nothing at present. */
  readonly next: () => Publication | undefined;
  /** Called when PUBACK or PUBREC came. */
  readonly acknowledged?: (publication: Publication) => void;
  /** Done each time before it connects. */
  readonly before?: () => Promise<void>;
}

interface InFlight {
  readonly publication: Publication;
  /**
   * `unacknowledged`, then `received` from PUBREC to PUBREL; or `repeated` where the PUBLISH was
   * sent again there; `released` until PUBCOMP.
   */
  state: "unacknowledged" | "received" | "repeated" | "released";
  /** How often PUBREL was sent. */
  releases: number;
}

/** How often a PUBREL is held for a while, and how often a PUBLISH is repeated though PUBREC came. */
const HOLDS = 0.2;
const REPEATS = 0.5;

/**
 * A client with a durable session that publishes, and after each crash repeats what was not
 * acknowledged: in order, with DUP and the same Packet Identifier. It uses few identifiers, so that
 * each is a new message's soon after PUBCOMP.
 */
export class Publisher {
  readonly #world: World;
  readonly #options: PublisherOptions;
  readonly #inFlight = new Map<number, InFlight>();
  /** `undefined`: a CONNECT left and no CONNACK came. */
  #hasSession: boolean | undefined = false;
  readonly #toRelease: (() => void)[] = [];
  #wake: () => void = () => undefined;

  constructor(world: World, options: PublisherOptions) {
    this.#world = world;
    this.#options = options;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** Publishes until all is over. */
  async run(): Promise<void> {
    const { clientId } = this.#options;
    await this.#world.repeat(clientId, async () => {
      await this.#options.before?.();
      const client = await this.#connect();
      client.receive((packet) => this.#guard(client, packet));
      try {
        this.#resume(client);
        await this.#publish(client);
      } finally {
        client.cut();
      }
    });
  }

  async #connect(): Promise<WireClient> {
    const { clientId, version } = this.#options;
    const known = this.#hasSession;
    const client = await this.#world.connect(
      "publisher",
      // On 3.1.1 a session with Clean Session 1 would end with its connection.
      {
        clientId,
        version,
        cleanStart: version === 5 && known !== true,
        sessionExpiryInterval: 3600,
      },
      () => (this.#hasSession = known === true ? true : undefined),
    );
    const expected = version === 5 ? known === true : known;
    if (client.sessionPresent !== (expected ?? client.sessionPresent))
      throw new Fault(`Session Present ${client.sessionPresent}, expected ${expected}`);
    this.#hasSession = true;
    return client;
  }

  #resume(client: WireClient): void {
    for (const [packetIdentifier, entry] of this.#inFlight) {
      // PUBREC came and PUBREL did not leave: the broker must know the repeat for one.
      if (entry.state === "received" && this.#world.chance.happens(REPEATS))
        entry.state = "repeated";
      if (entry.state === "unacknowledged" || entry.state === "repeated")
        this.#send(client, packetIdentifier, entry);
      else this.#release(client, packetIdentifier, entry);
    }
  }

  async #publish(client: WireClient): Promise<void> {
    const { window, paceMs, next } = this.#options;
    while (client.isOpen && !this.#world.isOver) {
      if (this.#inFlight.size >= window) {
        await Promise.race([client.closed, new Promise<void>((resolve) => (this.#wake = resolve))]);
        continue;
      }
      const publication = this.#world.isSettling ? undefined : next();
      if (publication !== undefined) {
        const packetIdentifier = this.#freeIdentifier();
        const entry: InFlight = { publication, state: "unacknowledged", releases: 0 };
        this.#inFlight.set(packetIdentifier, entry);
        this.#send(client, packetIdentifier, entry);
      }
      if (paceMs > 0 || publication === undefined) {
        const ms = this.#world.chance.integer(0, paceMs);
        await this.#world.stay(client, publication === undefined ? ms + 5 : ms);
      }
    }
  }

  #freeIdentifier(): number {
    let packetIdentifier = 1;
    while (this.#inFlight.has(packetIdentifier)) packetIdentifier += 1;
    return packetIdentifier;
  }

  #send(client: WireClient, packetIdentifier: number, { publication }: InFlight): void {
    const now = this.#world.now();
    const { figures } = this.#world;
    if (publication.sends === 0) figures.published += 1;
    else figures.repeated += 1;
    const { topicName, payload, qos, retain } = publication;
    const dup = publication.sends > 0;
    publication.sends += 1;
    publication.firstSent ??= now;
    publication.lastSent = now;
    client.send(
      encodePublish(this.#options.version, {
        topicName,
        payload,
        qos,
        retain,
        dup,
        packetIdentifier,
      }),
    );
  }

  #release(client: WireClient, packetIdentifier: number, entry: InFlight): void {
    if (!client.isOpen) return;
    entry.state = "released";
    entry.releases += 1;
    client.send(encodeAcknowledgement("pubrel", packetIdentifier));
  }

  /** PUBRELs leave in the order in which PUBRECs came. */
  #releaseSoon(client: WireClient, packetIdentifier: number, entry: InFlight): void {
    entry.state = "received";
    const { chance } = this.#world;
    const isFirst = this.#toRelease.length === 0;
    this.#toRelease.push(() => {
      if (entry.state === "received") this.#release(client, packetIdentifier, entry);
    });
    if (!isFirst) return;
    const flush = (): void => {
      for (const release of this.#toRelease.splice(0)) release();
    };
    if (chance.happens(HOLDS)) void this.#world.pause(chance.integer(1, 40)).then(flush);
    else flush();
  }

  #guard(client: WireClient, packet: Packet): void {
    if (this.#world.isOver) return;
    try {
      this.#handle(client, packet);
    } catch (error) {
      this.#world.fault(this.#options.clientId, error);
      client.cut();
    }
  }

  #handle(client: WireClient, packet: Packet): void {
    if (packet.type !== "puback" && packet.type !== "pubrec" && packet.type !== "pubcomp")
      throw new Fault(`a publisher was sent ${JSON.stringify(packet)}`);
    const { packetIdentifier, reasonCode } = packet;
    const entry = this.#inFlight.get(packetIdentifier);
    const what = `${packet.type} ${packetIdentifier} with Reason Code ${reasonCode}`;
    if (entry === undefined) throw new Fault(`${what} for nothing that is in flight`);
    const { publication } = entry;
    if (packet.type === "pubcomp") {
      if (entry.state !== "released") throw new Fault(`${what} without PUBREL`);
      // Where PUBREL was sent again, the first may have done its work.
      if (reasonCode !== 0 && !(reasonCode === 0x92 && entry.releases > 1)) throw new Fault(what);
      this.#inFlight.delete(packetIdentifier);
      this.#wake();
      return;
    }
    const isAwaited = entry.state === "unacknowledged" || entry.state === "repeated";
    if ((packet.type === "puback") !== (publication.qos === 1) || !isAwaited)
      throw new Fault(`${what} for QoS ${publication.qos}, which is ${entry.state}`);
    if (reasonCode >= 0x80) throw new Fault(what);
    this.#acknowledged(publication);
    if (packet.type === "pubrec") {
      this.#releaseSoon(client, packetIdentifier, entry);
      return;
    }
    this.#inFlight.delete(packetIdentifier);
    this.#wake();
  }

  #acknowledged(publication: Publication): void {
    if (publication.acknowledged !== undefined) return;
    this.#world.figures.acknowledged += 1;
    publication.acknowledged = this.#world.now();
    if (this.#options.isWitness) this.#world.witness(publication.lastSent!);
    this.#options.acknowledged?.(publication);
  }
}
