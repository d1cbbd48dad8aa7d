/**
 * Our client with the brokers of others, over every transport and in every version that each speaks,
 * at every QoS. The cells are those of `peers.ts`.
 */
import { connect } from "@sericite/client";
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  digest,
  type Incoming,
  type Outgoing,
  pattern,
  QOS,
  type Qos,
  type Subscriber,
  type Version,
  VERSIONS,
} from "../interop/foreign-client.ts";
import { type Transport, TRANSPORTS } from "../interop/matrix.ts";
import { ownClient } from "../interop/own-client.ts";
import { missingFor, PeerProcess } from "./peer-process.ts";
import { type Peer, PEERS, spokenBy } from "./peers.ts";

/** A client over one transport in one version, and what came to it. */
interface Party {
  readonly title: string;
  readonly version: Version;
  readonly transport: Transport;
  /** Its part of Topic Names, and its Client Identifier. */
  readonly tag: string;
  /** What it publishes while all listen, to be retained: two messages at each QoS. */
  readonly cells: readonly Outgoing[];
  /** What it publishes while nobody listens. */
  readonly missed: readonly Outgoing[];
  subscriber: Subscriber | undefined;
  readonly got: Map<string, Incoming[]>;
  readonly gotMissed: Map<string, Incoming[]>;
  readonly gotRetained: Map<string, Incoming[]>;
}

/** Bytes of the larger message of each QoS. More stand in the WebSockets of mosquitto for seconds. */
const LARGE = 5000;

/** The names of those to be tried, with commas; all by default. */
const chosen = process.env["SERICITE_PEERS"]?.split(",");

for (const peer of PEERS) {
  if (chosen !== undefined && !chosen.includes(peer.name)) continue;
  describe(`the client with ${peer.name}`, { skip: missingFor(peer) ?? false }, () =>
    withPeer(peer),
  );
}

function withPeer(peer: Peer): void {
  const client = ownClient();
  const parties = spokenBy(peer).map(partyOf);
  let broker: PeerProcess;

  before(async () => {
    broker = await PeerProcess.start(peer);
    await each(parties, (party) => subscribe(party, party.tag, ["cell/#", "missed/#"]));
    await each(parties, (party) => publish(party, party.cells));
    const awaited = parties.flatMap(({ cells }) => cells);
    await each(parties, (party) => take(party, party.got, awaited));
  });

  after(async () => {
    await client.close();
    await broker.stop();
  });

  async function subscribe(
    party: Party,
    clientId: string,
    topicFilters: readonly string[],
    persistent = true,
  ): Promise<void> {
    party.subscriber = await client.subscribe(broker.urlOf(party.transport), {
      version: party.version,
      qos: 2,
      clientId,
      topicFilters,
      persistent,
    });
  }

  async function publish(party: Party, messages: readonly Outgoing[]): Promise<void> {
    await client.publish(broker.urlOf(party.transport), party.version, messages);
  }

  for (const party of parties) {
    for (const qos of QOS) {
      test(`${party.title} at QoS ${qos}: what it publishes reaches all, and what all publish reaches it`, () => {
        for (const other of parties) {
          assertArrived(party.cells, qos, other, other.got);
          assertArrived(other.cells, qos, party, party.got);
        }
      });
    }
  }

  describe("when all have left and come back to their sessions", () => {
    before(async () => {
      await each(parties, (party) => party.subscriber!.disconnect());
      await each(parties, (party) => publish(party, party.missed));
      await each(parties, (party) => subscribe(party, party.tag, ["missed/#"]));
      const awaited = parties.flatMap(({ missed }) => missed);
      // A client may have left before it had acknowledged the last messages: they come again.
      const isNew = ({ topicName }: Incoming): boolean => topicName.startsWith("missed/");
      await each(parties, (party) => take(party, party.gotMissed, awaited, isNew));
      await each(parties, (party) => party.subscriber!.disconnect());
    });

    for (const party of parties) {
      test(`${party.title}: what came meanwhile over all transports is there`, () => {
        for (const { missed } of parties)
          for (const qos of QOS) assertArrived(missed, qos, party, party.gotMissed);
      });
    }
  });

  describe("when others come", () => {
    before(async () => {
      // Sessions that end with their connections: Aedes ends one that lasts at the PUBREC of a retained message.
      await each(parties, (party) => subscribe(party, `${party.tag}-new`, ["cell/#"], false));
      const awaited = parties.flatMap(({ cells }) => cells);
      await each(parties, (party) => take(party, party.gotRetained, awaited));
      await each(parties, (party) => party.subscriber!.disconnect());
    });

    for (const party of parties) {
      test(`${party.title}: its retained messages come to all, and those of all to it`, () => {
        for (const other of parties) {
          for (const qos of QOS) {
            assertArrived(party.cells, qos, other, other.gotRetained, true);
            assertArrived(other.cells, qos, party, party.gotRetained, true);
          }
        }
      });
    }
  });

  for (const version of VERSIONS.filter((one) => peer.versions[one] !== true)) {
    test(`${peer.name} does not speak ${version}: the client says that it was refused`, async () => {
      const options = { protocolVersion: 5, reconnect: false } as const;
      assert.equal(version, "5");
      await assert.rejects(connect(broker.urlOf("mqtt"), options), {
        code: "ERR_CONNECT_REFUSED",
        reasonCode: 0x84,
      });
    });
  }
}

