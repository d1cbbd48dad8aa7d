import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProtocolVersion, QoS } from "@sericite/protocol";
import { hexOf, bytesOf, utf8 } from "../spelling.test-support.ts";
import { NAME_OF_VERSION, TestBroker, VERSIONS } from "../test-broker.test-support.ts";
import type { WireClient } from "../wire-client.test-support.ts";
import { Answer } from "../testing/index.ts";

const QOS: readonly QoS[] = [0, 1, 2];

/** How a question about the client `c` is answered, and what it comes to. */
const answers = {
  allowed: { comesTo: "allowed", answer: () => true },
  denied: { comesTo: "denied", answer: () => false },
  "allowed by a slow callback": {
    comesTo: "allowed",
    answer: ({ process }: TestBroker) => Answer.after(process, 1000, () => true),
  },
  "denied by a slow callback": {
    comesTo: "denied",
    answer: ({ process }: TestBroker) => Answer.after(process, 1000, () => false),
  },
  "denied by a callback that is down": {
    comesTo: "denied",
    answer: ({ process }: TestBroker) => new Answer<boolean>(process),
  },
} as const satisfies Record<string, unknown>;

/** What the scenes are played with. */
interface Scene {
  readonly broker: TestBroker;
  readonly version: ProtocolVersion;
  readonly qos: QoS;
  /** Everybody's messages, in 5.0, at QoS 2. */
  readonly observer: WireClient;
  /** Somebody whom nothing is asked about. */
  readonly other: WireClient;
  /** The client that is asked about. */
  connect(): WireClient;
  /** Lets a callback answer, or its time pass; others are served meanwhile. */
  wait(): void;
}

/** Bytes that the client and the observer got in the end. */
type Told = readonly [client: string, observer: string];

const topicName = "a/t";

