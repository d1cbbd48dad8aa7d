import assert from "node:assert/strict";
import { test } from "node:test";
import { lineOf, utf8 } from "../spelling.test-support.ts";
import { TestBroker } from "../test-broker.test-support.ts";
import { Answer } from "../testing/index.ts";

/** Everything that is told of packets, as lines. */
function linesOf(broker: TestBroker): string[] {
  const lines: string[] = [];
  const { events } = broker.engine;
  events.on("connectionOpened", ({ peer }) => lines.push(`opened ${peer.address}`));
  events.on("packetReceived", ({ clientId, packet, packetSize }) =>
    lines.push(`${clientId} > ${lineOf(packet)} (${packetSize})`),
  );
  events.on("packetHandled", ({ clientId, packetType, isWaiting }) =>
    lines.push(`${clientId} ${isWaiting ? "waits" : "done"} ${packetType}`),
  );
  events.on("packetSent", ({ clientId, packet, packetSize }) =>
    lines.push(`${clientId} < ${lineOf(packet)} (${packetSize})`),
  );
  return lines;
}

test("each packet is told when it was received, handled and sent", () => {
  const broker = new TestBroker();
  const lines = linesOf(broker);
  const client = broker.connect("c", 4);
  client.sendSubscribe([["a", 1]]);
  broker.settle();
  client.sendPublish("a", "x", { qos: 1, id: 9 });
  broker.settle();
  assert.deepEqual(lines, [
    "opened 192.0.2.1",
    "c > CONNECT (15)",
    "c done connect",
    "c < CONNACK 0x00 (4)",
    "c > SUBSCRIBE (8)",
    "c done subscribe",
    "c < SUBACK 1 [1] (5)",
    "c > PUBLISH a 'x' qos1 #9 (8)",
    "c done publish",
    ...lines.slice(9, 10),
    "c < PUBACK 9 (4)",
  ]);
  assert.match(lines[9]!, /^c < PUBLISH a 'x' qos1 #\d+ \(8\)$/);
  assert.equal(lines.length, 11);
});

test("a packet is told when its turn comes, and said to wait where a hook is asked", () => {
  const broker = new TestBroker({
    hooks: ({ process }) => ({ authorizePublish: () => Answer.after(process, 500, () => true) }),
  });
  const client = broker.connect("c", 4);
  const lines = linesOf(broker);
  client.sendPublish("a", "1");
  client.sendPublish("a", "2");
  broker.advance(100);
  assert.deepEqual(lines, ["c > PUBLISH a '1' qos0 (6)", "c waits publish"]);
  broker.advance(500);
  assert.deepEqual(lines.slice(2), ["c > PUBLISH a '2' qos0 (6)", "c waits publish"]);
});

test("no password and no Authentication Data are told", () => {
  const broker = new TestBroker({
    authenticator: {
      authenticate: () => ({ accepted: true }),
      exchange: () => ({ step: () => ({ type: "accept", data: utf8("secret") }) }),
    },
  });
  const seen = [broker.listen("packetReceived"), broker.listen("packetSent")];
  broker.connect("c", 5, {
    username: "u",
    password: utf8("secret"),
    properties: { authenticationMethod: "M", authenticationData: utf8("secret") },
  });
  broker.settle();
  const told = seen.flat().map(({ packet }) => packet);
  assert.deepEqual(
    told.map(({ type }) => type),
    ["connect", "connack"],
  );
  assert.equal(told[0]?.type === "connect" && told[0].username, "u");
  const bytes = JSON.stringify(told, (_, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString() : value,
  );
  assert.doesNotMatch(bytes, /secret/);
});

test("bytes are told as they come, whole packets or not", () => {
  const broker = new TestBroker();
  const client = broker.connect("c", 4);
  const received = broker.listen("bytesReceived");
  client.sendHex("c0");
  broker.settle();
  client.sendHex("00");
  assert.deepEqual(client.told(), ["PINGRESP"]);
  assert.deepEqual(
    received.map(({ clientId, byteCount }) => `${clientId} ${byteCount}`),
    ["c 1", "c 1"],
  );
});

test("a listener that sends a client away keeps its packet from being handled", () => {
  const broker = new TestBroker();
  const all = broker.connect("all");
  all.subscribe("#");
  const client = broker.connect("c");
  broker.engine.events.on("packetReceived", ({ packet }) => {
    if (packet.type === "publish") broker.engine.sessions.get("c")!.connection!.close(0x98, "no");
  });
  client.sendPublish("a", "x");
  assert.deepEqual(client.told(), ["DISCONNECT 0x98", "CLOSED"]);
  assert.deepEqual(all.told(), []);
});

test("each message is told with where it comes from, also one that a listener publishes meanwhile", () => {
  const broker = new TestBroker();
  const lines: string[] = [];
  broker.engine.events.on("messagePublished", (message) => {
    const { origin, publisher, topicName, payload, qos, retain, properties } = message;
    const text = new TextDecoder().decode(payload);
    lines.push(
      `${origin} ${publisher} ${topicName} '${text}' qos${qos}${retain ? " retain" : ""} ${properties.contentType ?? ""}`,
    );
  });
  const client = broker.connect("c", 5, {
    will: { topicName: "will", payload: utf8("gone"), qos: 0, retain: false },
  });
  client.sendPublish("a", "x", { qos: 1, retain: true, properties: { contentType: "t" } });
  client.sendPublish("$delayed/1/b", "later");
  assert.deepEqual(client.told(), ["PUBACK 1 0x10"]);
  client.drop();
  broker.advance(2000);
  assert.deepEqual(lines, [
    "client c a 'x' qos1 retain t",
    "will c will 'gone' qos0 ",
    "delayed c b 'later' qos0 ",
  ]);
});

test("a listener that throws is counted and logged, and the packet is handled all the same", () => {
  const broker = new TestBroker();
  const client = broker.connect("c");
  for (const name of ["packetReceived", "packetSent", "packetHandled", "bytesReceived"] as const) {
    broker.engine.events.on(name, () => {
      throw new Error("the listener is broken");
    });
  }
  client.send({ type: "pingreq" });
  assert.deepEqual(client.told(), ["PINGRESP"]);
  assert.equal(broker.engine.counters.listenerErrors, 4);
  assert.deepEqual(
    broker.logged("listener-failed").map(({ fields }) => fields["listener"]),
    ["bytesReceived", "packetReceived", "packetHandled", "packetSent"],
  );
});
