import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProtocolVersion, QoS } from "@sericite/protocol";
import { utf8 } from "../spelling.test-support.ts";
import { NAME_OF_VERSION, TestBroker } from "../test-broker.test-support.ts";
import type { WireClient } from "../wire-client.test-support.ts";

const QOS: readonly QoS[] = [0, 1, 2];

for (const version of [3, 4, 5] satisfies ProtocolVersion[]) {
  for (const qos of QOS) {
    const closes = version !== 5;
    test(`[MQTT3-3.3.5-2] [X-122] where the setting says so, a denied QoS ${qos} PUBLISH of ${NAME_OF_VERSION[version]} ${closes ? "closes the connection without an answer" : "is answered as always"}`, () => {
      const broker = new TestBroker({
        settings: { auth: { deniedPublish: "close" } },
        hooks: { authorizePublish: () => false },
      });
      const client = broker.connect("c", version);
      client.sendPublish("a", "x", { qos, id: 1 });
      client.send({ type: "pingreq" });
      const answer = [[], ["PUBACK 1 0x87"], ["PUBREC 1 0x87"]][qos]!;
      assert.deepEqual(client.told(), closes ? ["CLOSED"] : [...answer, "PINGRESP"]);
      assert.equal(broker.engine.drops["publish-denied"], 1);
      assert.equal(broker.engine.counters.publishRefused, 1);
    });
  }
}

test("it closes for a refusal that comes late as well, and what stood behind has no effect", () => {
  const broker = new TestBroker({
    settings: { auth: { deniedPublish: "close" }, limits: { hookTimeout: 2000 } },
    hooks: {
      authorizePublish: (_client, { topicName }) =>
        topicName === "no" ? new Promise<boolean>(() => undefined) : true,
    },
  });
  const all = broker.connect("all");
  all.subscribe("#");
  const client = broker.connect("c", 4);
  client.sendPublish("no", "x", { qos: 1, id: 1 });
  client.sendPublish("yes", "x", { qos: 1, id: 2 });
  broker.advance(3000);
  assert.deepEqual(client.told(), ["CLOSED"]);
  assert.deepEqual(all.told(), []);
});

for (const version of [3, 4, 5] satisfies ProtocolVersion[]) {
  test(`${NAME_OF_VERSION[version]}: a denied QoS 2 PUBLISH has no effect after a crash between PUBREC and PUBREL either`, () => {
    const broker = new TestBroker({ durable: true, hooks: { authorizePublish: () => false } });
    const session =
      version === 5
        ? { cleanStart: false, properties: { sessionExpiryInterval: 3600 } }
        : { cleanStart: false };
    const client = broker.connect("c", version, session);
    client.sendPublish("a", "x", { qos: 2, id: 7, retain: true });
    assert.deepEqual(client.told(), [version === 5 ? "PUBREC 7 0x87" : "PUBREC 7"]);
    const after = broker.restart();
    const all = after.connect("all");
    all.subscribe("#", 2);
    const again = after.connect("c", version, session);
    // A repeat of a client that did not see PUBREC, then PUBREL.
    if (version !== 5) {
      again.sendPublish("a", "x", { qos: 2, id: 7, retain: true, dup: true });
      assert.deepEqual(again.told(), ["PUBREC 7"]);
    }
    again.sendAcknowledgement("pubrel", 7);
    assert.deepEqual(again.told(), [version === 5 ? "PUBCOMP 7 0x92" : "PUBCOMP 7"]);
    after.advance(60_000);
    assert.deepEqual(all.told(), []);
    assert.equal(after.engine.retained.count, 0);
  });
}

test("a message that the chosen member of a Shared Subscription may not have goes to another one", () => {
  const allowed = new Set(["c"]);
  const broker = new TestBroker({
    hooks: { authorizeDelivery: ({ clientId }) => allowed.has(clientId) },
  });
  const members = ["a", "b", "c"].map((clientId) => {
    const member = broker.connect(clientId);
    member.subscribe("$share/g/#", 1);
    return member;
  });
  const publisher = broker.connect("p");
  for (let i = 0; i < 6; i++) publisher.sendPublish("t", `${i}`);
  assert.deepEqual(
    members.map((member) => member.takePublishes().length),
    [0, 0, 6],
  );
  allowed.clear();
  publisher.sendPublish("t", "nobody");
  assert.deepEqual(
    members.map((member) => member.takePublishes().length),
    [0, 0, 0],
  );
});

