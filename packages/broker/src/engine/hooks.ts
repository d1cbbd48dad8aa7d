import type {
  Peer,
  Properties,
  ProtocolVersion,
  QoS,
  SubscriptionRequest,
  UserProperty,
} from "@sericite/protocol";
import type { Rights } from "./ports.ts";

/** Who a hook is asked about. */
export interface ClientIdentity {
  readonly clientId: string;
  readonly username: string | undefined;
  readonly protocolVersion: ProtocolVersion;
  readonly peer: Peer;
  /** What the authenticator said that it may do; `undefined`: nothing was withheld. */
  readonly rights?: Rights | undefined;
}

/** Whose Will it is. */
export type WillOwner = Pick<ClientIdentity, "clientId" | "username">;

/** What a client that was let in asks for by its CONNECT. */
export interface ConnectIntent {
  readonly cleanStart: boolean;
  /** Seconds; 0: none. */
  readonly keepAlive: number;
  /** Seconds that its session is to outlive its connection; 3.x cannot say: as long as the settings allow, or 0 with Clean Session. */
  readonly sessionExpiryInterval: number;
  readonly userProperties: readonly UserProperty[];
}

/** What a client wants to publish, after its Topic Alias was resolved. */
export interface PublishRequest {
  readonly topicName: string;
  readonly qos: QoS;
  readonly retain: boolean;
  /** A Will, checked when its client connects. */
  readonly isWill: boolean;
}

/** What a `publish` hook is given. Views are valid during the call only; copy what you keep. */
export interface IncomingMessage {
  readonly topicName: string;
  readonly payload: Uint8Array;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly properties: Properties;
}

/** What a `publish` hook may change. The Topic Name, QoS and RETAIN stay. */
export interface MessageChange {
  readonly payload?: Uint8Array | undefined;
  readonly properties?: Properties | undefined;
}

/** A message on its way to one receiver. */
export interface DeliveryRequest {
  readonly topicName: string;
  readonly qos: QoS;
  readonly retain: boolean;
  /** Client Identifier of the publisher; empty where none published it. */
  readonly publisher: string;
}

/**
 * Awaited questions. Each may answer at once or with a promise; a promise parks the connection it
 * is about (on delivery: the receiving session) until it settles or `limits.hookTimeout` passes,
 * which counts as refusal, as does an error. A hook that is not given costs one check for null.
 */
export interface Hooks {
  /** May this connection be there at all? Asked before anything is read from it. false: it is cut off without a word. */
  authorizeConnection?: ((peer: Peer) => boolean | Promise<boolean>) | undefined;
  /** May this client come in, now that it is known who it is? Asked before anybody is taken over. false: CONNACK 0x87 (3.x: 5). */
  authorizeConnect?:
    | ((client: ClientIdentity, connect: ConnectIntent) => boolean | Promise<boolean>)
    | undefined;
  /** May this client publish? false: refused at every QoS, without any effect. */
  authorizePublish?:
    | ((client: ClientIdentity, publish: PublishRequest) => boolean | Promise<boolean>)
    | undefined;
  /**
   * May this client's Will be published, now that it is due? `authorizePublish` was asked when it
   * connected; it may be gone since, so its names are all that is known. A boolean, never a promise.
   */
  confirmWill?: ((client: WillOwner, publish: PublishRequest) => boolean) | undefined;
  /** May this client subscribe? false: that Topic Filter is refused. */
  authorizeSubscribe?:
    | ((client: ClientIdentity, subscription: SubscriptionRequest) => boolean | Promise<boolean>)
    | undefined;
  /** May this client get this message? Asked when it is about to be sent. false: dropped. */
  authorizeDelivery?:
    | ((client: ClientIdentity, delivery: DeliveryRequest) => boolean | Promise<boolean>)
    | undefined;
  /**
   * Set where `authorizePublish` and `authorizeDelivery` look at nothing but the client's names and the Topic Name. A yes
   * to a client is then not asked for again for the same Topic Name while this is the same object; put another object
   * here when the answers change.
   */
  answers?: object | undefined;
  /** Sees each PUBLISH after authorization. false: refused; an object: what to change; otherwise it goes on as it is. */
  publish?:
    | ((
        client: ClientIdentity,
        message: IncomingMessage,
      ) =>
        | boolean
        | MessageChange
        | undefined
        | void
        | Promise<boolean | MessageChange | undefined | void>)
    | undefined;
}