function partyOf({ version, transport }: { version: Version; transport: Transport }): Party {
  const tag = `p${version.replaceAll(".", "")}-${transport}`;
  return {
    title: `${version} over ${TRANSPORTS[transport]}`,
    version,
    transport,
    tag,
    cells: QOS.flatMap((qos) => [
      { ...message(`cell/${tag}/${qos}/small`, qos, 1), retain: true },
      { ...message(`cell/${tag}/${qos}/large`, qos, LARGE), retain: true },
    ]),
    missed: [message(`missed/${tag}/1`, 1, 300), message(`missed/${tag}/2`, 2, 300)],
    subscriber: undefined,
    got: new Map(),
    gotMissed: new Map(),
    gotRetained: new Map(),
  };
}

/** A message whose payload has its Topic Name, and so many bytes. */
function message(topicName: string, qos: Qos, bytes: number): Outgoing {
  return { topicName, payload: Buffer.concat([Buffer.from(topicName), pattern(bytes)]), qos };
}

/** That those of the messages that have this QoS came once each, as they were sent. */
function assertArrived(
  messages: readonly Outgoing[],
  qos: Qos,
  { title }: Party,
  got: Party["got"],
  retain = false,
): void {
  for (const { topicName, payload } of messages.filter((one) => one.qos === qos)) {
    const expected = { topicName, digest: digestOf(payload), qos, retain };
    assert.deepEqual(got.get(topicName), [expected], `${topicName} at ${title}`);
  }
}

const digests = new WeakMap<Buffer, string>();

/** The digest of a payload, which many comparisons ask for. */
function digestOf(payload: Buffer): string {
  const known = digests.get(payload) ?? digest(payload);
  digests.set(payload, known);
  return known;
}

/** Does it for all at once. */
async function each(
  parties: readonly Party[],
  act: (party: Party) => Promise<void>,
): Promise<void> {
  await Promise.all(
    parties.map((party) =>
      act(party).catch((cause: unknown) => {
        throw new Error(`${party.title}: ${String(cause)}`, { cause });
      }),
    ),
  );
}

/** Takes all that comes to a party, and that counts, until it has each of these. */
async function take(
  { subscriber }: Party,
  got: Party["got"],
  expected: readonly Outgoing[],
  counts: (incoming: Incoming) => boolean = () => true,
): Promise<void> {
  const awaited = new Set(expected.map(({ topicName }) => topicName));
  const { inbox } = subscriber!;
  while (awaited.size > 0 || inbox.size > 0) {
    const incoming = await inbox.take().catch((cause: unknown) => {
      throw new Error(`nothing came of ${[...awaited].slice(0, 5).join(", ")}`, { cause });
    });
    if (!counts(incoming)) continue;
    awaited.delete(incoming.topicName);
    const same = got.get(incoming.topicName);
    if (same === undefined) got.set(incoming.topicName, [incoming]);
    else same.push(incoming);
  }
}
