import type { Scenario, World } from "../world.ts";
import { Publisher } from "./publisher.ts";
import type { PublisherOptions } from "./publisher.ts";
import { SequenceBook } from "./sequence-book.ts";
import { Subscriber } from "./subscriber.ts";
import type { SubscriberOptions } from "./subscriber.ts";

const PUBLISHERS: readonly (Pick<PublisherOptions, "version" | "window" | "paceMs"> & {
  readonly qos: readonly (1 | 2)[];
})[] = [
  { version: 4, window: 10, paceMs: 8, qos: [1] },
  { version: 4, window: 6, paceMs: 8, qos: [2] },
  { version: 5, window: 12, paceMs: 8, qos: [1, 2] },
  { version: 5, window: 4, paceMs: 8, qos: [2] },
];

type Style = Omit<SubscriberOptions, "clientId" | "topicFilter">;

const PROMPT = { holdMs: 0, cuts: 0, renews: 0 };

/** What the subscribers are like. */
const SUBSCRIBERS: Readonly<Record<string, Style>> = {
  "always-1": { version: 4, qos: 1, ...PROMPT },
  "always-2": { version: 5, qos: 2, ...PROMPT },
  "withholds-1": { version: 5, qos: 1, receiveMaximum: 8, holdMs: 150, cuts: 0, renews: 0 },
  "withholds-2": { version: 5, qos: 2, receiveMaximum: 6, holdMs: 80, cuts: 0, renews: 0 },
  "cuts-2": { version: 4, qos: 2, holdMs: 10, cuts: 0.01, renews: 0 },
  "comes-and-goes-1": { version: 5, qos: 1, online: [50, 900], away: [50, 900], ...PROMPT },
  "comes-and-goes-2": {
    version: 4,
    qos: 2,
    online: [50, 600],
    away: [50, 600],
    holdMs: 20,
    cuts: 0.002,
    renews: 0,
  },
  "long-away-2": { version: 5, qos: 2, online: [600, 1500], away: [3000, 9000], ...PROMPT },
  "renews-2": {
    version: 5,
    qos: 2,
    online: [100, 1500],
    away: [20, 500],
    holdMs: 0,
    cuts: 0,
    renews: 0.4,
  },
};

/** Publishers at QoS 1 and 2, and durable subscribers of all kinds: nothing lost, QoS 2 once, in order. */
export class Delivery implements Scenario {
  readonly name = "delivery";
  readonly #book: SequenceBook;
  readonly #publishers: readonly Publisher[];
  readonly #subscribers: readonly Subscriber[];

  constructor(world: World) {
    this.#book = new SequenceBook(world);
    this.#publishers = PUBLISHERS.map(({ qos, ...style }, index) => {
      const topics = [`d/${index}/a`, `d/${index}/b`];
      return new Publisher(world, {
        ...style,
        clientId: `publisher-${index}`,
        isWitness: true,
        next: () => this.#book.next(world.chance.pick(topics), world.chance.pick(qos)),
      });
    });
    this.#subscribers = Object.entries(SUBSCRIBERS).map(
      ([name, style]) =>
        new Subscriber(
          world,
          { ...style, clientId: name, topicFilter: "d/#" },
          this.#book.reader(name, style.qos),
        ),
    );
  }

  async prepare(): Promise<void> {
    await Promise.all(this.#subscribers.map((subscriber) => subscriber.prepare()));
  }

  async run(): Promise<void> {
    await Promise.all([...this.#subscribers, ...this.#publishers].map((one) => one.run()));
  }

  owed(): string[] {
    const busy = this.#publishers.filter(({ inFlight }) => inFlight > 0).length;
    const waiting = this.#subscribers.filter(({ isSettled }) => !isSettled).length;
    return [
      ...(busy === 0 ? [] : [`${busy} publishers have messages unacknowledged`]),
      ...this.#book.owed(),
      ...(waiting === 0 ? [] : [`${waiting} subscribers have not ended their handshakes`]),
    ];
  }

  forget(): void {
    this.#book.forget();
  }
}
