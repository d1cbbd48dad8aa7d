import assert from "node:assert/strict";
import { test } from "node:test";
import type { Client } from "./client.ts";
import type { ConnectAttempt, ConnectOptions, RefreshedOptions } from "./options.ts";
import { FakeServer } from "./testing/fake-server.ts";

/** What became of a promise, looked at later. */
function settled(promise: Promise<unknown>): { readonly value: string } {
  const state = { value: "pending" };
  promise.then(
    () => (state.value = "fulfilled"),
    (error: { code?: string }) => (state.value = error.code ?? "rejected"),
  );
  return state;
}

/** A connected client: servers that fail are passed over in no time, but in some turns. */
async function connected(server: FakeServer, options: ConnectOptions): Promise<Client> {
  const client = server.open(options);
  await server.world.advance(20);
  return await client;
}

const three = ["mqtt://a", "mqtt://b", "mqtt://c"];
const [a, b, c] = ["mqtt://a:1883", "mqtt://b:1883", "mqtt://c:1883"] as const;

test("the first connection tries each server once, at once, whatever reconnect says", async () => {
  const server = new FakeServer();
  server.downAddresses.add(a).add(b);
  const client = await connected(server, { url: three, reconnect: false });
  assert.deepEqual(server.addresses, [a, b, c]);
  assert.equal(client.url, c);
});

test("where no server can be reached at first, connect rejects after one round", async () => {
  const server = new FakeServer();
  server.isDown = true;
  const opened = settled(server.open({ url: three }));
  await server.world.advance(100_000);
  assert.equal(opened.value, "ERR_CONNECTION_FAILED");
  assert.deepEqual(server.addresses, [a, b, c]);
});

test("after a lost connection the next servers are tried, and a wait follows when all have failed", async () => {
  const server = new FakeServer();
  const client = await server.connect({ url: three });
  const waits: number[] = [];
  client.on("reconnecting", ({ delayMs }) => waits.push(delayMs));
  server.isDown = true;
  server.connection.link.destroy();
  await server.world.advance(1600);
  assert.deepEqual(server.addresses, [a, b, c, a, b, c, a]);
  assert.deepEqual(waits, [500, 0, 0, 1000, 0, 0, 2000]);
});

test("the credentials of an address go to its server, and options count before them", async () => {
  const server = new FakeServer();
  server.downAddresses.add(a);
  await connected(server, { url: ["mqtt://u1:p1@a", "mqtt://u2:p2@b"] });
  assert.equal(server.connection.connect.username, "u2");
  assert.equal(String(server.connection.connect.password), "112,50");
  await server.connect({ url: "mqtt://u1@b", username: "mine" });
  assert.equal(server.connection.connect.username, "mine");
});

test("refresh gives the options of each attempt, and is told of it", async () => {
  const server = new FakeServer();
  const asked: unknown[] = [];
  const client = await server.connect({
    url: three,
    username: "old",
    refresh: ({ attempt, url, error }: ConnectAttempt): RefreshedOptions | undefined => {
      asked.push([attempt, url, error === undefined ? undefined : "error"]);
      if (attempt === 1) return { username: "first", clientId: "signed-1", keepAlive: 7 };
      if (attempt === 2) return { clientId: "signed-2", will: { topicName: "w" } };
      return undefined;
    },
  });
  const first = server.connection.connect;
  assert.deepEqual([first.username, first.clientId, first.keepAlive], ["first", "signed-1", 7]);
  assert.equal(client.clientId, "signed-1");
  server.connection.link.destroy();
  await server.world.advance(2000);
  const second = server.connection.connect;
  assert.deepEqual([second.username, second.clientId], ["old", "signed-2"]);
  assert.equal(second.will?.topicName, "w");
  assert.deepEqual(asked, [
    [1, a, undefined],
    [2, b, "error"],
  ]);
});

test("refresh may move the client; the same servers again keep their turns", async () => {
  const server = new FakeServer();
  const client = await server.connect({ url: a, refresh: async () => ({ url: [b, c] }) });
  assert.equal(client.url, b);
  server.connection.link.destroy();
  await server.world.advance(2000);
  assert.equal(client.url, c);
});

