/**
 * Which brokers our client is tried with, and what each of them speaks: the one table from which the
 * tests take their cells, and `docs/INTEROP.md` its rows. It is data alone; nothing is started here.
 */
import { VERSIONS, type Version } from "../interop/foreign-client.ts";
import { TRANSPORTS, type Transport } from "../interop/matrix.ts";

/** Why a broker does not speak something. */
export interface Unspoken {
  readonly reason: string;
}

/** A broker and what it can speak; each version over each transport, at each QoS. */
export interface Peer {
  readonly name: string;
  /** What it is. Markdown. */
  readonly what: string;
  /** Its launcher: a name in `bench/peers`. */
  readonly launcher: string;
  /** Programs without which it can neither be built nor run. */
  readonly needs: readonly string[];
  readonly versions: Readonly<Record<Version, true | Unspoken>>;
  readonly transports: Readonly<Record<Transport, true | Unspoken>>;
}

const allVersions = { "3.1": true, "3.1.1": true, "5": true } as const;
const allTransports = { mqtt: true, mqtts: true, ws: true, wss: true, unix: true } as const;

/** All of them, our own broker last. */
export const PEERS: readonly Peer[] = [
  {
    name: "mosquitto",
    what: "Eclipse mosquitto 2.0, of Debian",
    launcher: "mosquitto.sh",
    needs: ["mosquitto"],
    versions: allVersions,
    transports: allTransports,
  },
  {
    name: "Aedes",
    what: "the library `aedes` 1.2 for Node",
    launcher: "aedes.sh",
    needs: ["npm"],
    versions: { ...allVersions, "5": { reason: "knows no MQTT 5 in its releases 1" } },
    transports: allTransports,
  },
  {
    name: "HiveMQ CE",
    what: "HiveMQ Community Edition 2025.5, for Java",
    launcher: "hivemq-ce.sh",
    needs: ["java", "mvn", "openssl"],
    versions: allVersions,
    transports: { ...allTransports, unix: { reason: "has no listener for Unix sockets" } },
  },
  {
    name: "mochi",
    what: "the library `mochi-mqtt` 2.7 for Go",
    launcher: "mochi.sh",
    needs: ["go"],
    versions: allVersions,
    transports: allTransports,
  },
  {
    name: "sericite",
    what: "our broker, as `sericite broker`",
    launcher: "sericite.sh",
    needs: [],
    versions: allVersions,
    transports: allTransports,
  },
];

/** What is spoken with a broker; three cells each, one for each QoS. */
export function spokenBy(
  peer: Peer,
): { readonly version: Version; readonly transport: Transport }[] {
  return VERSIONS.filter((version) => peer.versions[version] === true).flatMap((version) =>
    (Object.keys(TRANSPORTS) as Transport[])
      .filter((transport) => peer.transports[transport] === true)
      .map((transport) => ({ version, transport })),
  );
}

/** All that is not, with the reason: `what` is a version or a transport. */
export function unspoken(): {
  readonly peer: Peer;
  readonly what: string;
  readonly reason: string;
}[] {
  return PEERS.flatMap((peer) =>
    [
      ...VERSIONS.map((version) => ({ what: `MQTT ${version}`, how: peer.versions[version] })),
      ...(Object.keys(TRANSPORTS) as Transport[]).map((transport) => ({
        what: TRANSPORTS[transport],
        how: peer.transports[transport],
      })),
    ].flatMap(({ what, how }) => (how === true ? [] : [{ peer, what, reason: how.reason }])),
  );
}
