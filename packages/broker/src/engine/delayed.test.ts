import assert from "node:assert/strict";
import { test } from "node:test";
import { TestBroker, VERSIONS, NAME_OF_VERSION } from "../test-broker.test-support.ts";
import { parseDelayTopic } from "./delayed.ts";

for (const [topicName, expected] of [
  ["$delayed/10/a/b", { type: "publish", seconds: 10, topicName: "a/b" }],
  ["$delayed/0/a", { type: "publish", seconds: 0, topicName: "a" }],
  ["$delayed/007//a", { type: "publish", seconds: 7, topicName: "/a" }],
  ["$delayed/cancel/a/b", { type: "cancel", topicName: "a/b" }],
  ["$delayed/10/", undefined],
  ["$delayed/10", undefined],
  ["$delayed/", undefined],
  ["$delayed/-1/a", undefined],
  ["$delayed/1.5/a", undefined],
  ["$delayed/1e3/a", undefined],
  ["$delayed/ 1/a", undefined],
  ["$delayed/12345678901/a", undefined],
  ["$delayed/cancel/", undefined],
  ["$delayed/cancel", undefined],
] as const) {
  test(`${topicName} ${expected === undefined ? "asks for nothing that there is" : `means ${JSON.stringify(expected)}`}`, () => {
    const request = parseDelayTopic(topicName);
    if (expected === undefined) assert.equal(request.type, "invalid");
    else assert.deepEqual(request, expected);
  });
}

for (const version of VERSIONS) {
  for (const qos of [0, 1, 2] as const) {
    test(`${NAME_OF_VERSION[version]}: a message of QoS ${qos} to $delayed/10/a is acknowledged now and published to a in 10 s`, () => {
      const broker = new TestBroker();
      const receiver = broker.connect("r");
      receiver.subscribe("#", 2);
      receiver.subscribe("$delayed/#", 2);
      const client = broker.connect("c", version);
      client.sendPublish("$delayed/10/a", "x", { qos, id: 5 });
      assert.deepEqual(client.told(), [[], ["PUBACK 5"], ["PUBREC 5"]][qos]);
      broker.advance(9999);
      assert.deepEqual(receiver.told(), []);
      broker.advance(1);
      const [message, ...others] = receiver.takePublishes();
      assert.deepEqual(others, []);
      assert.equal(message!.topicName, "a");
      assert.equal(message!.qos, qos);
      assert.equal(broker.engine.delayed.count, 0);
      assert.equal(broker.engine.delayed.bytes, 0);
      assert.equal(broker.engine.counters.delayedPublished, 1);
    });
  }
}

test("a delayed message keeps properties, RETAIN and publisher, also when its client is gone", () => {
  const broker = new TestBroker();
  const receiver = broker.connect("r");
  receiver.subscribe("a", 0, { retainAsPublished: true });
  const client = broker.connect("c");
  client.subscribe("a", 0, { noLocal: true });
  client.sendPublish("$delayed/5/a", "x", { retain: true, properties: { contentType: "t" } });
  broker.settle();
  assert.equal(broker.engine.retained.count, 0);
  client.leave();
  broker.advance(5000);
  assert.deepEqual(receiver.told(), [`PUBLISH a 'x' qos0 retain {"contentType":"t"}`]);
  assert.equal(broker.engine.retained.get("a")!.publisher, "c");
});

test("messages come in the order of their times; of one time in the order in which they came", () => {
  const broker = new TestBroker();
  const receiver = broker.connect("r");
  receiver.subscribe("a");
  const client = broker.connect("c", 4);
  for (const [seconds, payload] of [
    [3, "3a"],
    [1, "1"],
    [3, "3b"],
    [0, "0"],
    [2, "2"],
  ] as const)
    client.sendPublish(`$delayed/${seconds}/a`, payload);
  broker.advance(10_000);
  assert.deepEqual(
    receiver.takePublishes().map(({ payload }) => Buffer.from(payload).toString()),
    ["0", "1", "2", "3a", "3b"],
  );
});

test("a month is a month", () => {
  const broker = new TestBroker();
  const receiver = broker.connect("r");
  receiver.subscribe("a");
  const month = 30 * 86_400;
  broker.connect("c").sendPublish(`$delayed/${month}/a`, "x");
  broker.advance(month * 1000 - 1);
  assert.deepEqual(receiver.told(), []);
  broker.advance(1);
  assert.equal(receiver.takePublishes().length, 1);
});

test("a client cancels what it delayed for a Topic Name, and not what others did", () => {
  const broker = new TestBroker();
  const receiver = broker.connect("r");
  receiver.subscribe("#");
  const client = broker.connect("c");
  client.sendPublish("$delayed/10/a", "own 1");
  client.sendPublish("$delayed/20/a", "own 2");
  client.sendPublish("$delayed/10/b", "own b");
  broker.connect("d").sendPublish("$delayed/10/a", "other's");
  client.sendPublish("$delayed/cancel/a", "", { qos: 1, id: 9 });
  assert.deepEqual(client.told(), ["PUBACK 9"]);
  broker.advance(60_000);
  assert.deepEqual(receiver.told().toSorted(), [
    "PUBLISH a 'other's' qos0",
    "PUBLISH b 'own b' qos0",
  ]);
});

test("a delayed message expires like any other: its interval counts from when it came", () => {
  const broker = new TestBroker();
  const receiver = broker.connect("r");
  receiver.subscribe("a");
  const client = broker.connect("c");
  client.sendPublish("$delayed/10/a", "gone", { properties: { messageExpiryInterval: 5 } });
  client.sendPublish("$delayed/10/a", "left", { properties: { messageExpiryInterval: 15 } });
  broker.advance(10_000);
  assert.deepEqual(receiver.told(), [`PUBLISH a 'left' qos0 {"messageExpiryInterval":5}`]);
});

