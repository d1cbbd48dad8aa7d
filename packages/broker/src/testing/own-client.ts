import { connect } from "@sericite/client";
import type { Client, Message } from "@sericite/client";
import type { Dial, ProtocolVersion, SubscriptionRequest } from "@sericite/protocol";
import type { SimulatedProcess } from "./event-scheduler.ts";
import type { FaultyLink } from "./faulty-link.ts";
import type { Ledger } from "./ledger.ts";
import type { Chance } from "./random.ts";
import type { RawConnectOptions, RawPublish } from "./raw-client.ts";

const encoder = new TextEncoder();

/**
 * This suite's client in a simulation: it dials, resumes and reconnects as it ships. What its user
 * is told (promises that settle, handlers that are called) is compared with what the ledger saw pass.
 */
export class OwnClient {
  readonly clientId: string;
  readonly version: ProtocolVersion;
  /** Handlers do not finish until `releaseAcknowledgements`. */
  isWithholding = false;
  /** Handlers take their time. */
  isSlow = true;
  /** The newest link that it dialled. */
  link: FaultyLink | undefined;
  readonly #process: SimulatedProcess;
  readonly #chance: Chance;
  readonly #ledger: Ledger;
  readonly #dial: Dial;
  #client: Client | undefined;
  #isOpening = false;
  #wasOpened = false;
  /** What waits for a handler goes with its subscription. */
  #hasUnsubscribed = false;
  #isLeaving = false;
  #abort = new AbortController();
  readonly #withheld: (() => void)[] = [];
  /** How often each handler got each message: one map a handler; the first is of messages without a subscription. */
  readonly #handled: Map<string, number>[] = [new Map()];

  constructor(
    clientId: string,
    version: ProtocolVersion,
    process: SimulatedProcess,
    chance: Chance,
    ledger: Ledger,
    link: (client: OwnClient) => FaultyLink,
  ) {
    this.clientId = clientId;
    this.version = version;
    this.#process = process;
    this.#chance = chance;
    this.#ledger = ledger;
    this.#dial = (handler) =>
      new Promise((resolve) => {
        process.post(() => {
          const near = link(this);
          near.handler = handler;
          this.link = near;
          resolve(near);
        });
      });
  }

  get isConnected(): boolean {
    return this.#client?.state === "connected";
  }

  /**
   * Whether it may be opened: it was not yet, or it is closed and begins anew. Before 5.0 a session
   * that lasts cannot begin anew by the same Client Identifier without being a clean one.
   */
  get mayOpen(): boolean {
    return (
      this.#client === undefined && !this.#isOpening && (this.version === 5 || !this.#wasOpened)
    );
  }

  /** Opens it with a new session: what a process before it had is not known to this one. */
  open(options: RawConnectOptions): void {
    if (!this.mayOpen) return;
    this.#isOpening = true;
    this.#wasOpened = true;
    this.#isLeaving = false;
    this.#abort = new AbortController();
    const { will } = options;
    connect({
      clientId: this.clientId,
      protocolVersion: this.version,
      cleanStart: this.version === 5,
      sessionExpiryInterval: options.sessionExpiryInterval ?? 0,
      keepAlive: options.keepAlive,
      receiveMaximum: options.receiveMaximum,
      will:
        will === undefined
          ? undefined
          : { ...will, properties: { willDelayInterval: will.properties?.willDelayInterval } },
      reconnect: { minDelayMs: 20, maxDelayMs: 500, fromStart: true },
      onUnclaimedMessage: (message) => this.#handle(0, message),
      onError: (error) =>
        this.#ledger.complain(`${this.clientId}'s user was told of ${String(error)}`),
      signal: this.#abort.signal,
      dial: this.#dial,
      clock: this.#process.clock,
      scheduler: this.#process,
      random: this.#chance.random,
    }).then(
      (client) => {
        this.#isOpening = false;
        this.#client = client;
        client.on("closed", () => {
          if (this.#client === client) this.#client = undefined;
        });
      },
      () => {
        this.#isOpening = false;
      },
    );
  }

  publish(message: RawPublish): void {
    const { topicName, payload, qos, retain, expiry, userProperties } = message;
    const properties =
      this.version === 5 ? { messageExpiryInterval: expiry, userProperties } : undefined;
    this.#client?.publish(topicName, payload, { qos, retain, properties }).then(
      () => {
        if (qos > 0 && !this.#ledger.wasAnswered(topicName, encoder.encode(payload))) {
          this.#ledger.complain(
            `${this.clientId}'s user was told that ${payload} on ${topicName} is acknowledged, but it is not`,
          );
        }
      },
      // Refused, expired, or the client was closed: nothing was promised.
      () => undefined,
    );
  }

  subscribe(subscriptions: readonly SubscriptionRequest[]): void {
    const index = this.#handled.push(new Map()) - 1;
    this.#client
      ?.subscribe([...subscriptions], (message) => this.#handle(index, message))
      .catch(() => undefined);
  }

  unsubscribe(topicFilters: readonly string[]): void {
    this.#hasUnsubscribed = true;
    this.#client?.unsubscribe([...topicFilters]).catch(() => undefined);
  }

  /** Leaves in order; waits for what is under way first. */
  disconnect(withWill: boolean, sessionExpiryInterval?: number): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    this.#client
      ?.disconnect({ reasonCode: withWill && this.version === 5 ? 0x04 : 0, sessionExpiryInterval })
      .catch((error: unknown) => this.#process.fail(error));
  }

  releaseAcknowledgements(): void {
    this.isWithholding = false;
    for (const release of this.#withheld.splice(0)) release();
  }

  /** Ends it at once: the run is over. */
  async close(): Promise<void> {
    this.releaseAcknowledgements();
    this.#abort.abort();
    await this.#client?.close();
  }

  /** Everything is at rest: what its user was told must agree with what passed. */
  checkAtRest(): void {
    const client = this.#client;
    const expected = this.#ledger.deliveriesTo(this.clientId);
    for (const handled of this.#handled) {
      for (const [key, count] of handled) {
        const seen = expected.get(key);
        if (seen === undefined)
          this.#ledger.complain(`${this.clientId}'s handler got ${key}, which was not delivered`);
        else if (seen.once > 0 && seen.often === 0 && count > seen.once) {
          this.#ledger.complain(
            `${this.clientId}'s handler got ${key} ${count} times, delivered at QoS 2 ${seen.once} times`,
          );
        }
      }
    }
    if (client === undefined || client.state !== "connected" || this.#isLeaving) return;
    for (const [key, seen] of expected) {
      if (
        !seen.isCertain ||
        this.#hasUnsubscribed ||
        this.#handled.some((handled) => handled.has(key))
      )
        continue;
      this.#ledger.complain(`no handler of ${this.clientId} got ${key}, which it acknowledged`);
    }
    if (client.inFlight + client.queuedMessages > 0) {
      this.#ledger.complain(
        `${this.clientId} still has ${client.inFlight} messages in flight and ${client.queuedMessages} waiting`,
      );
    }
  }

  #handle(index: number, message: Message): Promise<void> | undefined {
    const text = message.text();
    if (text !== "") {
      const handled = this.#handled[index] as Map<string, number>;
      const key = `${message.topicName} ${text}`;
      handled.set(key, (handled.get(key) ?? 0) + 1);
    }
    if (this.isWithholding) return new Promise((resolve) => this.#withheld.push(resolve));
    if (!this.isSlow || !this.#chance.happens(0.3)) return undefined;
    return new Promise((resolve) => {
      this.#process.post(resolve, this.#chance.integer(0, 50));
    });
  }
}
