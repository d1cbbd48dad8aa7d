import type { AuthPacket, ConnackPacket } from "@sericite/protocol";
import {
  ConnectionError,
  ProtocolError,
  ReasonCode,
  TimerEntry,
  UsageError,
  encodeClientPacket,
} from "@sericite/protocol";
import type { ClientState } from "./client-state.ts";
import type { Connection } from "./connection.ts";

/** Authentication Data; `undefined`: none. */
export type AuthenticationData = Uint8Array | undefined;

/** A method of enhanced authentication (§4.12): `scram`, or one of your own. */
export interface Authentication {
  /** The Authentication Method, as the server knows it. */
  readonly method: string;
  /** Begins an exchange: for each attempt to connect, and each time to authenticate again. */
  begin(): AuthenticationExchange;
}

/** One exchange with a server. Where a function of it throws, the connection ends. */
export interface AuthenticationExchange {
  /** What the client says first. */
  first(): AuthenticationData | Promise<AuthenticationData>;
  /** Answers the server. */
  answer(data: AuthenticationData): AuthenticationData | Promise<AuthenticationData>;
  /** The server has accepted: throws where it has not shown that it is the one. */
  accept?(data: AuthenticationData): void;
}

/** An exchange that has begun. */
interface Running {
  readonly method: string;
  readonly exchange: AuthenticationExchange;
  /** The server has its turn. */
  isAwaiting: boolean;
}

/** What goes with a packet that begins an exchange. */
export interface AuthenticationStart {
  readonly authenticationMethod: string;
  readonly authenticationData: AuthenticationData;
}

/** The promise of one `reauthenticate`. */
class Again {
  readonly promise: Promise<void>;
  settle: (error?: Error) => void = () => {};

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.settle = (error) => (error === undefined ? resolve() : reject(error));
    });
    // Whoever asked has a promise of their own, which comes to this one later.
    this.promise.catch(() => {});
  }
}

/** Authenticates a client by AUTH packets: while it connects, and again when it wants to. */
export class Authenticator {
  readonly #state: ClientState;
  #authentication: Authentication | undefined = undefined;
  #running: Running | undefined = undefined;
  /** The client authenticates again. */
  #again: Again | undefined = undefined;

  constructor(state: ClientState) {
    this.#state = state;
  }

  /** Begins the exchange of the next attempt. Rejects with a ConnectionError where it fails. */
  async begin(
    authentication: Authentication | undefined,
  ): Promise<AuthenticationStart | undefined> {
    this.#authentication = authentication;
    this.#running = undefined;
    if (authentication === undefined) return undefined;
    try {
      return await this.#begin(authentication);
    } catch (cause) {
      throw failed("could not begin", cause);
    }
  }

