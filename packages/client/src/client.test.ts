import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeServer } from "./testing/fake-server.ts";
import { topic } from "./topic.ts";

test("[MQTT5-3.1.0-1] [MQTT3-3.1.0-1] a client begins with CONNECT and is there after CONNACK", async () => {
  for (const protocolVersion of [3, 4, 5] as const) {
    const server = new FakeServer();
    const client = await server.connect({
      protocolVersion,
      clientId: "lamp",
      keepAlive: 30,
      username: "u",
      password: "p",
    });
    assert.equal(client.state, "connected");
    assert.equal(client.protocolVersion, protocolVersion);
    const { connect } = server.connection;
    assert.equal(connect.type, "connect");
    assert.equal(connect.protocolVersion, protocolVersion);
    assert.equal(connect.clientId, "lamp");
    assert.equal(connect.cleanStart, true);
    assert.equal(connect.keepAlive, 30);
    assert.equal(connect.username, "u");
    await client.close();
  }
});

test("CONNECT says what the client can take", async () => {
  const server = new FakeServer();
  await server.connect({
    receiveMaximum: 7,
    maximumPacketSize: 5000,
    topicAliasMaximum: 3,
    sessionExpiryInterval: 60,
    userProperties: [["a", "b"]],
    will: {
      topicName: "gone",
      payload: "bye",
      qos: 1,
      retain: true,
      properties: { willDelayInterval: 5 },
    },
  });
  const { properties, will } = server.connection.connect;
  assert.equal(properties?.receiveMaximum, 7);
  assert.equal(properties?.maximumPacketSize, 5000);
  assert.equal(properties?.topicAliasMaximum, 3);
  assert.equal(properties?.sessionExpiryInterval, 60);
  assert.deepEqual(properties?.userProperties, [["a", "b"]]);
  assert.equal(will?.topicName, "gone");
  assert.equal(will?.properties?.willDelayInterval, 5);
});

test("the server's Client Identifier takes the place of an empty one, also when connecting again", async () => {
  const server = new FakeServer();
  server.connack = { properties: { assignedClientIdentifier: "server-made" } };
  const client = await server.connect({ clientId: "" });
  assert.equal(client.clientId, "server-made");
  server.connection.link.destroy();
  await server.world.advance(2000);
  assert.equal(server.connection.connect.clientId, "server-made");
});

test("a Client Identifier that nobody gave is made up, and its session ends with disconnect", async () => {
  const server = new FakeServer();
  const client = await server.connect({ clientId: undefined });
  assert.match(client.clientId, /^sericite[0-9a-z]{13}$/);
  const done = client.disconnect();
  await server.world.settle();
  await done;
  const [disconnect] = server.connection.of("disconnect");
  assert.equal(disconnect?.properties?.sessionExpiryInterval, 0);
  assert.equal(client.state, "closed");
});

for (const [what, options, code] of [
  ["an unknown version", { protocolVersion: 6 as never }, "ERR_USAGE"],
  [
    "an empty Client Identifier without Clean Session",
    { protocolVersion: 4, clientId: "", cleanStart: false },
    "ERR_USAGE",
  ],
  ["a password without username on 3.1.1", { protocolVersion: 4, password: "p" }, "ERR_USAGE"],
  ["a Receive Maximum of 0", { receiveMaximum: 0 }, "ERR_USAGE"],
  ["a Keep Alive above 65535", { keepAlive: 65_536 }, "ERR_USAGE"],
  ["a will on a wildcard", { will: { topicName: "a/#" } }, "ERR_TOPIC_NAME"],
  ["a username with U+0000", { username: "a\0b" }, "ERR_USAGE"],
] as const) {
  test(`${what} is refused before anything is sent`, async () => {
    const server = new FakeServer();
    await assert.rejects(server.open(options), { name: "UsageError", code });
    assert.equal(server.dials, 0);
  });
}

test("connect rejects when the server refuses, with its Reason Code", async () => {
  const server = new FakeServer();
  server.connack = { reasonCode: 0x87 };
  const opened = assert.rejects(server.open(), { code: "ERR_CONNECT_REFUSED", reasonCode: 0x87 });
  await server.world.settle();
  await opened;
});

test("connect rejects when the transport fails", async () => {
  const server = new FakeServer();
  server.isDown = true;
  const opened = assert.rejects(server.open(), { code: "ERR_CONNECTION_FAILED" });
  await server.world.settle();
  await opened;
});

test("[X-37] [X-99] connect rejects when no CONNACK comes", async () => {
  const server = new FakeServer();
  server.answers.delete("connect");
  const opened = assert.rejects(server.open({ connectTimeoutMs: 3000 }), {
    code: "ERR_CONNECT_TIMEOUT",
  });
  await server.world.advance(2900);
  assert.equal(server.connection.isClosed, false);
  await server.world.advance(200);
  await opened;
  assert.equal(server.connection.isClosed, true);
});