for (const [what, refresh] of [
  ["throws", () => Promise.reject(new Error("no token"))],
  ["takes too long", () => new Promise<undefined>(() => {})],
] as const) {
  test(`an attempt whose refresh ${what} has failed, and another one follows`, async () => {
    const server = new FakeServer();
    let isWell = true;
    const client = await server.connect({ refresh: () => (isWell ? undefined : refresh()) });
    isWell = false;
    const errors: unknown[] = [];
    client.on("reconnecting", ({ error }) => errors.push((error as { code?: string }).code));
    server.connection.link.destroy();
    await server.world.advance(12_000);
    assert.equal(errors[1], "ERR_REFRESH_FAILED");
    assert.equal(server.connections.length, 1);
    isWell = true;
    await server.world.advance(20_000);
    assert.equal(client.state, "connected");
  });
}

test("refresh that gives what cannot be is a mistake that ends the client", async () => {
  const server = new FakeServer();
  const opened = settled(server.open({ refresh: () => ({ keepAlive: -1 }) }));
  await server.world.settle();
  assert.equal(opened.value, "ERR_USAGE");
});

test("a client that is closed while refresh is asked does not connect any more", async () => {
  const server = new FakeServer();
  let answer: () => void = () => {};
  let isFirst = true;
  const client = await server.connect({
    refresh: () => {
      if (isFirst) return undefined;
      return new Promise<undefined>((resolve) => (answer = () => resolve(undefined)));
    },
  });
  isFirst = false;
  server.connection.link.destroy();
  await server.world.advance(1000);
  await client.close();
  answer();
  await server.world.advance(20_000);
  assert.equal(server.dials, 1);
});

test("[X-130] a server that does not speak the version is asked for those below, where that is wanted", async () => {
  for (const protocolFallback of [true, false]) {
    const server = new FakeServer();
    server.answers.delete("connect");
    const opened = server.open({ protocolFallback });
    const outcome = settled(opened);
    await server.world.settle();
    server.connection.send({ type: "connack", sessionPresent: false, reasonCode: 0x84 });
    await server.world.advance(20);
    if (!protocolFallback) {
      assert.equal(outcome.value, "ERR_CONNECT_REFUSED");
      continue;
    }
    assert.equal(server.connection.connect.protocolVersion, 4);
    server.connection.send({ type: "connack", sessionPresent: false, reasonCode: 1 });
    await server.world.advance(20);
    assert.equal(server.connection.connect.protocolVersion, 3);
    server.connection.send({ type: "connack", sessionPresent: false, reasonCode: 0 });
    await server.world.settle();
    const client = await opened;
    assert.equal(client.protocolVersion, 3);
    server.answers.add("connect");
    server.connection.link.destroy();
    await server.world.advance(2000);
    assert.equal(server.connection.connect.protocolVersion, 3);
  }
});

test("a server that refuses 5.0 in the form of 3.1.1 is understood", async () => {
  const server = new FakeServer();
  server.answers.delete("connect");
  const opened = server.open();
  await server.world.settle();
  const refused = assert.rejects(opened, { code: "ERR_CONNECT_REFUSED", reasonCode: 0x84 });
  server.connection.sendHex("20 02 00 01");
  await server.world.settle();
  await refused;
});

for (const [reasonCode, isInConnack] of [
  [0x9c, true],
  [0x9d, true],
  [0x9c, false],
  [0x9d, false],
] as const) {
  const packet = isInConnack ? "CONNACK" : "DISCONNECT";
  test(`${packet} 0x${reasonCode.toString(16)} leads to the server that it names, at once`, async () => {
    const server = new FakeServer();
    const properties = { serverReference: "other:1234" };
    if (isInConnack) server.connack = { reasonCode, properties };
    const opened = server.open({ url: three, followServerReference: true, reconnect: {} });
    await server.world.settle();
    if (!isInConnack) server.connection.send({ type: "disconnect", reasonCode, properties });
    server.connack = {};
    await server.world.advance(20);
    const client = await opened;
    assert.deepEqual(server.addresses.slice(0, 2), [a, "mqtt://other:1234"]);
    assert.equal(client.state, "connected");
    server.downAddresses.add("mqtt://other:1234");
    for (let i = 0; i < 3; i++) {
      server.connection.link.destroy();
      await server.world.advance(10_000);
    }
    // What has moved for good is not asked for again.
    assert.equal(server.addresses.includes(a, 1), reasonCode === 0x9c);
  });
}

