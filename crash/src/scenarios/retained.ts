import { encodePublish, encodeSubscribe } from "../wire/encode.ts";
import type { Publish } from "../wire/packet.ts";
import { Fault } from "../wire/wire-client.ts";
import type { Scenario, World } from "../world.ts";
import { publication, Publisher } from "./publisher.ts";
import type { Publication } from "./publisher.ts";

const TOPICS = 12;
/** Time after the last expected packet in which nothing else may come. Milliseconds. */
const QUIET_MS = 30;
/** Time without any packet after which what is missing does not come. Milliseconds. */
const MISSING_MS = 300;

/**
 * Retained messages, set and cleared. A reader looks at all of them before the publisher repeats
 * what was not acknowledged: each is the last acknowledged value, or a later one.
 */
export class Retained implements Scenario {
  readonly name = "retained";
  readonly #world: World;
  readonly #publisher: Publisher;
  /** For each topic what may be retained: the last acknowledged write, then those after it. */
  readonly #writes: Publication[][];
  #number = 0;
  #readings = 0;
  #isRead = false;

  constructor(world: World) {
    this.#world = world;
    this.#writes = Array.from({ length: TOPICS }, (_, index) => [
      { ...publication(`r/${index}`, Buffer.alloc(0), 1, true), acknowledged: world.now() },
    ]);
    this.#publisher = new Publisher(world, {
      clientId: "retained-publisher",
      version: 5,
      window: 6,
      paceMs: 15,
      // Nothing is stored where there was nothing to clear.
      isWitness: false,
      next: () => this.#next(),
      acknowledged: (one) => this.#acknowledged(one),
      before: () => this.#read(),
    });
  }

  prepare(): Promise<void> {
    return Promise.resolve();
  }

  async run(): Promise<void> {
    const reading = this.#world.repeat("retained-reader", async () => {
      // Once everything is settled, what is retained is known exactly.
      if (this.#world.isSettling && this.#publisher.inFlight === 0 && !this.#isRead) {
        await this.#read();
        this.#isRead = true;
      }
      await this.#world.pause(20);
    });
    await Promise.all([reading, this.#publisher.run()]);
  }

  owed(): string[] {
    if (this.#publisher.inFlight > 0) return ["retained messages are not acknowledged"];
    return this.#isRead ? [] : ["retained messages were not read"];
  }

  forget(): void {
    this.#isRead = false;
  }

  #next(): Publication {
    const { chance } = this.#world;
    const index = chance.integer(0, TOPICS - 1);
    this.#number += 1;
    const size = chance.happens(0.05) ? chance.integer(1000, 20_000) : chance.integer(0, 100);
    const payload = chance.happens(0.3)
      ? Buffer.alloc(0)
      : Buffer.concat([Buffer.from(`${this.#number} `), Buffer.alloc(size, this.#number & 0xff)]);
    // One QoS for a topic: after a crash a repeat at QoS 1 counts again, one at QoS 2 does not, and
    // an older value could be right.
    const one = publication(`r/${index}`, payload, index % 2 === 0 ? 1 : 2, true);
    this.#writes[index]!.push(one);
    return one;
  }

  #acknowledged(one: Publication): void {
    const writes = this.#writes[indexOf(one.topicName)]!;
    writes.splice(0, writes.indexOf(one));
  }

  /** Compares what is retained with what may be. */
  async #read(): Promise<void> {
    const client = await this.#world.connect("retained", {
      clientId: `retained-reader-${(this.#readings += 1)}`,
      version: this.#readings % 2 === 0 ? 4 : 5,
      cleanStart: true,
    });
    try {
      const found = new Map<number, Publish>();
      let isEnd = false;
      let latest = Infinity;
      client.receive((packet) => {
        if (packet.type !== "publish") return;
        latest = performance.now();
        if (packet.topicName === "r/end") isEnd = true;
        else found.set(indexOf(packet.topicName), packet);
      });
      const suback = client.waitFor("SUBACK", ({ type }) => type === "suback");
      client.send(encodeSubscribe(client.version, 1, "r/#", 1));
      await suback;
      client.send(
        encodePublish(client.version, {
          topicName: "r/end",
          payload: Buffer.alloc(0),
          qos: 0,
          retain: false,
          dup: false,
          packetIdentifier: 0,
        }),
      );
      const isQuiet = (): boolean => isEnd && performance.now() - latest > MISSING_MS;
      const isComplete = (): boolean =>
        isEnd && this.#writes.every((writes, index) => found.has(index) || writes.some(isClear));
      while (client.isOpen && !isComplete() && !isQuiet()) await this.#world.stay(client, 5);
      await this.#world.stay(client, QUIET_MS);
      if (!client.isOpen) return;
      for (const [index, writes] of this.#writes.entries())
        compare(index, writes, found.get(index));
      this.#world.figures.retainedRead += TOPICS;
    } finally {
      client.cut();
    }
  }
}

function compare(index: number, writes: readonly Publication[], seen: Publish | undefined): void {
  const payload = seen?.payload ?? Buffer.alloc(0);
  const match = writes.find((one) => one.payload.equals(payload));
  const text = (bytes: Buffer): string =>
    bytes.length === 0 ? "nothing" : `"${bytes.toString("latin1").split(" ")[0]}"`;
  if (match === undefined) {
    const allowed = writes.map((one) => text(one.payload)).join(" or ");
    throw new Fault(`r/${index} has ${text(payload)} retained, expected ${allowed}`);
  }
  if (seen?.retain === false) throw new Fault(`r/${index}: RETAIN 0 of a retained message`);
}

function isClear(one: Publication): boolean {
  return one.payload.length === 0;
}

function indexOf(topicName: string): number {
  return Number(topicName.slice(2));
}