test("of a very large group, sixteen members are asked about one message", () => {
  let asked = 0;
  const broker = new TestBroker({
    hooks: {
      authorizeDelivery: () => {
        asked++;
        return false;
      },
    },
  });
  for (let i = 0; i < 40; i++) broker.connect(`m${i}`).subscribe("$share/g/#");
  broker.connect("p").sendPublish("t", "x");
  broker.settle();
  assert.equal(asked, 16);
  assert.equal(broker.engine.drops["delivery-denied"], 16);
});

test("many retained messages that a client may not have are dropped a thousand a turn, and the last one it may have comes", () => {
  const broker = new TestBroker({
    hooks: { authorizeDelivery: (_client, { topicName }) => topicName === "t/z" },
  });
  const publisher = broker.connect("p");
  for (let i = 0; i < 3000; i++) publisher.sendPublish(`t/${i}`, "x", { retain: true });
  publisher.sendPublish("t/z", "x", { retain: true });
  broker.settle();
  const client = broker.connect("c");
  const before = broker.engine.turn;
  client.subscribe("t/#");
  assert.deepEqual(client.told(), ["PUBLISH t/z 'x' qos0 retain"]);
  const turns = broker.engine.turn - before;
  assert.ok(turns >= 4 && turns < 30, `${turns} turns`);
});

for (const [when, delay] of [
  ["at once", 0],
  ["after its delay", 60],
] as const) {
  test(`a Will that its client may not publish any more when it is due, ${when}, is not published`, () => {
    let isAllowed = true;
    const broker = new TestBroker({
      hooks: {
        confirmWill: ({ clientId, username }, { topicName, isWill }) =>
          isAllowed && clientId !== "" && username === "u" && topicName === "w" && isWill,
      },
    });
    const all = broker.connect("all");
    all.subscribe("#");
    const connect = (): WireClient =>
      broker.connect("c", 5, {
        username: "u",
        properties: { sessionExpiryInterval: 600 },
        will: {
          topicName: "w",
          payload: utf8("x"),
          qos: 1,
          retain: true,
          properties: { willDelayInterval: delay },
        },
      });
    connect().drop();
    broker.advance(70_000);
    assert.deepEqual(all.told(), ["PUBLISH w 'x' qos0"]);
    const dropped = broker.listen("messageDropped");
    const client = connect();
    isAllowed = false;
    client.drop();
    broker.advance(70_000);
    assert.deepEqual(all.told(), []);
    assert.deepEqual(dropped, [
      { reason: "publish-denied", clientId: "c", topicName: "w", qos: 1 },
    ]);
    assert.equal(broker.engine.counters.willsPublished, 1);
  });
}

test("a hook that throws when a Will is due has refused it", () => {
  const broker = new TestBroker({
    hooks: {
      confirmWill: () => {
        throw new Error("the hook is broken");
      },
    },
  });
  const client = broker.connect("c", 4, {
    will: { topicName: "w", payload: utf8("x"), qos: 0, retain: true },
  });
  client.drop();
  broker.settle();
  assert.equal(broker.engine.retained.count, 0);
  assert.equal(broker.engine.counters.hookErrors, 1);
});

for (const [version, code] of [
  [3, "1"],
  [4, "128"],
  [5, "135"],
] as const) {
  test(`${NAME_OF_VERSION[version]}: a Topic Filter that is refused is counted and told of with 0x87, whatever the client is told`, () => {
    const broker = new TestBroker({
      settings: { mqtt: { maximumQos: 1 } },
      hooks: { authorizeSubscribe: () => false },
    });
    const refused = broker.listen("subscriptionRefused");
    const granted = broker.listen("subscribed");
    const client = broker.connect("c", version);
    client.sendSubscribe([["a/#", 2]]);
    const suback = client.takeFirst();
    assert.equal(suback?.type, "suback");
    assert.equal(String(suback.reasonCodes), code);
    assert.deepEqual(
      refused.map(({ topicFilter, reasonCode }) => [topicFilter, reasonCode]),
      [["a/#", 0x87]],
    );
    assert.deepEqual(granted, []);
    assert.equal(broker.engine.counters.subscriptionsRefused, 1);
    assert.equal(broker.engine.counters.subscriptionsGranted, 0);
  });
}
