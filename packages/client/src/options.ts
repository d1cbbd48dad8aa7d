import type {
  Clock,
  Dial,
  ProtocolVersion,
  QoS,
  Random,
  Scheduler,
  UserProperty,
} from "@sericite/protocol";
import { UsageError } from "@sericite/protocol";
import type { AbortSignalLike } from "./abort.ts";
import type { Authentication } from "./authentication.ts";
import type { Compression } from "./compression.ts";
import type { Message, Payload } from "./message.ts";
import { topicFault } from "./publication.ts";
import type { ServerReferencePolicy } from "./servers.ts";
import type { TlsOptions, WebSocketOptions } from "./transport-options.ts";
import type { SessionStore } from "./session-store.ts";

/** 5.0 properties of a message that a client publishes (§3.3.2.3). */
export interface PublishProperties {
  payloadFormatIndicator?: 0 | 1 | undefined;
  /** Seconds. Time that the message waits in the client is taken off. */
  messageExpiryInterval?: number | undefined;
  contentType?: string | undefined;
  responseTopic?: string | undefined;
  correlationData?: Uint8Array | undefined;
  userProperties?: readonly UserProperty[] | undefined;
}

/** The Will Message (§3.1.2.5): what the server publishes when this client is gone. */
export interface WillOptions {
  readonly topicName: string;
  readonly payload?: Payload | undefined;
  /** Default 0. */
  readonly qos?: QoS | undefined;
  /** Default false. */
  readonly retain?: boolean | undefined;
  /** 5.0: Will Delay Interval in seconds, and what goes with the message. */
  readonly properties?:
    | (PublishProperties & { willDelayInterval?: number | undefined })
    | undefined;
}

/** Gives the Will of the next connection; `undefined`: none. */
export type WillFunction = () => WillOptions | undefined | Promise<WillOptions | undefined>;

/** When and how often to connect again. */
export interface ReconnectOptions {
  /** Upper bound of the first wait. Milliseconds. Default 1000. */
  readonly minDelayMs?: number | undefined;
  /** Upper bound of all waits. Milliseconds. Default 120 000. */
  readonly maxDelayMs?: number | undefined;
  /** Attempts in a row before the client gives up. Default: as many as it takes. */
  readonly maxAttempts?: number | undefined;
  /**
   * Try again also where the very first attempt fails; else `connect` rejects then. `background`: `connect`
   * gives the client at once, `connecting` as yet, so that it takes messages and listeners before there is a
   * network. Default false.
   */
  readonly fromStart?: boolean | "background" | undefined;
  /**
   * Whether to give up after this error; `undefined`: as without this function. Default: after
   * those Reason Codes of CONNACK and DISCONNECT after which the same CONNECT has no hope, or does
   * harm, such as 0x87 (not authorized) and 0x8E (session taken over). Refused credentials do not count among
   * them where there is a `refresh` or an `authentication`, which may have others for the next attempt.
   */
  readonly giveUp?: ((error: Error | undefined) => boolean | undefined) | undefined;
}

/** Bounds of the messages that wait to be sent. */
export interface QueueOptions {
  /** Default 100 000. */
  readonly maximumMessages?: number | undefined;
  /** Bytes of payloads and Topic Names. Default 64 MiB. */
  readonly maximumBytes?: number | undefined;
  /** QoS 0 messages wait for a connection too. Default false: they are rejected without one. */
  readonly qos0?: boolean | undefined;
  /**
   * What gives way where a message comes too many: it itself (`reject`), or those that wait longest
   * (`dropOldest`). The promise of what gives way is rejected. Default `reject`.
   */
  readonly whenFull?: "reject" | "dropOldest" | undefined;
}

/** What is known when an attempt to connect begins. */
export interface ConnectAttempt {
  /** 1 for the very first, then one more each time. */
  readonly attempt: number;
  /** Address of the server that will be tried, without credentials. Absent where there is a `dial`. */
  readonly url: string | undefined;
  /** What ended the last attempt or connection. */
  readonly error: Error | undefined;
}

