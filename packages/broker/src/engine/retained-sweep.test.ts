import assert from "node:assert/strict";
import { test } from "node:test";
import { TestBroker } from "../test-broker.test-support.ts";

test("[X-46] expired retained messages go within a minute, though nobody asks for them; then no timer is left", () => {
  const broker = new TestBroker();
  const publisher = broker.connect("p");
  for (let i = 0; i < 5000; i++) {
    publisher.sendPublish(`t/${i}`, "x", {
      retain: true,
      properties: i % 2 === 0 ? { messageExpiryInterval: 30 } : {},
    });
  }
  publisher.sendPublish("later", "x", { retain: true, properties: { messageExpiryInterval: 100 } });
  broker.settle();
  assert.equal(broker.engine.retained.count, 5001);
  broker.advance(61_000);
  assert.equal(broker.engine.retained.count, 2501);
  broker.advance(60_000);
  assert.equal(broker.engine.retained.count, 2500);
  assert.equal(broker.engine.wheel.size, 0, "nothing that can expire is left");
});

test("a message that does not fit any more takes the one before it along: it is not the topic's last", () => {
  const broker = new TestBroker({ settings: { limits: { retainedBytes: 200 } } });
  const client = broker.connect("c");
  client.sendPublish("t", "small", { retain: true });
  client.sendPublish("t", new Uint8Array(300), { retain: true });
  client.take();
  client.subscribe("t", 0);
  assert.deepEqual(client.told(), []);
  assert.equal(broker.engine.retained.bytes, 0);
});
