import { connectMemory, UsageError } from "@sericite/protocol";
import type { Client, MessageHandler, TopicFilters } from "@sericite/client";
import type { LocalSubscribeOptions } from "./broker-options.ts";
import type { Engine } from "./engine/engine.ts";
import { LocalSubscription } from "./local-subscription.ts";
import { WheelScheduler } from "./wheel-scheduler.ts";

/** Sessions of the embedding program, each on a link in memory. */
export class LocalClients {
  readonly #engine: Engine;
  readonly #connected = new Set<Client>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Subscribes, as `Broker.subscribe` tells. */
  async subscribe(
    topicFilters: TopicFilters,
    handler: MessageHandler | undefined,
    { clientId, sessionExpiryInterval = 0, ...options }: LocalSubscribeOptions,
  ): Promise<LocalSubscription> {
    if (clientId !== undefined && handler === undefined) {
      throw new UsageError(
        "ERR_USAGE",
        "a named session needs a handler, for messages that waited for it",
      );
    }
    const client = await this.#connect(clientId, sessionExpiryInterval, handler);
    try {
      const subscription = await (handler === undefined
        ? client.subscribe(topicFilters, options)
        : client.subscribe(topicFilters, handler, options));
      return new LocalSubscription(client, subscription);
    } catch (error) {
      await client.disconnect();
      throw error;
    }
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    await Promise.all([...this.#connected].map((client) => client.close()));
  }

  async #connect(
    clientId: string | undefined,
    sessionExpiryInterval: number,
    handler: MessageHandler | undefined,
  ): Promise<Client> {
    const engine = this.#engine;
    // Loaded on first use: a broker that only serves others does not need it.
    const { connect } = await import("@sericite/client");
    const client = await connect("memory://local", {
      clientId: clientId ?? `$local/${engine.assignClientIdentifier()}`,
      cleanStart: clientId === undefined,
      sessionExpiryInterval,
      keepAlive: 0,
      reconnect: false,
      clock: engine.clock,
      scheduler: new WheelScheduler(engine.scheduler, engine.wheel),
      random: engine.random,
      dial: connectMemory((link) => engine.accept(link, true), engine.scheduler),
      // What waited in a named session comes before the subscription is made anew.
      onUnclaimedMessage: handler,
    });
    this.#connected.add(client);
    client.on("closed", () => this.#connected.delete(client));
    return client;
  }
}
