/**
 * Which clients can speak what: the one table from which the tests of the transports take their
 * cells, and `docs/INTEROP.md` its rows. It is data alone; nothing is started here.
 */
import { VERSIONS, type Version } from "./foreign-client.ts";

/** Transports by the scheme of their URLs, as people call them. */
export const TRANSPORTS = {
  mqtt: "TCP",
  mqtts: "TLS",
  ws: "WebSocket",
  wss: "secure WebSocket",
  unix: "Unix socket",
} as const;

/** Scheme of a transport's URLs. */
export type Transport = keyof typeof TRANSPORTS;

/** Why a client cannot be used over a transport. */
export interface Refusal {
  readonly reason: string;
  /** What one would do to use it: words of a command line, or of a call. */
  readonly attempt: readonly string[];
  /** What the client then says; once it says something else, the reason has to be looked at again. */
  readonly says: string;
}

/** A client and what it can speak. */
export interface Partner {
  /** As its driver calls it. */
  readonly name: string;
  /** What it is. Markdown. */
  readonly what: string;
  /** Versions that it speaks over every transport that it speaks, at each QoS. */
  readonly versions: readonly Version[];
  readonly transports: Readonly<Record<Transport, true | Refusal>>;
}

/** All clients that the broker is tried with, those of others first. */
export const PARTNERS: readonly Partner[] = [
  {
    name: "mosquitto",
    what: "the commands `mosquitto_pub` and `mosquitto_sub` 2.0, of Debian",
    versions: VERSIONS,
    transports: {
      mqtt: true,
      mqtts: true,
      ws: mosquittoRefusal("ws"),
      wss: mosquittoRefusal("wss"),
      unix: true,
    },
  },
  {
    name: "MQTT.js",
    what: "the library `mqtt` 5 for Node",
    versions: VERSIONS,
    transports: { mqtt: true, mqtts: true, ws: true, wss: true, unix: true },
  },
  {
    name: "paho",
    what: "the library `paho-mqtt` 2 for Python",
    versions: VERSIONS,
    transports: { mqtt: true, mqtts: true, ws: true, wss: true, unix: true },
  },
  {
    name: "sericite client",
    what: "our library `@sericite/client`",
    versions: VERSIONS,
    transports: { mqtt: true, mqtts: true, ws: true, wss: true, unix: true },
  },
  {
    name: "sericite command",
    what: "our commands `sericite pub` and `sericite sub`",
    versions: VERSIONS,
    transports: { mqtt: true, mqtts: true, ws: true, wss: true, unix: true },
  },
];

/** What one partner speaks over one transport. */
export interface Spoken {
  readonly partner: Partner;
  readonly transport: Transport;
  readonly version: Version;
}

/** All that is spoken; three cells each, one for each QoS. */
export function spoken(): Spoken[] {
  return PARTNERS.flatMap((partner) =>
    transportsOf(partner).flatMap(([transport, how]) =>
      how === true ? partner.versions.map((version) => ({ partner, transport, version })) : [],
    ),
  );
}

/** All that is not, with the reason. */
export function refusals(): (Refusal & { partner: Partner; transport: Transport })[] {
  return PARTNERS.flatMap((partner) =>
    transportsOf(partner).flatMap(([transport, how]) =>
      how === true ? [] : [{ ...how, partner, transport }],
    ),
  );
}

function transportsOf(partner: Partner): [Transport, true | Refusal][] {
  return Object.entries(partner.transports) as [Transport, true | Refusal][];
}

function mosquittoRefusal(scheme: string): Refusal {
  return {
    reason: "has no WebSocket in its releases 2.0",
    attempt: ["mosquitto_sub", "-L", `${scheme}://127.0.0.1:1/a`],
    says: "unsupported URL scheme",
  };
}
