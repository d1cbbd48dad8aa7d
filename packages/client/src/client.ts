import type { ConnackPacket, ProtocolVersion, ScheduledTask, Scheduler } from "@sericite/protocol";
import { TimerEntry, TimingWheel, UsageError, topicFilterMatches } from "@sericite/protocol";
import type { AbortSignalLike } from "./abort.ts";
import { onAbort } from "./abort.ts";
import { refusalOfError } from "./acknowledgement.ts";
import { AttemptOptions } from "./attempt-options.ts";
import type { ClientEvents, ClientStateName } from "./client-events.ts";
import { ClientState } from "./client-state.ts";
import type { Packing } from "./compression.ts";
import type { DisconnectOptions } from "./connector.ts";
import { Connector } from "./connector.ts";
import { EventListeners } from "./events.ts";
import type { TopicFilterRequest } from "./filter-entry.ts";
import { parsedFilter, subscriptionRequest } from "./filter-entry.ts";
import type { KeptSession } from "./kept-session.ts";
import { SessionRecords } from "./kept-session.ts";
import type { MailboxOwner, MessageHandler } from "./mailbox.ts";
import { Mailbox } from "./mailbox.ts";
import type { Message, Payload } from "./message.ts";
import type { ConnectOptions } from "./options.ts";
import type { Platform } from "./platform.ts";
import type { PublishOptions, PublishResult } from "./publication.ts";
import { Publisher } from "./publisher.ts";
import type { Receipt } from "./receiver.ts";
import { Receiver } from "./receiver.ts";
import { Backoff } from "./reconnect.ts";
import type { RequestOptions } from "./request.ts";
import { Requests } from "./request.ts";
import type { RespondOptions, Responder } from "./respond.ts";
import { respond } from "./respond.ts";
import { SessionJournal } from "./session-journal.ts";
import type { SessionStore } from "./session-store.ts";
import { Subscription } from "./subscription.ts";
import { Subscriptions } from "./subscriptions.ts";
import type { Task } from "./tasks.ts";
import { Tasks } from "./tasks.ts";
import type { TopicParameters, TypedHandler, TypedMessage } from "./topic.ts";
import { Topic } from "./topic.ts";

/** Time that messages of an earlier process's session wait for a subscription, from the first CONNACK on. Milliseconds. */
const claimMs = 10_000;
/** How many of them may wait: above it QoS 0 is dropped, and reading stops for others. */
const earlierMaximum = 1000;

/** How to subscribe. What a Topic Filter says itself counts before it. */
export interface SubscribeOptions extends Omit<TopicFilterRequest, "topicFilter"> {
  /** Messages that may wait for the handler or the loop. Default 1000. */
  readonly bufferMaximum?: number | undefined;
  /**
   * `manual`: a QoS 1 or 2 message is acknowledged by `message.ack()` or `message.reject()`, and the
   * next one comes without waiting for it. One that is not acknowledged holds up the
   * acknowledgements of all that came after it. Default `auto`: when its handler is done, or the
   * loop comes round.
   */
  readonly acknowledge?: "auto" | "manual" | undefined;
  /** Ends the subscription, or the wait for it. */
  readonly signal?: AbortSignalLike | undefined;
}

/** Topic Filters to subscribe to. */
export type TopicFilters = string | readonly (string | TopicFilterRequest)[];

/**
 * An MQTT client: one session with one server, over as many connections as it takes. Made by
 * `connect`. `await using` disconnects it with its block.
 */
export class Client implements AsyncDisposable {
  readonly #state: ClientState;
  readonly #publisher: Publisher;
  readonly #subscriptions: Subscriptions;
  readonly #connector: Connector;
  readonly #events: EventListeners<ClientEvents>;
  readonly #onError: (error: unknown) => void;
  readonly #unclaimed: Mailbox | undefined;
  /** Messages of an earlier process's session, until there are subscriptions for them. */
  #earlier: Mailbox | undefined = undefined;
  readonly #mailboxOwner: MailboxOwner;
  readonly #requests: Requests;
  readonly #tasks: Tasks;
  readonly #packing: Packing | undefined;

