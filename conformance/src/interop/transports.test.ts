/**
 * Every client over every transport that it speaks, in every version, at every QoS: what each
 * publishes reaches all, and what all publish reaches each. The cells are those of `matrix.ts`.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test, type TestContext } from "node:test";
import { foreignClients, needing } from "./clients.ts";
import { type CommandBroker, startCommandBroker } from "./command-broker.ts";
import {
  AUTHORITY,
  digest,
  type ForeignClient,
  type Incoming,
  type Outgoing,
  pattern,
  QOS,
  type Qos,
  type Subscriber,
} from "./foreign-client.ts";
import {
  PARTNERS,
  refusals,
  type Refusal,
  type Spoken,
  spoken,
  type Transport,
  TRANSPORTS,
} from "./matrix.ts";
import { ownClient } from "./own-client.ts";
import { ownCommand } from "./own-command.ts";

/** One client over one transport in one version, and what it lived through. */
interface Party extends Spoken {
  readonly title: string;
  /** Its part of Topic Names, and its Client Identifier: no more than 23 characters. */
  readonly tag: string;
  readonly client: ForeignClient;
  /** Why it cannot be tried here. */
  readonly missing: string | undefined;
  /** What it publishes while all listen: a message at each QoS, to be retained. */
  readonly cells: readonly Outgoing[];
  /** What is published over its transport, in its version, while nobody listens. */
  readonly missed: readonly Outgoing[];
  subscriber: Subscriber | undefined;
  /** All that came to it while it listened for the first time, by Topic Name. */
  readonly got: Map<string, Incoming[]>;
  /** All that came to it when it was back. */
  readonly gotLater: Map<string, Incoming[]>;
  /** What went wrong with it, for its own tests to throw; the others go on without it. */
  trouble: Error | undefined;
}

const clients = [...foreignClients(), ownClient(), ownCommand()];
const parties = spoken().map(partyOf);
const present = parties.filter(({ missing }) => missing === undefined);
/** Those that publish what the others miss: of a client that speaks everything. */
const absentees = present.filter(({ client }) => client.name === "MQTT.js");

function partyOf(cell: Spoken): Party {
  const { partner, transport, version } = cell;
  const client = clients.find(({ name }) => name === partner.name)!;
  const isReachable = transport === "mqtt" || process.env["SERICITE_INTEROP_PORT"] === undefined;
  const tag = `p${PARTNERS.indexOf(partner)}-${version}-${transport}`;
  return {
    ...cell,
    title: `${partner.name} ${version} over ${TRANSPORTS[transport]}`,
    tag,
    client,
    missing: client.missing ?? (isReachable ? undefined : "the given broker is tried by TCP alone"),
    cells: QOS.map((qos) => ({ ...message(`cell/${tag}/${qos}`, qos), retain: true })),
    missed: [message(`missed/${tag}/1`, 1), message(`missed/${tag}/2`, 2)],
    subscriber: undefined,
    got: new Map(),
    gotLater: new Map(),
    trouble: undefined,
  };
}

/** A message whose payload has its Topic Name and every byte. */
function message(topicName: string, qos: Qos): Outgoing {
  const payload = Buffer.concat([Buffer.from(topicName), pattern(300), Buffer.from([255])]);
  return { topicName, payload, qos };
}