test("connect ends when its signal is triggered", async () => {
  const server = new FakeServer();
  server.answers.delete("connect");
  const controller = new AbortController();
  const opened = assert.rejects(server.open({ signal: controller.signal }), {
    code: "ERR_ABORTED",
  });
  await server.world.settle();
  controller.abort();
  await server.world.settle();
  await opened;
  assert.equal(server.connection.isClosed, true);
  await assert.rejects(server.open({ signal: controller.signal }), { code: "ERR_ABORTED" });
});

test("[MQTT5-3.2.2-4] a session that a new one cannot have is a protocol error", async () => {
  const server = new FakeServer();
  server.connack = { sessionPresent: true };
  const opened = assert.rejects(server.open({ cleanStart: true }), { code: "ERR_PROTOCOL" });
  await server.world.settle();
  await opened;
  assert.equal(server.connection.of("disconnect")[0]?.reasonCode, 0x82);
});

test("[X-87] [MQTT5-4.13.2-1] a malformed packet is answered with DISCONNECT 0x81 and a close", async () => {
  const server = new FakeServer();
  const client = await server.connect({ reconnect: false });
  server.connection.sendHex("d0 01 00"); // PINGRESP with a body
  await server.world.settle();
  assert.equal(server.connection.of("disconnect")[0]?.reasonCode, 0x81);
  assert.equal(server.connection.isClosed, true);
  assert.equal(client.state, "closed");
});

test("[MQTT3-4.8.0-1] on 3.1.1 a malformed packet is answered with a close alone", async () => {
  const server = new FakeServer();
  const client = await server.connect({ protocolVersion: 4, reconnect: false });
  server.connection.sendHex("d0 01 00");
  await server.world.settle();
  assert.equal(server.connection.of("disconnect").length, 0);
  assert.equal(server.connection.isClosed, true);
  assert.equal(client.state, "closed");
});

for (const [what, play, reasonCode] of [
  [
    "a second CONNACK",
    (s: FakeServer) => s.connection.send({ type: "connack", sessionPresent: false, reasonCode: 0 }),
    0x82,
  ],
  [
    "AUTH",
    (s: FakeServer) =>
      s.connection.send({
        type: "auth",
        reasonCode: 0x18,
        properties: { authenticationMethod: "x" },
      }),
    0x82,
  ],
  [
    "SUBACK that nobody asked for",
    (s: FakeServer) => s.connection.send({ type: "suback", packetIdentifier: 9, reasonCodes: [0] }),
    0x82,
  ],
  [
    "[X-53] an unknown Topic Alias",
    (s: FakeServer) => s.connection.publish("", "", { properties: { topicAlias: 1 } }),
    0x82,
  ],
  [
    "[X-52] a Topic Alias above the maximum",
    (s: FakeServer) => s.connection.publish("a", "", { properties: { topicAlias: 65 } }),
    0x94,
  ],
  [
    "[X-25] a packet above the Maximum Packet Size",
    (s: FakeServer) => s.connection.publish("a", "x".repeat(2000)),
    0x95,
  ],
] as const) {
  test(`${what} ends the connection with DISCONNECT`, async () => {
    const server = new FakeServer();
    const client = await server.connect({ reconnect: false, maximumPacketSize: 1000 });
    play(server);
    await server.world.settle();
    assert.equal(server.connection.of("disconnect")[0]?.reasonCode, reasonCode);
    assert.equal(client.state, "closed");
  });
}

test("[MQTT5-3.1.2-20] [MQTT3-3.1.2-23] a quiet client sends PINGREQ within Keep Alive", async () => {
  const server = new FakeServer();
  const client = await server.connect({ keepAlive: 10 });
  await server.world.advance(8900);
  assert.equal(server.connection.of("pingreq").length, 0);
  await server.world.advance(1000);
  assert.equal(server.connection.of("pingreq").length, 1);
  await server.world.advance(100_000);
  assert.ok(server.connection.of("pingreq").length >= 10);
  assert.equal(client.state, "connected");
});

test("[MQTT5-3.1.2-21] [MQTT5-3.2.2-21] the server's Keep Alive takes the place of the client's", async () => {
  const server = new FakeServer();
  server.connack = { properties: { serverKeepAlive: 2 } };
  await server.connect({ keepAlive: 60 });
  await server.world.advance(2000);
  assert.equal(server.connection.of("pingreq").length, 1);
});