/** Options that may change from one attempt to the next. */
export type RefreshedOptions = Partial<
  Pick<
    ConnectOptions,
    | "authentication"
    | "clientId"
    | "keepAlive"
    | "password"
    | "tls"
    | "url"
    | "userProperties"
    | "username"
    | "webSocket"
  >
> & { readonly will?: WillOptions | undefined };

/** What a client is opened with. Everything has a default. */
export interface ClientOptions {
  /**
   * Client Identifier. Default: `sericite` and 13 characters of chance; such a session ends with
   * `disconnect()`. Empty: the server assigns one (5.0, and 3.1.1 with `cleanStart`).
   */
  readonly clientId?: string | undefined;
  /** 5, 4 (3.1.1) or 3 (3.1). Default 5. */
  readonly protocolVersion?: ProtocolVersion | undefined;
  /**
   * 5.0: whether the first connection begins a new session; those after it resume. 3.x: Clean
   * Session of every connection. Default true.
   */
  readonly cleanStart?: boolean | undefined;
  /** 5.0: seconds for which the server keeps the session without a connection. Default 300. */
  readonly sessionExpiryInterval?: number | undefined;
  /** Seconds; 0 turns it off. Default 60. */
  readonly keepAlive?: number | undefined;
  readonly username?: string | undefined;
  readonly password?: Payload | undefined;
  /** 5.0: enhanced authentication, such as `scram`. */
  readonly authentication?: Authentication | undefined;
  /** A function is asked before each attempt to connect, as `refresh` is. */
  readonly will?: WillOptions | WillFunction | undefined;
  /** 5.0: QoS 1 and 2 messages that the server may have unacknowledged. 1…65 535. Default 256. */
  readonly receiveMaximum?: number | undefined;
  /** Largest packet that is accepted. Bytes. Default 10 MiB + 64 KiB. */
  readonly maximumPacketSize?: number | undefined;
  /** 5.0: Topic Aliases that the server may use. Default 64. */
  readonly topicAliasMaximum?: number | undefined;
  /** 5.0: Topic Aliases that the client uses, if the server takes as many. Default 64; 0: none. */
  readonly outboundTopicAliasMaximum?: number | undefined;
  /** QoS 1 and 2 messages sent and not acknowledged; the server's Receive Maximum may be lower. Default 1024. */
  readonly inFlightMaximum?: number | undefined;
  /** 5.0: compresses payloads, and reads those that others compressed (`@sericite/client/compression`). */
  readonly compression?: Compression | undefined;
  /** 5.0: User Properties of CONNECT. */
  readonly userProperties?: readonly UserProperty[] | undefined;
  /** false: one connection, and no other after it. */
  readonly reconnect?: ReconnectOptions | false | undefined;
  readonly queue?: QueueOptions | undefined;
  /** From dialling to CONNACK. Milliseconds. Default 10 000. */
  readonly connectTimeoutMs?: number | undefined;
  /**
   * 3.x: time after which PUBLISH, PUBREL, SUBSCRIBE or UNSUBSCRIBE is sent again. 5.0, where
   * nothing is sent again: the connection ends after this × (ackRetries + 1). Milliseconds. Default
   * 10 000.
   */
  readonly ackTimeoutMs?: number | undefined;
  /** How often a packet is sent again before the connection is ended. Default 5. */
  readonly ackRetries?: number | undefined;
  /**
   * Gets the messages that no subscription of this client takes: those of an earlier process's
   * session. Its promise is the acknowledgement. Without it they wait, unacknowledged, for a subscription that
   * takes them, for 10 s from the first CONNACK on; then they are acknowledged and dropped (`messageUnclaimed`).
   */
  readonly onUnclaimedMessage?: ((message: Message) => unknown) | undefined;
  /**
   * 5.0: Topic Name for the responses to `request`, of this client alone. Default: the Response
   * Information of the server, or else `responses`, then `/` and the Client Identifier.
   */
  readonly responseTopic?: string | undefined;
  /** Gets what listeners and message handlers throw. Default: the platform's console. */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** Ends the attempt to connect. It has no effect once `connect` has settled. */
  readonly signal?: AbortSignalLike | undefined;
  /**
   * Called before each attempt to connect, the first too: what it gives counts before the other
   * options, for this attempt and until it gives something else. For credentials that expire,
   * Client Identifiers that are signed, a Will that changes, servers that move. Where it throws, or
   * takes longer than `connectTimeoutMs`, the attempt has failed.
   */
  readonly refresh?:
    | ((
        attempt: ConnectAttempt,
      ) => RefreshedOptions | undefined | Promise<RefreshedOptions | undefined>)
    | undefined;
  /**
   * Whether to try the version below if the server does not speak `protocolVersion` (0x84, 3.x:
   * return code 1), at once and only before there was a connection. Default false.
   */
  readonly protocolFallback?: boolean | undefined;
  /**
   * What to do where the server sends the client to another one (0x9C, 0x9D). true: go there, with
   * the same scheme and credentials; so trust your server with them. A function is given the Server
   * Reference and whether the move is for good, and gives the address to go to; `undefined`: stay.
   * Default false: to give up, as after other refusals.
   */
  readonly followServerReference?: ServerReferencePolicy | undefined;
  /**
   * Keeps the session beyond this process: what was published at QoS 1 and 2 is sent by the next one
   * that is opened with it. Needs a `clientId`. `cleanStart` is false and `sessionExpiryInterval` a
   * day then, unless you say otherwise.
   */
  readonly store?: SessionStore | undefined;
  /** How to reach the server; in place of an address. */
  readonly dial?: Dial | undefined;
  readonly clock?: Clock | undefined;
  /** One for this client alone: it has one alarm. */
  readonly scheduler?: Scheduler | undefined;
  readonly random?: Random | undefined;
}

