import type { ConnackPacket, Dial, Properties, ProtocolVersion } from "@sericite/protocol";
import {
  ConnectionError,
  PacketType,
  ProtocolError,
  ReasonCode,
  TimerEntry,
  TimingWheel,
  TopicNameTable,
  UsageError,
  encodePacket,
} from "@sericite/protocol";
import type { AbortSignalLike } from "./abort.ts";
import { abortError, onAbort } from "./abort.ts";
import { ClientState } from "./client-state.ts";
import { connectPacket } from "./connect-packet.ts";
import type { ConnectionHandler } from "./connection.ts";
import { Connection } from "./connection.ts";
import type { RequestError } from "./errors.ts";
import { EventListeners } from "./events.ts";
import type { TopicFilterRequest } from "./filter-entry.ts";
import { subscriptionRequest } from "./filter-entry.ts";
import type { MailboxOwner, MessageHandler } from "./mailbox.ts";
import { Mailbox } from "./mailbox.ts";
import type { Message, Payload } from "./message.ts";
import type { ClientOptions, ClientSettings } from "./options.ts";
import { clientSettings } from "./options.ts";
import type { Platform } from "./platform.ts";
import type { PublishOptions, PublishResult } from "./publication.ts";
import { Publisher } from "./publisher.ts";
import type { Receipt } from "./receiver.ts";
import { Receiver } from "./receiver.ts";
import { Backoff, hopelessReasonCodes, isHopelessConnack } from "./reconnect.ts";
import { serverLimits } from "./server-limits.ts";
import { Subscription } from "./subscription.ts";
import { Subscriptions } from "./subscriptions.ts";

/**
 * Where a client is: trying, connected, waiting to try again, or done for good.
 */
export type ClientStateName = "connecting" | "connected" | "disconnected" | "closed";

/** What a client tells its listeners (`Client.on`). */
export interface ClientEvents {
  /** CONNACK came. */
  connected: { readonly connack: ConnackPacket; readonly isReconnect: boolean };
  /** A connection ended. No error: the client asked for it. */
  disconnected: { readonly error: Error | undefined; readonly willReconnect: boolean };
  /** The next attempt begins after `delayMs`; `error` is what ended the last one. */
  reconnecting: {
    readonly attempt: number;
    readonly delayMs: number;
    readonly error: Error | undefined;
  };
  /** The client is closed. The error says why it gave up; none: it was asked to. */
  closed: { readonly error: Error | undefined };
  /** A QoS 0 message was dropped: its subscription has as many waiting as it may. */
  messageDropped: { readonly message: Message };
  /** A message that no subscription takes was dropped. */
  messageUnclaimed: { readonly message: Message };
  /** A subscription was lost with the session, and the server refused to renew it: it is over. */
  subscriptionRefused: { readonly topicFilter: string; readonly error: RequestError };
}

/** How to subscribe. What a Topic Filter says itself counts before it. */
export interface SubscribeOptions extends Omit<TopicFilterRequest, "topicFilter"> {
  /** Messages that may wait for the handler or the loop. Default 1000. */
  readonly bufferMaximum?: number | undefined;
  /** Ends the subscription, or the wait for it. */
  readonly signal?: AbortSignalLike | undefined;
}

/** Topic Filters to subscribe to. */
export type TopicFilters = string | readonly (string | TopicFilterRequest)[];