test("redirections in a circle end in waits", async () => {
  const server = new FakeServer();
  server.connack = { reasonCode: 0x9c, properties: { serverReference: "b" } };
  const opened = settled(
    server.open({ url: "mqtt://a", followServerReference: true, reconnect: { fromStart: true } }),
  );
  await server.world.advance(200);
  assert.equal(server.addresses.length, 6);
  await server.world.advance(600);
  assert.equal(server.addresses.length, 7);
  assert.equal(opened.value, "pending");
});

test("a redirection is not followed unasked, and a policy that fails is told of", async () => {
  for (const followServerReference of [false, () => "nonsense"] as const) {
    const server = new FakeServer();
    const client = await server.connect({ url: a, followServerReference });
    server.connection.send({
      type: "disconnect",
      reasonCode: 0x9c,
      properties: { serverReference: "b" },
    });
    await server.world.advance(5000);
    assert.equal(client.state, "closed");
    assert.equal(server.errors.length, followServerReference === false ? 0 : 1);
  }
});

test("an answer of refresh that comes too late changes nothing", async () => {
  const server = new FakeServer();
  const answers: ((options: RefreshedOptions) => void)[] = [];
  const opened = server.open({
    url: a,
    connectTimeoutMs: 1000,
    reconnect: { fromStart: true },
    refresh: () => new Promise((resolve) => answers.push(resolve)),
  });
  await server.world.advance(2000);
  answers[1]!({ username: "second" });
  await server.world.settle();
  const client = await opened;
  answers[0]!({ username: "first", url: "mqtt://elsewhere" });
  await server.world.settle();
  assert.equal(server.connection.connect.username, "second");
  assert.equal(client.url, a);
});

test("options that only the refused version has keep the client from falling back", async () => {
  const server = new FakeServer();
  server.connack = { reasonCode: 0x84 };
  const refused = assert.rejects(server.open({ protocolFallback: true, password: "alone" }), {
    code: "ERR_CONNECT_REFUSED",
  });
  await server.world.advance(100);
  await refused;
  assert.equal(server.dials, 1);
});

test("a giveUp that throws is told of, and the client decides", async () => {
  const server = new FakeServer();
  const fault = new Error("in giveUp");
  const giveUp = (): never => {
    throw fault;
  };
  const client = await server.connect({ reconnect: { giveUp } });
  server.connection.link.destroy();
  await server.world.advance(2000);
  assert.deepEqual(server.errors, [fault]);
  assert.equal(client.state, "connected");
});

test("giveUp decides whether there is another attempt", async () => {
  for (const [reasonCode, answer, state] of [
    [0x87, false, "connected"],
    [0x8b, true, "closed"],
    [0x87, undefined, "closed"],
  ] as const) {
    const server = new FakeServer();
    const client = await server.connect({ reconnect: { giveUp: () => answer } });
    server.connection.send({ type: "disconnect", reasonCode });
    await server.world.advance(5000);
    assert.equal(client.state, state);
  }
});

test("a server that is busy is not asked again before five seconds", async () => {
  const server = new FakeServer();
  await server.connect();
  server.connection.send({ type: "disconnect", reasonCode: 0x89 });
  await server.world.advance(4999);
  assert.equal(server.dials, 1);
  await server.world.advance(5001);
  assert.equal(server.dials, 2);
});

test("reconnect() leaves in order and connects at once, to another server if it is given one", async () => {
  const server = new FakeServer();
  const client = await server.connect({ url: a });
  const told: unknown[] = [];
  client.on("disconnected", ({ error, willReconnect }) => told.push([error, willReconnect]));
  const left = server.connection;
  const done = settled(client.reconnect("mqtt://b"));
  await server.world.settle();
  await server.world.advance(20);
  assert.equal(done.value, "fulfilled");
  assert.equal(left.of("disconnect").length, 1);
  assert.deepEqual(server.addresses, [a, b]);
  assert.deepEqual(told, [[undefined, true]]);
  await server.world.advance(5000);
  assert.equal(left.isClosed, true);
  assert.equal(client.state, "connected");
});

test("reconnect() ends the wait for the next attempt, and waits on where that fails", async () => {
  const server = new FakeServer();
  const client = await server.connect({ url: a });
  server.isDown = true;
  server.connection.link.destroy();
  await server.world.advance(100_000);
  const dials = server.addresses.length;
  const done = settled(client.reconnect());
  await server.world.settle();
  assert.equal(server.addresses.length, dials + 1);
  assert.equal(done.value, "pending");
  server.isDown = false;
  // The waits are short again.
  await server.world.advance(600);
  assert.equal(done.value, "fulfilled");
});

