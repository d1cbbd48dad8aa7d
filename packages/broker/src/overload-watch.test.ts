import assert from "node:assert/strict";
import { test } from "node:test";
import { OverloadWatch } from "./overload-watch.ts";
import { TestBroker } from "./test-broker.test-support.ts";

for (const [queuedBytes, expected] of [
  [1000, [1, 2, 3]],
  [0, [0, 0, 0]],
] as const)
  test(`with limits.queuedBytes ${queuedBytes} the broker looks each second, and ${expected[0] === 1 ? "goes one step further" : "that does not count"}`, () => {
    const broker = new TestBroker({ settings: { limits: { queuedBytes } } });
    new OverloadWatch(broker.engine).begin();
    const client = broker.connect("c", 4, { cleanStart: false });
    client.subscribe("a", 1);
    client.brokerLink.stall();
    broker.connect("p").sendPublish("a", "x".repeat(2000), { qos: 1 });
    broker.settle();
    const levels = expected.map(() => {
      broker.advance(1000);
      return broker.engine.overload.level;
    });
    assert.deepEqual(levels, expected);
  });
