import { UsageError } from "@sericite/protocol";
import type { Mailbox } from "./mailbox.ts";
import type { Message } from "./message.ts";

/**
 * A subscription: Topic Filters, and the messages that they bring. `await using` ends it with its
 * block.
 *
 * ```ts
 * await using subscription = await client.subscribe("a/#", { qos: 1 });
 * for await (const message of subscription) console.log(message.topicName, message.text());
 * ```
 *
 * In a `for await` loop a QoS 1 or 2 message is acknowledged when the loop comes round for the next
 * one, or is left. Leaving the loop does not unsubscribe.
 */
export class Subscription<Item = Message> implements AsyncIterable<Item> {
  /** In the order in which they were asked for. */
  readonly topicFilters: readonly string[];
  /** Granted QoS of each Topic Filter. */
  readonly grantedQos: readonly number[];
  readonly #mailbox: Mailbox;
  readonly #unsubscribe: () => Promise<void>;
  readonly #iterate: () => AsyncIterator<Item, undefined>;

  /** Made by `Client.subscribe`. */
  constructor(
    topicFilters: readonly string[],
    grantedQos: readonly number[],
    mailbox: Mailbox,
    unsubscribe: () => Promise<void>,
    iterate: () => AsyncIterator<Item, undefined>,
  ) {
    this.topicFilters = topicFilters;
    this.grantedQos = grantedQos;
    this.#mailbox = mailbox;
    this.#unsubscribe = unsubscribe;
    this.#iterate = iterate;
  }

  /** QoS 0 messages that were dropped since they were not taken in time. */
  get dropped(): number {
    return this.#mailbox.dropped;
  }

  /** Whether it brings no more messages: unsubscribed, refused, or the client is closed. */
  get isEnded(): boolean {
    return this.#mailbox.isEnded;
  }

  /**
   * Ends it. Messages that wait are dropped. A Topic Filter that another subscription of this client
   * shares stays with the server. Settles when the server has answered; without a connection, after
   * the next one.
   */
  unsubscribe(): Promise<void> {
    return this.#unsubscribe();
  }

  /** The same subscription, whose messages are something else to who iterates over it. */
  as<Other>(iterate: () => AsyncIterator<Other, undefined>): Subscription<Other> {
    return new Subscription(
      this.topicFilters,
      this.grantedQos,
      this.#mailbox,
      this.#unsubscribe,
      iterate,
    );
  }

  /** @throws UsageError where a handler gets the messages. */
  [Symbol.asyncIterator](): AsyncIterator<Item, undefined> {
    if (this.#mailbox.hasHandler) {
      throw new UsageError("ERR_USAGE", "a handler gets the messages of this subscription");
    }
    return this.#iterate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#unsubscribe();
  }
}
