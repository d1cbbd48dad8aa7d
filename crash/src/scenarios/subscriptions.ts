import {
  encodeAcknowledgement,
  encodePublish,
  encodeSubscribe,
  encodeUnsubscribe,
} from "../wire/encode.ts";
import type { Packet } from "../wire/packet.ts";
import { Fault } from "../wire/wire-client.ts";
import type { WireClient } from "../wire/wire-client.ts";
import type { Scenario, World } from "../world.ts";

/** Topic Filters, and for each a Topic Name that only it matches; all below a client's own level. */
const FILTERS: readonly (readonly [topicFilter: string, topicName: string])[] = [
  ["%/0", "%/0"],
  ["%/1", "%/1"],
  ["%/2/+", "%/2/x"],
  ["%/3/#", "%/3/x/y"],
  ["%/+/4", "%/x/4"],
  ["%/5/+/z", "%/5/y/z"],
  ["$share/g/%/6", "%/6"],
  ["$share/h/%/7/#", "%/7/x"],
  ["%/8", "%/8"],
  ["%/9", "%/9"],
];

/** A subscription, or none: granted QoS and Subscription Identifier. */
type Subscription = `QoS ${0 | 1 | 2}, Subscription Identifier ${number}` | "none";

/**
 * A durable session that subscribes and unsubscribes. When it comes back, it publishes to itself
 * through each filter: a subscription whose SUBACK was seen is there, with its options; one whose
 * UNSUBACK was seen is not.
 */
export class Subscriptions implements Scenario {
  readonly name = "subscriptions";
  readonly #world: World;
  readonly #clientId: string;
  readonly #filters: typeof FILTERS;
  /** For each filter what may be. */
  readonly #possible: Set<Subscription>[] = FILTERS.map(() => new Set<Subscription>(["none"]));
  #hasSession = false;
  #isProbed = false;
  #packetIdentifier = 0;
  #probe = 0;

  constructor(world: World, clientId: string) {
    this.#world = world;
    this.#clientId = clientId;
    const own = (text: string): string => text.replace("%", `f/${clientId}`);
    this.#filters = FILTERS.map(([topicFilter, topicName]) => [own(topicFilter), own(topicName)]);
  }

  prepare(): Promise<void> {
    return Promise.resolve();
  }

