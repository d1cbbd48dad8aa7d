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
  | "shared-subscriptions"
  | "subscription-identifiers"
  | "topic-alias-inbound"
  | "topic-alias-outbound"
  | "will-delay"
  | "mqtt-3.1"
  | "server-keep-alive"
  | "delayed"
  | "sys-topics";

/**
 * How the broker has to be set up. "default" is what it starts with; the others need a broker of
 * one's own, so they are skipped against a broker that only has an address.
 */
export type Profile =
  | "default"
  | "qos-0-only"
  | "no-retain"
  | "no-wildcards"
  | "no-shared"
  | "no-subscription-identifiers"
  | "enhanced-authentication"
  | "small-packets"
  | "receive-maximum-2"
  | "server-keep-alive"
  | "payload-format"
  | "response-information"
  | "server-reference"
  | "strict-client-identifier"
  | "password"
  | "deny";

/** A packet to send: an object for the encoder, or bytes in hex where no encoder would make them. */
export type Sent = Packet | { readonly hex: string };

/** Fields that have to be there, with these values; fields that are not named may be anything. `null`: must be absent. */
export type Pattern<P> = P extends unknown
  ? {
      readonly [K in keyof P]?: P[K] extends object | undefined
        ? unknown
        : P[K] | null | readonly P[K][];
    }
  : never;

/** One step of a case. Names such as "a" are connections; each is opened by `connect` or `open`. */
export type Step =
  /** Opens a connection and sends CONNECT (version of the run, Clean Start 1, `clientId` the name unless given); expects CONNACK. */
  | {
      readonly connect: string;
      readonly with?: Partial<ConnectPacket>;
      readonly connack?: Readonly<Record<string, unknown>>;
    }
  /** Opens a connection and sends nothing. */
  | { readonly open: string }
  | { readonly send: string; readonly packet: Sent }
  /** The next packet has these fields. Others that come before it are a fault, but for those in `skipping`. */
  | {
      readonly expect: string;
      readonly packet: Readonly<Record<string, unknown>>;
      readonly skipping?: readonly Packet["type"][];
    }
  /** These packets come, in any order. */
  | { readonly expectAll: string; readonly packets: readonly Readonly<Record<string, unknown>>[] }
  /** Next come exactly these bytes. */
  | { readonly expectHex: string; readonly hex: string }
  /**
   * The broker closes the connection. `after`: a packet that may come first, in versions and on
   * brokers that send one; `must`: it has to come.
   */
  | {
      readonly expectClosed: string;
      readonly after?: Readonly<Record<string, unknown>>;
      readonly must?: boolean;
    }
  /** Nothing comes: PINGREQ is answered by PINGRESP and nothing before it, after `ms` (default: at once). */
  | { readonly expectNothing: string; readonly ms?: number }
  /** The client's end cuts the connection without DISCONNECT. */
  | { readonly cut: string }
  /** DISCONNECT, and the connection closes. */
  | { readonly disconnect: string; readonly with?: Readonly<Record<string, unknown>> }
  | { readonly wait: number }
  /** PUBACK and the like with the Packet Identifier of the last PUBLISH that came on this connection. */
  | {
      readonly answer: string;
      readonly type: AcknowledgementPacket["type"];
      readonly reasonCode?: number;
    };

/**
 * One rule of the standard, shown over the wire. `{t}` in Topic Names, filters and Client
 * Identifiers stands for a text of this run's own, so that cases do not meet each other.
 */
export interface Case {
  /** Unique, kebab-case. */
  readonly id: string;
  /** What it shows, as a sentence about the broker. */
  readonly about: string;
  /** Tags: `MQTT5-3.3.1-2`, `MQTT3-…`, `X-n`. Those of a version are shown by runs of that version only. */
  readonly shows: readonly string[];
  readonly versions: readonly ProtocolVersion[];
  readonly needs?: readonly Feature[];
  readonly profile?: Profile;
  readonly steps: readonly Step[] | ((version: ProtocolVersion) => readonly Step[]);
}

/** A PUBLISH with what most have in common. */
export function publish(topicName: string, fields: Partial<PublishPacket> = {}): PublishPacket {
  return {
    type: "publish",
    topicName,
    payload: new TextEncoder().encode("m"),
    qos: 0,
    dup: false,
    retain: false,
    ...fields,
  };
}
