import { connect } from "@sericite/client";
import type { Client, Message } from "@sericite/client";
import type { Packet, ProtocolVersion } from "@sericite/protocol";
import type { ClientLedger } from "./client-ledger.ts";
import { ClientMedium, SimulatedSessionStore } from "./client-medium.ts";
import type { ClientStoreFaults } from "./client-medium.ts";
import type { EventScheduler, SimulatedProcess } from "./event-scheduler.ts";
import type { FaultyLink } from "./faulty-link.ts";
import { PacketTap } from "./packet-tap.ts";
import type { Chance } from "./random.ts";

/** Seconds: longer than a run. */
const SESSION_EXPIRY = 1_000_000;
/** All that is published. */
const ALL = "t/#";

const decoder = new TextDecoder();

/** What a living client is made with. */
export interface LivingClientOptions {
  readonly clientId: string;
  readonly version: ProtocolVersion;
  /** It subscribes to all; else it publishes. */
  readonly isSubscriber: boolean;
  readonly events: EventScheduler;
  readonly chance: Chance;
  readonly ledger: ClientLedger;
  readonly storeFaults: ClientStoreFaults;
  /** Opens a link to the broker: gives the client's end. */
  readonly link: (process: SimulatedProcess) => FaultyLink;
}

/**
 * A client of this suite, as it ships, that has one session and several lives: its process dies, and
 * the next one goes on with what its store kept.
 */
export class LivingClient {
  readonly clientId: string;
  readonly medium: ClientMedium = new ClientMedium();
  /** Handlers do not finish until `acknowledge`. */
  isWithholding = false;
  /** Handlers take their time. */
  isSlow = true;
  /** The client's end of its newest link. */
  link: FaultyLink | undefined;
  readonly #options: LivingClientOptions;
  #life = 0;
  #process: SimulatedProcess | undefined;
  #store: SimulatedSessionStore | undefined;
  #client: Client | undefined;
  #abort = new AbortController();
  #withheld: (() => void)[] = [];

  constructor(options: LivingClientOptions) {
    this.clientId = options.clientId;
    this.#options = options;
    if (options.isSubscriber) options.ledger.subscriber(options.clientId);
  }

  /** Whether there is a process. */
  get isAlive(): boolean {
    return this.#process !== undefined;
  }

  /** Whether it was connected in this life, and may be used. */
  get isOpen(): boolean {
    return this.#client !== undefined;
  }

  get isConnected(): boolean {
    return this.#client?.state === "connected";
  }

