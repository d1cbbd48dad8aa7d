import type {
  AcknowledgementPacket,
  ConnectPacket,
  Packet,
  ProtocolVersion,
  PublishPacket,
} from "@sericite/protocol";

/** What a case asks of a broker beyond the plain protocol. One that lacks it skips the case, with that reason. */
export type Feature =
  | "retained"
  | "wildcards"
  | "shared-subscriptions"
  | "queue-subscriptions"
  | "subscription-identifiers"
  | "topic-alias-inbound"
  | "topic-alias-outbound"
  | "will-delay"
  | "mqtt-3.1"
  | "delayed"
  | "websocket";

/**
 * How the broker has to be set up. "default" is what it starts with; the others need a broker of
 * one's own, so they are skipped against a broker that only has an address.
 */
export type Profile =
  | "default"
  /** Maximum QoS 0. */
  | "qos-0-only"
  /** Maximum QoS 1. */
  | "qos-1-at-most"
  | "no-retain"
  | "no-wildcards"
  | "no-shared"
  | "no-subscription-identifiers"
  /** Topic Alias Maximum 0, towards the broker and from it. */
  | "no-topic-alias"
  /** Methods "echo", "steps" and "refuse"; see profiles.ts. */
  | "enhanced-authentication"
  /** Maximum Packet Size 1024. */
  | "small-packets"
  | "receive-maximum-2"
  /** Keep Alive 30 s at most. */
  | "server-keep-alive"
  | "payload-format"
  /** Response Information `response/<Client Identifier>/`. */
  | "response-information"
  /** Server Reference "other.example:1883 third.example" at shutdown. */
  | "server-reference"
  | "strict-client-identifier"
  /** One user, "user" with password "secret". */
  | "password"
  /**
   * Topic Names and Topic Filters with a level "forbidden" are denied; with "secret", delivery is.
   * Client Identifiers that end in "rejected", "busy", "banned" or "strange" are refused.
   */
  | "deny"
  /** 3.x: sent again after 200 ms, twice. */
  | "retry"
  /** $SYS every 100 ms, with presence. */
  | "sys"
  /** 300 ms from accept to CONNECT. */
  | "connect-timeout"
  /** Session Expiry Interval 2 s at most. */
  | "short-expiry"
  /** Clients may publish to $-topics but for $SYS. */
  | "dollar-topics"
  /** Sessions keep QoS 0 messages while away. */
  | "queue-qos-0";

/** A packet to send: an object for the encoder, or bytes where no encoder would make them (`hexBytes`). */
export type Sent = Packet | { readonly hex: string };

/** Fields that have to be there; fields that are not named may be anything. See `Step`, `expect`. */
export type Pattern = Readonly<Record<string, unknown>>;

/** How a connection is made, where not over TCP in the version of the run. */
export interface ConnectionOptions {
  readonly via?: "tcp" | "websocket";
  readonly version?: ProtocolVersion;
  /** WebSocket: what is offered. Default mqtt. */
  readonly subprotocols?: readonly string[];
}

