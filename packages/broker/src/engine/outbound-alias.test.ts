import assert from "node:assert/strict";
import { test } from "node:test";
import { TestBroker } from "../test-broker.test-support.ts";

const LONG = "a/rather/long/topic/name";

test("[MQTT5-3.3.2-11] [MQTT5-3.1.2-26] a client that takes Topic Aliases gets one, then the alias alone", () => {
  const broker = new TestBroker();
  const client = broker.connect("c", 5, { properties: { topicAliasMaximum: 2 } });
  client.subscribe("#", 1);
  const publisher = broker.connect("p");
  for (let i = 0; i < 2; i++) publisher.sendPublish(LONG, `${i}`);
  publisher.sendPublish(LONG, "2", { qos: 1 });
  publisher.take();
  const got = client.takePublishes();
  assert.deepEqual(
    got.map(({ topicName, properties }) => [topicName, properties?.topicAlias]),
    [
      [LONG, 1],
      ["", 1],
      ["", 1],
    ],
  );
});

test("[MQTT5-3.1.2-27] [X-27] without Topic Alias Maximum there is none; nor where the setting says 0", () => {
  for (const broker of [
    new TestBroker(),
    new TestBroker({ settings: { mqtt: { topicAliasOutboundMaximum: 0 } } }),
  ]) {
    const none = broker.connect(
      "none",
      5,
      broker.engine.settings.mqtt.topicAliasOutboundMaximum === 0
        ? { properties: { topicAliasMaximum: 5 } }
        : {},
    );
    none.subscribe("#", 0);
    const publisher = broker.connect("p");
    for (let i = 0; i < 3; i++) publisher.sendPublish(LONG, "x");
    publisher.take();
    assert.ok(
      none
        .takePublishes()
        .every(({ topicName, properties }) => topicName === LONG && properties === undefined),
    );
  }
});

test("a message that is too large for the client sets no alias that it never saw", () => {
  const broker = new TestBroker();
  const client = broker.connect("c", 5, {
    properties: { topicAliasMaximum: 1, maximumPacketSize: 100 },
  });
  client.subscribe("#", 0);
  const publisher = broker.connect("p");
  publisher.sendPublish(LONG, new Uint8Array(90));
  publisher.sendPublish(LONG, "small");
  publisher.take();
  assert.deepEqual(
    client.takePublishes().map(({ topicName, properties }) => [topicName, properties?.topicAlias]),
    [[LONG, 1]],
  );
});

test("[MQTT5-3.3.2-7] what is sent again on the next connection names its topic", () => {
  const broker = new TestBroker();
  const options = {
    cleanStart: false,
    properties: { topicAliasMaximum: 1, sessionExpiryInterval: 60 },
  };
  const client = broker.connect("c", 5, options);
  client.subscribe("#", 1);
  const publisher = broker.connect("p");
  publisher.sendPublish(LONG, "1", { qos: 1, id: 1 });
  publisher.sendPublish(LONG, "2", { qos: 1, id: 2 });
  publisher.take();
  assert.equal(client.takePublishes().length, 2);
  client.drop();
  const again = broker.connect("c", 5, options);
  assert.deepEqual(
    again.takePublishes().map(({ topicName, dup }) => [topicName, dup]),
    [
      [LONG, true],
      [LONG, true],
    ],
  );
});