describe("clients over all transports", () => {
  const folder = mkdtempSync(join(tmpdir(), "sericite-"));
  let broker: CommandBroker;

  before(async () => {
    const certificate = join(AUTHORITY, "../localhost");
    broker = await startCommandBroker(
      ...["--tls-port", "0", "--ws-port", "0", "--wss-port", "0"],
      ...["--unix", join(folder, "mqtt.sock")],
      ...["--tls-certificate", `${certificate}.pem`, "--tls-key", `${certificate}.key`],
    );
    await each(present, (party) => subscribe(party, ["cell/#", "missed/#"]));
    await each(present, (party) => publish(party, party.cells));
    const cells = healthy().flatMap((party) => party.cells);
    await each(present, (party) => take(party, party.got, cells));
  });

  after(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await broker.stop();
    rmSync(folder, { recursive: true });
  });

  async function publish(party: Party, messages: readonly Outgoing[]): Promise<void> {
    await party.client.publish(urlOf(party.transport), party.version, messages);
  }

  async function subscribe(party: Party, topicFilters: readonly string[]): Promise<void> {
    party.subscriber = await party.client.subscribe(urlOf(party.transport), {
      version: party.version,
      qos: 2,
      clientId: party.tag,
      topicFilters,
      persistent: true,
    });
  }

  function urlOf(transport: Transport): string {
    const url = broker.urls.find((one) => one.startsWith(`${transport}:`));
    if (url === undefined) throw new Error(`the broker does not listen for ${transport}`);
    return url;
  }

  for (const party of parties) {
    for (const qos of QOS) {
      const title = `${party.title} at QoS ${qos}: what it publishes reaches all, and what all publish reaches it`;
      test(title, { skip: party.missing ?? false }, () => {
        if (party.trouble !== undefined) throw party.trouble;
        for (const other of healthy()) {
          assertArrived(party.cells[qos]!, other, other.got);
          assertArrived(other.cells[qos]!, party, party.got);
        }
      });
    }
  }

  describe("when all have left and come back to their sessions", () => {
    before(async () => {
      await each(present, (party) => party.subscriber!.disconnect());
      await each(absentees, (party) => publish(party, party.missed));
      // A new Topic Filter, for the retained messages to come.
      await each(present, (party) => subscribe(party, ["missed/#", "cell/+/+"]));
      const awaited = healthy().flatMap(({ cells }) => cells);
      awaited.push(...absentees.flatMap(({ missed }) => missed));
      // A client may have left before it had acknowledged the last messages: they come again.
      const isNew = ({ topicName, retain }: Incoming): boolean =>
        retain || topicName.startsWith("missed/");
      await each(present, (party) => take(party, party.gotLater, awaited, isNew));
      await each(present, (party) => party.subscriber!.disconnect());
    });

    for (const party of parties) {
      const skip = party.missing ?? false;
      test(`${party.title}: what came meanwhile over all transports is there`, { skip }, () => {
        if (party.trouble !== undefined) throw party.trouble;
        for (const { missed } of absentees) {
          for (const one of missed) assertArrived(one, party, party.gotLater);
        }
      });

      test(
        `${party.title}: its retained messages come to all, and those of all to it`,
        { skip },
        () => {
          if (party.trouble !== undefined) throw party.trouble;
          for (const other of healthy()) {
            for (const qos of QOS) {
              assertArrived(party.cells[qos]!, other, other.gotLater, true);
              assertArrived(other.cells[qos]!, party, party.gotLater, true);
            }
          }
        },
      );
    }
  });
});

function healthy(): Party[] {
  return present.filter(({ trouble }) => trouble === undefined);
}

/** That a message came once, as it was sent. */
function assertArrived(
  { topicName, payload, qos }: Outgoing,
  { title }: Party,
  got: Party["got"],
  retain = false,
): void {
  const expected = { topicName, digest: digestOf(payload), qos, retain };
  assert.deepEqual(got.get(topicName), [expected], `${topicName} at ${title}`);
}

const digests = new WeakMap<Buffer, string>();

/** The digest of a payload, which thousands of comparisons ask for. */
function digestOf(payload: Buffer): string {
  const known = digests.get(payload) ?? digest(payload);
  digests.set(payload, known);
  return known;
}

describe("what a client does not speak", () => {
  for (const { partner, transport, ...refusal } of refusals()) {
    const title = `${partner.name} over ${TRANSPORTS[transport]}: ${refusal.reason}`;
    const client = clients.find(({ name }) => name === partner.name)!;
    test(title, needing(client), async (context) => {
      const answer = await answerTo(refusal);
      // Releases differ in the case of the first letter.
      const holds = answer.toLowerCase().includes(refusal.says.toLowerCase());
      // Another release of a client of others may well have learnt it.
      if (!holds && partner.name === "mosquitto") skip(context, refusal, answer);
      else assert.ok(holds, `the reason holds no longer; it says: ${answer}`);
    });
  }
});

test("every client of the table has a driver", () => {
  assert.deepEqual(
    PARTNERS.map(({ name }) => name),
    clients.map(({ name }) => name),
  );
});

function skip(context: TestContext, { attempt }: Refusal, answer: string): void {
  context.skip(`\`${attempt.join(" ")}\` now answers: ${answer.trim()}`);
}

/** What a client says if it is used over a transport that it does not speak. */
async function answerTo({ attempt }: Refusal): Promise<string> {
  const [program = "", ...words] = attempt;
  const { stdout, stderr } = spawnSync(program, words, {
    encoding: "utf8",
    timeout: 5000,
  });
  return stdout + stderr;
}

/** Does it for all at once that had no trouble yet; who fails has it from then on. */
async function each(some: readonly Party[], act: (party: Party) => Promise<void>): Promise<void> {
  const doing = some.map(async (party) => {
    if (party.trouble !== undefined) return;
    try {
      await act(party);
    } catch (cause) {
      party.trouble = new Error(`${party.title}: ${String(cause)}`, { cause });
    }
  });
  await Promise.all(doing);
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
      throw new Error(`nothing came of ${[...awaited].join(", ")}`, { cause });
    });
    if (!counts(incoming)) continue;
    awaited.delete(incoming.topicName);
    const same = got.get(incoming.topicName);
    if (same === undefined) got.set(incoming.topicName, [incoming]);
    else same.push(incoming);
  }
}