/** Each does one thing of the client's with the topic `a/t`. */
const scenes: Readonly<Record<string, (scene: Scene) => Told>> = {
  publish({ qos, connect, wait, observer }) {
    const client = connect();
    client.sendPublish(topicName, "x", { qos, id: 7 });
    wait();
    if (qos === 2) client.sendAcknowledgement("pubrel", 7);
    return [client.takeHex(), observer.takeHex()];
  },
  "publish retained"({ broker, qos, connect, wait }) {
    const client = connect();
    client.sendPublish(topicName, "x", { qos, id: 7, retain: true });
    wait();
    if (qos === 2) client.sendAcknowledgement("pubrel", 7);
    const told = client.takeHex();
    const later = broker.connect("later");
    later.subscribe("#", 2);
    return [told, later.takeHex()];
  },
  "publish by alias"({ version, qos, connect, wait, observer }) {
    const client = connect();
    const alias = version === 5 ? { properties: { topicAlias: 1 } } : {};
    client.sendPublish(topicName, "w", alias);
    wait();
    observer.takeHex();
    client.sendPublish(version === 5 ? "" : topicName, "x", { qos, id: 7, ...alias });
    wait();
    if (qos === 2) client.sendAcknowledgement("pubrel", 7);
    return [client.takeHex(), observer.takeHex()];
  },
  delayed({ broker, qos, connect, wait, observer }) {
    const client = connect();
    client.sendPublish(`$delayed/60/${topicName}`, "x", { qos, id: 7 });
    wait();
    if (qos === 2) client.sendAcknowledgement("pubrel", 7);
    assert.equal(observer.takeHex(), "");
    broker.advance(70_000);
    return [client.takeHex(), observer.takeHex()];
  },
  will({ broker, version, qos, wait, observer }) {
    const client = broker.dial(version);
    client.sendConnect("c", { will: { topicName, payload: utf8("x"), qos, retain: false } });
    wait();
    const told = client.takeHex();
    if (!client.isClosed) client.drop();
    return [told, observer.takeHex()];
  },
  "delayed rewritten"({ broker, qos, connect, wait, observer }) {
    const client = connect();
    client.sendPublish("$delayed/60/old/a/t", "x", { qos, id: 7 });
    wait();
    if (qos === 2) client.sendAcknowledgement("pubrel", 7);
    assert.equal(observer.takeHex(), "");
    broker.advance(70_000);
    return [client.takeHex(), observer.takeHex()];
  },
  "will retained"({ broker, version, qos, wait }) {
    const client = broker.dial(version);
    client.sendConnect("c", { will: { topicName, payload: utf8("x"), qos, retain: true } });
    wait();
    const told = client.takeHex();
    if (!client.isClosed) client.drop();
    const later = broker.connect("later");
    later.subscribe("#", 2);
    return [told, later.takeHex()];
  },
  "will delayed"({ broker, version, qos, wait, observer }) {
    const client = broker.dial(version);
    const will = { topicName: `$delayed/60/${topicName}`, payload: utf8("x"), qos, retain: false };
    client.sendConnect("c", { will });
    wait();
    const told = client.takeHex();
    if (!client.isClosed) client.drop();
    assert.equal(observer.takeHex(), "");
    broker.advance(70_000);
    return [told, observer.takeHex()];
  },
  "publish rewritten"({ qos, connect, wait, observer }) {
    const client = connect();
    client.sendPublish("old/a/t", "x", { qos, id: 7 });
    wait();
    if (qos === 2) client.sendAcknowledgement("pubrel", 7);
    return [client.takeHex(), observer.takeHex()];
  },
  "will rewritten"({ broker, version, qos, wait, observer }) {
    const client = broker.dial(version);
    const will = { topicName: "old/a/t", payload: utf8("x"), qos, retain: false };
    client.sendConnect("c", { will });
    wait();
    const told = client.takeHex();
    if (!client.isClosed) client.drop();
    return [told, observer.takeHex()];
  },
  "subscribe rewritten"({ qos, connect, wait, other }) {
    const client = connect();
    client.sendSubscribe([["old/a/#", qos]]);
    wait();
    const told = client.takeHex();
    other.sendPublish(topicName, "x", { qos: 2, id: 9 });
    return [told, client.takeHex()];
  },
  "subscribe to a share rewritten"({ qos, connect, wait, other }) {
    const client = connect();
    client.sendSubscribe([["$share/g/old/a/#", qos]]);
    wait();
    const told = client.takeHex();
    other.sendPublish(topicName, "x", { qos: 2, id: 9 });
    return [told, client.takeHex()];
  },
  subscribe({ qos, connect, wait, other }) {
    const client = connect();
    client.sendSubscribe([["a/#", qos]]);
    wait();
    const told = client.takeHex();
    other.sendPublish(topicName, "x", { qos: 2, id: 9 });
    return [told, client.takeHex()];
  },
  "subscribe to a share"({ qos, connect, wait, other }) {
    const client = connect();
    client.sendSubscribe([["$share/g/a/#", qos]]);
    wait();
    const told = client.takeHex();
    other.sendPublish(topicName, "x", { qos: 2, id: 9 });
    return [told, client.takeHex()];
  },
  deliver({ qos, connect, wait, other, observer }) {
    const client = connect();
    client.subscribe("a/#", qos);
    other.sendPublish(topicName, "x", { qos: 2, id: 9 });
    wait();
    return [client.takeHex(), observer.takeHex()];
  },
  "deliver retained"({ qos, connect, wait, other }) {
    other.sendPublish(topicName, "x", { qos: 2, id: 9, retain: true });
    const client = connect();
    client.subscribe("a/#", qos);
    wait();
    return [client.takeHex(), ""];
  },
  "deliver rewritten"({ qos, connect, wait, other, observer }) {
    const client = connect();
    client.subscribe("old/a/#", qos);
    other.sendPublish("old/a/t", "x", { qos: 2, id: 9 });
    wait();
    return [client.takeHex(), observer.takeHex()];
  },
  "deliver delayed"({ broker, qos, connect, wait, other, observer }) {
    const client = connect();
    client.subscribe("a/#", qos);
    other.sendPublish(`$delayed/60/${topicName}`, "x", { qos: 2, id: 9 });
    broker.advance(60_000);
    wait();
    return [client.takeHex(), observer.takeHex()];
  },
  "deliver a will"({ broker, qos, connect, wait, observer }) {
    const client = connect();
    client.subscribe("a/#", qos);
    const will = { topicName, payload: utf8("x"), qos: 2, retain: false } as const;
    broker.connect("dying", 5, { will }).drop();
    wait();
    return [client.takeHex(), observer.takeHex()];
  },
  "deliver to a share"({ qos, connect, wait, other }) {
    const client = connect();
    client.subscribe("$share/g/a/#", qos);
    other.sendPublish(topicName, "x", { qos: 2, id: 9 });
    wait();
    return [client.takeHex(), ""];
  },
};

