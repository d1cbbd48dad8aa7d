import type { Packet, Peer, Properties, ProtocolVersion, QoS } from "@sericite/protocol";
import type { DropReason } from "./drop-reasons.ts";
import type { Origin } from "./route.ts";

/** What the engine tells, with what belongs to it. Events only tell: a listener can refuse nothing. */
export interface Events {
  /** A listener accepted a connection; nothing was read from it yet. */
  connectionOpened: { peer: Peer };
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
  /** It ended before it was a client: in a PROXY header, a TLS handshake or an HTTP upgrade, as one too many, or by a hook. */
  connectionRefused: {
    listener: string;
    /** See `refusalReasons`. */
    reason: string;
    address: string | undefined;
    port: number | undefined;
    /** What the system or TLS says of it, such as `CERT_REVOKED`. */
    error?: string | undefined;
  };
  sessionStarted: { clientId: string };
  sessionEnded: { clientId: string; reason: string };
  subscribed: { clientId: string; topicFilter: string; qos: QoS };
  /** Also where MQTT 3.1 was told that it is granted; the Reason Code is that of 5.0. */
  subscriptionRefused: {
    clientId: string;
    username: string | undefined;
    peer: Peer;
    topicFilter: string;
    reasonCode: number;
    /** The client did not ask for it: it is one of `autoSubscribe`. */
    isUnasked: boolean;
  };
  /** A PUBLISH has no effect, whatever 3.x was answered; or a Will that was due has not. */
  publishRefused: {
    clientId: string;
    username: string | undefined;
    /** `undefined` of a Will, whose client is gone. */
    peer: Peer | undefined;
    topicName: string;
    qos: QoS;
    retain: boolean;
    isWill: boolean;
    reason: DropReason;
  };
  /** A client does not get a message, since it may not. */
  deliveryRefused: {
    clientId: string;
    username: string | undefined;
    peer: Peer | undefined;
    topicName: string;
    qos: QoS;
    /** Client Identifier; empty where no client published it. */
    publisher: string;
  };
  unsubscribed: { clientId: string; topicFilter: string };
  /**
   * A message goes to all who subscribed: of a client, a Will, a delayed one, one of the embedding
   * program. Bytes are views, valid during the call only.
   */
  messagePublished: {
    origin: Origin;
    /** Client Identifier; empty where no client published it. */
    publisher: string;
    topicName: string;
    payload: Uint8Array;
    qos: QoS;
    retain: boolean;
    properties: Properties;
  };
  messageDropped: { reason: DropReason; clientId: string; topicName: string; qos: QoS };
  /** `clientId` is empty before CONNECT. */
  bytesReceived: { clientId: string; peer: Peer; byteCount: number };
  /**
   * A packet's turn has come. Without password and Authentication Data; bytes in it are views, valid
   * during the call only.
   */
  packetReceived: { clientId: string; peer: Peer; packet: Packet; packetSize: number };
  /** `isWaiting`: its outcome is still to come, such as the answer of a hook. Not told of a packet that broke the protocol. */
  packetHandled: {
    clientId: string;
    packetType: Packet["type"];
    packetSize: number;
    durationMs: number;
    isWaiting: boolean;
  };
  /** A packet is handed to the transport. As `packetReceived`. */
  packetSent: { clientId: string; peer: Peer; packet: Packet; packetSize: number };
}

/** Name of an event. */
export type EventName = keyof Events;

/** All events there are. */
export const eventNames: readonly EventName[] = [
  "connectionOpened",
  "clientConnected",
  "clientDisconnected",
  "clientRefused",
  "connectionRefused",
  "sessionStarted",
  "sessionEnded",
  "subscribed",
  "subscriptionRefused",
  "publishRefused",
  "deliveryRefused",
  "unsubscribed",
  "messagePublished",
  "messageDropped",
  "bytesReceived",
  "packetReceived",
  "packetHandled",
  "packetSent",
];

/** What listens to an event. */
export type EventListener<N extends EventName> = (event: Events[N]) => void;

/** The listeners of one broker. */
export class EventHub {
  readonly #listeners: { [N in EventName]?: EventListener<N>[] } = {};
  readonly #onError: (name: EventName, error: unknown) => void;
  // One look each, where a look at the listeners themselves could be measured (bench, unused-extensions).
  /** Whether anybody listens to `packetReceived` or `packetHandled`. */
  hearsPackets = false;
  /** Whether anybody listens to `messagePublished`. */
  hearsMessages = false;
  /** Whether anybody listens to `bytesReceived`. */
  hearsBytes = false;
  /** Whether anybody listens to `packetSent`. */
  hearsSent = false;

  /** @param onError  Told of a listener that threw; the others are called all the same. */
  constructor(onError: (name: EventName, error: unknown) => void) {
    this.#onError = onError;
  }

  /** Adds a listener. @returns what removes it. */
  on<N extends EventName>(name: N, listener: EventListener<N>): () => void {
    const listeners = (this.#listeners[name] ??= [] as never) as EventListener<N>[];
    listeners.push(listener);
    this.#listenersChanged();
    return () => {
      const at = listeners.indexOf(listener);
      if (at >= 0) listeners.splice(at, 1);
      this.#listenersChanged();
    };
  }

  #listenersChanged(): void {
    this.hearsPackets = this.has("packetReceived") || this.has("packetHandled");
    this.hearsMessages = this.has("messagePublished");
    this.hearsBytes = this.has("bytesReceived");
    this.hearsSent = this.has("packetSent");
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