/** How to disconnect. */
export interface DisconnectOptions {
  /** 5.0: 0x04 has the Will published. Default 0x00. */
  readonly reasonCode?: number | undefined;
  /** 5.0: replaces that of CONNECT. Seconds. Default: 0 if the Client Identifier was made up. */
  readonly sessionExpiryInterval?: number | undefined;
  /** 5.0. */
  readonly properties?: Pick<Properties, "reasonString" | "userProperties"> | undefined;
  /** Time to wait for what is under way. Milliseconds. Default `ackTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
}

/** Names that are remembered with their matches. */
const topicNamesRemembered = 1024;

/** Opens a client and waits for its first connection. */
export function openClient(
  platform: Platform,
  dial: Dial,
  options: ClientOptions,
): Promise<Client> {
  return new Promise((resolve, reject) => {
    if (options.signal?.aborted === true) throw abortError(options.signal);
    new Client(platform, dial, options, resolve, reject);
  });
}

/**
 * An MQTT client: one session with one server, over as many connections as it takes. Made by
 * `connect`. `await using` disconnects it with its block.
 */
export class Client implements AsyncDisposable {
  readonly #settings: ClientSettings;
  readonly #platform: Platform;
  readonly #dial: Dial;
  readonly #state: ClientState;
  readonly #publisher: Publisher;
  readonly #receiver: Receiver;
  readonly #subscriptions: Subscriptions;
  readonly #events: EventListeners<ClientEvents>;
  readonly #onError: (error: unknown) => void;
  readonly #scheduler;
  readonly #topicNames = new TopicNameTable({ maximumEntries: topicNamesRemembered });
  readonly #backoff: Backoff | undefined;
  readonly #reconnectTimer: TimerEntry;
  readonly #unclaimed: Mailbox | undefined;
  readonly #mailboxOwner: MailboxOwner;
  #name: ClientStateName = "connecting";
  #connection: Connection | undefined = undefined;
  #clientId: string;
  #connack: ConnackPacket | undefined = undefined;
  #hasBeenConnected = false;
  #connectedAt = 0;
  #isDisconnecting = false;
  #congested = 0;
  #fallAsleep: (() => void) | undefined = undefined;
  #opened:
    | { readonly resolve: (client: Client) => void; readonly reject: (error: Error) => void }
    | undefined;
  #stopListening: () => void;
  #closeWaiters: (() => void)[] = [];

  /** Made by `connect`. */
  constructor(
    platform: Platform,
    dial: Dial,
    options: ClientOptions,
    resolve: (client: Client) => void,
    reject: (error: Error) => void,
  ) {
    const clock = options.clock ?? platform.clock;
    const random = options.random ?? platform.random;
    this.#platform = platform;
    this.#dial = dial;
    this.#settings = clientSettings(options, random);
    this.#scheduler = options.scheduler ?? platform.createScheduler();
    this.#clientId = this.#settings.clientId;
    this.#onError = options.onError ?? ((error) => platform.reportError(error));
    this.#events = new EventListeners(this.#onError);
    const wheel = new TimingWheel({ clock, scheduler: this.#scheduler });
    this.#state = new ClientState(this.#settings, clock, wheel);
    this.#publisher = new Publisher(this.#state);
    this.#subscriptions = new Subscriptions(this.#state, {
      onUnclaimed: (message, receipt) => this.#onUnclaimed(message, receipt),
      onRefused: (topicFilter, error) =>
        this.#events.emit("subscriptionRefused", { topicFilter, error }),
    });
    this.#receiver = new Receiver(this.#state, this.#subscriptions);
    this.#mailboxOwner = {
      onHandlerError: this.#onError,
      onDropped: (message) => this.#events.emit("messageDropped", { message }),
      onCongestion: (change) => this.#onCongestion(change),
    };
    const { reconnect, onUnclaimedMessage } = this.#settings;
    this.#unclaimed =
      onUnclaimedMessage === undefined
        ? undefined
        : new Mailbox(onUnclaimedMessage, 1000, this.#mailboxOwner);
    this.#backoff = reconnect === undefined ? undefined : new Backoff(reconnect, random);
    this.#reconnectTimer = new TimerEntry(() => this.#connect());
    this.#opened = { resolve, reject };
    const { signal } = options;
    this.#stopListening = onAbort(signal, () => this.#finish(abortError(signal!)));
    this.#connect();
  }

  /** Where the client is. */
  get state(): ClientStateName {
    return this.#name;
  }

  /** The Client Identifier in use; the server's, if it assigned one. */
  get clientId(): string {
    return this.#clientId;
  }

  get protocolVersion(): ProtocolVersion {
    return this.#settings.protocolVersion;
  }

  /** The CONNACK of the present connection, or of the last one. */
  get connack(): ConnackPacket | undefined {
    return this.#connack;
  }