/** All hooks there are. */
export const hookNames: readonly (keyof Hooks)[] = [
  "authorizeConnection",
  "authorizeConnect",
  "authorizePublish",
  "confirmWill",
  "authorizeSubscribe",
  "authorizeDelivery",
  "answers",
  "publish",
];

/** Joins several sets of hooks: each question goes to all in order until one refuses. */
export function joinHooks(all: readonly Hooks[]): Hooks {
  if (all.length === 1) return all[0]!;
  return {
    authorizeConnection: allOf(all.map((hooks) => hooks.authorizeConnection)),
    authorizeConnect: allOf(all.map((hooks) => hooks.authorizeConnect)),
    authorizePublish: allOf(all.map((hooks) => hooks.authorizePublish)),
    confirmWill: allOf(all.map((hooks) => hooks.confirmWill)) as Hooks["confirmWill"],
    authorizeSubscribe: allOf(all.map((hooks) => hooks.authorizeSubscribe)),
    authorizeDelivery: allOf(all.map((hooks) => hooks.authorizeDelivery)),
    publish: changesOf(all.map((hooks) => hooks.publish)),
  };
}

type Question<A extends unknown[]> = (...args: A) => boolean | Promise<boolean>;

function allOf<A extends unknown[]>(
  questions: readonly (Question<A> | undefined)[],
): Question<A> | undefined {
  const asked = questions.filter((question) => question !== undefined);
  if (asked.length < 2) return asked[0];
  const ask = (from: number, args: A): boolean | Promise<boolean> => {
    for (let i = from; i < asked.length; i++) {
      const answer = asked[i]!(...args);
      if (isPromise(answer)) return answer.then((allowed) => allowed === true && ask(i + 1, args));
      if (answer !== true) return false;
    }
    return true;
  };
  return (...args) => ask(0, args);
}

type PublishHook = NonNullable<Hooks["publish"]>;

function changesOf(hooks: readonly (PublishHook | undefined)[]): PublishHook | undefined {
  const asked = hooks.filter((hook) => hook !== undefined);
  if (asked.length < 2) return asked[0];
  const ask = (
    from: number,
    client: ClientIdentity,
    message: IncomingMessage,
  ): ReturnType<PublishHook> => {
    let current = message;
    let changed: MessageChange | undefined;
    for (let i = from; i < asked.length; i++) {
      const answer = asked[i]!(client, current);
      if (isPromise(answer)) {
        const before = current;
        return answer.then((settled) => {
          if (settled === false) return false;
          const next = typeof settled === "object" ? applied(before, settled) : before;
          const rest = ask(i + 1, client, next);
          const own =
            next === message ? undefined : { payload: next.payload, properties: next.properties };
          return isPromise(rest) ? rest.then((later) => merged(later, own)) : merged(rest, own);
        });
      }
      if (answer === false) return false;
      if (typeof answer === "object") {
        current = applied(current, answer);
        changed = { payload: current.payload, properties: current.properties };
      }
    }
    return changed;
  };
  return (client, message) => ask(0, client, message);
}

function applied(message: IncomingMessage, change: MessageChange): IncomingMessage {
  return {
    ...message,
    payload: change.payload ?? message.payload,
    properties: change.properties ?? message.properties,
  };
}

function merged(
  later: boolean | MessageChange | undefined | void,
  own: MessageChange | undefined,
): boolean | MessageChange | undefined {
  if (later === false) return false;
  return typeof later === "object" ? later : own;
}

/** Whether a hook's answer has to be waited for. */
export function isPromise<V>(value: V | Promise<V>): value is Promise<V> {
  return (
    typeof value === "object" &&
    value !== null &&
    typeof (value as { then?: unknown }).then === "function"
  );
}
