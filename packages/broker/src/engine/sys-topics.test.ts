import assert from "node:assert/strict";
import { test } from "node:test";
import { TestBroker } from "../test-broker.test-support.ts";

test("[X-131] figures stand below $SYS/broker/, retained, every sys.interval, and `#` does not show them", () => {
  const broker = new TestBroker({ settings: { sys: { interval: 10_000 } } });
  const everything = broker.connect("everything");
  everything.subscribe("#", 0);
  const watcher = broker.connect("watcher");
  watcher.subscribe("$SYS/broker/clients/connected", 0);
  watcher.subscribe("$SYS/broker/subscriptions/count", 0);
  broker.advance(10_010);
  assert.deepEqual(watcher.told(), [
    "PUBLISH $SYS/broker/clients/connected '2' qos0",
    "PUBLISH $SYS/broker/subscriptions/count '3' qos0",
  ]);
  broker.connect("third");
  broker.advance(10_010);
  assert.deepEqual(
    watcher.told(),
    ["PUBLISH $SYS/broker/clients/connected '3' qos0"],
    "what did not change is not told again",
  );
  const late = broker.connect("late");
  late.subscribe("$SYS/broker/clients/connected", 0);
  assert.deepEqual(late.told(), ["PUBLISH $SYS/broker/clients/connected '3' qos0 retain"]);
  assert.deepEqual(everything.told(), []);
});

test("sys.interval 0 turns the figures off", () => {
  const broker = new TestBroker({ settings: { sys: { interval: 0 } } });
  const watcher = broker.connect("watcher");
  watcher.subscribe("$SYS/#", 0);
  broker.advance(600_000);
  assert.deepEqual(watcher.told(), []);
});

test("[X-75] [X-107] clients may not publish to $SYS, nor to other $-topics unless the setting opens them", () => {
  const closed = new TestBroker();
  const client = closed.connect("c");
  client.subscribe("$SYS/#", 0);
  client.subscribe("$own/#", 0);
  client.sendPublish("$SYS/broker/version", "mine", { qos: 1, id: 1 });
  client.sendPublish("$own/x", "mine", { qos: 1, id: 2 });
  assert.deepEqual(client.told(), ["PUBACK 1 0x87", "PUBACK 2 0x87"]);
  const open = new TestBroker({ settings: { mqtt: { allowDollarTopics: true } } });
  const other = open.connect("c");
  other.subscribe("$own/#", 0);
  other.sendPublish("$SYS/broker/version", "mine", { qos: 1, id: 1 });
  other.sendPublish("$own/x", "mine", { qos: 1, id: 2 });
  assert.deepEqual(other.told().toSorted(), [
    "PUBACK 1 0x87",
    "PUBACK 2",
    "PUBLISH $own/x 'mine' qos0",
  ]);
});

test("presence tells who comes and goes, where it is on", () => {
  const broker = new TestBroker({ settings: { sys: { presence: true, node: "n1" } } });
  const watcher = broker.connect("watcher");
  watcher.subscribe("$SYS/brokers/+/clients/+/+", 0);
  const client = broker.connect("some/client", 4, { username: "u" });
  client.leave();
  const [came, went] = watcher.takePublishes();
  assert.equal(came?.topicName, "$SYS/brokers/n1/clients/some_client/connected");
  const details = JSON.parse(Buffer.from(came.payload).toString()) as Record<string, unknown>;
  assert.equal(details["clientid"], "some/client");
  assert.equal(details["username"], "u");
  assert.equal(details["proto_ver"], 4);
  assert.equal(went?.topicName, "$SYS/brokers/n1/clients/some_client/disconnected");
  const off = new TestBroker();
  const other = off.connect("watcher");
  other.subscribe("$SYS/#", 0);
  off.connect("c").leave();
  assert.deepEqual(other.told(), []);
});