test("a Keep Alive of 0 sends no PINGREQ", async () => {
  const server = new FakeServer();
  await server.connect({ keepAlive: 0 });
  await server.world.advance(1_000_000);
  assert.equal(server.connection.of("pingreq").length, 0);
});

test("[X-22] [X-95] without PINGRESP the connection ends, though the client goes on sending", async () => {
  const server = new FakeServer();
  server.answers.delete("pingreq");
  const client = await server.connect({ keepAlive: 10, reconnect: false });
  const errors: unknown[] = [];
  client.on("disconnected", ({ error }) => errors.push((error as { code?: unknown }).code));
  for (let second = 0; second < 25; second++) {
    void client.publish("a", "x").catch(() => {});
    await server.world.advance(1000);
  }
  assert.equal(client.state, "closed");
  assert.deepEqual(errors, ["ERR_KEEP_ALIVE_TIMEOUT"]);
});

test("disconnect waits for what is under way, sends DISCONNECT last, and closes", async () => {
  const server = new FakeServer();
  server.answers.delete("publish");
  const client = await server.connect({ clientId: "mine" });
  const published = client.publish("a", "x", { qos: 1 });
  await server.world.settle();
  const done = client.disconnect({ reasonCode: 4, properties: { reasonString: "going" } });
  await server.world.settle();
  assert.equal(server.connection.of("disconnect").length, 0);
  server.connection.send({ type: "puback", packetIdentifier: 1 });
  await server.world.settle();
  await Promise.all([published, done]);
  const last = server.connection.received.at(-1);
  assert.equal(last?.type, "disconnect");
  assert.equal(last?.type === "disconnect" && last.reasonCode, 4);
  assert.equal(last?.type === "disconnect" && last.properties?.sessionExpiryInterval, undefined);
  assert.equal(server.connection.isClosed, true);
  await assert.rejects(client.publish("a", "y"), { code: "ERR_CLIENT_CLOSED" });
  await client.disconnect();
});

test("disconnect does not wait for ever", async () => {
  const server = new FakeServer();
  server.answers.delete("publish");
  const client = await server.connect();
  const published = assert.rejects(client.publish("a", "x", { qos: 1 }), {
    code: "ERR_CLIENT_CLOSED",
  });
  const done = client.disconnect({ timeoutMs: 500 });
  await server.world.advance(600);
  await Promise.all([published, done]);
  assert.equal(server.connection.of("disconnect").length, 1);
});

test("disconnect with what the protocol does not allow is refused, and the client goes on", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  await assert.rejects(client.disconnect({ reasonCode: 0x01 }), { name: "UsageError" });
  assert.equal(client.state, "connected");
});

test("a server that does not close after DISCONNECT is left", async () => {
  const server = new FakeServer();
  const client = await server.connect({ reconnect: false });
  server.connection.link.pause();
  server.connection.sendHex("d0 01 00");
  await server.world.settle();
  assert.equal(client.state, "closed");
  assert.equal(server.connection.isClosed, false);
  await server.world.advance(3000);
  assert.equal(server.connection.isClosed, true);
});

test("a dial that throws fails as one that rejects", async () => {
  const server = new FakeServer();
  const dial = (): never => {
    throw new Error("no way");
  };
  await assert.rejects(server.openWith(dial), { code: "ERR_CONNECTION_FAILED" });
});

test("close ends everything at once, without DISCONNECT", async () => {
  const server = new FakeServer();
  server.answers.delete("publish");
  const client = await server.connect();
  const subscription = await settled(server, client.subscribe("a"));
  const published = assert.rejects(client.publish("a", "x", { qos: 1 }), {
    code: "ERR_CLIENT_CLOSED",
  });
  await server.world.settle();
  const iterated = subscription[Symbol.asyncIterator]().next();
  await client.close();
  await server.world.settle();
  await published;
  assert.deepEqual(await iterated, { done: true, value: undefined });
  assert.equal(server.connection.of("disconnect").length, 0);
  assert.equal(server.connection.isClosed, true);
});

test("a listener that throws breaks nothing", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  const seen: string[] = [];
  client.on("disconnected", () => {
    throw new Error("listener");
  });
  const second = client.on("disconnected", ({ willReconnect }) =>
    seen.push(`disconnected ${willReconnect}`),
  );
  client.on("connected", ({ isReconnect }) => seen.push(`connected ${isReconnect}`));
  server.connection.link.destroy();
  await server.world.advance(2000);
  assert.equal(client.state, "connected");
  assert.deepEqual(seen, ["disconnected true", "connected true"]);
  assert.equal((server.errors[0] as Error).message, "listener");
  second[Symbol.dispose]();
  server.connection.link.destroy();
  await server.world.advance(2000);
  assert.deepEqual(seen, ["disconnected true", "connected true", "connected true"]);
});