/** `ClientOptions` with the address among them. */
export interface ConnectOptions extends ClientOptions {
  /**
   * `mqtt`, `mqtts`, `ws` or `wss`, `://[USERNAME[:PASSWORD]@]HOST[:PORT]`, and a path for
   * WebSockets; or `unix:PATH`. Several: each is tried after the failure of the one before it, and
   * all of them before the client waits. Needed where there is no `dial`.
   */
  readonly url?: string | readonly string[] | undefined;
  /** For `mqtts` and `wss`. Node only: a browser decides for itself. */
  readonly tls?: TlsOptions | undefined;
  /** For `ws` and `wss`. */
  readonly webSocket?: WebSocketOptions | undefined;
}

/** `ClientOptions` with the defaults filled in and checked. */
export interface ClientSettings {
  readonly clientId: string;
  /** The Client Identifier was made up: nobody will come back for the session. */
  readonly clientIdIsGenerated: boolean;
  readonly protocolVersion: ProtocolVersion;
  readonly cleanStart: boolean;
  readonly sessionExpiryInterval: number;
  readonly keepAlive: number;
  readonly username: string | undefined;
  readonly password: Payload | undefined;
  readonly will: WillOptions | undefined;
  readonly receiveMaximum: number;
  readonly maximumPacketSize: number;
  readonly topicAliasMaximum: number;
  readonly outboundTopicAliasMaximum: number;
  readonly inFlightMaximum: number;
  readonly userProperties: readonly UserProperty[] | undefined;
  readonly reconnect:
    | Required<{ [K in keyof ReconnectOptions]: NonNullable<ReconnectOptions[K]> }>
    | undefined;
  readonly queue: {
    readonly maximumMessages: number;
    readonly maximumBytes: number;
    readonly qos0: boolean;
    readonly whenFull: "reject" | "dropOldest";
  };
  readonly connectTimeoutMs: number;
  readonly ackTimeoutMs: number;
  readonly ackRetries: number;
  readonly responseTopic: string | undefined;
  readonly onUnclaimedMessage: ((message: Message) => unknown) | undefined;
}