test("reconnect() gives up an attempt that is under way", async () => {
  const server = new FakeServer();
  const client = await server.connect({ url: a });
  server.answers.delete("connect");
  server.connection.link.destroy();
  await server.world.advance(1000);
  server.answers.add("connect");
  const stuck = server.connection;
  const done = settled(client.reconnect());
  await server.world.advance(20);
  assert.equal(done.value, "fulfilled");
  assert.notEqual(server.connection, stuck);
  assert.equal(stuck.isClosed, true);
});

test("reconnect() works where the client would not by itself, and rejects once it is closed", async () => {
  const server = new FakeServer();
  const client = await server.connect({ url: a, reconnect: false });
  const done = settled(client.reconnect());
  await server.world.advance(20);
  assert.equal(done.value, "fulfilled");
  server.isDown = true;
  const failed = settled(client.reconnect());
  await server.world.advance(10_000);
  assert.equal(failed.value, "ERR_CLIENT_CLOSED");
  await assert.rejects(client.reconnect(), { code: "ERR_CLIENT_CLOSED" });
});

for (const protocolVersion of [4, 5] as const) {
  test(`[MQTT5-3.14.4-1] [MQTT5-3.14.4-2] [MQTT3-3.14.4-1] [MQTT3-3.14.4-2] nothing follows DISCONNECT but the end of the transport, version ${protocolVersion}`, async () => {
    const server = new FakeServer();
    const client = await server.connect({ protocolVersion });
    const { connection } = server;
    const left = settled(client.disconnect());
    await server.world.settle();
    connection.publish("t", "x", { qos: 1, packetIdentifier: 1 });
    const published = settled(client.publish("t", "late", { qos: 1 }));
    await server.world.advance(100_000);
    assert.equal(connection.received.at(-1)?.type, "disconnect");
    assert.equal(connection.isClosed, true);
    assert.deepEqual([left.value, published.value], ["fulfilled", "ERR_CLIENT_CLOSED"]);
  });
}

test("reconnect() with what is no address is refused, and nothing is lost by it", async () => {
  const server = new FakeServer();
  const client = await server.connect({ url: a });
  await assert.rejects(client.reconnect("nonsense"), { code: "ERR_USAGE" });
  await assert.rejects(client.reconnect([]), { code: "ERR_USAGE" });
  assert.equal(client.state, "connected");
  const own = await server.connect();
  await assert.rejects(own.reconnect("mqtt://b"), { code: "ERR_USAGE" });
});

