import type { Scenario, World } from "../world.ts";
import { EventBook } from "./event-book.ts";
import { publication, Publisher } from "./publisher.ts";
import type { Publication } from "./publisher.ts";
import { Subscriber } from "./subscriber.ts";

/** A delayed message, and what is to cancel it. */
interface Delayed {
  readonly topicName: string;
  readonly id: string;
  /** Seconds. */
  readonly delay: number;
  readonly message: Publication;
  cancel: Publication | undefined;
}

/**
 * Delayed messages, some of them cancelled: one that was acknowledged is published once, not before
 * its time; one whose cancellation was acknowledged in time is not.
 */
export class DelayedMessages implements Scenario {
  readonly name = "delayed messages";
  readonly #world: World;
  readonly #book: EventBook;
  readonly #observer: Subscriber;
  readonly #publisher: Publisher;
  /** May still be cancelled. */
  #recent: Delayed[] = [];
  #number = 0;

  constructor(world: World) {
    this.#world = world;
    this.#book = new EventBook(world, "delayed");
    this.#observer = new Subscriber(
      world,
      {
        clientId: "delay-observer",
        version: 4,
        topicFilter: "x/#",
        qos: 2,
        holdMs: 0,
        cuts: 0,
        renews: 0,
      },
      this.#book,
    );
    this.#publisher = new Publisher(world, {
      clientId: "delay-publisher",
      version: 5,
      window: 6,
      paceMs: 60,
      isWitness: false,
      next: () => this.#next(),
    });
  }

  prepare(): Promise<void> {
    return this.#observer.prepare();
  }

  async run(): Promise<void> {
    await Promise.all([this.#observer.run(), this.#publisher.run()]);
  }

  owed(): string[] {
    const { inFlight } = this.#publisher;
    return inFlight > 0 ? ["delayed messages are not acknowledged"] : this.#book.owed();
  }

  forget(): void {
    this.#book.forget();
    this.#recent = [];
  }

  #next(): Publication {
    const { chance } = this.#world;
    if (this.#recent.length > 0 && chance.happens(0.2)) {
      const one = this.#recent.splice(chance.integer(0, this.#recent.length - 1), 1)[0]!;
      // After a crash a repeat at QoS 1 counts again, one at QoS 2 does not: the message would come
      // again, and what cancels it would not.
      const qos = one.message.qos === 1 ? 1 : chance.pick([1, 2] as const);
      one.cancel = publication(`$delayed/cancel/${one.topicName}`, Buffer.from("cancel"), qos);
      return one.cancel;
    }
    const qos = chance.pick([1, 2] as const);
    const delay = chance.integer(1, this.#world.longestDelay);
    const topicName = `x/${(this.#number += 1)}`;
    const id = `${topicName} QoS ${qos} after ${delay} s`;
    const message = publication(`$delayed/${delay}/${topicName}`, Buffer.from(id), qos);
    const one: Delayed = { topicName, id, delay, message, cancel: undefined };
    this.#book.expect({
      id,
      qos,
      owed: () => this.#owed(one),
      earliest: () => (message.firstSent?.at ?? Infinity) + delay * 1000,
      copies: () => message.sends,
    });
    this.#recent.push(one);
    if (this.#recent.length > 10) this.#recent.shift();
    return message;
  }

  #owed({ message, cancel, delay }: Delayed): "must" | "may" | "never" {
    if (cancel !== undefined && cancel.sends > 0) {
      const { acknowledged } = cancel;
      const due = message.firstSent!.at + delay * 1000;
      return acknowledged !== undefined && acknowledged.at < due ? "never" : "may";
    }
    return message.acknowledged === undefined ? "may" : "must";
  }
}
