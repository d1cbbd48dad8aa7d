import assert from "node:assert/strict";
import { test } from "node:test";
import { TestBroker } from "../test-broker.test-support.ts";
import { parseDelayTopic } from "./delayed.ts";

for (const [topicName, expected] of [
  ["$delayed/5/a/b", { type: "publish", seconds: 5, topicName: "a/b" }],
  ["$delayed/0/a", { type: "publish", seconds: 0, topicName: "a" }],
  ["$delayed/60//a", { type: "publish", seconds: 60, topicName: "/a" }],
  ["$delayed/cancel/a/b", { type: "cancel", topicName: "a/b" }],
] as const) {
  test(`${topicName} is read`, () => assert.deepEqual(parseDelayTopic(topicName), expected));
}

for (const topicName of [
  "$delayed/a/b",
  "$delayed/5",
  "$delayed/5/",
  "$delayed/-1/a",
  "$delayed/1.5/a",
  "$delayed/99999999999/a",
  "$delayed/",
]) {
  test(`${topicName} is refused`, () => assert.equal(parseDelayTopic(topicName).type, "invalid"));
}

test("a message below $delayed/ is acknowledged at once and routed when its time has come", () => {
  const broker = new TestBroker();
  const receiver = broker.connect("r");
  receiver.subscribe("a/#", 2);
  const publisher = broker.connect("p");
  publisher.sendPublish("$delayed/10/a/1", "one", { qos: 1, id: 1 });
  publisher.sendPublish("$delayed/5/a/2", "two", {
    qos: 2,
    id: 2,
    properties: { contentType: "text" },
  });
  publisher.sendPublish("$delayed/0/a/3", "three");
  assert.deepEqual(publisher.told(), ["PUBACK 1", "PUBREC 2"]);
  publisher.sendAcknowledgement("pubrel", 2);
  assert.deepEqual(publisher.told(), ["PUBCOMP 2"]);
  broker.advance(20);
  assert.deepEqual(receiver.told(), ["PUBLISH a/3 'three' qos0"]);
  broker.advance(4900);
  assert.deepEqual(receiver.told(), []);
  broker.advance(150);
  assert.match(
    receiver.told()[0] ?? "nothing",
    /^PUBLISH a\/2 'two' qos2 #\d+ \{"contentType":"text"\}$/,
  );
  assert.equal(broker.engine.delayed.count, 1);
  publisher.leave();
  broker.advance(5000);
  assert.match(receiver.told()[0] ?? "nothing", /^PUBLISH a\/1 'one' qos1/);
  assert.equal(broker.engine.delayed.count, 0);
  assert.equal(broker.engine.delayed.bytes, 0);
});

test("a delayed message is still whole after the memory it was read into was used again many times", () => {
  const broker = new TestBroker();
  const receiver = broker.connect("r");
  receiver.subscribe("late", 0);
  const publisher = broker.connect("p");
  publisher.sendPublish("$delayed/60/late", "the same");
  for (let i = 0; i < 40; i++) {
    publisher.sendPublish("other", new Uint8Array(100_000).fill(0x7a));
    broker.settle();
  }
  broker.advance(60_050);
  assert.deepEqual(receiver.told(), ["PUBLISH late 'the same' qos0"]);
});

test("the Topic Name that results is what authorization is asked about, and a denied one has no effect", () => {
  const asked: string[] = [];
  const broker = new TestBroker({
    hooks: {
      authorizePublish: (_client, { topicName }) => {
        asked.push(topicName);
        return topicName !== "no";
      },
    },
  });
  const publisher = broker.connect("p");
  publisher.sendPublish("$delayed/1/yes", "x", { qos: 1, id: 1 });
  publisher.sendPublish("$delayed/1/no", "x", { qos: 1, id: 2 });
  publisher.sendPublish("$delayed/1/no", "x", { qos: 2, id: 3 });
  assert.deepEqual(publisher.told(), ["PUBACK 1", "PUBACK 2 0x87", "PUBREC 3 0x87"]);
  assert.deepEqual(asked, ["yes", "no", "no"]);
  assert.equal(broker.engine.delayed.count, 1);
});

