import assert from "node:assert/strict";
import { test } from "node:test";
import { TestBroker } from "../test-broker.test-support.ts";

test("smoke", () => {
  const broker = new TestBroker();
  const client = broker.connect("c", 5, { keepAlive: 10 });
  broker.advance(15_000);
  assert.deepEqual(client.told(), ["DISCONNECT 0x8d", "CLOSED"]);
});