  async #begin(authentication: Authentication): Promise<AuthenticationStart> {
    const exchange = authentication.begin();
    const running = { method: authentication.method, exchange, isAwaiting: false };
    this.#running = running;
    const authenticationData = await exchange.first();
    running.isAwaiting = true;
    return { authenticationMethod: running.method, authenticationData };
  }

  /** AUTH came. @throws ProtocolError where it cannot be. */
  onAuth(packet: AuthPacket, connection: Connection): void {
    const running = this.#running;
    const { reasonCode, properties } = packet;
    const isOver = reasonCode !== ReasonCode.continueAuthentication;
    // [X-3] [MQTT5-4.12.0-7] [MQTT5-4.12.0-5]; a connection begins with CONNACK, not with AUTH 0x00.
    if (
      running?.isAwaiting !== true ||
      properties?.authenticationMethod !== running.method ||
      (isOver && !connection.isOpen)
    ) {
      throw new ProtocolError(
        "ERR_PROTOCOL",
        ReasonCode.protocolError,
        "the server sent AUTH, which nothing had asked for",
      );
    }
    const data = properties.authenticationData?.slice();
    if (isOver) {
      if (this.#isAccepted(running, data, connection)) this.#again?.settle();
      return;
    }
    running.isAwaiting = false;
    new Promise<AuthenticationData>((resolve) => resolve(running.exchange.answer(data))).then(
      (answer) => {
        if (this.#running !== running) return;
        running.isAwaiting = true;
        // [MQTT5-4.12.0-3]
        const properties = { authenticationMethod: running.method, authenticationData: answer };
        this.#send(ReasonCode.continueAuthentication, properties, connection);
      },
      (cause: unknown) => {
        if (this.#running === running) this.#fail("could not answer the server", cause, connection);
      },
    );
  }

  /**
   * CONNACK accepted.
   *
   * @returns whether the client accepts the server; else the connection has ended.
   * @throws ProtocolError where the server knows nothing of the exchange.
   */
  onConnack(connack: ConnackPacket, connection: Connection): boolean {
    const running = this.#running;
    if (running === undefined) return true;
    const { authenticationMethod, authenticationData } = connack.properties ?? {};
    if (authenticationMethod !== running.method) {
      throw new ProtocolError(
        "ERR_PROTOCOL",
        ReasonCode.protocolError,
        `CONNACK has not the Authentication Method of CONNECT, ${running.method}`,
      ); // [MQTT5-4.12.0-5]
    }
    return this.#isAccepted(running, authenticationData, connection);
  }

  #isAccepted(running: Running, data: AuthenticationData, connection: Connection): boolean {
    this.#running = undefined;
    try {
      running.exchange.accept?.(data);
      return true;
    } catch (cause) {
      this.#fail("did not accept the server", cause, connection);
      return false;
    }
  }

  /** See `Client.reauthenticate`. */
  reauthenticate(): Promise<void> {
    const { connection } = this.#state;
    const authentication = this.#authentication;
    if (connection === undefined)
      return Promise.reject(new ConnectionError("ERR_NOT_CONNECTED", "there is no connection"));
    if (authentication === undefined)
      return Promise.reject(
        new UsageError("ERR_USAGE", "the client was not opened with an authentication"),
      );
    return this.#again?.promise ?? this.#beginAgain(authentication, connection);
  }

  async #beginAgain(authentication: Authentication, connection: Connection): Promise<void> {
    const { wheel, settings } = this.#state;
    const again = new Again();
    this.#again = again;
    const timer = new TimerEntry(() => this.#fail("took too long", undefined, connection));
    wheel.schedule(timer, settings.connectTimeoutMs);
    try {
      const start = await this.#begin(authentication);
      // [MQTT5-4.12.1-1]
      if (this.#again === again) this.#send(ReasonCode.reAuthenticate, start, connection);
    } catch (cause) {
      if (this.#again === again) this.#fail("could not begin again", cause, connection);
    }
    try {
      await again.promise;
    } finally {
      wheel.cancel(timer);
      if (this.#again === again) this.#again = undefined;
    }
  }

  /** There is no connection any more. */
  disconnected(error: Error | undefined): void {
    this.#running = undefined;
    this.#again?.settle(
      error ?? new ConnectionError("ERR_CONNECTION_LOST", "the connection was closed"),
    );
  }

  /** Sends AUTH: method and data and no more, which always fits a server that takes its own [MQTT5-3.15.2-2] [MQTT5-3.15.2-3]. */
  #send(reasonCode: number, properties: AuthenticationStart, connection: Connection): void {
    const packet: AuthPacket = { type: "auth", reasonCode, properties };
    const size = encodeClientPacket(packet, 5).length;
    const most = this.#state.limits?.maximumPacketSize ?? Infinity;
    if (size > most)
      this.#fail(`needs ${size} bytes, the server takes ${most}`, undefined, connection);
    else connection.sendAuth(packet);
  }

  /** Ends the connection [MQTT5-4.12.1-2]. */
  #fail(what: string, cause: unknown, connection: Connection): void {
    const { unspecifiedError } = ReasonCode;
    connection.disconnect(
      { type: "disconnect", reasonCode: unspecifiedError },
      failed(what, cause),
    );
  }
}

function failed(what: string, cause: unknown): ConnectionError {
  return new ConnectionError("ERR_AUTHENTICATION_FAILED", `the authentication ${what}`, { cause });
}