test("off takes a listener away, however often it was given, and no other", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  const seen: string[] = [];
  const one = (): void => void seen.push("one");
  const two = (): void => {
    seen.push("two");
    client.off("disconnected", one);
  };
  client.on("disconnected", two);
  client.on("disconnected", one);
  client.on("disconnected", one);
  for (let i = 0; i < 2; i++) {
    server.connection.link.destroy();
    await server.world.advance(2000);
  }
  assert.deepEqual(seen, ["two", "one", "one", "two"]);
});

test("a listener of messages hears all of them, whatever subscription takes them, before its handler", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  const seen: string[] = [];
  using _ = client.on("message", ({ message }) => seen.push(`heard ${message.topicName}`));
  const subscribed = client.subscribe("a", (message) => void seen.push(`got ${message.topicName}`));
  await server.world.settle();
  await subscribed;
  server.connection.publish("a", "");
  server.connection.publish("b", "");
  await server.world.settle();
  assert.deepEqual(seen, ["heard a", "got a", "heard b"]);
});

test("a task runs at its beats, connected or not, until it is cancelled; one that fails is told and runs again", async () => {
  const server = new FakeServer();
  const client = await server.connect({ keepAlive: 0 });
  const seen: number[] = [];
  const start = server.world.now();
  const task = client.schedule(() => {
    seen.push(server.world.now() - start);
    if (seen.length === 2) throw new Error("task");
  }, 1000);
  server.isDown = true;
  server.connection.link.destroy();
  await server.world.advance(3500);
  task.cancel();
  await server.world.advance(3000);
  assert.deepEqual(seen, [1000, 2000, 3000]);
  assert.deepEqual(server.errors, [new Error("task")]);
});

test("a beat is left out while the last run is under way", async () => {
  const server = new FakeServer();
  const client = await server.connect({ keepAlive: 0 });
  const open: (() => void)[] = [];
  client.schedule(() => new Promise<void>((resolve) => open.push(resolve)), 1000);
  await server.world.advance(3500);
  assert.equal(open.length, 1);
  open[0]!();
  await server.world.advance(1000);
  assert.equal(open.length, 2);
});

test("a task that is to run once does so once, and none runs when the client is closed", async () => {
  const server = new FakeServer();
  const client = await server.connect({ keepAlive: 0 });
  const seen: string[] = [];
  client.scheduleOnce(() => seen.push("once"), 500);
  client.scheduleOnce(() => seen.push("late"), 2000);
  client.schedule(() => seen.push("beat"), 1000);
  await server.world.advance(1500);
  assert.deepEqual(seen, ["once", "beat"]);
  await client.close();
  client.scheduleOnce(() => seen.push("after the end"), 1);
  await server.world.advance(5000);
  assert.deepEqual(seen, ["once", "beat"]);
  assert.throws(() => client.schedule(() => 0, 0), { code: "ERR_USAGE" });
});

/** What a promise gives once the world is at rest. */
async function settled<T>(server: FakeServer, promise: Promise<T>): Promise<T> {
  await server.world.settle();
  return await promise;
}

test("what a caller without types gives by mistake is named", async () => {
  const server = new FakeServer();
  for (const [options, message] of [
    [{ clientId: 5 }, "clientId is 5, expected a string"],
    [{ keepAlive: "10" }, 'keepAlive is "10", expected an integer 0…65535'],
    [{ connectTimeoutMs: "5" }, 'connectTimeoutMs is "5", expected 1 or more'],
    [{ will: { topic: "a" } }, "the will's topicName is of type undefined, expected a string"],
    [{ keepalive: 10 }, "there is no option keepalive; perhaps keepAlive is meant"],
    [{ clean: true }, "there is no option clean"],
    [{ will: { topicName: 7 } }, "the will's topicName is of type number, expected a string"],
  ] as const) {
    await assert.rejects(server.open(options as never), { name: "UsageError", message });
  }
  const client = await server.connect();
  const given = (value: unknown): never => value as never;
  await assert.rejects(client.publish(given(undefined), "x"), {
    name: "UsageError",
    message: "topicName is of type undefined, expected a string",
  });
  await assert.rejects(client.subscribe(given({ a: { qos: 1 } })), {
    name: "UsageError",
    message: "topicFilters is neither a string nor a list",
  });
  assert.throws(() => topic("a", given(undefined)), { message: /no schema/ });
  const contentType = "x".repeat(70_000);
  await assert.rejects(client.publish("a", "x", { properties: { contentType } }), {
    name: "UsageError",
    message: "a string has 70000 bytes, more than 65535",
  });
});