const optionNames: Readonly<Record<keyof ConnectOptions, true>> = {
  ackRetries: true,
  ackTimeoutMs: true,
  authentication: true,
  cleanStart: true,
  clientId: true,
  clock: true,
  compression: true,
  connectTimeoutMs: true,
  dial: true,
  followServerReference: true,
  inFlightMaximum: true,
  keepAlive: true,
  maximumPacketSize: true,
  onError: true,
  onUnclaimedMessage: true,
  outboundTopicAliasMaximum: true,
  password: true,
  protocolFallback: true,
  protocolVersion: true,
  queue: true,
  random: true,
  receiveMaximum: true,
  reconnect: true,
  refresh: true,
  responseTopic: true,
  scheduler: true,
  sessionExpiryInterval: true,
  signal: true,
  store: true,
  tls: true,
  topicAliasMaximum: true,
  url: true,
  userProperties: true,
  username: true,
  webSocket: true,
  will: true,
};

/**
 * Looks for names that are none of an option, as a caller without types may give.
 *
 * @throws UsageError
 */
export function checkOptionNames(options: ConnectOptions): void {
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(optionNames, name)) continue;
    const meant = Object.keys(optionNames).find((one) => one.toLowerCase() === name.toLowerCase());
    const hint = meant === undefined ? "" : `; perhaps ${meant} is meant`;
    throw new UsageError("ERR_USAGE", `there is no option ${name}${hint}`);
  }
}

/** Name of the User Property of CONNECT that says what a client can read. */
const acceptProperty = "accept-encoding";

const highestUint16 = 65_535;
const highestUint32 = 0xffff_ffff;
/** Of a packet with the longest Remaining Length. */
const largestPacket = 268_435_460;

/**
 * Fills in the defaults.
 *
 * @throws UsageError where an option has a value that it cannot have.
 */
