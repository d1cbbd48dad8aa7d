import type { ConnackPacket, DisconnectPacket, Properties, Scheduler } from "@sericite/protocol";
import {
  ConnectionError,
  ProtocolError,
  ReasonCode,
  TimerEntry,
  UsageError,
  encodeClientPacket,
} from "@sericite/protocol";
import type { AbortSignalLike } from "./abort.ts";
import { abortError, onAbort } from "./abort.ts";
import type { ClientEvents, ClientStateName } from "./client-events.ts";
import type { ClientState } from "./client-state.ts";
import type { AuthenticationStart } from "./authentication.ts";
import { Authenticator } from "./authentication.ts";
import { connectPacket } from "./connect-packet.ts";
import type { ConnectionHandler } from "./connection.ts";
import { Connection } from "./connection.ts";
import type { EventListeners } from "./events.ts";
import type { NextAttemptOptions } from "./next-attempt.ts";
import { NextAttempt } from "./next-attempt.ts";
import type { Platform } from "./platform.ts";
import type { Publisher } from "./publisher.ts";
import type { Receiver } from "./receiver.ts";
import type { Requests } from "./request.ts";
import { serverLimits } from "./server-limits.ts";
import type { Subscriptions } from "./subscriptions.ts";

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

/** What a `Connector` needs to know. */
export interface ConnectorOptions extends NextAttemptOptions {
  readonly platform: Platform;
  readonly scheduler: Scheduler;
  /** Ends the attempt to connect, as long as there was no connection. */
  readonly signal: AbortSignalLike | undefined;
}

/** Who a `Connector` works for. */
export interface ConnectorParts {
  readonly publisher: Publisher;
  readonly receiver: Receiver;
  readonly subscriptions: Subscriptions;
  readonly requests: Requests;
  readonly events: EventListeners<ClientEvents>;
  /** The client is over. */
  onClosed(): void;
  /** The first connection is there. Once, unless `onFailed` comes before. */
  onOpened(): void;
  /** The client is over before there was a connection. */
  onFailed(error: Error): void;
}

/**
 * Keeps a client connected: one connection after the other, the wait between two of them, what each
 * begins with, and the end.
 */
export class Connector {
  readonly #options: ConnectorOptions;
  readonly #parts: ConnectorParts;
  readonly #state: ClientState;
  readonly #nextAttempt: NextAttempt;
  readonly #reconnectTimer: TimerEntry;
  #name: ClientStateName = "connecting";
  #connection: Connection | undefined = undefined;
  #clientId: string;
  #connack: ConnackPacket | undefined = undefined;
  #hasBeenConnected = false;
  #connectedAt = 0;
  #isDisconnecting = false;
  #congested = 0;
  #fallAsleep: (() => void) | undefined = undefined;
  #stopListening: () => void;
  readonly #stopWaking: () => void;
  #closeWaiters: (() => void)[] = [];
  #connectWaiters: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  /** Attempts since the client was opened. */
  #attempts = 0;
  /** Attempts since the last CONNACK. */
  #retries = 0;
  #lastError: Error | undefined = undefined;
  /** The present connection is given up for another one. */
  #isMoving = false;
  /** Rises with each question to `refresh`, and when its answer does not matter any more. */
  #refreshNumber = 0;
  readonly #refreshTimer: TimerEntry;
  readonly #authenticator: Authenticator;

  constructor(state: ClientState, options: ConnectorOptions, parts: ConnectorParts) {
    this.#state = state;
    this.#options = options;
    this.#parts = parts;
    this.#clientId = state.settings.clientId;
    this.#nextAttempt = new NextAttempt(state, options);
    this.#authenticator = new Authenticator(state);
    this.#reconnectTimer = new TimerEntry(() => this.#connectOrFinish());
    this.#refreshTimer = new TimerEntry(() => this.#onRefreshTimeout());
    this.#stopWaking = options.platform.onWake?.(() => this.#wake()) ?? (() => {});
    const { signal } = options;
    this.#stopListening = onAbort(signal, () => this.#finish(abortError(signal!)));
  }

  /** See `Client.state`. */
  get name(): ClientStateName {
    return this.#name;
  }

