import { encodeAcknowledgement, encodePublish, encodeSubscribe } from "../wire/encode.ts";
import type { Packet } from "../wire/packet.ts";
import { Cut, Fault } from "../wire/wire-client.ts";
import type { WireClient } from "../wire/wire-client.ts";
import type { Moment, Scenario, World } from "../world.ts";

/** Time that the broker may take to notice, besides what it was told to count. Milliseconds. */
const SLACK_MS = 1500;
/** What clocks may differ by. Milliseconds. */
const TOLERANCE_MS = 100;
/** So many of the newest sessions are asked for, when one is resumed. */
const ASKED = 6;

/** What may be stored under a Client Identifier: the numbers of sessions, 0 for none. */
type Possible = ReadonlySet<number>;

/** How the last connection ended. */
interface Leaving {
  readonly begun: Moment;
  /** The broker closed the connection after DISCONNECT: it has taken notice. */
  readonly noticed: Moment | undefined;
  /** Session Expiry Interval of CONNECT, and what DISCONNECT made of it. Seconds. */
  readonly asked: number;
  readonly interval: number;
}

/**
 * A Client Identifier whose sessions come and go: begun, resumed, discarded by Clean Start, ended by
 * a Session Expiry Interval of 0, expired. Session Present is exact, and what is resumed is the
 * session that was left: it has the subscription that only that one made.
 */
export class Sessions implements Scenario {
  readonly name = "sessions";
  readonly #world: World;
  readonly #clientId: string;
  #possible: Possible = new Set([0]);
  #leaving: Leaving | undefined;
  /** Number of the newest session that may have been begun. */
  #newest = 0;
  /** Those whose SUBACK was seen. */
  readonly #marked = new Set<number>();
  #packetIdentifier = 0;

  constructor(world: World, clientId: string) {
    this.#world = world;
    this.#clientId = clientId;
  }

  prepare(): Promise<void> {
    return Promise.resolve();
  }

  owed(): string[] {
    return [];
  }

  forget(): void {
    for (const number of this.#marked)
      if (number < this.#newest - ASKED) this.#marked.delete(number);
  }

  async run(): Promise<void> {
    const { chance } = this.#world;
    await this.#world.repeat(this.#clientId, async () => {
      const asked = chance.pick([0, 1, 2, 3600, 3600, 3600]);
      const client = await this.#connect(chance.happens(0.3), asked);
      try {
        await this.#world.stay(client, chance.integer(0, 400));
        await this.#leave(client, asked);
      } finally {
        client.cut();
        this.#leaving ??= { begun: this.#world.now(), noticed: undefined, asked, interval: asked };
      }
      // Half of those that can expire are given the time to.
      const expires = asked > 0 && asked < 10 && chance.happens(0.5);
      const shortest = expires ? asked * 1000 + SLACK_MS : 0;
      await this.#world.pause(shortest + chance.integer(0, expires ? 1500 : 300));
    });
  }

