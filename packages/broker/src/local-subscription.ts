import type { Client, Message, Subscription } from "@sericite/client";

/** A subscription of the embedding program, on a connection of its own within the process. */
export class LocalSubscription implements AsyncIterable<Message>, AsyncDisposable {
  readonly #client: Client;
  readonly #subscription: Subscription;

  /** Made by `Broker.subscribe`. */
  constructor(client: Client, subscription: Subscription) {
    this.#client = client;
    this.#subscription = subscription;
  }

  /** Client Identifier of its session. */
  get clientId(): string {
    return this.#client.clientId;
  }

  get topicFilters(): readonly string[] {
    return this.#subscription.topicFilters;
  }

  /** QoS 0 messages that were dropped since they were not taken in time. */
  get dropped(): number {
    return this.#subscription.dropped;
  }

  /** Ends the subscription and its connection. A named session forgets the subscription too. */
  async unsubscribe(): Promise<void> {
    if (!this.#subscription.isEnded) await this.#subscription.unsubscribe();
    await this.#client.disconnect();
  }

  /** Ends the connection only: in a named session messages go on waiting. */
  close(): Promise<void> {
    return this.#client.disconnect();
  }

  /** @throws UsageError where a handler gets the messages. */
  [Symbol.asyncIterator](): AsyncIterator<Message, undefined> {
    return this.#subscription[Symbol.asyncIterator]();
  }

  /** As `close`: what has no name ends with it. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