  async run(): Promise<void> {
    const { chance } = this.#world;
    await this.#world.repeat(this.#clientId, async () => {
      const client = await this.#world.connect("subscriptions", {
        clientId: this.#clientId,
        version: 5,
        cleanStart: !this.#hasSession,
        sessionExpiryInterval: 3600,
      });
      try {
        if (client.sessionPresent !== this.#hasSession)
          throw new Fault(`Session Present ${client.sessionPresent}, expected ${this.#hasSession}`);
        this.#hasSession = true;
        await this.#probeAll(client);
        this.#isProbed = this.#world.isSettling;
        for (let changes = chance.integer(5, 60); changes > 0 && client.isOpen; changes -= 1) {
          if (this.#world.isOver) return;
          if (this.#world.isSettling) {
            if (this.#isProbed) await this.#world.stay(client, 20);
            else break;
          } else {
            await this.#change(client);
            await this.#world.stay(client, chance.integer(0, 20));
          }
        }
      } finally {
        client.cut();
      }
    });
  }

  owed(): string[] {
    return this.#isProbed ? [] : ["subscriptions were not probed"];
  }

  forget(): void {
    this.#isProbed = false;
  }

  async #change(client: WireClient): Promise<void> {
    const { chance } = this.#world;
    const index = chance.integer(0, this.#filters.length - 1);
    const [topicFilter] = this.#filters[index]!;
    const possible = this.#possible[index]!;
    const packetIdentifier = this.#nextIdentifier();
    const answer = client.waitFor(
      `answer for ${topicFilter}`,
      (packet) =>
        (packet.type === "suback" || packet.type === "unsuback") &&
        packet.packetIdentifier === packetIdentifier,
    );
    if (chance.happens(0.4)) {
      possible.add("none");
      client.send(encodeUnsubscribe(5, packetIdentifier, topicFilter));
      const { reasonCodes } = (await answer) as Packet & { type: "unsuback" };
      if (reasonCodes[0] !== 0 && reasonCodes[0] !== 0x11)
        throw new Fault(`UNSUBACK ${reasonCodes[0]} for ${topicFilter}`);
      this.#possible[index] = new Set(["none"]);
      return;
    }
    const qos = chance.pick([0, 1, 2] as const);
    const identifier = chance.integer(1, 1000);
    const wanted: Subscription = `QoS ${qos}, Subscription Identifier ${identifier}`;
    possible.add(wanted);
    client.send(encodeSubscribe(5, packetIdentifier, topicFilter, qos, identifier));
    const { reasonCodes } = (await answer) as Packet & { type: "suback" };
    if (reasonCodes[0] !== qos) throw new Fault(`SUBACK ${reasonCodes[0]} for ${topicFilter}`);
    this.#possible[index] = new Set([wanted]);
  }

  /** Publishes through each filter, and compares what comes with what may be. */
  async #probeAll(client: WireClient): Promise<void> {
    const probe = `probe ${(this.#probe += 1)}`;
    const found = new Map<string, Subscription>();
    client.receive((packet) => {
      if (packet.type !== "publish") return;
      if (packet.qos === 1) client.send(encodeAcknowledgement("puback", packet.packetIdentifier));
      // An older probe that was not acknowledged comes again.
      if (packet.payload.toString() !== probe) return;
      found.set(
        packet.topicName,
        `QoS ${packet.qos}, Subscription Identifier ${packet.subscriptionIdentifiers[0] ?? 0}`,
      );
    });
    for (const [index, [topicFilter, topicName]] of this.#filters.entries()) {
      const packetIdentifier = this.#nextIdentifier();
      const puback = client.waitFor(
        `PUBACK for ${topicName}`,
        (packet) => packet.type === "puback" && packet.packetIdentifier === packetIdentifier,
      );
      client.send(
        encodePublish(5, {
          topicName,
          payload: Buffer.from(probe),
          qos: 1,
          retain: false,
          dup: false,
          packetIdentifier,
        }),
      );
      const { reasonCode } = (await puback) as Packet & { type: "puback" };
      const isThere = reasonCode === 0;
      if (!isThere && reasonCode !== 0x10) throw new Fault(`PUBACK ${reasonCode} for ${topicName}`);
      const deadline = performance.now() + 10_000;
      while (isThere && !found.has(topicName) && client.isOpen && performance.now() < deadline)
        await this.#world.stay(client, 2);
      if (!client.isOpen) return;
      this.#compare(index, topicFilter, isThere ? found.get(topicName) : "none");
      this.#world.figures.subscriptionsProbed += 1;
    }
    for (const [, topicName] of this.#filters)
      if (found.has(topicName) && this.#possible[this.#indexOf(topicName)]!.has("none"))
        throw new Fault(`a message came through ${topicName}, which has no subscription`);
  }

  #compare(index: number, topicFilter: string, seen: Subscription | undefined): void {
    const match = [...this.#possible[index]!].filter((one) => this.#delivers(one) === seen);
    if (match.length === 0)
      throw new Fault(
        `${topicFilter}: ${seen ?? "no message came"}, expected ${[...this.#possible[index]!].join(" or ")}`,
      );
    this.#possible[index] = new Set(match);
  }

  /** How a message of QoS 1 comes through a subscription. */
  #delivers(one: Subscription): Subscription {
    return one.replace("QoS 2", "QoS 1") as Subscription;
  }

  #nextIdentifier(): number {
    this.#packetIdentifier = 1 + (this.#packetIdentifier % 60_000);
    return this.#packetIdentifier;
  }

  #indexOf(topicName: string): number {
    return this.#filters.findIndex(([, name]) => name === topicName);
  }
}