/** A client on a platform that can be woken. */
async function waking(options = {}): Promise<[FakeServer, Client, () => void]> {
  const server = new FakeServer();
  const listeners = new Set<() => void>();
  Object.assign(server.platform, {
    onWake: (listener: () => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  });
  const client = await server.connect(options);
  const wake = (): void => listeners.forEach((listener) => listener());
  return [server, client, wake];
}

test("a network that is back ends the wait for the next attempt", async () => {
  const [server, client, wake] = await waking();
  server.isDown = true;
  server.connection.link.destroy();
  await server.world.advance(100_000);
  server.isDown = false;
  wake();
  await server.world.settle();
  assert.equal(client.state, "connected");
});

test("a connection in doubt is probed, also without Keep Alive, and lost where no answer comes", async () => {
  for (const keepAlive of [0, 60]) {
    const [server, client, wake] = await waking({ keepAlive, ackTimeoutMs: 3000 });
    wake();
    await server.world.advance(3100);
    assert.equal(server.connection.of("pingreq").length, 1);
    assert.equal(client.state, "connected");
    server.answers.delete("pingreq");
    const errors: unknown[] = [];
    client.on("disconnected", ({ error }) => errors.push((error as { code?: string }).code));
    wake();
    await server.world.advance(2900);
    assert.deepEqual(errors, []);
    await server.world.advance(200);
    assert.deepEqual(errors, ["ERR_KEEP_ALIVE_TIMEOUT"]);
  }
});

test("a timer that fires much too late has the client ask once more before it gives the server up", async () => {
  const server = new FakeServer();
  const client = await server.connect({ keepAlive: 10, ackTimeoutMs: 3000 });
  server.answers.delete("pingreq");
  await server.world.advance(9000);
  assert.equal(server.connection.of("pingreq").length, 1);
  server.world.sleep(60_000);
  await server.world.settle();
  assert.equal(client.state, "connected");
  assert.equal(server.connection.of("pingreq").length, 2);
  await server.world.advance(3100);
  assert.notEqual(client.state, "connected");
});

test("a Will by function is asked for with each attempt, and one that throws makes it fail", async () => {
  const server = new FakeServer();
  let count = 0;
  const client = await server.connect({
    will: () => {
      count++;
      if (count === 2) throw new Error("not now");
      return count === 3 ? undefined : { topicName: "gone", payload: String(count) };
    },
  });
  const payloads: (string | undefined)[] = [];
  const errors: unknown[] = [];
  client.on("reconnecting", ({ error }) => errors.push((error as { code?: string }).code));
  for (let connections = 1; connections < 4; connections = server.connections.length) {
    const { will } = server.connection.connect;
    payloads.push(will && new TextDecoder().decode(will.payload));
    server.connection.link.destroy();
    await server.world.advance(60_000);
  }
  assert.deepEqual(payloads, ["1", undefined, "4"].slice(0, payloads.length));
  assert.ok(payloads.length >= 2);
  assert.ok(errors.includes("ERR_REFRESH_FAILED"));
});

test("a refusal of the credentials is not the end where there are others for each attempt", async () => {
  for (const refreshed of [true, false]) {
    const server = new FakeServer();
    const passwords: string[] = [];
    const client = await server.connect({
      username: "u",
      password: "old",
      ...(refreshed ? { refresh: ({ attempt }) => ({ password: `token ${attempt}` }) } : {}),
    });
    server.connack = { reasonCode: 0x86 };
    server.connection.link.destroy();
    await server.world.advance(2000);
    assert.equal(client.state, refreshed ? "disconnected" : "closed");
    if (!refreshed) continue;
    server.connack = {};
    await server.world.advance(10_000);
    assert.equal(client.state, "connected");
    for (const { connect } of server.connections)
      passwords.push(new TextDecoder().decode(connect.password));
    assert.ok(passwords.length >= 3, passwords.join());
    assert.equal(new Set(passwords).size, passwords.length);
  }
});

test("a refusal says what the code means, and where the server sends the client", async () => {
  for (const [protocolVersion, connack, message] of [
    [5, { reasonCode: 0x87 }, "the server refused the connection: not authorized (0x87)"],
    [
      5,
      { reasonCode: 0x86, properties: { reasonString: "expired" } },
      "the server refused the connection: bad user name or password (0x86), expired",
    ],
    [
      5,
      { reasonCode: 0x9c, properties: { serverReference: "b.example" } },
      "the server refused the connection: use another server (0x9c); it sends you to b.example (followServerReference)",
    ],
    [4, { reasonCode: 5 }, "the server refused the connection: not authorized (0x05)"],
  ] as const) {
    const server = new FakeServer();
    server.connack = connack;
    const opened = server.open({ protocolVersion });
    const refused = assert.rejects(opened, { message });
    await server.world.settle();
    await refused;
  }
});

test("a connection that is closed before CONNACK says what that mostly means", async () => {
  const server = new FakeServer();
  server.answers.delete("connect");
  const refused = assert.rejects(server.open(), { message: /before CONNACK: perhaps TLS/ });
  await server.world.settle();
  server.connection.link.destroy();
  await server.world.settle();
  await refused;
});

test("a client that begins in the background takes messages and subscriptions before there is a network", async () => {
  const server = new FakeServer();
  server.isDown = true;
  const client = await server.open({ reconnect: { fromStart: "background" } });
  assert.equal(client.state, "connecting");
  const attempts: number[] = [];
  client.on("reconnecting", ({ attempt }) => attempts.push(attempt));
  const published = client.publish("a", "early", { qos: 1 });
  const subscribed = client.subscribe("b", () => {});
  await server.world.advance(2000);
  assert.ok(attempts.length >= 2);
  server.isDown = false;
  await server.world.advance(60_000);
  assert.equal((await published).reasonCode, 0);
  assert.deepEqual((await subscribed).grantedQos, [0]);
  assert.equal(client.state, "connected");
  await assert.rejects(server.open({ reconnect: { fromStart: "background" }, keepAlive: -1 }), {
    code: "ERR_USAGE",
  });
});
