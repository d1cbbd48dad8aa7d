import type { Peer, ProtocolVersion, QoS } from "@sericite/protocol";
import type { DropReason } from "./drop-reasons.ts";

/** What the engine tells, with what belongs to it. Events only tell: a listener can refuse nothing. */
export interface Events {
  clientConnected: {
    clientId: string;
    username: string | undefined;
    protocolVersion: ProtocolVersion;
    keepAlive: number;
    sessionPresent: boolean;
    peer: Peer;
  };
  clientDisconnected: {
    clientId: string;
    username: string | undefined;
    peer: Peer;
    reasonCode: number;
    reason: string;
  };
  clientRefused: {
    clientId: string;
    username: string | undefined;
    peer: Peer;
    reasonCode: number;
    reason: string;
  };
  /** It ended before it was a client: in a PROXY header, a TLS handshake or an HTTP upgrade. */
  connectionRefused: {
    listener: string;
    /** See `refusalReasons`. */
    reason: string;
    address: string | undefined;
    port: number | undefined;
  };
  sessionStarted: { clientId: string };
  sessionEnded: { clientId: string; reason: string };
  subscribed: { clientId: string; topicFilter: string; qos: QoS };
  /** Also where MQTT 3.1 was told that it is granted; the Reason Code is that of 5.0. */
  subscriptionRefused: { clientId: string; topicFilter: string; reasonCode: number };
  unsubscribed: { clientId: string; topicFilter: string };
  messageDropped: { reason: DropReason; clientId: string; topicName: string; qos: QoS };
}

/** Name of an event. */
export type EventName = keyof Events;

/** All events there are. */
export const eventNames: readonly EventName[] = [
  "clientConnected",
  "clientDisconnected",
  "clientRefused",
  "connectionRefused",
  "sessionStarted",
  "sessionEnded",
  "subscribed",
  "subscriptionRefused",
  "unsubscribed",
  "messageDropped",
];

/** What listens to an event. */
export type EventListener<N extends EventName> = (event: Events[N]) => void;

/** The listeners of one broker. */
export class EventHub {
  readonly #listeners: { [N in EventName]?: EventListener<N>[] } = {};
  readonly #onError: (name: EventName, error: unknown) => void;

  /** @param onError  Told of a listener that threw; the others are called all the same. */
  constructor(onError: (name: EventName, error: unknown) => void) {
    this.#onError = onError;
  }

  /** Adds a listener. @returns what removes it. */
  on<N extends EventName>(name: N, listener: EventListener<N>): () => void {
    const listeners = (this.#listeners[name] ??= [] as never) as EventListener<N>[];
    listeners.push(listener);
    return () => {
      const at = listeners.indexOf(listener);
      if (at >= 0) listeners.splice(at, 1);
    };
  }

  /** Whether anybody listens, so that nobody builds what nobody reads. */
  has(name: EventName): boolean {
    const listeners = this.#listeners[name];
    return listeners !== undefined && listeners.length > 0;
  }

  emit<N extends EventName>(name: N, event: Events[N]): void {
    const listeners = this.#listeners[name] as EventListener<N>[] | undefined;
    if (listeners === undefined) return;
    for (const listener of listeners.slice()) {
      try {
        listener(event);
      } catch (error) {
        this.#onError(name, error);
      }
    }
  }
}