test("a client cancels what it delayed for a Topic Name, and nobody else's", () => {
  const broker = new TestBroker();
  const receiver = broker.connect("r");
  receiver.subscribe("a", 0);
  const one = broker.connect("one");
  const two = broker.connect("two");
  one.sendPublish("$delayed/5/a", "1a");
  one.sendPublish("$delayed/6/a", "1b");
  two.sendPublish("$delayed/7/a", "2");
  one.sendPublish("$delayed/cancel/a", "", { qos: 1 });
  assert.deepEqual(one.told(), ["PUBACK 1"]);
  broker.advance(10_000);
  assert.deepEqual(receiver.told(), ["PUBLISH a '2' qos0"]);
});

test("count, bytes and longest delay are bounded, refused with 0x97", () => {
  const broker = new TestBroker({
    settings: { delayed: { maximumMessages: 2, maximumBytes: 200, maximumDelay: 100 } },
  });
  const publisher = broker.connect("p");
  publisher.sendPublish("$delayed/101/a", "x", { qos: 1, id: 1 });
  publisher.sendPublish("$delayed/100/a", new Uint8Array(300), { qos: 1, id: 2 });
  publisher.sendPublish("$delayed/100/a", "x", { qos: 1, id: 3 });
  publisher.sendPublish("$delayed/100/a", "x", { qos: 1, id: 4 });
  publisher.sendPublish("$delayed/100/a", "x", { qos: 1, id: 5 });
  assert.deepEqual(publisher.told(), [
    "PUBACK 1 0x97",
    "PUBACK 2 0x97",
    "PUBACK 3",
    "PUBACK 4",
    "PUBACK 5 0x97",
  ]);
  assert.equal(broker.engine.drops["delayed-full"], 3);
});

test("delayed messages are listed by pages and cancelled by number", () => {
  const broker = new TestBroker();
  const publisher = broker.connect("p");
  for (let i = 1; i <= 5; i++) publisher.sendPublish(`$delayed/${i}0/t${i}`, "x");
  broker.settle();
  const first = broker.engine.delayed.list(0, 2);
  assert.deepEqual(
    first.map(({ topicName, publisher: by }) => [topicName, by]),
    [
      ["t1", "p"],
      ["t2", "p"],
    ],
  );
  const rest = broker.engine.delayed.list(first[1]!.id, 10);
  assert.deepEqual(
    rest.map(({ topicName }) => topicName),
    ["t3", "t4", "t5"],
  );
  assert.ok(rest[0]!.remainingMs > 29_000 && rest[0]!.remainingMs <= 30_000);
  assert.equal(broker.engine.delayed.cancel(rest[0]!.id), true);
  assert.equal(broker.engine.delayed.cancel(rest[0]!.id), false);
  assert.equal(broker.engine.delayed.count, 4);
});

test("a Will below $delayed/ waits from when it is published", () => {
  const broker = new TestBroker();
  const receiver = broker.connect("r");
  receiver.subscribe("gone", 0);
  const client = broker.connect("c", 5, {
    will: { topicName: "$delayed/30/gone", payload: new Uint8Array([0x77]), qos: 0, retain: false },
  });
  client.drop();
  broker.advance(29_000);
  assert.deepEqual(receiver.told(), []);
  broker.advance(1100);
  assert.deepEqual(receiver.told(), ["PUBLISH gone 'w' qos0"]);
});

test("a Topic Name below $delayed/ that cannot be read ends the connection", () => {
  const broker = new TestBroker();
  const publisher = broker.connect("p");
  publisher.sendPublish("$delayed/soon/a", "x");
  assert.deepEqual(publisher.told(), ["DISCONNECT 0x90", "CLOSED"]);
});