export function clientSettings(options: ClientOptions, random: Random): ClientSettings {
  const {
    protocolVersion = 5,
    store,
    cleanStart = store === undefined,
    reconnect = {},
    queue = {},
  } = options;
  if (protocolVersion !== 3 && protocolVersion !== 4 && protocolVersion !== 5) {
    throw new UsageError(
      "ERR_USAGE",
      `protocolVersion is ${String(protocolVersion)}, expected 3, 4 or 5`,
    );
  }
  const clientId = options.clientId ?? generatedClientId(random);
  if (clientId === "" && (protocolVersion === 3 || (protocolVersion === 4 && !cleanStart))) {
    throw new UsageError(
      "ERR_USAGE",
      "clientId is empty, which needs 5.0, or 3.1.1 with cleanStart",
    ); // [MQTT3-3.1.3-7]
  }
  if (typeof clientId !== "string")
    throw new UsageError("ERR_USAGE", `clientId is ${shown(clientId)}, expected a string`);
  if (store !== undefined && !options.clientId)
    throw new UsageError("ERR_USAGE", "a store needs a clientId, which the next process has too");
  if (protocolVersion < 5 && options.password !== undefined && options.username === undefined) {
    throw new UsageError("ERR_USAGE", "a password without username needs 5.0"); // [MQTT3-3.1.2-22]
  }
  if (protocolVersion < 5 && options.authentication !== undefined)
    throw new UsageError("ERR_USAGE", "authentication needs 5.0");
  // A function is asked with each attempt.
  const will = typeof options.will === "function" ? undefined : options.will;
  const willFault = will === undefined ? undefined : topicFault(will.topicName);
  if (willFault !== undefined)
    throw new UsageError("ERR_TOPIC_NAME", `the will's topicName ${willFault}`);
  return {
    clientId,
    clientIdIsGenerated: options.clientId === undefined,
    protocolVersion,
    cleanStart,
    sessionExpiryInterval: integer(
      "sessionExpiryInterval",
      options.sessionExpiryInterval ?? (store === undefined ? 300 : 86_400),
      0,
      highestUint32,
    ),
    keepAlive: integer("keepAlive", options.keepAlive ?? 60, 0, highestUint16),
    username: options.username,
    password: options.password,
    will,
    receiveMaximum: integer("receiveMaximum", options.receiveMaximum ?? 256, 1, highestUint16),
    maximumPacketSize: integer(
      "maximumPacketSize",
      options.maximumPacketSize ?? 10 * 1024 * 1024 + 65_536,
      16,
      largestPacket,
    ),
    topicAliasMaximum: integer(
      "topicAliasMaximum",
      options.topicAliasMaximum ?? 64,
      0,
      highestUint16,
    ),
    outboundTopicAliasMaximum: integer(
      "outboundTopicAliasMaximum",
      options.outboundTopicAliasMaximum ?? 64,
      0,
      highestUint16,
    ),
    inFlightMaximum: integer("inFlightMaximum", options.inFlightMaximum ?? 1024, 1, highestUint16),
    userProperties: withAccepted(options.userProperties, options.compression),
    reconnect:
      reconnect === false
        ? undefined
        : {
            minDelayMs: number("reconnect.minDelayMs", reconnect.minDelayMs ?? 1000, 1),
            maxDelayMs: number("reconnect.maxDelayMs", reconnect.maxDelayMs ?? 120_000, 1),
            maxAttempts: number("reconnect.maxAttempts", reconnect.maxAttempts ?? Infinity, 0),
            fromStart: reconnect.fromStart ?? false,
            giveUp: reconnect.giveUp ?? (() => undefined),
          },
    queue: {
      maximumMessages: number("queue.maximumMessages", queue.maximumMessages ?? 100_000, 1),
      maximumBytes: number("queue.maximumBytes", queue.maximumBytes ?? 64 * 1024 * 1024, 1),
      qos0: queue.qos0 ?? false,
      whenFull: whenFull(queue.whenFull ?? "reject"),
    },
    connectTimeoutMs: number("connectTimeoutMs", options.connectTimeoutMs ?? 10_000, 1),
    ackTimeoutMs: number("ackTimeoutMs", options.ackTimeoutMs ?? 10_000, 1),
    ackRetries: integer("ackRetries", options.ackRetries ?? 5, 0, 1_000_000),
    responseTopic: options.responseTopic,
    onUnclaimedMessage: options.onUnclaimedMessage,
  };
}

/** CONNECT says what the client can read. */
function withAccepted(
  userProperties: readonly UserProperty[] | undefined,
  compression: Compression | undefined,
): readonly UserProperty[] | undefined {
  if (compression === undefined || compression.accepted.length === 0) return userProperties;
  return [...(userProperties ?? []), [acceptProperty, compression.accepted.join(", ")]];
}

/** 21 characters of those that every server must take in a Client Identifier (3.1.1 §3.1.3.1). */
function generatedClientId(random: Random): string {
  const characters = "0123456789abcdefghijklmnopqrstuvwxyz";
  let clientId = "sericite";
  for (let i = 0; i < 13; i++)
    clientId += characters.charAt(Math.floor(random() * characters.length));
  return clientId;
}

function whenFull(value: "reject" | "dropOldest"): "reject" | "dropOldest" {
  if (value === "reject" || value === "dropOldest") return value;
  throw new UsageError(
    "ERR_USAGE",
    `queue.whenFull is ${String(value)}, expected reject or dropOldest`,
  );
}

function integer(name: string, value: number, lowest: number, highest: number): number {
  if (Number.isInteger(value) && value >= lowest && value <= highest) return value;
  throw new UsageError(
    "ERR_USAGE",
    `${name} is ${shown(value)}, expected an integer ${lowest}…${highest}`,
  );
}

function number(name: string, value: number, lowest: number): number {
  if (typeof value === "number" && value >= lowest) return value;
  throw new UsageError("ERR_USAGE", `${name} is ${shown(value)}, expected ${lowest} or more`);
}

function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