function play(
  name: string,
  version: ProtocolVersion,
  qos: QoS,
  answer: (broker: TestBroker) => boolean | Promise<boolean>,
): Told {
  const isDelivery = name.startsWith("deliver");
  const broker = new TestBroker({
    settings: { limits: { hookTimeout: 2000 } },
    rewrite: [{ action: "all", from: "old/#", pattern: "^old/(.*)$", to: "$1" }],
    hooks: (self) => {
      const decide = ({ clientId }: { readonly clientId: string }): boolean | Promise<boolean> =>
        clientId === "c" ? answer(self) : true;
      return isDelivery
        ? {
            authorizeDelivery: (client, request) => {
              if (client.clientId === "c") assert.equal(request.topicName, topicName);
              return decide(client);
            },
          }
        : {
            authorizePublish: (client, request) => {
              // Always the topic that is meant.
              if (client.clientId === "c") assert.equal(request.topicName, topicName);
              return decide(client);
            },
            authorizeSubscribe: (client, { topicFilter }) => {
              if (client.clientId === "c") assert.match(topicFilter, /^(\$share\/g\/)?a\/#$/);
              return decide(client);
            },
          };
    },
  });
  const observer = broker.connect("observer");
  observer.subscribe("a/#", 2);
  const other = broker.connect("other");
  other.subscribe("other");
  return scenes[name]!({
    broker,
    version,
    qos,
    observer,
    other,
    connect: () =>
      broker.connect(
        "c",
        version,
        // Without Reason Strings, whose words are free.
        version === 5 ? { properties: { requestProblemInformation: 0 } } : {},
      ),
    wait: () => {
      broker.settle();
      other.sendPublish("other", "y");
      assert.ok(other.takeHex().endsWith("6f 74 68 65 72 00 79"), "others are served meanwhile");
      broker.advance(2500);
    },
  });
}

/** Bytes at QoS 0, 1 and 2. `…` at the end: what follows is free. */
type Row = readonly [string, string, string];

const nothing: Row = ["", "", ""];
/** PUBACK; PUBREC and PUBCOMP. */
const taken: Row = ["", "40 02 0007", "50 02 0007 70 02 0007"];
/** PUBACK 0x87; PUBREC 0x87, and PUBCOMP 0x92 to a PUBREL after it [MQTT5-4.3.3-9]. */
const refused5: Row = ["", "40 03 0007 87", "50 03 0007 87 70 03 0007 92"];
/** PUBLISH of 5.0 to `a/t`, as message 1, 2 and 3 of the broker. */
const first5: Row = [
  "30 07 0003'a/t' 00'x'",
  "32 09 0003'a/t' 0001 00'x'",
  "34 09 0003'a/t' 0001 00'x'",
];
const second5: Row = [
  "30 07 0003'a/t' 00'x'",
  "32 09 0003'a/t' 0002 00'x'",
  "34 09 0003'a/t' 0002 00'x'",
];
const third5: Row = [
  "30 07 0003'a/t' 00'x'",
  "32 09 0003'a/t' 0003 00'x'",
  "34 09 0003'a/t' 0003 00'x'",
];
const retained5: Row = [
  "31 07 0003'a/t' 00'x'",
  "33 09 0003'a/t' 0001 00'x'",
  "35 09 0003'a/t' 0001 00'x'",
];
const retainedSecond5: Row = [
  "31 07 0003'a/t' 00'x'",
  "33 09 0003'a/t' 0002 00'x'",
  "35 09 0003'a/t' 0002 00'x'",
];
/** The same of 3.1 and 3.1.1. */
const first3: Row = ["30 06 0003'a/t' 'x'", "32 08 0003'a/t' 0001'x'", "34 08 0003'a/t' 0001'x'"];
const second3: Row = ["30 06 0003'a/t' 'x'", "32 08 0003'a/t' 0002'x'", "34 08 0003'a/t' 0002'x'"];
const retained3: Row = [
  "31 06 0003'a/t' 'x'",
  "33 08 0003'a/t' 0001'x'",
  "35 08 0003'a/t' 0001'x'",
];
/** It was published at QoS 2. */
const observed: Row = [first5[2], first5[2], first5[2]];
const connack: Row = ["20 02 0000", "20 02 0000", "20 02 0000"];
const connack5: Row = ["20 0e 00 00 …", "20 0e 00 00 …", "20 0e 00 00 …"];
const connackRefused: Row = ["20 02 0005", "20 02 0005", "20 02 0005"];
const connackRefused5: Row = ["20 2a 00 87 …", "20 2a 00 87 …", "20 2a 00 87 …"];
const suback: Row = ["90 03 0001 00", "90 03 0001 01", "90 03 0001 02"];
const suback5: Row = ["90 04 0001 00 00", "90 04 0001 00 01", "90 04 0001 00 02"];
const subackRefused4: Row = ["90 03 0001 80", "90 03 0001 80", "90 03 0001 80"];
const subackRefused5: Row = ["90 04 0001 00 87", "90 04 0001 00 87", "90 04 0001 00 87"];

/** What the client and the observer get; where the client subscribes: its SUBACK, and what it is delivered then. */
const matrix: readonly (readonly [
  scene: string,
  versions: readonly ProtocolVersion[],
  allowed: readonly [Row, Row],
  denied: readonly [Row, Row],
])[] = [
  ["publish", [3, 4], [taken, first5], [taken, nothing]], // [MQTT3-3.3.5-2]
  ["publish", [5], [taken, first5], [refused5, nothing]],
  ["publish retained", [3, 4], [taken, retained5], [taken, nothing]],
  ["publish retained", [5], [taken, retained5], [refused5, nothing]],
  ["publish by alias", [3, 4], [taken, third5], [taken, nothing]],
  ["publish by alias", [5], [taken, third5], [refused5, nothing]],
  ["delayed", [3, 4], [taken, first5], [taken, nothing]],
  ["delayed", [5], [taken, first5], [refused5, nothing]],
  ["will", [3, 4], [connack, second5], [connackRefused, nothing]],
  ["will", [5], [connack5, second5], [connackRefused5, nothing]],
  ["delayed rewritten", [3, 4], [taken, first5], [taken, nothing]],
  ["delayed rewritten", [5], [taken, first5], [refused5, nothing]],
  ["will retained", [3, 4], [connack, retainedSecond5], [connackRefused, nothing]],
  ["will retained", [5], [connack5, retainedSecond5], [connackRefused5, nothing]],
  ["will delayed", [3, 4], [connack, second5], [connackRefused, nothing]],
  ["will delayed", [5], [connack5, second5], [connackRefused5, nothing]],
  ["publish rewritten", [3, 4], [taken, first5], [taken, nothing]],
  ["publish rewritten", [5], [taken, first5], [refused5, nothing]],
  ["will rewritten", [3, 4], [connack, second5], [connackRefused, nothing]],
  ["will rewritten", [5], [connack5, second5], [connackRefused5, nothing]],
  ["subscribe rewritten", [3], [suback, second3], [suback, nothing]],
  ["subscribe rewritten", [4], [suback, second3], [subackRefused4, nothing]],
  ["subscribe rewritten", [5], [suback5, second5], [subackRefused5, nothing]],
  ["subscribe to a share rewritten", [3], [suback, second3], [suback, nothing]],
  ["subscribe to a share rewritten", [4], [suback, second3], [subackRefused4, nothing]],
  ["subscribe to a share rewritten", [5], [suback5, second5], [subackRefused5, nothing]],
  ["subscribe", [3], [suback, second3], [suback, nothing]],
  ["subscribe", [4], [suback, second3], [subackRefused4, nothing]], // [MQTT3-3.9.3-2]
  ["subscribe", [5], [suback5, second5], [subackRefused5, nothing]],
  ["subscribe to a share", [3], [suback, second3], [suback, nothing]],
  ["subscribe to a share", [4], [suback, second3], [subackRefused4, nothing]],
  ["subscribe to a share", [5], [suback5, second5], [subackRefused5, nothing]],
  ["deliver", [3, 4], [first3, observed], [nothing, observed]],
  ["deliver", [5], [first5, observed], [nothing, observed]],
  ["deliver retained", [3, 4], [retained3, nothing], [nothing, nothing]],
  ["deliver retained", [5], [retained5, nothing], [nothing, nothing]],
  ["deliver rewritten", [3, 4], [first3, observed], [nothing, observed]],
  ["deliver rewritten", [5], [first5, observed], [nothing, observed]],
  ["deliver delayed", [3, 4], [first3, observed], [nothing, observed]],
  ["deliver delayed", [5], [first5, observed], [nothing, observed]],
  ["deliver a will", [3, 4], [first3, observed], [nothing, observed]],
  ["deliver a will", [5], [first5, observed], [nothing, observed]],
  ["deliver to a share", [3, 4], [first3, nothing], [nothing, nothing]],
  ["deliver to a share", [5], [first5, nothing], [nothing, nothing]],
];

function assertBytes(actual: string, spelled: string): void {
  if (!spelled.endsWith("…")) return assert.equal(actual, hexOf(bytesOf(spelled)));
  const start = hexOf(bytesOf(spelled.slice(0, -1)));
  assert.ok(actual.startsWith(start), `${actual} does not begin with ${start}`);
}

test("every scene is in the table, in every version", () => {
  const rows = matrix.flatMap(([scene, versions]) => versions.map((version) => [scene, version]));
  const all = Object.keys(scenes).flatMap((scene) => VERSIONS.map((version) => [scene, version]));
  assert.deepEqual(rows, all);
});

for (const [scene, versions, allowed, denied] of matrix) {
  for (const version of versions) {
    for (const [how, { comesTo, answer }] of Object.entries(answers)) {
      test(`${NAME_OF_VERSION[version]}: ${scene}, ${how}, at every QoS`, () => {
        const [client, observer] = comesTo === "allowed" ? allowed : denied;
        for (const qos of QOS) {
          const told = play(scene, version, qos, answer);
          assertBytes(told[0], client[qos]);
          assertBytes(told[1], observer[qos]);
        }
      });
    }
  }
}