  /** Made by `connect`. */
  constructor(
    platform: Platform,
    options: ConnectOptions,
    kept: KeptSession | undefined,
    resolve: (client: Client) => void,
    reject: (error: Error) => void,
  ) {
    const clock = options.clock ?? platform.clock;
    const random = options.random ?? platform.random;
    const scheduler = options.scheduler ?? platform.createScheduler();
    const attempts = new AttemptOptions(platform, options, random);
    const settings = attempts.settings();
    this.#onError = options.onError ?? ((error) => platform.reportError(error));
    this.#events = new EventListeners(this.#onError);
    this.#state = new ClientState(settings, clock, new TimingWheel({ clock, scheduler }));
    if (options.store !== undefined && kept !== undefined)
      this.#state.records = this.#recordsOf(options.store, kept, scheduler);
    this.#tasks = new Tasks(this.#state.wheel, this.#onError);
    this.#publisher = new Publisher(this.#state);
    this.#packing = options.compression?.begin({
      maximumMessages: settings.queue.maximumMessages,
      publish: (topicName, payload, more) => this.#publisher.publish(topicName, payload, more),
    });
    this.#subscriptions = new Subscriptions(this.#state, {
      onMessage: (message) => {
        if (this.#events.has("message")) this.#events.emit("message", { message });
      },
      onUnclaimed: (message, receipt) => this.#onUnclaimed(message, receipt),
      onRefused: (topicFilter, error) =>
        this.#events.emit("subscriptionRefused", { topicFilter, error }),
    });
    this.#requests = new Requests(this, this.#state, random, settings.responseTopic);
    const { reconnect, onUnclaimedMessage } = settings;
    const receiver = new Receiver(this.#state, this.#subscriptions);
    if (kept !== undefined) {
      receiver.restore(kept.inbound);
      this.#publisher.restore(kept.publications, ({ topicName, payload }, error) =>
        // Later: who has just got the client could not listen yet.
        scheduler.nextTurn(() => this.#events.emit("publishFailed", { topicName, payload, error })),
      );
    }
    this.#connector = new Connector(
      this.#state,
      {
        platform,
        attempts,
        scheduler,
        policy: options.followServerReference ?? false,
        onError: this.#onError,
        backoff: reconnect === undefined ? undefined : new Backoff(reconnect, random),
        signal: options.signal,
      },
      {
        publisher: this.#publisher,
        receiver,
        subscriptions: this.#subscriptions,
        requests: this.#requests,
        events: this.#events,
        onClosed: () => {
          // The server keeps what was not acknowledged.
          this.#earlier = undefined;
          this.#tasks.close();
          void this.#state.records?.journal.close();
        },
        onOpened: () => {
          this.#onOpened();
          resolve(this);
        },
        onFailed: reject,
      },
    );
    this.#mailboxOwner = {
      onHandlerError: this.#onError,
      onDropped: (message) => this.#events.emit("messageDropped", { message }),
      onCongestion: (change) => this.#connector.onCongestion(change),
    };
    this.#unclaimed =
      onUnclaimedMessage === undefined
        ? undefined
        : new Mailbox(
            this.#packing?.handler(onUnclaimedMessage) ?? onUnclaimedMessage,
            1000,
            this.#mailboxOwner,
          );
    if (onUnclaimedMessage === undefined && !settings.cleanStart)
      this.#earlier = new Mailbox(undefined, earlierMaximum, this.#mailboxOwner);
    this.#connector.start();
  }

  /** Where the client is. */
  get state(): ClientStateName {
    return this.#connector.name;
  }

  /** The Client Identifier in use; the server's, if it assigned one. */
  get clientId(): string {
    return this.#connector.clientId;
  }

  get protocolVersion(): ProtocolVersion {
    return this.#state.settings.protocolVersion;
  }

  /** Address of the server that is used, or tried next, without credentials; none where there is a `dial`. */
  get url(): string | undefined {
    return this.#connector.url;
  }

  /** The CONNACK of the present connection, or of the last one. */
  get connack(): ConnackPacket | undefined {
    return this.#connector.connack;
  }

  /** Messages that wait to be sent. */
  get queuedMessages(): number {
    return this.#publisher.queuedMessages;
  }

  /** QoS 1 and 2 messages that were sent and are not acknowledged. */
  get inFlight(): number {
    return this.#publisher.inFlight;
  }

  /** Publishes a value to a typed topic; it is validated first. */
  publish<Pattern extends string, Input, Output>(
    topic: Topic<Pattern, Input, Output>,
    params: TopicParameters<Pattern>,
    value: Input,
    options?: PublishOptions,
  ): Promise<PublishResult>;
  /**
   * Publishes a message. It waits for a connection, for the server's Receive Maximum and for the
   * transport, in order with all others. Resent after a reconnection as its QoS asks.
   *
   * @param payload  A `Uint8Array` must not change until the promise settles.
   * @returns settles with the acknowledgement; at QoS 0 when the transport has the message. Rejects
   * with a `RequestError` if the server refuses it or it can no longer be sent, and with a
   * `UsageError` where it is no message.
   */
  publish(topicName: string, payload: Payload, options?: PublishOptions): Promise<PublishResult>;
  publish(
    topicName: string | Topic<string, unknown, unknown>,
    payload: unknown,
    optionsOrValue: unknown,
    optionsOfTopic: PublishOptions = {},
  ): Promise<PublishResult> {
    if (topicName instanceof Topic) {
      const params = payload as TopicParameters<string>;
      return this.#publishTyped(topicName, params, optionsOrValue, optionsOfTopic);
    }
    const options = (optionsOrValue as PublishOptions | undefined) ?? {};
    if (typeof options === "function")
      return refused("publish takes no callback: it gives a promise");
    return this.#publish(topicName, payload as Payload, options);
  }

  #publish(topicName: string, payload: Payload, options: PublishOptions): Promise<PublishResult> {
    // Before 5.0 there is no place for the mark of what is compressed.
    return this.#packing === undefined || this.protocolVersion < 5
      ? this.#publisher.publish(topicName, payload, options)
      : this.#packing.publish(topicName, payload, options);
  }

  async #publishTyped(
    topic: Topic<string, unknown, unknown>,
    params: TopicParameters<string>,
    value: unknown,
    options: PublishOptions,
  ): Promise<PublishResult> {
    const topicName = topic.topicName(params);
    const payload = await topic.encode(value);
    const { contentType } = topic.codec;
    const properties = { contentType, ...options.properties };
    return await this.#publish(topicName, payload, { ...options, properties });
  }

  /** Subscribes to a typed topic, for iteration; what is not valid is refused, and `onError` told. */
  subscribe<Pattern extends string, Input, Output>(
    topic: Topic<Pattern, Input, Output>,
    options?: Omit<SubscribeOptions, "acknowledge">,
  ): Promise<Subscription<TypedMessage<Pattern, Output>>>;
  /** Subscribes to a typed topic: the handler gets values that were validated. */
  subscribe<Pattern extends string, Input, Output>(
    topic: Topic<Pattern, Input, Output>,
    handler: TypedHandler<Pattern, Output>,
    options?: Omit<SubscribeOptions, "acknowledge">,
  ): Promise<Subscription>;
  /**
   * Subscribes, with a handler or for iteration (`for await`). Settles when the server has granted
   * it; messages may come before. Renewed by itself when the server loses the session.
   *
   * Rejects if the server refuses one of several Topic Filters; the others are then ended. Of a
   * message that several of them match, a server may send a copy for each: all of them come.
   */
  subscribe(topicFilters: TopicFilters, options?: SubscribeOptions): Promise<Subscription>;
  subscribe(
    topicFilters: TopicFilters,
    handler: MessageHandler,
    options?: SubscribeOptions,
  ): Promise<Subscription>;
  subscribe(
    topicFilters: unknown,
    handlerOrOptions?: unknown,
    optionsWithHandler?: SubscribeOptions,
  ): Promise<Subscription<unknown>> {
    if (topicFilters instanceof Topic) {
      const topic = topicFilters as Topic<string, unknown, unknown>;
      if (typeof handlerOrOptions !== "function")
        return this.#iterate(topic, handlerOrOptions as SubscribeOptions | undefined);
      const handler = topic.handlerOf(handlerOrOptions as TypedHandler<string, unknown>);
      return this.#subscribe(topic.topicFilter, handler, optionsWithHandler);
    }
    if (typeof optionsWithHandler === "function")
      return refused("the handler of subscribe comes before the options");
    const handler = handlerOrOptions as MessageHandler | SubscribeOptions | undefined;
    return this.#subscribe(topicFilters as TopicFilters, handler, optionsWithHandler);
  }

  async #iterate<Pattern extends string, Output>(
    topic: Topic<Pattern, unknown, Output>,
    options: SubscribeOptions | undefined,
  ): Promise<Subscription<TypedMessage<Pattern, Output>>> {
    const manual = { ...options, acknowledge: "manual" } as const;
    const subscription = await this.#subscribe(topic.topicFilter, manual);
    return subscription.as(() =>
      topic.iterate(subscription, (error, message) => this.#refuse(error, message, true)),
    );
  }

  /** A message cannot be read. @param isManual  It is to be acknowledged by hand. */
  #refuse(error: unknown, message: Message, isManual: boolean): void {
    this.#onError(error);
    if (!isManual) return;
    if (message.qos > 0 && this.protocolVersion === 5) message.reject(refusalOfError(error));
    else message.ack();
  }

  async #subscribe(
    topicFilters: TopicFilters,
    handlerOrOptions: MessageHandler | SubscribeOptions = {},
    optionsWithHandler: SubscribeOptions = {},
  ): Promise<Subscription> {
    const hasHandler = typeof handlerOrOptions === "function";
    const options = hasHandler ? optionsWithHandler : handlerOrOptions;
    const { bufferMaximum = 1000, acknowledge = "auto", signal } = options;
    if (!(bufferMaximum >= 1))
      throw new UsageError("ERR_USAGE", `bufferMaximum is ${bufferMaximum}, expected 1 or more`);
    if (acknowledge !== "auto" && acknowledge !== "manual")
      throw new UsageError(
        "ERR_USAGE",
        `acknowledge is ${String(acknowledge)}, expected auto or manual`,
      );
    const filters = typeof topicFilters === "string" ? [topicFilters] : topicFilters;
    if (!Array.isArray(filters))
      throw new UsageError("ERR_USAGE", "topicFilters is neither a string nor a list");
    if (filters.length === 0) throw new UsageError("ERR_USAGE", "there is no Topic Filter"); // [MQTT5-3.8.3-2] [MQTT3-3.8.3-3]
    const requests = filters.map((filter) => subscriptionRequest(filter, options));
    const names = requests.map((request) => request.topicFilter);
    if (new Set(names).size < names.length)
      throw new UsageError("ERR_USAGE", "a Topic Filter is there twice");
    const handler = hasHandler ? handlerOrOptions : undefined;
    const packing = this.#packing;
    const isManual = acknowledge === "manual";
    const mailbox = new Mailbox(
      handler && (packing?.handler(handler) ?? handler),
      bufferMaximum,
      this.#mailboxOwner,
      isManual ? { mayReject: this.protocolVersion === 5 } : undefined,
    );
    const subscribing = this.#subscriptions.subscribe(requests, mailbox, signal);
    if (this.state !== "closed" && signal?.aborted !== true) this.#claim(names, mailbox);
    const granted = await subscribing;
    const end = (): Promise<void> => {
      stopListening();
      mailbox.end();
      return this.#subscriptions.unsubscribe(mailbox);
    };
    const stopListening = onAbort(signal, () => {
      end().catch(this.#onError);
    });
    const subscription = new Subscription(names, granted, mailbox, end, () => mailbox.iterate());
    if (packing === undefined) return subscription;
    return subscription.as(() =>
      packing.iterate(subscription, (error, message) => this.#refuse(error, message, isManual)),
    );
  }

  /**
   * Ends subscriptions to these very Topic Filters, of whatever `Subscription` they are, and also
   * those that only the server knows of (an earlier process's session).
   */
  async unsubscribe(topicFilters: string | readonly string[]): Promise<void> {
    const filters = typeof topicFilters === "string" ? [topicFilters] : topicFilters;
    const requests = filters.map((filter) => subscriptionRequest(filter, {}));
    await Promise.all(
      requests.map(({ topicFilter }) => this.#subscriptions.unsubscribeFilter(topicFilter)),
    );
  }

  /**
   * 5.0: asks, and settles with the response (§4.10). Rejects with `ERR_REQUEST_TIMEOUT` where none
   * comes in time, and with `ERR_NO_RESPONDER` at once where the server says that nobody subscribes
   * to the topic.
   *
   * ```ts
   * const time = await client.request("clock/now", "", { timeoutMs: 2000 });
   * ```
   */
  request(topicName: string, payload: Payload, options: RequestOptions = {}): Promise<Message> {
    return this.#requests.request(topicName, payload, options);
  }

  /**
   * 5.0: answers requests to `topicFilters`. A request is acknowledged when its response is.
   *
   * ```ts
   * await client.respond("clock/now", () => new Date().toISOString());
   * ```
   */
  respond(
    topicFilters: TopicFilters,
    responder: Responder,
    options: RespondOptions = {},
  ): Promise<Subscription> {
    return respond(this, topicFilters, responder, options, this.#onError);
  }

  /**
   * Runs `task` every `intervalMs`, connected or not, until what is returned is cancelled or the client
   * is closed. A beat is left out while the promise of the last run is open, so that nothing piles up
   * without a connection. What `task` throws goes to `onError`.
   *
   * ```ts
   * client.schedule(() => client.publish("lamp/1/alive", "yes"), 60_000);
   * ```
   *
   * @param intervalMs  Milliseconds, more than 0.
   */
  schedule(task: Task, intervalMs: number): ScheduledTask {
    return this.#tasks.schedule(task, intervalMs);
  }

  /** Runs `task` once, after `delayMs` (milliseconds, 0 or more), unless the client is closed before. */
  scheduleOnce(task: Task, delayMs: number): ScheduledTask {
    return this.#tasks.scheduleOnce(task, delayMs);
  }

  /** Calls `listener` at each such event, until what is returned is disposed. Events only tell. */
  on<Name extends keyof ClientEvents>(
    name: Name,
    listener: (event: ClientEvents[Name]) => void,
  ): Disposable {
    return this.#events.on(name, listener);
  }

  /** Calls `listener` at such events no more. */
  off<Name extends keyof ClientEvents>(
    name: Name,
    listener: (event: ClientEvents[Name]) => void,
  ): void {
    this.#events.off(name, listener);
  }

  /**
   * Connects again at once: ends the wait for the next attempt, and the present connection, in order.
   * The session goes on where the server has kept it.
   *
   * @param url  Other servers, from now on.
   * @returns settles when CONNACK has come, be it after several attempts; rejects when the client
   * is closed before.
   */
  reconnect(url?: string | readonly string[]): Promise<void> {
    return this.#connector.reconnect(url);
  }

  /**
   * 5.0: authenticates again on this connection, by the `authentication` that the client was opened
   * with (§4.12.1). Settles when the server has accepted; where it does not, or the exchange fails,
   * the connection ends.
   */
  reauthenticate(): Promise<void> {
    return this.#connector.reauthenticate();
  }

  /**
   * Waits for what is under way to be acknowledged, sends DISCONNECT, and closes the client: the Will
   * is not published. Without a connection, closes it at once.
   */
  async disconnect(options: DisconnectOptions = {}): Promise<void> {
    await this.#packing?.idle;
    await this.#connector.disconnect(options);
    await this.#state.records?.journal.close();
  }

  /** Closes the client at once, without DISCONNECT: the server publishes the Will. */
  async close(): Promise<void> {
    await this.#connector.close();
    await this.#state.records?.journal.close();
  }

  /**
   * Settles when everything that was published at QoS 1 and 2 until now is safe in the `store`: it is
   * sent, if need be by the next process. Without a store, at once. Rejects when the store fails.
   */
  async flush(): Promise<void> {
    await this.#packing?.idle;
    return await this.#state.records?.journal.flush();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect();
  }

  #recordsOf(store: SessionStore, kept: KeptSession, scheduler: Scheduler): SessionRecords {
    const { clientId } = this.#state.settings;
    // [MQTT5-3.1.3-2] [MQTT3-3.1.3-2]
    if (kept.clientId !== undefined && kept.clientId !== clientId) {
      throw new UsageError(
        "ERR_USAGE",
        `the store keeps the session of ${kept.clientId}, not of ${clientId}`,
      );
    }
    const journal = new SessionJournal(
      store,
      scheduler,
      () => this.#state.connection?.wake(),
      (error) => this.#connector.fail(error),
    );
    const records = new SessionRecords(journal, kept.publications.at(-1)?.sequence ?? 0);
    if (kept.clientId === undefined) records.owner(clientId);
    return records;
  }

  /** The first connection is there. */
  #onOpened(): void {
    // 3.1 does not say whether there is a session.
    if (this.connack?.sessionPresent === true || this.protocolVersion === 3) {
      const timer = new TimerEntry(() => this.#endClaims());
      this.#state.wheel.schedule(timer, claimMs);
    } else this.#earlier = undefined;
  }

  /** Messages that came before there was a subscription for them are its own. */
  #claim(topicFilters: readonly string[], mailbox: Mailbox): void {
    const filters = topicFilters.map((one) => parsedFilter(one).topicFilter);
    this.#earlier?.passOn(mailbox, ({ topicName }) =>
      filters.some((filter) => topicFilterMatches(filter, topicName)),
    );
  }

  /** Nobody has come for the rest. */
  #endClaims(): void {
    const earlier = this.#earlier;
    this.#earlier = undefined;
    const tell = (message: Message): void => this.#events.emit("messageUnclaimed", { message });
    earlier?.passOn(new Mailbox(tell, 1, this.#mailboxOwner), () => true);
  }

  #onUnclaimed(message: Message, receipt: Receipt | undefined): void {
    const taker = this.#unclaimed ?? this.#earlier;
    if (taker !== undefined) taker.accept(message, receipt);
    else this.#events.emit("messageUnclaimed", { message });
  }
}

function refused(message: string): Promise<never> {
  return Promise.reject(new UsageError("ERR_USAGE", message));
}
