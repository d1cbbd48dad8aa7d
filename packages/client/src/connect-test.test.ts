import assert from "node:assert/strict";
import { test } from "node:test";
import { testConnection } from "./connect-test.ts";
import { FakeServer } from "./testing/fake-server.ts";

test("a test of a connection tells what the server announced, and leaves nothing behind", async () => {
  const server = new FakeServer();
  server.connack = { properties: { receiveMaximum: 7 } };
  const tested = testConnection(server.platform, {
    dial: server.dial,
    cleanStart: false,
    will: { topicName: "gone" },
  });
  await server.world.advance(3000);
  const { connack, elapsedMs } = await tested;
  assert.equal(connack.properties?.receiveMaximum, 7);
  assert.ok(elapsedMs >= 0);
  const { connect } = server.connection;
  assert.equal(connect.cleanStart, true);
  assert.equal(connect.will, undefined);
  assert.equal(server.connection.of("disconnect").length, 1);
  await server.world.advance(60_000);
  assert.equal(server.dials, 1);
});

test("a test of a connection that is refused says why", async () => {
  const server = new FakeServer();
  server.connack = { reasonCode: 0x87 };
  const refused = assert.rejects(testConnection(server.platform, { dial: server.dial }), {
    code: "ERR_CONNECT_REFUSED",
    reasonCode: 0x87,
  });
  await server.world.settle();
  await refused;
});
