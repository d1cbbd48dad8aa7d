import type { Clock, Properties, QoS, Random, Scheduler } from "@sericite/protocol";
import type { SubscribeOptions } from "@sericite/client";
import type { AutoSubscription } from "./engine/auto-subscribe.ts";
import type { ConfiguredBan } from "./engine/bans.ts";
import type { Hooks } from "./engine/hooks.ts";
import type { Authenticator, Bus, Log, Ownership, Store } from "./engine/ports.ts";
import type { RewriteRule } from "./engine/rewrite.ts";
import type { ChainedAuthenticator } from "./auth/chain.ts";
import type { AuthenticatorFunction, ChainedAuthenticatorFunction } from "./entry.ts";
import type { OwnListenOptions } from "./listen-options.ts";
import type { LoggerLike } from "./log.ts";
import type { PartialSettings } from "./settings.ts";

/** What a broker is made with. Everything has a default. */
export interface BrokerOptions {
  /** Some of the settings (`brokerSettings` lists them). */
  readonly settings?: PartialSettings;
  /** Says alone who is let in. Default: what the settings of `auth` name, or everybody while only loopback is listened on. */
  readonly authenticator?: Authenticator | AuthenticatorFunction;
  /** Say who is let in, one after the other until one knows the client, before those that the settings name. */
  readonly authenticators?: readonly (ChainedAuthenticator | ChainedAuthenticatorFunction)[];
  /** Awaited questions that may refuse; several sets are asked in order. */
  readonly hooks?: Hooks | readonly Hooks[];
  /** Put other topics in place of those that clients name; the first one that fits is used. */
  readonly rewrite?: readonly RewriteRule[];
  /** Subscriptions that each client gets when it connects. */
  readonly autoSubscribe?: readonly AutoSubscription[];
  /** Who is kept out, besides those that `ban` keeps out; nothing of it is stored. */
  readonly bans?: readonly ConfiguredBan[];
  /** A `Log`, or a logger with debug, info, warn and error, such as `console` or a pino. Default: silent. */
  readonly log?: Log | LoggerLike;
  /** What outlives the process. Default: what the settings of the section `store` ask for. */
  readonly store?: Store;
  readonly ownership?: Ownership;
  readonly bus?: Bus;
  /** Time and chance, for tests and simulations. */
  readonly clock?: Clock;
  readonly scheduler?: Scheduler;
  readonly random?: Random;
}

/** How a message is published by the embedding program. */
export interface LocalPublishOptions {
  /** Default 0. */
  readonly qos?: QoS;
  /** Default false. */
  readonly retain?: boolean;
  readonly properties?: Properties;
  /** Client Identifier of the only receiver: it gets the message if it subscribed to it. */
  readonly to?: string;
}

/** What became of a published message. */
export interface LocalPublishResult {
  /** Sessions that took it. */
  readonly sessions: number;
}

/** How somebody is banned. */
export interface BanOptions {
  /** Milliseconds, above 0. Default: until it is lifted. */
  readonly expiresInMs?: number;
  /** For the log and, on 5.0, the Reason String. Default "by the administrator". */
  readonly reason?: string;
}

/** What changed by `reconfigure`. Paths such as `mqtt.receiveMaximum`. */
export interface Reconfiguration {
  /** In force now; the setting that names a file also where only the file changed. Also `rewrite`, `autoSubscribe`, `bans` and `listeners`. */
  readonly changed: readonly string[];
  /** Asked for, and left as it was: a broker that is made anew takes it. */
  readonly needRestart: readonly string[];
}

/** What a running broker takes besides settings; what is left out stays as it is. */
export interface Reconfigurable {
  /** In place of all rules before. What clients are subscribed to stays as it was rewritten then. */
  readonly rewrite?: readonly RewriteRule[] | undefined;
  /** In place of all before, for clients that connect from now on. */
  readonly autoSubscribe?: readonly AutoSubscription[] | undefined;
  /** In place of all before; connections that they are about end. */
  readonly bans?: readonly ConfiguredBan[] | undefined;
  /** In place of the list that `listenAsConfigured` was given; it has to have been called. */
  readonly listeners?: readonly OwnListenOptions[] | undefined;
}

/** How a subscription of the embedding program is made. */
export interface LocalSubscribeOptions extends SubscribeOptions {
  /** Names the session, so that it can outlive the subscription. Default: one of its own. */
  readonly clientId?: string;
  /** Seconds; with `clientId`, messages wait while nobody is subscribed. Default 0. */
  readonly sessionExpiryInterval?: number;
}