  /** Begins a life. */
  start(): void {
    if (this.isAlive) return;
    const { events, chance, ledger, storeFaults, version } = this.#options;
    const life = ++this.#life;
    const process = events.process(`${this.clientId}, life ${life}`, true);
    const store = new SimulatedSessionStore(process, chance, this.medium, storeFaults);
    this.#process = process;
    this.#store = store;
    this.#abort = new AbortController();
    const isOver = (): boolean => process.isStopped;
    connect({
      clientId: this.clientId,
      protocolVersion: version,
      sessionExpiryInterval: SESSION_EXPIRY,
      keepAlive: 10,
      // The CONNECT of an earlier life may come late, and take the session over.
      reconnect: { minDelayMs: 20, maxDelayMs: 500, fromStart: true, giveUp: () => false },
      onUnclaimedMessage: (message) => this.#handle(life, message),
      onError: (error) => ledger.complain(`${this.clientId}'s user was told of ${String(error)}`),
      store,
      signal: this.#abort.signal,
      dial: (handler) =>
        new Promise((resolve) => {
          process.post(() => {
            const near = this.#options.link(process);
            near.handler = handler;
            this.link = near;
            if (this.#options.isSubscriber) this.#watch(near);
            resolve(near);
          });
        }),
      clock: events.clock,
      scheduler: process,
      random: chance.random,
    }).then(
      (client) => {
        this.#client = client;
        client.on("publishFailed", ({ error }) => {
          ledger.complain(`${this.clientId} gave up what its store kept: ${String(error)}`);
        });
        // The session has the subscription from then on. Two handlers would not keep to one order.
        if (this.#options.isSubscriber && life === 1) this.#subscribe(client, life);
      },
      (error: unknown) => {
        if (!isOver()) events.fail(error);
      },
    );
  }

  /** Its process dies, and its connection with it. */
  crash(): void {
    this.#process?.stop();
    this.#store?.crash();
    this.link?.destroy();
    // What is left of it in this very process must not keep that alive.
    this.#abort.abort();
    void this.#client?.close();
    this.#process = this.#store = this.#client = this.link = undefined;
    this.#withheld = [];
    this.isWithholding = false;
  }

  /** Publishes the next message of a topic. It need not be connected. */
  publish(topicName: string, qos: 1 | 2): string {
    const { ledger } = this.#options;
    const client = this.#client as Client;
    const process = this.#process as SimulatedProcess;
    const message = ledger.asked(this.clientId, topicName, qos);
    const accept = (): void => {
      message.isAccepted = true;
    };
    client.publish(topicName, message.payload, { qos }).then(accept, (error: unknown) => {
      if (process.isStopped) return;
      ledger.complain(`${this.clientId} could not publish ${message.payload}: ${String(error)}`);
    });
    client.flush().then(accept, (error: unknown) => process.fail(error));
    return message.payload;
  }

  /** Handlers finish. */
  acknowledge(): void {
    this.isWithholding = false;
    for (const finish of this.#withheld.splice(0)) finish();
  }

  /** Everything is at rest: nothing may be left over. */
  checkAtRest(): void {
    const { ledger } = this.#options;
    const client = this.#client;
    if (client?.state !== "connected")
      return ledger.complain(`${this.clientId} is not connected: ${client?.state ?? "not open"}`);
    const left = client.inFlight + client.queuedMessages;
    if (left > 0) ledger.complain(`${this.clientId} still has ${left} messages`);
    const kept = [...this.medium.records.keys()].filter((key) => key !== "c");
    if (kept.length > 0) ledger.complain(`${this.clientId}'s store still has ${kept.join()}`);
  }

  #subscribe(client: Client, life: number): void {
    client
      .subscribe(ALL, (message) => this.#handle(life, message), { qos: 2 })
      .catch((error: unknown) => {
        if (this.#life === life && this.isAlive) this.#options.events.fail(error);
      });
  }

  #handle(life: number, message: Message): Promise<void> | undefined {
    const { ledger, chance } = this.#options;
    ledger.handled(this.clientId, life, message.text());
    if (this.isWithholding) return new Promise((resolve) => this.#withheld.push(resolve));
    const process = this.#process;
    if (process === undefined || !this.isSlow || !chance.happens(0.3)) return undefined;
    return new Promise((resolve) => {
      process.post(resolve, chance.integer(0, 50));
    });
  }

  /** Listens at the client's end for what it acknowledges. */
  #watch(near: FaultyLink): void {
    const { ledger } = this.#options;
    const payloads = new Map<number, string>();
    const tap = new PacketTap({
      chunk: () => undefined,
      received: (packet: Packet) => {
        if (packet.type !== "puback" && packet.type !== "pubrec") return;
        const payload = payloads.get(packet.packetIdentifier);
        if (payload === undefined)
          ledger.complain(`${this.clientId} sent ${packet.type} for nothing`);
        else ledger.answered(this.clientId, payload);
      },
      sent: (packet: Packet) => {
        if (packet.type === "publish" && packet.packetIdentifier !== undefined)
          payloads.set(packet.packetIdentifier, decoder.decode(packet.payload));
      },
      sentNonsense: (reason) => ledger.complain(`the broker sent nonsense: ${reason}`),
      closed: () => undefined,
    });
    // The tap is made for the broker's end: here the directions are the other way round.
    near.watcher = {
      onData: (bytes, start, end) => tap.onWrite(bytes.subarray(start, end)),
      onWrite: (bytes) => tap.onData(bytes, 0, bytes.length),
      onClosed: (how) => tap.onClosed(how),
    };
  }
}