  async #leave(client: WireClient, asked: number): Promise<void> {
    if (!client.isOpen) return;
    const { chance } = this.#world;
    const interval = chance.happens(0.3) ? 0 : asked;
    const begun = this.#world.now();
    if (chance.happens(0.5)) {
      this.#leaving = { begun, noticed: undefined, asked, interval: asked };
      client.cut();
      return;
    }
    this.#leaving = { begun, noticed: undefined, asked, interval };
    await client.disconnect(interval === asked ? undefined : interval);
    // A connection that ends by a kill looks the same; then nothing later is acknowledged.
    this.#leaving = { begun, noticed: this.#world.now(), asked, interval };
  }

  async #connect(cleanStart: boolean, asked: number): Promise<WireClient> {
    this.#newest += 1;
    let sent: Moment | undefined;
    let client: WireClient;
    try {
      client = await this.#world.connect(
        "sessions",
        { clientId: this.#clientId, version: 5, cleanStart, sessionExpiryInterval: asked },
        () => (sent = this.#world.now()),
      );
    } catch (error) {
      if (sent !== undefined) {
        // It may have had its effect, and what it began may have ended again.
        this.#possible = new Set([...this.#possible, this.#newest, 0]);
        this.#leaving = undefined;
      }
      throw error;
    }
    const before = this.#after(sent!, this.#world.now());
    this.#leaving = undefined;
    client.receive((packet) => {
      if (packet.type === "publish" && packet.qos === 1)
        client.send(encodeAcknowledgement("puback", packet.packetIdentifier));
    });
    try {
      if (client.sessionPresent) await this.#resumed(client, cleanStart, before);
      else await this.#begun(client, cleanStart, before);
    } catch (error) {
      client.cut();
      const begun = this.#world.now();
      if (error instanceof Cut)
        this.#leaving = { begun, noticed: undefined, asked, interval: asked };
      throw error;
    }
    return client;
  }

  async #begun(client: WireClient, cleanStart: boolean, before: Possible): Promise<void> {
    if (!cleanStart && !before.has(0))
      throw new Fault(`Session Present 0, expected ${describe(before)}`);
    if (!before.has(0)) this.#world.figures.sessionsDiscarded += 1;
    const number = this.#newest;
    this.#possible = new Set([number]);
    const suback = client.waitFor("SUBACK", ({ type }) => type === "suback");
    client.send(encodeSubscribe(5, this.#nextIdentifier(), this.#topic(number), 1));
    await suback;
    this.#marked.add(number);
  }

  async #resumed(client: WireClient, cleanStart: boolean, before: Possible): Promise<void> {
    const candidates = [...before].filter((number) => number !== 0);
    const known = `expected ${cleanStart ? "a new session" : describe(before)}`;
    if (cleanStart || candidates.length === 0) throw new Fault(`Session Present 1, ${known}`);
    this.#world.figures.sessionsResumed += 1;
    this.#possible = new Set(candidates);
    const oldest = Math.max(1, this.#newest - ASKED);
    const found: number[] = [];
    for (let number = oldest; number < this.#newest; number += 1)
      if (await this.#has(client, number)) found.push(number);
    if (found.length > 1 || found.some((number) => !candidates.includes(number)))
      throw new Fault(`the subscriptions are those of session ${found.join(" and ")}, ${known}`);
    // The subscription of a session may be missing where SUBACK was not seen, or it is too old to be asked for.
    const silent = candidates.filter((number) => number < oldest || !this.#marked.has(number));
    if (found.length === 0 && silent.length === 0)
      throw new Fault(`the session has no subscription, ${known}`);
    this.#possible = new Set(found.length === 1 ? found : silent);
  }

  /** Whether the session has the subscription of session `number`. */
  async #has(client: WireClient, number: number): Promise<boolean> {
    const packetIdentifier = this.#nextIdentifier();
    const puback = client.waitFor(
      "PUBACK",
      (packet) => packet.type === "puback" && packet.packetIdentifier === packetIdentifier,
    );
    client.send(
      encodePublish(5, {
        topicName: this.#topic(number),
        payload: Buffer.alloc(0),
        qos: 1,
        retain: false,
        dup: false,
        packetIdentifier,
      }),
    );
    const { reasonCode } = (await puback) as Packet & { type: "puback" };
    return reasonCode === 0;
  }

  /** What may be there for a CONNECT that was sent at `sent` and answered at `answered`. */
  #after(sent: Moment, answered: Moment): Possible {
    const before = this.#possible;
    if (this.#leaving === undefined || before.has(0)) return before;
    const { begun, noticed, asked, interval } = this.#leaving;
    const gone: Possible = new Set([0]);
    const either: Possible = new Set([...before, 0]);
    const isNoticed = noticed !== undefined && this.#world.isKept(noticed);
    if (interval === 0) {
      // A session that ends with its connection cannot outlive the process.
      const isOver = isNoticed || (asked === 0 && sent.life > begun.life);
      return isOver ? gone : either;
    }
    if (answered.at < begun.at + interval * 1000 - TOLERANCE_MS) return before;
    const counted = isNoticed ? noticed.at : Math.max(begun.at, this.#world.listensSince);
    return sent.at > counted + interval * 1000 + SLACK_MS ? gone : either;
  }

  #topic(number: number): string {
    return `s/${this.#clientId}/${number}`;
  }

  #nextIdentifier(): number {
    this.#packetIdentifier = 1 + (this.#packetIdentifier % 60_000);
    return this.#packetIdentifier;
  }
}

function describe(possible: Possible): string {
  return Array.from(possible, (number) => (number === 0 ? "no session" : `session ${number}`)).join(
    " or ",
  );
}
