import assert from "node:assert/strict";
import { test } from "node:test";
import { TestBroker, VERSIONS } from "../test-broker.test-support.ts";
import { sysFigures } from "./sys-figures.ts";

const figureNames = Object.keys(sysFigures);

const telling = (more: object = {}) => ({ settings: { sys: { interval: 10_000, ...more } } });

test("[X-131] every sys.interval the broker tells its figures, retained, and a new subscriber has them at once", () => {
  const broker = new TestBroker(telling());
  const client = broker.connect("c");
  client.subscribe("$SYS/broker/#");
  broker.advance(10_000);
  const told = client.takePublishes();
  assert.deepEqual(
    told.map(({ topicName }) => topicName.replace("$SYS/broker/", "")).toSorted(),
    figureNames.toSorted(),
  );
  const late = broker.connect("late");
  late.sendSubscribe([["$SYS/broker/#", 0]]);
  const retained = late.take().filter((packet) => packet.type === "publish");
  assert.equal(retained.length, figureNames.length);
  assert.ok(retained.every((message) => message.retain));
});

test("figures are right, and those that stay are not told again", () => {
  const broker = new TestBroker(telling());
  const client = broker.connect("c");
  const away = broker.connect("away", 5, { properties: { sessionExpiryInterval: 1000 } });
  away.leave();
  client.subscribe("a");
  client.sendPublish("b", "x", { retain: true });
  client.subscribe("$SYS/broker/#");
  broker.advance(10_000);
  const figures = new Map(
    client
      .takePublishes()
      .map(({ topicName, payload }) => [
        topicName.replace("$SYS/broker/", ""),
        Buffer.from(payload).toString(),
      ]),
  );
  assert.equal(figures.get("clients/connected"), "1");
  assert.equal(figures.get("clients/total"), "2");
  assert.equal(figures.get("clients/disconnected"), "1");
  assert.equal(figures.get("subscriptions/count"), "2");
  assert.equal(figures.get("publish/messages/received"), "1");
  assert.match(figures.get("uptime")!, /^1[01] seconds$/);
  assert.match(figures.get("version")!, /^sericite /);
  broker.advance(10_000);
  const changed = client.takePublishes().map(({ topicName }) => topicName);
  assert.ok(changed.includes("$SYS/broker/uptime"));
  assert.equal(changed.includes("$SYS/broker/clients/total"), false);
});

test("limits that were met and drops are told by their names, and those that were not are not there", () => {
  const broker = new TestBroker({
    settings: { sys: { interval: 10_000 }, session: { subscriptionsMaximum: 1 } },
    hooks: { authorizePublish: () => false },
  });
  const watcher = broker.connect("w");
  watcher.subscribe("$SYS/broker/+/+");
  const client = broker.connect("c");
  for (const topicFilter of ["a", "b", "c"]) client.sendSubscribe([[topicFilter, 0]]);
  client.sendPublish("b", "x");
  broker.advance(10_000);
  const counted = watcher
    .takePublishes()
    .filter(({ topicName }) => /^\$SYS\/broker\/(limits|drops)\//.test(topicName))
    .map(({ topicName, payload }) => [topicName, Buffer.from(payload).toString()]);
  assert.deepEqual(counted, [
    ["$SYS/broker/limits/session.subscriptionsMaximum", "2"],
    ["$SYS/broker/drops/publish-denied", "1"],
  ]);
});

test("[MQTT3-4.7.2-1] [MQTT5-4.7.2-1] who subscribes to # does not get them", () => {
  const broker = new TestBroker(telling());
  const client = broker.connect("c");
  client.subscribe("#");
  client.subscribe("+/broker/uptime");
  broker.advance(60_000);
  assert.deepEqual(client.told(), []);
});

test("sys.interval 0 tells nothing, and can be switched on while the broker runs", () => {
  const broker = new TestBroker(telling({ interval: 0 }));
  const client = broker.connect("c");
  client.subscribe("$SYS/#");
  broker.advance(1_000_000);
  assert.deepEqual(client.told(), []);
  const { engine } = broker;
  engine.settings = { ...engine.settings, sys: { ...engine.settings.sys, interval: 1000 } };
  engine.sys.reschedule();
  broker.advance(1000);
  assert.ok(client.takePublishes().length > 0);
});

test("sys.presence tells who comes and goes, with address and reason", () => {
  const broker = new TestBroker(telling({ presence: true, node: "n1" }));
  const watcher = broker.connect("w");
  watcher.subscribe("$SYS/brokers/+/clients/#");
  const client = broker.connect("a/b+#c", 4, { username: "u", keepAlive: 30 });
  client.drop();
  const [connected, disconnected, ...others] = watcher.takePublishes();
  assert.deepEqual(others, []);
  assert.equal(connected!.topicName, "$SYS/brokers/n1/clients/a_b__c/connected");
  assert.equal(disconnected!.topicName, "$SYS/brokers/n1/clients/a_b__c/disconnected");
  const said = JSON.parse(Buffer.from(connected!.payload).toString()) as Record<string, unknown>;
  assert.deepEqual(
    { ...said, ts: 0 },
    {
      clientid: "a/b+#c",
      username: "u",
      ipaddress: "192.0.2.1",
      sockport: client.brokerLink.peer.port,
      proto_name: "MQTT",
      proto_ver: 4,
      keepalive: 30,
      session_present: false,
      ts: 0,
    },
  );
  assert.equal(said["ts"], broker.events.clock.wallTime());
  const left = JSON.parse(Buffer.from(disconnected!.payload).toString()) as Record<string, unknown>;
  assert.equal(left["clientid"], "a/b+#c");
});

test("without sys.presence nobody is told who comes and goes", () => {
  const broker = new TestBroker(telling());
  const watcher = broker.connect("w");
  watcher.subscribe("$SYS/brokers/#");
  broker.connect("c").leave();
  assert.deepEqual(watcher.told(), []);
});

test("no client publishes below $SYS, whatever it is allowed", () => {
  for (const version of VERSIONS) {
    const broker = new TestBroker({ settings: { mqtt: { allowDollarTopics: true } } });
    const watcher = broker.connect("w");
    watcher.subscribe("$SYS/#");
    const client = broker.connect("c", version);
    client.sendPublish("$SYS/broker/uptime", "x", { retain: true });
    client.sendPublish("$SYS", "x", { retain: true });
    broker.settle();
    assert.deepEqual(watcher.told(), []);
    assert.equal(broker.engine.retained.count, 0);
  }
});

test("figures are never recorded by a store", () => {
  const broker = new TestBroker({ durable: true, settings: { sys: { interval: 1000 } } });
  broker.advance(5000);
  assert.ok(broker.engine.retained.count > 0);
  assert.deepEqual(
    broker.store.records.filter(({ record }) => record.type !== "time-mark"),
    [],
  );
});