  /** See `Client.clientId`. */
  get clientId(): string {
    return this.#clientId;
  }

  /** See `Client.connack`. */
  get connack(): ConnackPacket | undefined {
    return this.#connack;
  }

  /** See `Client.url`. */
  get url(): string | undefined {
    return this.#options.attempts.servers.current?.url;
  }

  /** Makes the first attempt. @throws UsageError where CONNECT cannot be sent. */
  start(): void {
    this.#connect();
  }

  /** See `Client.disconnect`. */
  async disconnect(options: DisconnectOptions): Promise<void> {
    if (this.#name === "closed") return;
    const packet = this.#disconnectPacket(options);
    encodeClientPacket(packet, this.#state.settings.protocolVersion); // Throws now where an option is wrong.
    if (!this.#isDisconnecting) {
      this.#isDisconnecting = true;
      if (this.#state.connection !== undefined) {
        await this.#untilIdle(options.timeoutMs ?? this.#state.settings.ackTimeoutMs);
        // The connection may be lost by now, and the client with it.
        this.#state.connection?.disconnect(this.#fitting(packet));
      } else this.#finish(undefined);
    }
    await this.#whenClosed();
  }

  /** DISCONNECT without what would make it too large for the server [MQTT5-3.14.2-3] [MQTT5-3.14.2-4]. */
  #fitting(packet: DisconnectPacket): DisconnectPacket {
    const { limits, settings } = this.#state;
    const size = encodeClientPacket(packet, settings.protocolVersion).length;
    if (size <= (limits?.maximumPacketSize ?? Infinity)) return packet;
    const { sessionExpiryInterval } = packet.properties ?? {};
    return { ...packet, properties: { sessionExpiryInterval } };
  }

  /** See `Client.close`. */
  async close(): Promise<void> {
    this.#finish(undefined);
    await this.#whenClosed();
  }

  /** See `Client.reconnect`. */
  async reconnect(url: string | readonly string[] | undefined): Promise<void> {
    if (this.#name === "closed" || this.#isDisconnecting)
      throw new ConnectionError("ERR_CLIENT_CLOSED", "the client is closed");
    if (url !== undefined) this.#options.attempts.moveTo(url);
    this.#nextAttempt.hope();
    const connected = new Promise<void>((resolve, reject) => {
      this.#connectWaiters.push({ resolve, reject });
    });
    const connection = this.#connection;
    if (connection === undefined) this.#connectOrFinish();
    else {
      this.#isMoving = true;
      connection.leave({ type: "disconnect", reasonCode: ReasonCode.normalDisconnection });
    }
    await connected;
  }

  /** The network may be back, or the connection dead: see `Platform.onWake`. */
  #wake(): void {
    if (this.#reconnectTimer.isScheduled) {
      this.#nextAttempt.hope();
      this.#connectOrFinish();
    } else this.#state.connection?.probe();
  }

  /** Closes the client, since it cannot go on. */
  fail(error: Error): void {
    this.#finish(error);
  }

  /** More mailboxes are full (+1) or fewer (-1): while there is one, nothing is read. */
  onCongestion(change: 1 | -1): void {
    this.#congested += change;
    if (this.#congested > 0) this.#state.connection?.pause();
    else this.#state.connection?.resume();
  }

  #connectOrFinish(): void {
    try {
      this.#connect();
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      this.#finish(error);
    }
  }

  #connect(): void {
    this.#state.wheel.cancel(this.#reconnectTimer);
    this.#name = "connecting";
    this.#attempts++;
    if (this.#options.attempts.isRefreshed) this.#refresh();
    else this.#dial(undefined);
  }

  /** See `Client.reauthenticate`. */
  reauthenticate(): Promise<void> {
    return this.#authenticator.reauthenticate();
  }

  /** Asks for the options of this attempt, and for the beginning of its authentication; then dials. */
  #refresh(): void {
    // Nothing else may keep the process alive meanwhile.
    this.#awake(true);
    const number = ++this.#refreshNumber;
    const { wheel, settings } = this.#state;
    wheel.schedule(this.#refreshTimer, settings.connectTimeoutMs);
    const attempt = { attempt: this.#attempts, url: this.url, error: this.#lastError };
    const { attempts } = this.#options;
    const isLate = (): boolean => number !== this.#refreshNumber;
    attempts
      .ask(attempt)
      .then((refreshed) => {
        if (isLate()) return undefined;
        attempts.apply(refreshed);
        this.#clientId = refreshed.clientId ?? this.#clientId;
        return this.#authenticator.begin(attempts.authentication);
      })
      .then((authentication) => {
        if (isLate()) return;
        wheel.cancel(this.#refreshTimer);
        this.#dial(authentication);
      })
      .catch((error: Error) => {
        if (isLate()) return;
        wheel.cancel(this.#refreshTimer);
        // What is a mistake once is one each time.
        if (error instanceof UsageError) this.#finish(error);
        else if (error instanceof ConnectionError) this.#onConnectionClosed(error);
        else throw error;
      });
  }

  #onRefreshTimeout(): void {
    this.#refreshNumber++;
    const { connectTimeoutMs } = this.#state.settings;
    const message = `refresh took longer than ${connectTimeoutMs} ms`;
    this.#onConnectionClosed(new ConnectionError("ERR_REFRESH_FAILED", message));
  }

  /** @throws UsageError */
  #dial(authentication: AuthenticationStart | undefined): void {
    const state = this.#state;
    const settings = this.#options.attempts.settings();
    const dial = this.#options.attempts.dial();
    state.settings = settings;
    this.#awake(false);
    const connection = new Connection(
      {
        dial,
        clock: state.clock,
        scheduler: this.#options.scheduler,
        wheel: state.wheel,
        protocolVersion: settings.protocolVersion,
        maximumPacketSize: settings.maximumPacketSize,
        connectTimeoutMs: settings.connectTimeoutMs,
        pingTimeoutMs: settings.ackTimeoutMs,
      },
      this.#handler(),
    );
    this.#connection = connection;
    connection.open(connectPacket(settings, this.#clientId, this.#cleanStart(), authentication));
  }

  /** 5.0: only the first connection begins anew. 3.x: a Clean Session ends with each connection. */
  #cleanStart(): boolean {
    const { cleanStart, protocolVersion } = this.#state.settings;
    return cleanStart && (protocolVersion < 5 || !this.#hasBeenConnected);
  }

  #handler(): ConnectionHandler {
    const state = this.#state;
    return {
      onConnack: (connack) => {
        if (this.#authenticator.onConnack(connack, this.#connection!)) this.#onConnack(connack);
      },
      onAuth: (packet) => this.#authenticator.onAuth(packet, this.#connection!),
      onPublish: (packet) => this.#parts.receiver.onPublish(packet, this.#connection!),
      onAcknowledgement: (packet) => {
        if (packet.type === "pubrel")
          this.#parts.receiver.onPubrel(packet.packetIdentifier, this.#connection!);
        else this.#parts.publisher.onAcknowledgement(packet, this.#connection!);
      },
      onSuback: (packet) => this.#parts.subscriptions.onAnswer(packet, this.#connection!),
      fill: () => {
        const { connection, limits } = state;
        if (connection === undefined || limits === undefined) return false;
        const moreSubscriptions = this.#parts.subscriptions.fill(connection, limits);
        if (this.#parts.subscriptions.isAlone) return false;
        return this.#parts.publisher.fill(connection, limits) || moreSubscriptions;
      },
      onHandedOver: () => this.#parts.publisher.onHandedOver(),
      onClose: (error, serverReference) => this.#onConnectionClosed(error, serverReference),
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
    this.#retries = 0;
    this.#nextAttempt.connected();
    this.#state.connection = connection;
    this.#state.connectionNumber++;
    this.#state.limits = limits;
    // 3.1 does not say whether there is a session: what was in flight is sent again as if there
    // were, and subscriptions are renewed as if there were none.
    const is31 = settings.protocolVersion === 3;
    const sessionPresent = is31
      ? (isReconnect || this.#state.records !== undefined) && !cleanStart
      : connack.sessionPresent;
    this.#parts.publisher.connected(sessionPresent, limits);
    this.#parts.receiver.connected(sessionPresent);
    this.#parts.subscriptions.connected(sessionPresent && !is31);
    connection.startKeepAlive(limits.keepAlive);
    if (this.#congested > 0) connection.pause();
    this.#name = "connected";
    this.#parts.events.emit("connected", { connack, isReconnect });
    this.#stopListening();
    if (!isReconnect) this.#parts.onOpened();
    const waiters = this.#connectWaiters;
    this.#connectWaiters = [];
    for (const { resolve } of waiters) resolve();
  }

  #onConnectionClosed(error: Error | undefined, serverReference?: string): void {
    if (this.#name === "closed") return;
    const wasConnected = this.#state.connection !== undefined;
    this.#connection = undefined;
    this.#state.connection = undefined;
    this.#state.limits = undefined;
    this.#authenticator.disconnected(error);
    const isOverRequest = this.#parts.subscriptions.disconnected(error);
    if (wasConnected && !isOverRequest) this.#parts.publisher.connectionEnded(error);
    this.#parts.publisher.disconnected();
    this.#lastError = error;
    const lastedMs = wasConnected ? this.#state.clock.now() - this.#connectedAt : undefined;
    const isMoving = this.#isMoving;
    this.#isMoving = false;
    const delayMs = this.#isDisconnecting
      ? undefined
      : isMoving
        ? 0
        : this.#nextAttempt.delayAfter({
            error,
            lastedMs,
            hasBeenConnected: this.#hasBeenConnected,
            serverReference,
          });
    const willReconnect = delayMs !== undefined;
    this.#name = "disconnected";
    if (wasConnected) this.#parts.events.emit("disconnected", { error, willReconnect });
    // A listener may have closed the client, or had it connect again.
    if (this.#name !== "disconnected") return;
    if (willReconnect) this.#reconnectLater(delayMs, error);
    else this.#finish(this.#isDisconnecting ? undefined : error);
  }

  #reconnectLater(delayMs: number, error: Error | undefined): void {
    this.#retries++;
    this.#awake(true);
    this.#state.wheel.schedule(this.#reconnectTimer, delayMs);
    this.#parts.events.emit("reconnecting", { attempt: this.#retries, delayMs, error });
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
    this.#parts.publisher.close(closed);
    this.#parts.requests.close(closed);
    this.#parts.onClosed();
    this.#parts.subscriptions.close(closed, error === undefined);
    // The connection's own timer stays: it sees to the end of a transport that is slow to close.
    this.#state.wheel.cancel(this.#reconnectTimer);
    this.#state.wheel.cancel(this.#refreshTimer);
    this.#refreshNumber++;
    this.#stopWaking();
    this.#awake(false);
    if (!this.#hasBeenConnected) this.#parts.onFailed(error ?? closed);
    this.#parts.events.emit("closed", { error });
    const connectWaiters = this.#connectWaiters;
    this.#connectWaiters = [];
    for (const { reject } of connectWaiters) reject(closed);
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
      const { publisher, subscriptions } = this.#parts;
      void Promise.all([publisher.whenIdle(), subscriptions.whenIdle()]).then(() => {
        this.#state.wheel.cancel(timer);
        resolve();
      });
    });
  }

  #disconnectPacket(options: DisconnectOptions): DisconnectPacket {
    const { clientIdIsGenerated, sessionExpiryInterval } = this.#state.settings;
    // Nobody will come back for a session whose Client Identifier was made up.
    const expiry =
      options.sessionExpiryInterval ??
      (clientIdIsGenerated && sessionExpiryInterval > 0 ? 0 : undefined);
    return {
      type: "disconnect",
      reasonCode: options.reasonCode ?? ReasonCode.normalDisconnection,
      properties:
        expiry === undefined
          ? options.properties
          : { ...options.properties, sessionExpiryInterval: expiry },
    };
  }

  /** While it waits to connect again, nothing else may keep the process alive. */
  #awake(isAwake: boolean): void {
    if (isAwake) this.#fallAsleep ??= this.#options.platform.stayAwake();
    else {
      this.#fallAsleep?.();
      this.#fallAsleep = undefined;
    }
  }
}
