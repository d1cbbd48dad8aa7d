import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../spelling.test-support.ts";
import { NAME_OF_VERSION, TestBroker, VERSIONS } from "../test-broker.test-support.ts";
import type { WireClient } from "../wire-client.test-support.ts";
import type { Admission, Rights } from "./ports.ts";

const onlyMine: Rights = {
  mayPublish: (topicName) => topicName.startsWith("mine/"),
  maySubscribe: (topicFilter) => topicFilter.startsWith("mine/") || topicFilter === "#",
  mayReceive: (topicName) => topicName.startsWith("mine/"),
};

/** A broker that lets in the client `c` with what is given, and everybody else with everything. */
const brokerWith = (admission: Admission): TestBroker =>
  new TestBroker({
    authenticator: {
      authenticate: ({ clientId }) =>
        clientId === "c" ? { accepted: true, ...admission } : { accepted: true },
    },
  });

const SUBACK_DENIED = { 3: 0, 4: 0x80, 5: 0x87 } as const;

for (const version of VERSIONS) {
  const name = NAME_OF_VERSION[version];

  test(`${name}: a PUBLISH beyond the client's rights has no effect at any QoS, and one within them has`, () => {
    const broker = brokerWith({ rights: onlyMine });
    const all = broker.connect("all");
    all.sendSubscribe([{ topicFilter: "#", qos: 2 }]);
    all.take();
    const client = broker.connect("c", version);
    client.sendPublish("other/a", "no", { qos: 0 });
    client.sendPublish("other/a", "no", { qos: 1, id: 1 });
    client.sendPublish("other/a", "no", { qos: 2, id: 2 });
    client.send({ type: "pubrel", packetIdentifier: 2 });
    client.sendPublish("mine/a", "yes", { qos: 0 });
    assert.deepEqual(publishesOf(all), ["mine/a yes"]);
    assert.equal(broker.engine.drops["publish-denied"], 3);
  });

  test(`${name}: a Topic Filter beyond the client's rights is refused with 0x${SUBACK_DENIED[version].toString(16)} and delivers nothing`, () => {
    const broker = brokerWith({ rights: onlyMine });
    const client = broker.connect("c", version);
    client.sendSubscribe([
      { topicFilter: "other/#", qos: 0 },
      { topicFilter: "mine/#", qos: 0 },
    ]);
    const suback = client.takeFirst();
    assert.equal(suback?.type, "suback");
    assert.deepEqual(suback.reasonCodes, [SUBACK_DENIED[version], 0]);
    const publisher = broker.connect("p");
    publisher.sendPublish("other/a", "no");
    publisher.sendPublish("mine/a", "yes");
    assert.deepEqual(publishesOf(client), ["mine/a yes"]);
  });

  test(`${name}: of what a wide Topic Filter matches, only what the client has a right to is delivered`, () => {
    const broker = brokerWith({ rights: onlyMine });
    const publisher = broker.connect("p");
    publisher.sendPublish("other/retained", "no", { retain: true });
    const client = broker.connect("c", version);
    client.sendSubscribe([{ topicFilter: "#", qos: 1 }]);
    assert.equal(client.takeFirst()?.type, "suback");
    publisher.sendPublish("other/a", "no", { qos: 1 });
    publisher.sendPublish("mine/a", "yes");
    assert.deepEqual(publishesOf(client), ["mine/a yes"]);
    assert.equal(broker.engine.drops["delivery-denied"], 2);
  });

  test(`${name}: a Will beyond the client's rights keeps it out`, () => {
    const broker = brokerWith({ rights: onlyMine });
    const client = broker.dial(version);
    client.sendConnect("c", {
      will: { topicName: "other/will", payload: utf8("x"), qos: 0, retain: false },
    });
    assert.deepEqual(client.told(), [`CONNACK 0x${version === 5 ? "87" : "05"}`, "CLOSED"]);
  });

  test(`${name}: when what let a client in expires, its connection ends${version === 5 ? " with DISCONNECT 0x87" : ""}`, () => {
    const broker = brokerWith({ expiresInMs: 60_000 });
    const client = broker.connect("c", version);
    broker.advance(59_000);
    assert.deepEqual(client.told(), []);
    broker.advance(1500);
    assert.deepEqual(client.told(), version === 5 ? ["DISCONNECT 0x87", "CLOSED"] : ["CLOSED"]);
    assert.equal(broker.engine.counters.authenticationsExpired, 1);
  });
}

test("the topic behind $delayed/ is the one that needs the right", () => {
  const broker = brokerWith({ rights: onlyMine });
  const client = broker.connect("c");
  client.sendPublish("$delayed/1/other/a", "no", { qos: 1, id: 1 });
  client.sendPublish("$delayed/1/mine/a", "yes", { qos: 1, id: 2 });
  assert.deepEqual(client.told(), ["PUBACK 1 0x87", "PUBACK 2"]);
});

test("a right whose question throws is refused, counted and told by name", () => {
  const fails = (): never => {
    throw new Error("broken");
  };
  const broker = brokerWith({
    rights: { mayPublish: fails, maySubscribe: fails, mayReceive: fails },
  });
  const client = broker.connect("c");
  client.sendPublish("a", "x", { qos: 1 });
  client.sendSubscribe([{ topicFilter: "a", qos: 0 }]);
  const [puback, suback] = client.take();
  assert.ok(puback?.type === "puback" && suback?.type === "suback");
  assert.equal(puback.reasonCode, 0x87);
  assert.deepEqual(suback.reasonCodes, [0x87]);
  assert.equal(broker.engine.counters.hookErrors, 2);
  assert.deepEqual(
    broker.logged("hook-failed").map(({ fields }) => fields["hook"]),
    ["rights.mayPublish", "rights.maySubscribe"],
  );
});

test("a re-authentication gives new rights and a new expiry", () => {
  const admissions: Admission[] = [
    { expiresInMs: 10_000, rights: onlyMine },
    { expiresInMs: 100_000 },
  ];
  const broker = new TestBroker({
    authenticator: {
      authenticate: () => ({ accepted: true }),
      exchange: () => ({ step: () => ({ type: "accept", ...admissions.shift() }) }),
    },
  });
  const client = broker.dial();
  client.sendConnect("c", { properties: { authenticationMethod: "M" } });
  client.sendPublish("other/a", "no", { qos: 1 });
  assert.deepEqual(client.told().slice(1), ["PUBACK 1 0x87"]);
  client.send({ type: "auth", reasonCode: 0x19, properties: { authenticationMethod: "M" } });
  client.sendPublish("other/a", "yes", { qos: 1 });
  assert.deepEqual(client.told().slice(1), ["PUBACK 1 0x10"]);
  broker.advance(50_000);
  assert.deepEqual(client.told(), []);
  broker.advance(60_000);
  assert.deepEqual(client.told(), ["DISCONNECT 0x87", "CLOSED"]);
});

test("a connection that ended takes the timer of its expiry along", () => {
  const broker = brokerWith({ expiresInMs: 10_000 });
  const client = broker.connect("c");
  client.send({ type: "disconnect" });
  broker.advance(20_000);
  assert.equal(broker.engine.counters.authenticationsExpired, 0);
});

function publishesOf(client: WireClient): string[] {
  return client
    .take()
    .filter((packet) => packet.type === "publish")
    .map(({ topicName, payload }) => `${topicName} ${Buffer.from(payload).toString()}`);
}