test("permission is asked for the Topic Name that is meant, before anything is kept", () => {
  const asked: string[] = [];
  const broker = new TestBroker({
    hooks: {
      authorizePublish: (_client, { topicName }) => {
        asked.push(topicName);
        return topicName !== "denied";
      },
    },
  });
  const client = broker.connect("c");
  client.sendPublish("$delayed/10/denied", "x", { qos: 1, id: 1 });
  client.sendPublish("$delayed/10/$SYS/a", "x", { qos: 1, id: 2 });
  client.sendPublish("$delayed/10/allowed", "x", { qos: 1, id: 3 });
  assert.deepEqual(client.told(), ["PUBACK 1 0x87", "PUBACK 2 0x87", "PUBACK 3"]);
  assert.deepEqual(asked, ["denied", "allowed"]);
  assert.equal(broker.engine.delayed.count, 1);
});

test("a Topic Name below $delayed that means nothing is answered with 0x90; 3.x is closed", () => {
  for (const version of VERSIONS) {
    const broker = new TestBroker();
    const client = broker.connect("c", version);
    client.sendPublish("$delayed/soon/a", "x", { qos: 1 });
    assert.deepEqual(client.told(), version === 5 ? ["DISCONNECT 0x90", "CLOSED"] : ["CLOSED"]);
  }
});

test("the levels of the meant Topic Name count, and so do its bounds", () => {
  const broker = new TestBroker({ settings: { limits: { topicLevels: 3 } } });
  const client = broker.connect("c");
  client.sendPublish("$delayed/1/a", "x", { qos: 1 });
  assert.deepEqual(client.told(), ["PUBACK 1"]);
});

for (const [what, settings, topicName] of [
  ["delayed.maximumMessages", { maximumMessages: 2 }, "$delayed/10/a"],
  ["delayed.maximumBytes", { maximumBytes: 500 }, "$delayed/10/a"],
  ["delayed.maximumDelay", { maximumDelay: 60 }, "$delayed/61/a"],
] as const) {
  test(`${what} is a bound: beyond it a message is refused with 0x97, and counted`, () => {
    const broker = new TestBroker({ settings: { delayed: settings } });
    const client = broker.connect("c");
    if (what !== "delayed.maximumDelay") {
      for (let id = 1; id <= 2; id++)
        client.sendPublish(topicName, "x".repeat(200), { qos: 1, id });
      assert.deepEqual(client.told(), ["PUBACK 1", "PUBACK 2"]);
    }
    client.sendPublish(topicName, "x".repeat(200), { qos: 1, id: 3 });
    client.sendPublish(topicName, "x".repeat(200), { qos: 2, id: 4 });
    client.sendPublish(topicName, "x".repeat(200));
    assert.deepEqual(client.told(), ["PUBACK 3 0x97", "PUBREC 4 0x97"]);
    assert.equal(broker.engine.drops["delayed-full"], 3);
    broker.advance(100_000);
    client.sendPublish("$delayed/10/a", "x", { qos: 1, id: 5 });
    assert.deepEqual(client.told(), ["PUBACK 5"]);
  });
}

test("a QoS 2 message is delayed once, however often it is repeated", () => {
  const broker = new TestBroker();
  const receiver = broker.connect("r");
  receiver.subscribe("a");
  const client = broker.connect("c", 4);
  client.sendPublish("$delayed/5/a", "x", { qos: 2, id: 1 });
  client.sendPublish("$delayed/5/a", "x", { qos: 2, id: 1, dup: true });
  client.sendAcknowledgement("pubrel", 1);
  assert.deepEqual(client.told(), ["PUBREC 1", "PUBREC 1", "PUBCOMP 1"]);
  broker.advance(60_000);
  assert.equal(receiver.takePublishes().length, 1);
});

test("delayed messages are listed in pages, and cancelled by their number", () => {
  const broker = new TestBroker();
  const client = broker.connect("c");
  for (let i = 1; i <= 5; i++) client.sendPublish(`$delayed/${i * 10}/t/${i}`, "x");
  broker.settle();
  broker.advance(4000);
  const { delayed } = broker.engine;
  const page = delayed.list(0, 3);
  assert.deepEqual(
    page.map(({ topicName, publisher, remainingMs }) => [topicName, publisher, remainingMs]),
    [
      ["t/1", "c", 6000],
      ["t/2", "c", 16_000],
      ["t/3", "c", 26_000],
    ],
  );
  const rest = delayed.list(page.at(-1)!.id, 100);
  assert.equal(rest.length, 2);
  assert.equal(delayed.cancel(rest[0]!.id), true);
  assert.equal(delayed.cancel(rest[0]!.id), false);
  assert.equal(delayed.count, 4);
});

test("what is delayed is intact when its time comes, however much was read meanwhile", () => {
  const broker = new TestBroker();
  const receiver = broker.connect("r");
  receiver.subscribe("a");
  broker.connect("c", 4).sendPublish("$delayed/5/a", "intact");
  broker.settle();
  const other = broker.connect("other", 4);
  for (let i = 0; i < 300; i++) {
    other.sendPublish("b", "#".repeat(5000));
    broker.settle();
  }
  broker.advance(5000);
  assert.deepEqual(receiver.told(), ["PUBLISH a 'intact' qos0"]);
});