  /** Messages that wait to be sent. */
  get queuedMessages(): number {
    return this.#publisher.queuedMessages;
  }

  /** QoS 1 and 2 messages that were sent and are not acknowledged. */
  get inFlight(): number {
    return this.#publisher.inFlight;
  }

  /**
   * Publishes a message. It waits for a connection, for the server's Receive Maximum and for the
   * transport, in order with all others. Resent after a reconnection as its QoS asks.
   *
   * @param payload  A `Uint8Array` must not change until the promise settles.
   * @returns settles with the acknowledgement; at QoS 0 when the transport has the message. Rejects
   * with a `RequestError` if the server refuses it or it can no longer be sent, and with a
   * `UsageError` where it is no message.
   */
  publish(
    topicName: string,
    payload: Payload,
    options: PublishOptions = {},
  ): Promise<PublishResult> {
    return this.#publisher.publish(topicName, payload, options);
  }

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
  async subscribe(
    topicFilters: TopicFilters,
    handlerOrOptions: MessageHandler | SubscribeOptions = {},
    optionsWithHandler: SubscribeOptions = {},
  ): Promise<Subscription> {
    const hasHandler = typeof handlerOrOptions === "function";
    const options = hasHandler ? optionsWithHandler : handlerOrOptions;
    const { bufferMaximum = 1000, signal } = options;
    if (!(bufferMaximum >= 1))
      throw new UsageError("ERR_USAGE", `bufferMaximum is ${bufferMaximum}, expected 1 or more`);
    const filters = typeof topicFilters === "string" ? [topicFilters] : topicFilters;
    if (filters.length === 0) throw new UsageError("ERR_USAGE", "there is no Topic Filter"); // [MQTT5-3.8.3-2] [MQTT3-3.8.3-3]
    const requests = filters.map((filter) => subscriptionRequest(filter, options));
    const names = requests.map((request) => request.topicFilter);
    if (new Set(names).size < names.length)
      throw new UsageError("ERR_USAGE", "a Topic Filter is there twice");
    const mailbox = new Mailbox(
      hasHandler ? handlerOrOptions : undefined,
      bufferMaximum,
      this.#mailboxOwner,
    );
    const granted = await this.#subscriptions.subscribe(requests, mailbox, signal);
    const end = (): Promise<void> => {
      stopListening();
      mailbox.end();
      return this.#subscriptions.unsubscribe(mailbox);
    };
    const stopListening = onAbort(signal, () => {
      end().catch(this.#onError);
    });
    return new Subscription(names, granted, mailbox, end);
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

  /** Calls `listener` at each such event, until what is returned is disposed. Events only tell. */
  on<Name extends keyof ClientEvents>(
    name: Name,
    listener: (event: ClientEvents[Name]) => void,
  ): Disposable {
    return this.#events.on(name, listener);
  }

  /**
   * Waits for what is under way to be acknowledged, sends DISCONNECT, and closes the client: the Will
   * is not published. Without a connection, closes it at once.
   */
  async disconnect(options: DisconnectOptions = {}): Promise<void> {
    if (this.#name === "closed") return;
    const packet = this.#disconnectPacket(options);
    encodePacket(packet, this.#settings.protocolVersion); // Throws now where an option is wrong.
    if (!this.#isDisconnecting) {
      this.#isDisconnecting = true;
      if (this.#state.connection !== undefined) {
        await this.#untilIdle(options.timeoutMs ?? this.#settings.ackTimeoutMs);
        // The connection may be lost by now, and the client with it.
        this.#state.connection?.disconnect(packet);
      } else this.#finish(undefined);
    }
    await this.#whenClosed();
  }

  /** Closes the client at once, without DISCONNECT: the server publishes the Will. */
  async close(): Promise<void> {
    this.#finish(undefined);
    await this.#whenClosed();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect();
  }

  #connect(): void {
    this.#awake(false);
    this.#name = "connecting";
    const { settings, clock, wheel } = this.#state;
    const connection = new Connection(
      {
        dial: this.#dial,
        clock,
        scheduler: this.#scheduler,
        wheel,
        topicNames: this.#topicNames,
        protocolVersion: settings.protocolVersion,
        maximumPacketSize: settings.maximumPacketSize,
        connectTimeoutMs: settings.connectTimeoutMs,
        pingTimeoutMs: settings.ackTimeoutMs,
      },
      this.#handler(),
    );
    this.#connection = connection;
    connection.open(connectPacket(settings, this.#clientId, this.#cleanStart()));
  }

  /** 5.0: only the first connection begins anew. 3.x: a Clean Session ends with each connection. */
  #cleanStart(): boolean {
    const { cleanStart, protocolVersion } = this.#settings;
    return cleanStart && (protocolVersion < 5 || !this.#hasBeenConnected);
  }

  #handler(): ConnectionHandler {
    const state = this.#state;
    return {
      onConnack: (connack) => this.#onConnack(connack),
      onPublish: (parser) => this.#receiver.onPublish(parser, this.#connection!),
      onAcknowledgement: (type, parser) => {
        if (type === PacketType.pubrel)
          this.#receiver.onPubrel(parser.packetIdentifier, this.#connection!);
        else this.#publisher.onAcknowledgement(type, parser, this.#connection!);
      },
      onSuback: (packet) => this.#subscriptions.onAnswer(packet, this.#connection!),
      fill: () => {
        const { connection, limits } = state;
        if (connection === undefined || limits === undefined) return false;
        const moreSubscriptions = this.#subscriptions.fill(connection, limits);
        return this.#publisher.fill(connection, limits) || moreSubscriptions;
      },
      onHandedOver: () => this.#publisher.onHandedOver(),
      onClose: (error) => this.#onConnectionClosed(error),
    };
  }

  #onConnack(connack: ConnackPacket): void {
    const connection = this.#connection!;
    const isReconnect = this.#hasBeenConnected;
    const cleanStart = this.#cleanStart();
    const { settings } = this.#state;
    if (connack.sessionPresent && cleanStart) {
      // [MQTT5-3.2.2-4] [MQTT5-3.2.2-2] [MQTT3-3.2.2-1]
      throw new ProtocolError(
        "ERR_PROTOCOL",
        ReasonCode.protocolError,
        "CONNACK has Session Present for a new session",
      );
    }
    const limits = serverLimits(connack, settings);
    this.#clientId = connack.properties?.assignedClientIdentifier ?? this.#clientId;
    this.#connack = connack;
    this.#hasBeenConnected = true;
    this.#connectedAt = this.#state.clock.now();
    this.#state.connection = connection;
    this.#state.connectionNumber++;
    this.#state.limits = limits;
    // 3.1 does not say whether there is a session: what was in flight is sent again as if there
    // were, and subscriptions are renewed as if there were none.
    const is31 = settings.protocolVersion === 3;
    const sessionPresent = is31 ? isReconnect && !cleanStart : connack.sessionPresent;
    this.#publisher.connected(sessionPresent, limits);
    this.#receiver.connected(sessionPresent);
    this.#subscriptions.connected(sessionPresent && !is31);
    connection.startKeepAlive(limits.keepAlive);
    if (this.#congested > 0) connection.pause();
    this.#name = "connected";
    this.#events.emit("connected", { connack, isReconnect });
    this.#stopListening();
    this.#opened?.resolve(this);
    this.#opened = undefined;
  }

  #onConnectionClosed(error: Error | undefined): void {
    if (this.#name === "closed") return;
    const wasConnected = this.#state.connection !== undefined;
    this.#connection = undefined;
    this.#state.connection = undefined;
    this.#state.limits = undefined;
    if (wasConnected) this.#publisher.connectionEnded(error);
    this.#publisher.disconnected();
    this.#subscriptions.disconnected();
    if (wasConnected) this.#backoff?.connectionEnded(this.#state.clock.now() - this.#connectedAt);
    const willReconnect = !this.#isDisconnecting && this.#mayReconnect(error);
    this.#name = "disconnected";
    if (wasConnected) this.#events.emit("disconnected", { error, willReconnect });
    // A listener may have closed the client.
    if (this.#name !== "disconnected") return;
    if (willReconnect) this.#reconnectLater(error);
    else this.#finish(this.#isDisconnecting ? undefined : error);
  }

  #mayReconnect(error: Error | undefined): boolean {
    const { reconnect, protocolVersion } = this.#settings;
    if (reconnect === undefined || this.#backoff === undefined) return false;
    if (!this.#hasBeenConnected && !reconnect.fromStart) return false;
    if (this.#backoff.attempts >= reconnect.maxAttempts) return false;
    if (!(error instanceof ConnectionError) || error.reasonCode === undefined) return true;
    if (error.code === "ERR_CONNECT_REFUSED")
      return !isHopelessConnack(error.reasonCode, protocolVersion);
    return error.code !== "ERR_SERVER_DISCONNECTED" || !hopelessReasonCodes.has(error.reasonCode);
  }

  #reconnectLater(error: Error | undefined): void {
    const delayMs = this.#backoff!.next();
    this.#awake(true);
    this.#state.wheel.schedule(this.#reconnectTimer, delayMs);
    this.#events.emit("reconnecting", { attempt: this.#backoff!.attempts, delayMs, error });
  }

  /** The client is over. @param error  Why it gave up; none: it was asked to. */
  #finish(error: Error | undefined): void {
    if (this.#name === "closed") return;
    this.#name = "closed";
    this.#stopListening();
    this.#state.connection = undefined;
    this.#connection?.destroy();
    this.#connection = undefined;
    const closed = new ConnectionError("ERR_CLIENT_CLOSED", "the client is closed", {
      cause: error,
    });
    this.#publisher.close(closed);
    this.#subscriptions.close(closed, error === undefined);
    // The connection's own timer stays: it sees to the end of a transport that is slow to close.
    this.#state.wheel.cancel(this.#reconnectTimer);
    this.#awake(false);
    this.#opened?.reject(error ?? closed);
    this.#opened = undefined;
    this.#events.emit("closed", { error });
    const waiters = this.#closeWaiters;
    this.#closeWaiters = [];
    for (const waiter of waiters) waiter();
  }

  #whenClosed(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#name === "closed") resolve();
      else this.#closeWaiters.push(resolve);
    });
  }

  /** Settles when all is acknowledged, the time is over, or the client is closed. */
  #untilIdle(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = new TimerEntry(() => resolve());
      this.#state.wheel.schedule(timer, timeoutMs);
      this.#closeWaiters.push(resolve);
      void this.#publisher.whenIdle().then(() => {
        this.#state.wheel.cancel(timer);
        resolve();
      });
    });
  }

  #disconnectPacket(options: DisconnectOptions) {
    const { clientIdIsGenerated, sessionExpiryInterval } = this.#settings;
    // Nobody will come back for a session whose Client Identifier was made up.
    const expiry =
      options.sessionExpiryInterval ??
      (clientIdIsGenerated && sessionExpiryInterval > 0 ? 0 : undefined);
    return {
      type: "disconnect" as const,
      reasonCode: options.reasonCode ?? ReasonCode.normalDisconnection,
      properties:
        expiry === undefined
          ? options.properties
          : { ...options.properties, sessionExpiryInterval: expiry },
    };
  }

  #onUnclaimed(message: Message, receipt: Receipt | undefined): void {
    if (this.#unclaimed !== undefined) this.#unclaimed.accept(message, receipt);
    else this.#events.emit("messageUnclaimed", { message });
  }

  #onCongestion(change: 1 | -1): void {
    this.#congested += change;
    if (this.#congested > 0) this.#state.connection?.pause();
    else this.#state.connection?.resume();
  }

  /** While it waits to connect again, nothing else may keep the process alive. */
  #awake(isAwake: boolean): void {
    if (isAwake) this.#fallAsleep ??= this.#platform.stayAwake();
    else {
      this.#fallAsleep?.();
      this.#fallAsleep = undefined;
    }
  }
}
