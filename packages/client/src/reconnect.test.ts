import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff, hopelessReasonCodes } from "./reconnect.ts";
import { FakeServer } from "./testing/fake-server.ts";

test("waits double up to their bound, each a share of it by chance", () => {
  const backoff = new Backoff({ minDelayMs: 1000, maxDelayMs: 120_000 }, () => 0.5);
  const waits = Array.from({ length: 9 }, () => backoff.next());
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  backoff.connectionEnded(9000);
  assert.equal(backoff.next(), 60_000);
  backoff.connectionEnded(10_000);
  assert.equal(backoff.next(), 500);
  assert.equal(new Backoff({ minDelayMs: 1000, maxDelayMs: 2000 }, () => 0).next(), 0);
});

test("a server that is busy is left alone for half of the bound at least, ten first waits long", () => {
  for (const [random, waits] of [
    [0, [5000, 5000, 5000, 5000, 8000, 10_000]],
    [1, [10_000, 10_000, 10_000, 10_000, 16_000, 20_000]],
  ] as const) {
    const backoff = new Backoff({ minDelayMs: 1000, maxDelayMs: 20_000 }, () => random);
    assert.deepEqual(
      Array.from({ length: 6 }, () => backoff.next(true)),
      waits,
    );
  }
});

test("a lost connection is made again, with longer and longer waits, and listeners are told", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  const told: string[] = [];
  client.on("disconnected", ({ error, willReconnect }) =>
    told.push(`disconnected ${(error as { code?: string }).code} ${willReconnect}`),
  );
  client.on("reconnecting", ({ attempt, delayMs }) =>
    told.push(`attempt ${attempt} in ${delayMs}`),
  );
  client.on("connected", ({ isReconnect }) => told.push(`connected ${isReconnect}`));
  server.isDown = true;
  await server.world.advance(20_000);
  server.connection.link.destroy();
  await server.world.settle();
  assert.equal(client.state, "disconnected");
  await server.world.advance(4000);
  assert.equal(server.dials, 4);
  server.isDown = false;
  await server.world.advance(4000);
  assert.equal(client.state, "connected");
  assert.deepEqual(told, [
    "disconnected ERR_CONNECTION_LOST true",
    "attempt 1 in 500",
    "attempt 2 in 1000",
    "attempt 3 in 2000",
    "attempt 4 in 4000",
    "connected true",
  ]);
});

test("the process is kept alive while the client waits to connect again, and not longer", async () => {
  const server = new FakeServer();
  let awake = 0;
  Object.assign(server.platform, {
    stayAwake: () => {
      awake++;
      return () => awake--;
    },
  });
  const client = await server.connect();
  assert.equal(awake, 0);
  server.connection.link.destroy();
  await server.world.settle();
  assert.equal(awake, 1);
  await server.world.advance(1000);
  assert.equal(client.state, "connected");
  assert.equal(awake, 0);
  server.connection.link.destroy();
  await server.world.settle();
  await client.close();
  assert.equal(awake, 0);
});

test("a server that is down at first is waited for where that is wanted", async () => {
  const server = new FakeServer();
  server.isDown = true;
  const opened = server.open({ reconnect: { fromStart: true } });
  await server.world.advance(10_000);
  server.isDown = false;
  await server.world.advance(20_000);
  assert.equal((await opened).state, "connected");
});

test("after so many attempts the client gives up, and everything ends with the reason", async () => {
  const server = new FakeServer();
  const client = await server.connect({ reconnect: { maxAttempts: 2 } });
  const subscribed = client.subscribe("a");
  await server.world.settle();
  const iterated = assert.rejects((await subscribed)[Symbol.asyncIterator]().next(), {
    code: "ERR_CLIENT_CLOSED",
  });
  const closed: unknown[] = [];
  client.on("closed", ({ error }) => closed.push((error as { code?: string }).code));
  server.isDown = true;
  server.connection.link.destroy();
  await server.world.settle();
  const published = assert.rejects(client.publish("t", "x", { qos: 1 }), {
    code: "ERR_CLIENT_CLOSED",
  });
  await server.world.advance(10_000);
  await Promise.all([iterated, published]);
  assert.equal(server.dials, 3);
  assert.equal(client.state, "closed");
  assert.deepEqual(closed, ["ERR_CONNECTION_FAILED"]);
});

test("reconnect: false has one connection and no other", async () => {
  const server = new FakeServer();
  const client = await server.connect({ reconnect: false });
  server.connection.link.destroy();
  await server.world.advance(100_000);
  assert.equal(client.state, "closed");
  assert.equal(server.dials, 1);
});

for (const [reasonCode, goesOn] of [
  [0x8e, false], // taken over: the other one would be thrown out in its turn
  [0x9d, false],
  [0x8b, true],
  [0x89, true],
  [0x00, true],
] as const) {
  test(`[X-67] after DISCONNECT 0x${reasonCode.toString(16)} the client ${goesOn ? "connects again" : "is done"}`, async () => {
    const server = new FakeServer();
    const client = await server.connect();
    server.connection.send({ type: "disconnect", reasonCode });
    await server.world.settle();
    assert.equal(server.connection.isClosed, true);
    await server.world.advance(20_000);
    assert.equal(client.state, goesOn ? "connected" : "closed");
    assert.equal(hopelessReasonCodes.has(reasonCode), !goesOn);
  });
}

for (const [protocolVersion, code, goesOn] of [
  [5, 0x88, true],
  [5, 0x86, false],
  [4, 3, true],
  [4, 5, false],
] as const) {
  test(`version ${protocolVersion}: CONNACK ${code} on connecting again ${goesOn ? "is tried again" : "ends the client"}`, async () => {
    const server = new FakeServer();
    const client = await server.connect({ protocolVersion });
    server.connack = { reasonCode: code };
    server.connection.link.destroy();
    await server.world.advance(1000);
    server.connack = {};
    await server.world.advance(5000);
    assert.equal(client.state, goesOn ? "connected" : "closed");
  });
}

test("cleanStart: 5.0 resumes after the first connection, 3.1.1 begins anew each time", async () => {
  for (const protocolVersion of [4, 5] as const) {
    const server = new FakeServer();
    await server.connect({ protocolVersion, cleanStart: true });
    assert.equal(server.connection.connect.cleanStart, true);
    server.connection.link.destroy();
    await server.world.advance(1000);
    assert.equal(server.connections.length, 2);
    assert.equal(server.connection.connect.cleanStart, protocolVersion === 4);
  }
});

test("a client that is closed by a listener while it reconnects stays closed", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  client.on("disconnected", () => void client.close());
  server.connection.link.destroy();
  await server.world.advance(10_000);
  assert.equal(client.state, "closed");
  assert.equal(server.dials, 1);
});