/** One step of a case. Names such as "a" are connections; each is opened by `connect` or `open`. */
export type Step =
  /** Opens a connection and sends CONNECT (Clean Start 1, Keep Alive 0, Client Identifier `{t}` and the name unless given); expects CONNACK. */
  | ({
      readonly connect: string;
      readonly with?: Partial<ConnectPacket>;
      readonly connack?: Pattern;
    } & ConnectionOptions)
  /** Opens a connection and sends nothing. `subprotocol`: the one that a WebSocket broker answers with. */
  | ({ readonly open: string; readonly subprotocol?: string } & ConnectionOptions)
  | { readonly send: string; readonly packet: Sent }
  /** Sends bytes in pieces of that size, each in a write of its own. */
  | { readonly send: string; readonly packet: Sent; readonly pieces: number }
  /** WebSocket: a text frame instead of a binary one. */
  | { readonly sendText: string; readonly hex: string }
  /**
   * The next packet has these fields. Others that come before it are a fault, but for those in
   * `skipping`. A value is compared as it is; `null`: absent; `{ oneOf: […] }`; a pattern within a
   * pattern; bytes are given as text.
   */
  | {
      readonly expect: string;
      readonly packet: Pattern;
      readonly skipping?: readonly Packet["type"][];
    }
  /** These packets come next, in any order. */
  | { readonly expectAll: string; readonly packets: readonly Pattern[] }
  /** These packets come next, in any order, each on any one of the connections. */
  | { readonly expectAmong: readonly string[]; readonly packets: readonly Pattern[] }
  /** Next come exactly these bytes. */
  | { readonly expectHex: string; readonly hex: string }
  /**
   * The broker closes the connection. `after`: the packet that comes first. With `must` the standard
   * demands it; without, it recommends or allows it, so that another broker may leave it out or give
   * another Reason Code, which is noted. A DISCONNECT is for 5.0; before, the broker just closes.
   */
  | {
      readonly expectClosed: string;
      readonly after?: Pattern;
      readonly must?: boolean;
      /** What was sent before may still arrive. */
      readonly skipping?: readonly Packet["type"][];
    }
  /** Nothing comes: PINGREQ is answered by PINGRESP and nothing else comes, after `ms` (default: at once). */
  | { readonly expectNothing: string; readonly ms?: number }
  /** The client's end cuts the connection without DISCONNECT. */
  | { readonly cut: string }
  /** The client's end closes the connection in order, without DISCONNECT. */
  | { readonly end: string }
  /** DISCONNECT, and the connection closes. */
  | { readonly disconnect: string; readonly with?: Pattern }
  | { readonly wait: number }
  /** PUBACK and the like with the Packet Identifier of the last PUBLISH or PUBREL that came on this connection. */
  | {
      readonly answer: string;
      readonly type: AcknowledgementPacket["type"];
      readonly reasonCode?: number;
    }
  /** The administrator ends this client's connection. Needs a broker of one's own. */
  | { readonly broker: "disconnect"; readonly clientId: string }
  /** The broker is shut down. Needs a broker of one's own; the case gets one for itself. */
  | { readonly broker: "close" };

/**
 * One rule of the standard, shown over the wire. In Topic Names, filters, Client Identifiers and
 * hex, `{t}` stands for a text of this run's own, so that cases do not meet each other, and
 * `{id NAME}` for the Assigned Client Identifier that connection NAME got. Whatever a case expects,
 * the broker must never send a new PUBLISH under a Packet Identifier that still awaits its answer.
 */
export interface Case {
  /** Unique, kebab-case. */
  readonly id: string;
  /** What it shows, as a sentence about the broker. */
  readonly about: string;
  /** Tags: `MQTT5-3.3.1-2`, `MQTT3-…` (3.1.1), `X-n`. Those of a version are shown by runs of that version only. */
  readonly shows: readonly string[];
  readonly versions: readonly ProtocolVersion[];
  readonly needs?: readonly Feature[];
  readonly profile?: Profile;
  /** What the standard leaves to the broker here: another one that fails the case does no wrong. */
  readonly leaves?: string;
  readonly steps: readonly Step[] | ((version: ProtocolVersion) => readonly Step[]);
}

/** Bytes of a text. */
export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

/** Stands, in a packet or a pattern, for the Packet Identifier of the last PUBLISH or PUBREL that came to a name. */
export function lastIdentifier(who: string): number {
  return { lastIdentifier: who } as unknown as number;
}

/** A PUBLISH with what most have in common: payload "m", QoS 0. */
export function publish(topicName: string, fields: Partial<PublishPacket> = {}): PublishPacket {
  return {
    type: "publish",
    topicName,
    payload: text("m"),
    qos: 0,
    dup: false,
    retain: false,
    ...fields,
  };
}
